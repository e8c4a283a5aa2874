//! Ranks by layer and site at every pruning point, with the importance that decided; and the teacher.

use leptos::prelude::*;

use super::formula::{self, DISTILLATION, RANKS};
use super::{Run, answers};
use crate::app::figure;
use crate::app::playback::Playback;
use crate::figures::plain;
use crate::learn::{Cell, RankMap, measured, site_in_words};
use crate::plots;
use crate::stage::ticks;

/// How strong a cell of the highest value is coloured, in percent: words on it stay legible.
const STRONGEST: f64 = 45.0;

pub(super) fn view(run: Run) -> impl IntoView {
    let lab = run.lab;
    let steps = run.memo(|history| ticks(&[history]));
    let playback = Playback::at_end(steps);
    let by_importance = RwSignal::new(false);
    let place = move || {
        let step = playback.step_shown();
        lab.history.with_value(|history| match step {
            None => 0,
            Some(step) => history.frames.iter().rposition(|frame| frame.step == step).unwrap_or(0),
        })
    };
    let map = Memo::new(move |_| {
        run.version.track();
        let place = place();
        lab.history.with_value(|history| RankMap::of(history, place))
    });
    let words = move || playback.words();
    let said = move || map.get().map(|map| map.sentence());
    let teachers = run.memo(|history| {
        let record = history.record()?;
        let teachers = &record.teachers;
        let first = teachers.first()?;
        let more = match teachers.len() {
            1 => "It stayed the teacher to the end".to_owned(),
            others => format!("It was replaced {} times by a better one", others - 1),
        };
        Some(format!(
            "The teacher was copied at step {}, still whole: {} on validation data. {more}; μ says how much of the loss is \
             its matter.",
            first.step,
            measured(record, first.metric)
        ))
    });
    view! {
        {formula::view(run, &RANKS)}
        <p class="line">
            <label class="switch">
                <input type="radio" name="rank-map" data-testid="by-rank" prop:checked=move || !by_importance.get() on:change=move |_| by_importance.set(false) />
                "ranks"
            </label>
            <label class="switch">
                <input type="radio" name="rank-map" data-testid="by-importance" prop:checked=by_importance on:change=move |_| by_importance.set(true) />
                "the importance that decided"
            </label>
        </p>
        {move || match map.get() {
            Some(map) => table(&map, by_importance.get()).into_any(),
            None => view! { <p class="empty">"A run shows the ranks of its adapters when it begins."</p> }.into_any(),
        }}
        <p class="told" role="status" data-testid="rank-words">{said}</p>
        {playback.view(words)}
        <h3>"The teacher"</h3>
        {formula::view(run, &DISTILLATION)}
        <p>{move || teachers.get().unwrap_or_else(|| "This run has had no teacher yet.".to_owned())}</p>
        <div class="charts">
            {figure::of_run(lab, 0, "learn-mu", plots::mu, "No teacher yet.")}
            {figure::of_run(lab, 1, "learn-teacher", plots::metric, "Not evaluated yet.")}
        </div>
        {answers::view(run)}
    }
}

fn table(map: &RankMap, by_importance: bool) -> impl IntoView {
    let cell = |cell: &Option<Cell>| {
        let Some(cell) = cell else { return view! { <td></td> }.into_any() };
        let (share, words) = match (by_importance, cell.importance) {
            (false, _) => (cell.rank as f64 / map.top_rank.max(1) as f64, cell.rank.to_string()),
            (true, Some(importance)) => (importance / map.top_importance.max(f64::MIN_POSITIVE), plain(importance)),
            (true, None) => (0.0, "–".to_owned()),
        };
        let grew = cell
            .grew
            .then(|| view! { <span class="grew" title="grew here">"▲"<span class="unseen">" grew"</span></span> });
        let strength = format!("{:.0}%", STRONGEST * share);
        view! { <td class="heat" style=("--strength", strength)>{words}{grew}</td> }.into_any()
    };
    let row = |(layer, cells): (usize, &Vec<Option<Cell>>)| {
        view! { <tr><th scope="row">{format!("layer {layer}")}</th>{cells.iter().map(cell).collect_view()}</tr> }
    };
    let site = |site: &&'static str| view! { <th scope="col" title=site_in_words(site)>{*site}</th> };
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label="Ranks by layer and site">
            <table class="rank-map" data-testid="rank-map">
                <thead><tr><td></td>{map.sites.iter().map(site).collect_view()}</tr></thead>
                <tbody>{map.rows.iter().enumerate().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
}
