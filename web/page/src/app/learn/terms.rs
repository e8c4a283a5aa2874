//! Activation × gradient against √kurtosis: every unit of a kind at its place, those that were removed hollow.

use leptos::prelude::*;

use super::Run;
use crate::figures::plain;
use crate::learn::{Kind, Terms, changed};

/// Sides of the drawing, which is stretched to its place; dots keep their size.
const ACROSS: f64 = 1000.0;
const UP: f64 = 600.0;
/// Room below, above, left and right of the dots.
const ROOM: f64 = 20.0;

pub(super) fn view(run: Run) -> impl IntoView {
    let kind = RwSignal::new(Kind::Neurons);
    let terms = Memo::new(move |_| {
        run.version.track();
        run.lab.history.with_value(|history| Terms::of(history, kind.get()))
    });
    let changed = run.memo(changed);
    let is_grouped = run.memo(|history| history.record().is_some_and(|record| record.shape.queries_per_key() > 1));
    let grouped = move || {
        is_grouped.get().then(|| {
            view! {
                <p class="help" data-testid="terms-grouped">
                    "A head of this model is a key-value head with the query heads that share it, and a neuron has a gate: what "
                    "belongs together is scored, kept and removed together."
                </p>
            }
        })
    };
    let choice = move |of: Kind| {
        view! {
            <label class="switch">
                <input type="radio" name="terms-kind" data-testid=format!("terms-{}", of.name().replace(' ', "-")) prop:checked=move || kind.get() == of on:change=move |_| kind.set(of) />
                {of.name()}
            </label>
        }
    };
    view! {
        <h3>"Which units are outliers"</h3>
        <p>
            "Salience has two terms: activation × gradient, and √kurtosis, which is large where a few weights or activations of a unit "
            "are very large beside the rest. A unit stays if both together are enough: if it is far to the right, or high up."
        </p>
        {grouped}
        <p class="line" role="group" aria-label="Units that are shown">{Kind::ALL.into_iter().map(choice).collect_view()}</p>
        {move || match terms.get() {
            Some(terms) => scatter(terms, kind.get()).into_any(),
            None => view! { <p class="empty">"The first pruning point of a run with outlier-aware salience shows both terms of it."</p> }.into_any(),
        }}
        <p class="told" data-testid="terms-changed">{move || changed.get()}</p>
    }
}

fn scatter(terms: Terms, kind: Kind) -> impl IntoView {
    let Terms { step, kept, removed, line, across, up, outlier: (at, name, words) } = terms;
    let left = format!("{:.1}%", 100.0 * (ROOM + at.0 * (ACROSS - 2.0 * ROOM)) / ACROSS);
    let has_line = !line.is_empty();
    let is_right = at.0 > 0.5;
    let line = path(&line, 'L');
    let [hollow, removed_units] = [path(&removed, 'M'), removed.len().to_string()];
    let label = format!("{} by activation × gradient and √kurtosis. {words}", kind.name());
    let key = |mark: &'static str, words: String| view! { <li><span class=format!("terms-key {mark}") aria-hidden="true"></span>{words}</li> };
    view! {
        <figure class="terms" data-testid="terms">
            <p class="terms-up help">{format!("↑ √kurtosis, to {}", plain(up))}</p>
            <div class="terms-field">
                <svg viewBox=format!("0 0 {ACROSS} {UP}") preserveAspectRatio="none" role="img" aria-label=label>
                    <path class="terms-kept" d=path(&kept, 'M') />
                    <path class="terms-removed" d=hollow.clone() />
                    <path class="terms-hollow" d=hollow />
                    <path class="terms-line" d=line />
                    <path class="terms-outlier" d=path(&[at], 'M') />
                    <path class="terms-outlier-in" d=path(&[at], 'M') />
                </svg>
                <span class="terms-name" class:before=is_right style:left=left aria-hidden="true">{name}</span>
            </div>
            <p class="terms-across help">
                <span>{plain(across.0)}</span> <span>"activation × gradient (logarithmic scale) →"</span> <span>{plain(across.1)}</span>
            </p>
            <figcaption>
                <ul class="legend-line">
                    {key("kept", format!("{} stayed at step {step}", kept.len()))}
                    {key("removed", format!("{removed_units} removed"))}
                    {has_line.then(|| key("line", "the salience that divides them".to_owned()))}
                </ul>
                <p class="told" data-testid="terms-words">{words}</p>
            </figcaption>
        </figure>
    }
}

/// A path through these places, or, as lines of no length, a dot at each.
fn path(places: &[(f64, f64)], each: char) -> String {
    let mut path = String::new();
    for (number, (x, y)) in places.iter().enumerate() {
        let command = if number == 0 { 'M' } else { each };
        let (x, y) = (ROOM + x * (ACROSS - 2.0 * ROOM), ROOM + (1.0 - y) * (UP - 2.0 * ROOM));
        path.push_str(&format!("{command}{x:.0} {y:.0}"));
        if each == 'M' {
            path.push_str("h0");
        }
    }
    path
}
