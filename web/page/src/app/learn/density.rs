//! Density: drag it, and see what was left at the pruning point that is nearest, and how well the model did there.

use apt_experiment::Record;
use leptos::prelude::*;

use super::Run;
use super::formula::{self, DENSITY};
use crate::app::figure;
use crate::app::playback::Playback;
use crate::app::stage::{self, Look};
use crate::figures::share;
use crate::learn::{Remains, measured, nearest, remains};
use crate::plots;
use crate::stage::ticks;

pub(super) fn view(run: Run) -> impl IntoView {
    let lab = run.lab;
    let all = run.memo(remains);
    let steps = run.memo(|history| ticks(&[history]));
    let playback = Playback::new(steps, 0.0);
    let asked = RwSignal::new(100u32);
    let shown = Memo::new(move |_| all.with(|all| nearest(all, f64::from(asked.get()) / 100.0)));
    Effect::new(move || {
        let step = shown.get().map_or(0, |shown| if shown.place == 0 { 0 } else { shown.step });
        let tick = steps.with_untracked(|steps| steps.iter().rposition(|of| *of == step));
        playback.position.set(tick.unwrap_or(0) as f64);
    });
    let least = move || {
        let least = all.with(|all| all.iter().map(|of| of.density).fold(1.0, f64::min));
        (100.0 * least).floor() as u32
    };
    let slide = move |event| {
        if let Ok(density) = event_target_value(&event).parse() {
            asked.set(density);
        }
    };
    let words = move || {
        let shown = shown.get()?;
        lab.history.with_value(|history| Some(sentence(history.record()?, shown)))
    };
    let value = move || format!("{} %", asked.get());
    view! {
        {formula::view(run, &DENSITY)}
        <div class="line density-drag">
            <label for="density">"Density"</label>
            <input id="density" type="range" min=least max="100" step="1" data-testid="density" prop:value=move || asked.get().to_string() aria-valuetext=value on:input=slide />
            <output for="density">{value}</output>
        </div>
        <p class="told" role="status" data-testid="density-words">{words}</p>
        {stage::view(lab, playback, Look::default(), "-learn")}
        <div class="charts">
            {figure::of_run(lab, 0, "learn-density", plots::density, "Nothing has been pruned yet.")}
            {figure::of_run(lab, 1, "learn-metric", plots::metric, "Not evaluated yet.")}
        </div>
        <p class="help">
            "These are measures of one run on its way: at each density the model had also been trained for longer than before. What \
             each density is worth when trained to its end takes a run for each; no such study comes with this page. "
            <a href="#compare/studies">"Start one: the study density"</a> "."
        </p>
    }
}

fn sentence(record: &Record, at: Remains) -> String {
    let left = match at.place {
        0 => "The whole model".to_owned(),
        _ => format!("Step {}: {} of the weights left", at.step, share(at.density)),
    };
    match at.measured {
        None => format!("{left}. It was not evaluated since."),
        Some((step, metric, left_then)) => {
            let then = match (left_then - at.density).abs() < 1e-9 {
                true => String::new(),
                false => format!(", when {} were left", share(left_then)),
            };
            format!("{left}. Evaluated at step {step}{then}: {}.", measured(record, metric))
        }
    }
}
