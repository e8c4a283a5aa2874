//! The Lab: what to run, what happens, what is left of the model.

use leptos::prelude::*;

use super::state::Lab;
use super::{controls, export, figure, model, outcome, paper, phase_band, setup};
use crate::{phases, plots};

pub(crate) fn view(lab: Lab) -> impl IntoView {
    paper::share_cursor();
    view! {
        <div class="lab" data-testid="page-lab">
            <h1 class="unseen">"Lab"</h1>
            {opening(lab)}
            {controls::view(lab)}
            {outcome::view(lab)}
            {setup::view(lab)}
            <section class="happening" aria-labelledby="charts-title">
                <h2 id="charts-title">"What happens"</h2>
                {layout(lab)}
                {last_point(lab)}
                {phase_band::view(lab)}
                <div class="charts">
                    {figure::of_run(lab, 0, "chart-loss", plots::loss, "Nothing has been trained yet.")}
                    {figure::of_run(lab, 1, "chart-metric", plots::metric, "Not evaluated yet.")}
                    {figure::of_run(lab, 2, "chart-density", plots::density, "Nothing has been pruned yet.")}
                    {figure::of_run(lab, 3, "chart-mu", plots::mu, "Distillation has not started.")}
                    {figure::of_run(lab, 4, "chart-times", plots::times, "No step has been timed yet.")}
                    {figure::of_run(lab, 5, "chart-memory", plots::memory, "Nothing is measured yet.")}
                </div>
                {warnings(lab)}
            </section>
            <section class="left-over" aria-labelledby="model-title">
                <h2 id="model-title">"The model"</h2>
                {model::view(lab)}
                {export::view(lab)}
            </section>
        </div>
    }
}

/// What this is, until there is a run.
fn opening(lab: Lab) -> impl IntoView {
    let none = Memo::new(move |_| lab.run.with(Option::is_none));
    move || {
        let share = lab.settings.with(|settings| settings.knobs.prunes().then_some(1.0 - settings.knobs.density));
        none.get().then(|| {
            let loses = share.map_or_else(String::new, |share| {
                format!(" It loses {:.0} % of its weights on the way, and you see which, and why.", 100.0 * share)
            });
            view! {
                <p class="opening" data-testid="opening">
                    "A pretrained transformer learns a task while it is pruned." {loses}
                    " Press Start: everything is computed in this tab, and nothing leaves your computer."
                </p>
            }
        })
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
        sentence.map(|sentence| view! { <p class="aside" data-testid="layout">{sentence}</p> })
    }
}

/// What the last pruning point took.
fn last_point(lab: Lab) -> impl IntoView {
    let run = Memo::new(move |_| lab.run.with(|run| run.as_ref().map(|run| run.name.clone())));
    let frames = Memo::new(move |_| (run.get(), lab.status.with(|status| status.frames)));
    move || {
        frames.get();
        let words = lab.history.with_value(phases::last_point);
        words.map(|words| view! { <p class="aside" data-testid="last-point">{words}</p> })
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
