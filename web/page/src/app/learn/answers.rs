//! Two sentences of the validation data, and what student and teacher answer to them over the steps.

use leptos::prelude::*;

use super::Run;
use crate::app::figure;
use crate::learn::{Answered, answered};
use crate::plots;

/// The names of the charts, and where in a run's cycle of redrawing they stand.
const CHARTS: [(&str, u64); 2] = [("learn-answer-0", 2), ("learn-answer-1", 3)];

pub(super) fn view(run: Run) -> impl IntoView {
    let lab = run.lab;
    let redraw = lab.redraw_signal(2);
    let all = Memo::new(move |_| {
        run.version.track();
        redraw.get();
        lab.history.with_value(|history| history.record().map(answered).unwrap_or_default())
    });
    let count = Memo::new(move |_| all.with(Vec::len));
    let of = move |place: usize| move |pick: fn(&Answered) -> String| all.with(|all| all.get(place).map(pick));
    let example = move |(place, (name, slot)): (usize, (&'static str, u64))| {
        let of = of(place);
        let redraw = lab.redraw_signal(slot);
        let plot = move || {
            redraw.get();
            all.with(|all| all.get(place).map(|of| lab.history.with_value(|history| plots::answers(history, of))))
                .unwrap_or_default()
        };
        view! {
            <div class="answered">
                <blockquote>{move || of(|of| of.text.clone())}</blockquote>
                {figure::figure(lab, name, plot, "Not evaluated yet.")}
                <p class="help" data-testid=format!("{name}-words")>{move || of(|of| of.words.clone())}</p>
            </div>
        }
    };
    let body = move || {
        match count.get() {
        0 => view! { <p class="empty">"This run has not recorded any answers."</p> }.into_any(),
        count => {
            view! { <div class="answers">{CHARTS.into_iter().enumerate().take(count).map(example).collect_view()}</div> }.into_any()
        }
    }
    };
    view! {
        <h3>"Two sentences"</h3>
        <p>"They were held out: neither model has been trained on them. The chart shows how probable each finds the right answer."</p>
        {body}
    }
}
