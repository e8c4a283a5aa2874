//! The Lab: what happens to a model, what came out, and what to run.

use leptos::prelude::*;

use super::behind::Ghost;
use super::pair::{self, Pair};
use super::playback::Playback;
use super::recording::Recording;
use super::stage::{self, Look};
use super::state::Lab;
use super::{controls, export, figure, outcome, paper, phase_band, setup, zoom};
use crate::runs::title;
use crate::stage::ticks;
use crate::{phases, plots};

/// What the stage shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// The recorded run, while there is none of the visitor's own.
    Recorded,
    Own,
    Pair,
}

pub(crate) fn view(lab: Lab, recording: Recording, pair: Pair) -> impl IntoView {
    paper::share_cursor();
    zoom::share_zoom();
    let shown = Memo::new(move |_| match (pair.shown.get(), lab.run.with(Option::is_none)) {
        (true, _) => Shown::Pair,
        (false, true) => Shown::Recorded,
        (false, false) => Shown::Own,
    });
    let is_single = Memo::new(move |_| shown.get() != Shown::Pair);
    let parts = move || match shown.get() {
        Shown::Recorded => view! { {model(recording.0, true)} {happening(recording.0, None)} }.into_any(),
        Shown::Own => view! { {model(lab, false)} {happening(lab, Some(Ghost::new(lab, recording)))} }.into_any(),
        Shown::Pair => pair::view(pair).into_any(),
    };
    view! {
        <div class="lab" data-testid="page-lab">
            <h1 class="unseen">"Lab"</h1>
            {move || (shown.get() == Shown::Recorded).then(|| opening(lab))}
            {move || is_single.get().then(|| view! {
                {controls::view(lab)}
                <div class="lead">{pair::starter(pair)} {controls::facts(lab)}</div>
                {outcome::view(lab, pair)}
            })}
            <div class="main">{parts}</div>
            {setup::view(lab)}
        </div>
    }
}

/// What this is, until there is a run.
fn opening(lab: Lab) -> impl IntoView {
    let share = move || lab.settings.with(|settings| settings.knobs.prunes().then_some(1.0 - settings.knobs.density));
    let loses = move || {
        share().map_or_else(String::new, |share| {
            format!(" It loses {:.0} % of its weights on the way, and you see which, and why.", 100.0 * share)
        })
    };
    view! {
        <p class="opening" data-testid="opening">
            "A pretrained transformer learns a task while it is pruned." {loses}
            " Press Start: everything is computed in this tab, and nothing leaves your computer."
        </p>
    }
}

/// The model on the stage, with the pruning points of its run.
fn model(lab: Lab, is_recorded: bool) -> impl IntoView {
    let frames = move || {
        lab.run.with(|run| run.as_ref().map(|run| run.name.clone()));
        lab.status.with(|status| status.frames)
    };
    let steps = Memo::new(move |_| {
        frames();
        lab.history.with_value(|history| ticks(&[history]))
    });
    let playback = if is_recorded { Playback::repeating(steps) } else { Playback::at_end(steps) };
    let look = Look::default();
    let layers = move || {
        frames();
        lab.history.with_value(|history| history.record().map_or(0, |record| record.shape.heads.len()))
    };
    let point = move || {
        frames();
        lab.history.with_value(|history| phases::point(history, playback.tick()))
    };
    let words = move || playback.words();
    view! {
        <section class="hero" aria-labelledby="model-title">
            <h2 id="model-title">"The model"</h2>
            {is_recorded.then(|| provenance(lab))}
            {(!is_recorded).then(|| layout(lab))}
            {stage::view(lab, playback, look, "")}
            <p class="point-words" data-testid="last-point">{point}</p>
            {playback.view(words)}
            {look.view(layers)}
            {(!is_recorded).then(|| export::view(lab))}
        </section>
    }
}

/// Where the recorded run is from.
fn provenance(lab: Lab) -> impl IntoView {
    let words = move || {
        lab.run.track();
        lab.history.with_value(|history| {
            let record = history.record()?;
            let seconds = record
                .measures
                .train
                .seconds
                .map_or_else(String::new, |seconds| format!(" in {}", crate::figures::seconds(seconds)));
            Some(format!(
                "A recorded run: {}, {} steps of the built-in model{seconds} on {}.",
                title(record.preset.as_deref(), &record.config),
                history.steps,
                record.provenance.device
            ))
        })
    };
    view! { <p class="aside" data-testid="recorded">{words}</p> }
}

/// The charts of a run.
fn happening(lab: Lab, ghost: Option<Ghost>) -> impl IntoView {
    view! {
        <section class="happening" aria-labelledby="charts-title">
            <div class="charts-head">
                <h2 id="charts-title">"What happens"</h2>
                {ghost.map(Ghost::view)}
                {zoom::control([lab])}
            </div>
            {phase_band::view(lab)}
            <div class="charts">
                {figure::beside(lab, ghost, 0, "chart-loss", plots::loss, "Nothing has been trained yet.")}
                {figure::beside(lab, ghost, 1, "chart-metric", plots::metric, "Not evaluated yet.")}
                {figure::beside(lab, ghost, 2, "chart-density", plots::density, "Nothing has been pruned yet.")}
                {figure::beside(lab, ghost, 3, "chart-mu", plots::mu, "Distillation has not started.")}
                {figure::of_run(lab, 4, "chart-times", plots::times, "No step has been timed yet.")}
                {figure::of_run(lab, 5, "chart-memory", plots::memory, "Nothing is measured yet.")}
            </div>
            {warnings(lab)}
        </section>
    }
}

/// When the run prunes, in a sentence.
fn layout(lab: Lab) -> impl IntoView {
    let run = Memo::new(move |_| lab.run.with(|run| run.as_ref().map(|run| run.name.clone())));
    let laid_out = Memo::new(move |_| (run.get(), lab.status.with(|status| status.laid_out)));
    move || {
        let (_, laid_out) = laid_out.get();
        let sentence = lab.history.with_value(|history| {
            let layout = history.record().filter(|_| laid_out)?.layout.as_ref()?;
            Some(layout.sentence())
        });
        sentence.map(|sentence| view! { <p class="aside layout-words" data-testid="layout">{sentence}</p> })
    }
}

fn warnings(lab: Lab) -> impl IntoView {
    let status = Memo::new(move |_| lab.status.with(|status| (status.warnings, status.ranks_never_grew)));
    move || {
        let (_, never_grew) = status.get();
        let warnings = lab.history.with_value(|history| history.record().map(|record| record.warnings.clone()));
        let grew = never_grew.then(|| {
            "The ranks never changed, although this arm lets them grow: do not read this run as one of growing ranks. The \
             adapters already filled their budget, or there was no pruning point at which they could grow."
                .to_owned()
        });
        let all: Vec<String> = warnings.unwrap_or_default().into_iter().chain(grew).collect();
        (!all.is_empty()).then(|| {
            let lines = all.into_iter().map(|line| view! { <li>{line}</li> }).collect_view();
            view! { <ul class="warnings" data-testid="warnings">{lines}</ul> }
        })
    }
}
