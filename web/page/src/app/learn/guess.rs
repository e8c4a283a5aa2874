//! The heads: guess which the method removed, then see which, and with what salience.

use leptos::prelude::*;

use super::Run;
use crate::figures::plain;
use crate::learn::{Fate, Guess, Head, besides};

/// What the visitor has done.
#[derive(Clone, Copy)]
struct Play {
    chosen: RwSignal<Vec<Head>>,
    hint: RwSignal<bool>,
    told: RwSignal<bool>,
}

pub(super) fn view(run: Run) -> impl IntoView {
    let guess = run.memo(Guess::of);
    let play = Play { chosen: RwSignal::default(), hint: RwSignal::new(false), told: RwSignal::new(false) };
    let empty = run.memo(|history| match history.done {
        true => "This run removed no head, so there is nothing to guess. The recorded run did.",
        false => "Which heads went is known when the run is over.",
    });
    move || match guess.get() {
        Some(guess) => game(run, guess, play).into_any(),
        None => view! { <p class="empty">{empty}</p> }.into_any(),
    }
}

fn game(run: Run, guess: Guess, play: Play) -> impl IntoView {
    let count = guess.count();
    let layers = guess.fates.iter().map(|fate| fate.head.0 + 1).max().unwrap_or(0);
    let most = guess.fates.iter().filter_map(|fate| fate.first).fold(0.0, f64::max);
    let row = |layer: usize| {
        let of_layer = guess.fates.iter().filter(|fate| fate.head.0 == layer);
        let cells = of_layer.map(|fate| head(*fate, count, most, play)).collect_view();
        view! { <div class="head-row" role="group" aria-label=format!("layer {layer}")><span class="head-layer">{format!("layer {layer}")}</span>{cells}</div> }
    };
    let rows = (0..layers).map(row).collect_view();
    let left = move || {
        let chosen = play.chosen.with(Vec::len);
        match (play.told.get(), count.saturating_sub(chosen)) {
            (true, _) => String::new(),
            (false, 0) => "All chosen. Now see what the method removed.".to_owned(),
            (false, left) => format!("{left} more to choose."),
        }
    };
    let (kept, many) = (StoredValue::new(guess), if count == 1 { "head" } else { "heads" });
    let verdict =
        move || play.told.get().then(|| kept.with_value(|guess| play.chosen.with(|chosen| guess.verdict(chosen))));
    let ready = move || play.chosen.with(Vec::len) == count && !play.told.get();
    let again = move || {
        play.chosen.update(Vec::clear);
        play.told.set(false);
    };
    view! {
        <p>
            "This run removed " <b>{format!("{count} {many}")}</b> " of " {kept.with_value(|guess| guess.fates.len())}
            ". Which would you remove?"
        </p>
        <p class="aside guess-left" role="status" data-testid="guess-left">{left}</p>
        <div class="heads">{rows}</div>
        <div class="buttons">
            {super::action("Show what the method removed", "guess-show", || true, ready, move || play.told.set(true))}
            {super::action("Guess again", "guess-again", super::never, move || play.chosen.with(|chosen| !chosen.is_empty()), again)}
            <label class="switch">
                <input type="checkbox" data-testid="guess-hint" prop:checked=play.hint on:change=move |event| play.hint.set(event_target_checked(&event)) />
                "a hint: salience at the first pruning point"
            </label>
        </div>
        <div role="status" class="guess-verdict" data-testid="guess-verdict">
            {move || verdict().map(|words| view! { <p class="headline">{words}</p> })}
        </div>
        {move || play.told.get().then(|| told(run, kept.get_value()))}
    }
}

fn head(fate: Fate, count: usize, most: f64, play: Play) -> impl IntoView {
    let head @ (layer, number) = fate.head;
    let is_chosen = move || play.chosen.with(|chosen| chosen.contains(&head));
    let choose = move |_| {
        if play.told.get_untracked() {
            return;
        }
        play.chosen.update(|chosen| match chosen.iter().position(|of| *of == head) {
            Some(place) => {
                chosen.remove(place);
            }
            None if chosen.len() < count => chosen.push(head),
            // One more than there is room for takes the place of the first.
            None => {
                chosen.remove(0);
                chosen.push(head);
            }
        });
    };
    let went = move || play.told.get() && fate.went.is_some();
    let outcome = move || {
        play.told.get().then(|| match (fate.went, fate.by_floor) {
            (Some(step), _) => format!("removed at step {step}"),
            (None, true) => "kept by the floor".to_owned(),
            (None, false) => "kept".to_owned(),
        })
    };
    let salience =
        move || if play.told.get() { fate.salience } else { fate.first.filter(|_| play.hint.get()) }.map(plain);
    let share = fate.first.map_or(0.0, |first| first / most.max(f64::MIN_POSITIVE));
    view! {
        <button
            type="button"
            class="head-tile"
            class:chosen=is_chosen
            class:went=went
            data-testid=format!("head-{layer}-{number}")
            aria-pressed=move || if is_chosen() { "true" } else { "false" }
            on:click=choose
        >
            <span class="head-name"><span class="unseen">{format!("layer {layer}, ")}</span> "head " {number}</span>
            <span class="head-mark">{move || is_chosen().then_some("your choice")}</span>
            <span class="head-fate">{outcome}</span>
            <span class="head-salience">{salience}</span>
            {move || (play.hint.get() && !play.told.get()).then(|| view! {
                <span class="head-bar" aria-hidden="true" style:width=format!("{:.1}%", 100.0 * share)></span>
            })}
        </button>
    }
}

/// Why these: the heads in the order of their salience, and what else went.
fn told(run: Run, guess: Guess) -> impl IntoView {
    let mut fates = guess.fates;
    fates.sort_by(|a, b| a.salience.unwrap_or(f64::MAX).total_cmp(&b.salience.unwrap_or(f64::MAX)));
    let most = fates.iter().filter_map(|fate| fate.salience).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let row = |fate: Fate| {
        let ((layer, head), salience) = (fate.head, fate.salience.unwrap_or(0.0));
        let what = match (fate.went, fate.by_floor) {
            (Some(step), _) => format!("removed at step {step}"),
            (None, true) => "kept: every layer keeps some heads".to_owned(),
            (None, false) => "kept".to_owned(),
        };
        view! {
            <tr class:went=fate.went.is_some()>
                <th scope="row">{format!("layer {layer}, head {head}")}</th>
                <td class="bar-cell"><span class="bar" style:width=format!("{:.2}%", 100.0 * salience / most)></span></td>
                <td class="number">{fate.salience.map(plain)}</td>
                <td>{what}</td>
            </tr>
        }
    };
    let also = run.memo(|history| Some(besides(history.record()?, history.frames.last()?)));
    let rows = fates.into_iter().map(row).collect_view();
    view! {
        <p>
            "Salience decides, compared with that of all other units per weight. Below are the heads in its order, each at the \
             point where it went; of those that stay, where the last head went. "
            {also} " How well a model with your heads removed would do, nobody has measured: that takes a run of its own."
        </p>
        <table class="plain salience-order" data-testid="guess-salience">
            <thead><tr><th scope="col">"head"</th><th scope="col" colspan="2">"salience"</th><th scope="col">"what happened"</th></tr></thead>
            <tbody>{rows}</tbody>
        </table>
    }
}
