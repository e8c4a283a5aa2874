//! When to prune: the four schedules over the steps of the run.

use leptos::prelude::*;

use super::Run;
use crate::app::pair::Pair;
use crate::app::shipped::Shipped;
use crate::arms::{APT, called};
use crate::learn::{Planned, schedules};
use crate::shipped::{schedule, source, why_not};

pub(super) fn view(run: Run) -> impl IntoView {
    let all = run.memo(|history| (schedules(history), history.steps.max(1)));
    let chosen = RwSignal::new(0usize);
    let shipped = Shipped::here();
    let config = run.memo(|history| history.record().map(|record| record.config.clone()));
    let measured = move |name: &'static str| {
        config.with(|config| {
            let config = config.as_ref()?;
            shipped.read_for(config, |brief| schedule(brief, config, name)).flatten()
        })
    };
    let row = move |steps: usize, (place, plan): (usize, Planned)| {
        let percent = move |step: usize| format!("{:.2}%", 100.0 * step as f64 / steps as f64);
        let length = |of: &std::ops::Range<usize>| percent(of.end - of.start);
        let (from, width) = (percent(plan.window.start), length(&plan.window));
        let taught = plan.taught.as_ref().map(|taught| {
            view! { <span class="taught-part" style:left=percent(taught.start) style:width=length(taught)></span> }
        });
        let point = |step: &usize| view! { <span class="cut-point" style:left=percent(*step)></span> };
        let points = plan.points.iter().map(point).collect_view();
        let worth = move || measured(plan.name).map(|(figures, _)| view! { <span class="aside">{figures}</span> });
        view! {
            <button
                type="button"
                class="schedule"
                data-testid=format!("schedule-{}", plan.name)
                aria-pressed=move || if chosen.get() == place { "true" } else { "false" }
                on:click=move |_| chosen.set(place)
            >
                <span class="schedule-name">{plan.title}{plan.is_own.then(|| view! { <span class="aside">" this run"</span> })} " " {worth}</span>
                <span class="schedule-line" aria-hidden="true">
                    <span class="window-part" style:left=from style:width=width></span>
                    {taught}
                    {points}
                </span>
            </button>
        }
    };
    let rows = move || {
        let (plans, steps) = all.get();
        plans.into_iter().enumerate().map(|plan| row(steps, plan)).collect_view()
    };
    let told = move || {
        let (plans, steps) = all.get();
        let plan = plans.into_iter().nth(chosen.get())?;
        let worth = measured(plan.name).map(|(_, words)| words);
        Some(told(plan, steps, worth))
    };
    let standing = move || {
        let known = config.with(|config| {
            let config = config.as_ref()?;
            shipped.read_for(config, |brief| match brief.arm(config) {
                Some(_) => source(brief),
                None => why_not(brief, config),
            })
        });
        known.unwrap_or_else(|| {
            "Their accuracy and time are not known here: run one beside the whole method to see them.".to_owned()
        })
    };
    let is_empty = move || all.with(|(plans, _)| plans.is_empty());
    view! {
        {move || is_empty().then(|| view! { <p class="empty">"When a run prunes is decided once its training loss has moved."</p> })}
        <div class="schedules" role="group" aria-label="Schedules">
            {rows}
            <p class="help schedule-axis"><span>"step 0"</span><span>{move || format!("step {}", all.with(|(_, steps)| *steps))}</span></p>
            <ul class="legend-line">
                <li><span class="key window-part"></span>"pruning window"</li>
                <li><span class="key taught-part"></span>"with a teacher"</li>
                <li><span class="key cut-point"></span>"pruning point"</li>
            </ul>
        </div>
        <div role="status" data-testid="schedule-words">{told}</div>
        <p class="help">"That of the run is as it was laid out; the others are as its settings would lay them out. " {standing}</p>
    }
}

fn told(plan: Planned, steps: usize, worth: Option<String>) -> impl IntoView {
    let facts = match (plan.points.first(), plan.points.last(), plan.points.len()) {
        (Some(0), _, 1) => "One pruning point, before the first step".to_owned(),
        (Some(only), _, 1) => format!("One pruning point, at step {only} of {steps}"),
        (Some(first), Some(last), points) => format!("{points} pruning points, at steps {first} to {last} of {steps}"),
        _ => "No pruning point".to_owned(),
    };
    let taught = plan.taught.map_or_else(
        || "; no teacher.".to_owned(),
        |taught| format!("; a teacher from step {} to {}.", taught.start, taught.end),
    );
    let preset = plan.preset;
    let pair = use_context::<Pair>().filter(|_| preset != "schedule-early");
    let invitation = pair.map(|pair| {
        view! {
            <p class="line">
                <a class="button" href="#lab" data-testid="schedule-run" on:click=move |_| pair.choose(preset)>"Run it beside APT"</a>
                <span class="aside">"Chooses " <b>{called(APT)}</b> " and " <b>{called(preset)}</b> " in the Lab, where “Run both” starts them."</span>
            </p>
        }
    });
    let worth = worth.map(|words| view! { <p class="expected" data-testid="schedule-worth">{words}</p> });
    view! { <p class="words">{plan.words}</p> {worth} <p>{facts}{taught}</p> {invitation} }
}
