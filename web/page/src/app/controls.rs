//! Start, pause, resume, stop; and the state of the run.

use apt_bridge::{Command, RunState};
use leptos::prelude::*;

use super::buttons::{action, never};
use super::state::{Engine, Lab, Progress};
use super::{setup, study};
use crate::figures::bytes;
use crate::runs::{hardware, state_name};

pub(crate) fn view(lab: Lab) -> impl IntoView {
    view! {
        <section class="controls" aria-label="Run">
            {setup::arm_select(lab)}
            {buttons(lab)}
            {status(lab)}
            {study::line(lab)}
            {waiting(lab)}
        </section>
    }
}

fn buttons(lab: Lab) -> impl IntoView {
    use RunState::{Closed, Done, Failed, Paused, Running};
    let ready = move || lab.engine.get() == Engine::Ready;
    let in_state = move |states: &[RunState]| ready() && lab.state().is_some_and(|state| states.contains(&state));
    let send = move |command: Command| move || lab.send(command.clone());
    let may_start = move || ready() && lab.refusal().is_none() && !in_state(&[RunState::Loading, Running]);
    let go_on = move || match lab.run.get_untracked() {
        Some(run) if run.state == Paused => {
            lab.accept_events_again();
            lab.send(Command::Resume);
        }
        Some(run) => lab.open(&run, true),
        None => {}
    };
    let step = move || {
        lab.accept_events_again();
        lab.send(Command::Step);
    };
    view! {
        <div class="buttons" role="group" aria-label="Controls of the run">
            {action("Start", "start", move || !lab.is_open(), may_start, move || lab.begin())}
            {action("Pause", "pause", never, move || in_state(&[Running]), send(Command::Pause))}
            {action("Step", "step", never, move || in_state(&[Paused]), step)}
            {action("Resume", "resume", move || lab.is_open(), move || in_state(&[Paused, Closed, Failed]), go_on)}
            {action("Restart", "restart", never, move || in_state(&[Running, Paused, Closed, Failed, Done]), move || lab.restart())}
            {action("Stop", "stop", never, move || in_state(&[RunState::Loading, Running, Paused]), send(Command::Stop))}
            {action("Save", "save", never, move || in_state(&[Running, Paused]), send(Command::Checkpoint))}
            {action("Evaluate", "evaluate", never, move || in_state(&[Running, Paused]), send(Command::Evaluate))}
        </div>
    }
}

fn status(lab: Lab) -> impl IntoView {
    let name = Memo::new(move |_| {
        lab.run.with(|run| run.as_ref().map_or_else(|| "Ready to prune.".to_owned(), |run| run.name.clone()))
    });
    let state = move || match (lab.state(), lab.engine.get()) {
        (_, Engine::Loading) => "loading the engine",
        (_, Engine::Broken) => "stopped",
        (Some(state), Engine::Ready) => state_name(state),
        (None, Engine::Ready) => "ready",
    };
    let step =
        Memo::new(move |_| lab.status.get().step.max(lab.run.with(|run| run.as_ref().map_or(0, |run| run.step))));
    let steps = Memo::new(move |_| lab.run.with(|run| run.as_ref().map_or(0, |run| run.steps)));
    let phase = Memo::new(move |_| if lab.is_open() { lab.status.get().part } else { "" });
    let device = Memo::new(move |_| {
        lab.run.with(|run| run.as_ref().map(|run| hardware(&run.device, &run.backend)).unwrap_or_default())
    });
    let saved = move || lab.saved.get().map(|step| format!("saved at step {step}"));
    view! {
        <div class="standing">
            <span class="run-name" data-testid="run-name">{name}</span>
            <span class="run-state" role="status" data-testid="run-state" data-state=state>{state}</span>
            <span class="run-step">
                "step " <b data-testid="run-step">{step}</b> " of " <b data-testid="run-steps">{steps}</b>
            </span>
            <span data-testid="run-phase">{phase}</span>
            <span data-testid="time-left">{move || lab.time_left()}</span>
            <span class="aside" data-testid="backend">{device}</span>
            <span class="aside" data-testid="saved">{saved}</span>
            <progress
                class="run-progress"
                aria-label="Steps made"
                max=move || steps.get().max(1)
                prop:value=move || step.get() as f64
            ></progress>
        </div>
    }
}

/// What the user is waiting for.
fn waiting(lab: Lab) -> impl IntoView {
    let words = move || {
        let progress = lab.progress.get()?;
        let amount = amount(&progress);
        Some(view! {
            <p class="waiting" data-testid="progress">
                <span>{progress.what}</span> " " <span class="aside">{amount}</span>
            </p>
        })
    };
    let refused = move || {
        let refusal = lab.refusal()?;
        Some(view! { <p class="error" data-testid="refusal">{refusal}</p> })
    };
    view! {
        <div role="status">{words}</div>
        <div role="status">{refused}</div>
    }
}

/// How much of it is done.
pub(crate) fn amount(progress: &Progress) -> String {
    match progress.total {
        // Small numbers are parts, large ones bytes.
        Some(total) if total < 10_000 => format!("{} of {total}", progress.done),
        Some(total) => format!("{} of {}", bytes(progress.done), bytes(total)),
        None if progress.done == 0 => String::new(),
        None => bytes(progress.done),
    }
}
