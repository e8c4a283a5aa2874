//! The parts of a run over its steps, as a band: what each stretch of training is for, where the model is pruned, and how
//! far the run is.

use leptos::prelude::*;

use super::paper::Cursor;
use super::state::Lab;
use crate::phases::{Purpose, Stretch, stretches};

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let run = Memo::new(move |_| lab.run.with(|run| run.as_ref().map(|run| run.name.clone())));
    let step = Memo::new(move |_| lab.status.with(|status| status.step));
    let done = Memo::new(move |_| lab.status.with(|status| status.done));
    let band = Memo::new(move |_| {
        run.get();
        lab.status.track();
        lab.history.with_value(|history| {
            let points = history.frames.iter().skip(1).map(|frame| frame.step).collect::<Vec<_>>();
            (stretches(history), points, history.steps.max(history.step()).max(1))
        })
    });
    let cursor = Cursor::here();
    let steps = Memo::new(move |_| band.with(|(.., steps)| *steps as f64));
    let percent = move |step: f64| format!("{:.3}%", (100.0 * step / steps.get()).clamp(0.0, 100.0));
    let stretch = move |of: Stretch| {
        let from = of.steps.start as f64;
        view! {
            <span
                class=format!("stretch {}", class(&of))
                style:left=percent(from)
                style:width=percent(of.steps.end as f64 - from)
            ></span>
        }
    };
    let point = move |step: usize| view! { <span class="point" style:left=percent(step as f64)></span> };
    let name = move |(of, is_last): (Stretch, bool)| {
        let steps = of.steps.clone();
        // A part whose end is not known ends now.
        let is_now = move || !done.get() && (steps.contains(&step.get()) || steps.end == step.get() && is_last);
        view! {
            <li aria-current=move || is_now().then_some("step")>
                <span class=format!("swatch stretch {}", class(&of))></span>
                {of.part.words()}
                <span class="aside">{format!("{} to {}", of.steps.start, of.steps.end)}</span>
            </li>
        }
    };
    let points = move || {
        let count = band.with(|(_, points, _)| points.len());
        let words = format!("{count} pruning point{}", if count == 1 { "" } else { "s" });
        (count > 0).then(|| view! { <li><span class="swatch point"></span>{words}</li> })
    };
    let names = move || {
        let (stretches, ..) = band.get();
        let last = stretches.len().saturating_sub(1);
        stretches.into_iter().enumerate().map(|(place, of)| name((of, place == last))).collect_view()
    };
    let is_empty = move || band.with(|(stretches, ..)| stretches.is_empty());
    view! {
        <div class="phase-band" class:nothing=is_empty role="group" aria-label="Parts of the run" data-testid="phase-band">
            <div class="bar" aria-hidden="true">
                {move || band.get().0.into_iter().map(stretch).collect_view()}
                {move || band.get().1.into_iter().map(point).collect_view()}
                <span class="rest" style:left=move || percent(step.get() as f64)></span>
                <span
                    class="cursor"
                    class:unseen-line=move || cursor.get().is_none()
                    style:left=move || percent(cursor.get().unwrap_or(0.0))
                ></span>
            </div>
            <ol>
                {names}
                {points}
            </ol>
        </div>
    }
}

fn class(of: &Stretch) -> String {
    let purpose = match of.part.purpose {
        Purpose::Whole => "whole",
        Purpose::Before => "before",
        Purpose::Pruning => "pruning",
        Purpose::After => "after",
    };
    format!("{purpose}{}", if of.part.taught { " taught" } else { "" })
}
