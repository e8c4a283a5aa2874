//! All charts on the steps in which a run prunes, where most of what happens lies close together.

use leptos::prelude::*;

use super::state::Lab;
use crate::chart::Plot;
use crate::phases::pruning_steps;

/// Whether charts below show those steps alone.
#[derive(Clone, Copy)]
pub(super) struct Zoom(RwSignal<bool>);

/// Lets all charts of runs that are made below here be looked at closely together.
pub(super) fn share_zoom() {
    provide_context(Zoom(RwSignal::new(false)));
}

/// The part of a chart of these runs that is to be shown.
pub(super) fn zoomed(zoom: Option<Zoom>, runs: &[Lab], plot: Plot) -> Plot {
    match steps(runs).filter(|_| zoom.is_some_and(|zoom| zoom.0.get())) {
        Some(steps) => plot.between(steps),
        None => plot,
    }
}

/// From the first step in which one of them prunes to the last.
fn steps(runs: &[Lab]) -> Option<(f64, f64)> {
    let of = |lab: &Lab| lab.history.with_value(pruning_steps);
    let steps = runs.iter().filter_map(of).reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))?;
    Some((steps.start as f64, steps.end as f64))
}

/// The button, once it is known when they prune.
pub(super) fn control<const RUNS: usize>(runs: [Lab; RUNS]) -> impl IntoView {
    let zoom = use_context::<Zoom>();
    let is_known = Memo::new(move |_| {
        for lab in runs {
            lab.run.with(|run| run.as_ref().map(|run| run.name.clone()));
            lab.status.with(|status| status.laid_out);
        }
        steps(&runs).is_some()
    });
    let label = move |zoom: Zoom| if zoom.0.get() { "All steps" } else { "Only the pruning steps" };
    move || {
        zoom.filter(|_| is_known.get()).map(|zoom| {
            view! {
                <button
                    type="button"
                    class="button quiet"
                    data-testid="charts-zoom"
                    aria-keyshortcuts="z"
                    on:click=move |_| zoom.0.update(|on| *on = !*on)
                >
                    {move || label(zoom)}
                </button>
            }
        })
    }
}
