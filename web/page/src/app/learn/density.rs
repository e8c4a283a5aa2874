//! Density: drag it, and see what was left at the pruning point that is nearest, how well the model did there, and how
//! well models do that are trained to their end with as much left.

use apt_experiment::Record;
use leptos::prelude::*;

use super::Run;
use super::formula::{self, DENSITY};
use crate::app::figure;
use crate::app::paper::{self, Cursor};
use crate::app::playback::Playback;
use crate::app::shipped::Shipped;
use crate::app::stage::{self, Look};
use crate::figures::share;
use crate::learn::{Remains, measured, nearest, remains};
use crate::plots;
use crate::shipped::{curve, densities, told};
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
    let shipped = Shipped::here();
    let least = move || {
        let of_run = all.with(|all| all.iter().map(|of| of.density).fold(1.0, f64::min));
        let of_study = shipped.read(|brief| densities(brief).last().copied()).flatten().unwrap_or(1.0);
        (100.0 * of_run.min(of_study)).floor() as u32
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
    let of_study = move || shipped.read(|brief| told(brief, f64::from(asked.get()) / 100.0)).flatten();
    let has_study = Memo::new(move |_| shipped.read(|_| ()).is_some());
    let value = move || format!("{} %", asked.get());
    view! {
        {formula::view(run, &DENSITY)}
        <div class="line density-drag">
            <label for="density">"Density"</label>
            <input id="density" type="range" min=least max="100" step="1" data-testid="density" prop:value=move || asked.get().to_string() aria-valuetext=value on:input=slide />
            <output for="density">{value}</output>
        </div>
        <p class="told" role="status" data-testid="density-words">{words}</p>
        <p class="told" role="status" data-testid="density-study">{of_study}</p>
        {move || has_study.get().then(|| trained_to_its_end(run, asked))}
        {stage::view(lab, playback, Look::default(), "-learn")}
        <div class="charts">
            {figure::of_run(lab, 0, "learn-density", plots::density, "Nothing has been pruned yet.")}
            {figure::of_run(lab, 1, "learn-metric", plots::metric, "Not evaluated yet.")}
        </div>
        <p class="help">
            "These are measures of one run on its way: at each density the model had also been trained for longer than before. "
            {move || match has_study.get() {
                true => "What each density is worth takes runs of its own, which the curve above is made of: ",
                false => "What each density is worth when trained to its end takes a run for each: ",
            }}
            <a href="#compare/studies">"the study density"</a> "."
        </p>
    }
}

/// The curve of the study with the run on it; what is dragged moves along it.
fn trained_to_its_end(run: Run, asked: RwSignal<u32>) -> impl IntoView {
    // A place on this curve is no step.
    paper::share_cursor();
    let (shipped, cursor) = (Shipped::here(), Cursor::here());
    let own = run.memo(|history| {
        let record = history.record().filter(|_| history.done)?;
        Some((record.config.density, record.measures.metric.test?))
    });
    Effect::new(move || {
        let density = f64::from(asked.get()) / 100.0;
        let all = shipped.read(densities).unwrap_or_default();
        let distance = |of: &f64| (of - density).abs();
        let nearest = all.into_iter().chain([1.0]).min_by(|a, b| distance(a).total_cmp(&distance(b)));
        cursor.point_to(nearest);
    });
    let plot = move || {
        let own = own.get().map(|at| ("this run", at));
        shipped.read(|brief| curve(brief, own)).unwrap_or_default()
    };
    view! { <div class="study-curve">{figure::figure(run.lab, "learn-curve", plot, "")}</div> }
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
