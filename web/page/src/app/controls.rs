//! One button to start, hold and resume; what else can be done; and the state of the run.

use apt_bridge::{Command, RunState, StoredRun};
use apt_experiment::duration;
use leptos::html::{Button, Details};
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::buttons::{action, never};
use super::confirm::Confirm;
use super::expected::Expected;
use super::state::{Engine, Lab, Progress};
use super::visit::Visit;
use super::{setup, study};
use crate::actions::{Actions, Main};
use crate::figures::bytes;
use crate::runs::{hardware, title};

/// What the buttons share.
#[derive(Clone, Copy)]
struct Controls {
    lab: Lab,
    actions: Memo<Actions>,
    /// Whether the step that is being made was asked for alone.
    stepping: RwSignal<bool>,
    main: NodeRef<Button>,
    menu: NodeRef<Details>,
    confirm: Confirm,
    visit: Option<Visit>,
}

pub(crate) fn view(lab: Lab) -> impl IntoView {
    let stepping = RwSignal::new(false);
    Effect::new(move |before: Option<Option<RunState>>| {
        let state = lab.state();
        if before.flatten() == Some(RunState::Running) && state != Some(RunState::Running) {
            stepping.set(false);
        }
        state
    });
    let controls = Controls {
        lab,
        actions: Memo::new(move |_| Actions::of(lab.state(), stepping.get())),
        stepping,
        main: NodeRef::new(),
        menu: NodeRef::new(),
        confirm: Confirm::new(),
        visit: use_context(),
    };
    view! {
        <section class="controls" aria-label="Run">
            {setup::arm_select(lab)}
            <div class="buttons" role="group" aria-label="Controls of the run">
                {controls.main_button()}
                {controls.beside()}
                {controls.menu()}
                {expected(lab)}
            </div>
            {controls.confirm.view()}
            {status(lab)}
            {study::line(lab)}
            {waiting(lab)}
        </section>
    }
}

impl Controls {
    fn is_ready(self) -> bool {
        self.lab.engine.get() == Engine::Ready
    }

    /// Start, pause and resume are one element, so that whoever pressed it by keyboard is still there.
    fn main_button(self) -> impl IntoView {
        let Self { lab, actions, .. } = self;
        let enabled = move || {
            let Actions { main, waits, .. } = actions.get();
            self.is_ready() && !waits && (main != Main::Start || lab.refusal().is_none())
        };
        let (name, label) = (
            move || match actions.get().main {
                Main::Start => "start",
                Main::Pause => "pause",
                Main::Resume => "resume",
            },
            move || match actions.get().main {
                Main::Start => "Start",
                Main::Pause => "Pause",
                Main::Resume => "Resume",
            },
        );
        let click = move |_| {
            if untrack(enabled) {
                match actions.get_untracked().main {
                    Main::Start => lab.begin(),
                    Main::Pause => lab.send(Command::Pause),
                    Main::Resume => self.go_on(),
                }
            }
        };
        view! {
            <button
                type="button"
                class="button primary main-button"
                node_ref=self.main
                data-testid=name
                aria-disabled=move || if enabled() { "false" } else { "true" }
                on:click=click
            >
                {label}
            </button>
        }
    }

    fn beside(self) -> impl IntoView {
        let Self { lab, actions, .. } = self;
        let ready = move || self.is_ready();
        let step = move || {
            self.stepping.set(true);
            lab.accept_events_again();
            lab.send(Command::Step);
        };
        let stop = move || {
            lab.send(Command::Stop);
            self.focus_main();
        };
        let reopen = move || {
            self.go_on();
            self.focus_main();
        };
        view! {
            {move || actions.get().reopen.then(|| action("Resume", "resume", never, ready, reopen))}
            {move || actions.get().step.then(|| action("Step", "step", never, ready, step))}
            {move || actions.get().stop.then(|| action("Stop", "stop", never, ready, stop))}
        }
    }

    /// What is seldom needed, or throws something away.
    fn menu(self) -> impl IntoView {
        let Self { lab, actions, visit, .. } = self;
        let ready = move || self.is_ready();
        let may_leave = Memo::new(move |_| visit.is_some_and(|visit| visit.has_begun(lab)));
        let some = Memo::new(move |_| actions.get().more() || may_leave.get());
        let save = Memo::new(move |_| actions.get().save);
        let restart = Memo::new(move |_| actions.get().restart);
        let another = Memo::new(move |_| actions.get().another);
        let item = move |label, name, act: fn(Self)| {
            let press = move || {
                self.close_menu();
                act(self);
            };
            action(label, name, never, ready, press)
        };
        view! {
            <details
                class="menu"
                node_ref=self.menu
                hidden=move || !some.get()
                on:focusout=move |event| self.on_focus_out(&event)
                on:keydown=move |event| {
                    if event.key() == "Escape" && self.close_menu() {
                        event.prevent_default();
                    }
                }
            >
                <summary class="button" aria-label="More" data-testid="run-menu">"⋯"</summary>
                <div class="menu-items">
                    {move || another.get().then(|| item("Start another run", "start", Self::start_another))}
                    {move || save.get().then(|| item("Save now", "save", |of| of.lab.send(Command::Checkpoint)))}
                    {move || save.get().then(|| item("Evaluate now", "evaluate", |of| of.lab.send(Command::Evaluate)))}
                    {move || restart.get().then(|| item("Restart", "restart", Self::restart))}
                    {move || may_leave.get().then(|| item("Start over for the next group", "start-over", Self::start_over))}
                </div>
            </details>
        }
    }

    fn go_on(self) {
        self.stepping.set(false);
        match self.lab.run.get_untracked() {
            Some(run) if run.state == RunState::Paused => {
                self.lab.accept_events_again();
                self.lab.send(Command::Resume);
            }
            // A step that was asked for is just being made.
            Some(run) if run.state == RunState::Running => self.lab.send(Command::Resume),
            Some(run) => self.lab.open(&run, true),
            None => {}
        }
    }

    fn start_another(self) {
        let words = format!("{} It is kept, and can be resumed from Compare.", self.standing());
        self.confirm.ask(words, "Start another run", move || self.lab.begin());
    }

    fn restart(self) {
        if !untrack(|| self.lab.is_open()) {
            self.lab.restart();
            return;
        }
        let words =
            format!("{} Restarting makes it anew under the same name: what it has done is lost.", self.standing());
        self.confirm.ask(words, "Restart", move || self.lab.restart());
    }

    fn start_over(self) {
        let Some(visit) = self.visit else { return };
        if !untrack(|| self.lab.is_open()) {
            visit.start_over(self.lab);
            return;
        }
        let words = format!("{} It is saved and stays among the runs in Compare.", self.standing());
        self.confirm.ask(words, "Start over", move || visit.start_over(self.lab));
    }

    /// Where the run that is open stands, in a sentence.
    fn standing(self) -> String {
        let run = self.lab.run.get_untracked();
        let run = run.map(|run| (title(run.preset.as_deref(), &run.knobs), run.step, run.steps));
        let (title, step, steps) = run.unwrap_or_default();
        format!("{title} is at step {} of {steps}.", step.max(self.lab.status.get_untracked().step))
    }

    /// Goes to the main button: the one that was pressed is about to leave.
    fn focus_main(self) {
        if let Some(button) = self.main.get_untracked() {
            let _ = button.focus();
        }
    }

    /// Closes the menu; `false` if it was not open.
    fn close_menu(self) -> bool {
        let Some(menu) = self.menu.get_untracked().filter(|menu| menu.open()) else { return false };
        menu.set_open(false);
        self.focus_main();
        true
    }

    fn on_focus_out(self, event: &web_sys::FocusEvent) {
        let to = event.related_target().and_then(|to| to.dyn_into::<web_sys::Node>().ok());
        if let Some(menu) = self.menu.get_untracked()
            && to.is_some_and(|to| !menu.contains(Some(&to)))
        {
            menu.set_open(false);
        }
    }
}

fn expected(lab: Lab) -> impl IntoView {
    let expected = use_context::<Expected>();
    let words = move || {
        let told = lab.settings.with(|settings| expected?.seconds(&settings.knobs));
        let told = told.map(|time| format!("about {} on this computer", duration(time)));
        told.unwrap_or_else(|| "the time it takes is known after a few steps".to_owned())
    };
    move || (!lab.is_open()).then(|| view! { <span class="aside" data-testid="expected-time">{words}</span> })
}

fn status(lab: Lab) -> impl IntoView {
    let of_run =
        |of: fn(&StoredRun) -> String| Memo::new(move |_| lab.run.with(|run| run.as_ref().map(of)).unwrap_or_default());
    let what = of_run(|run| title(run.preset.as_deref(), &run.knobs));
    let nothing = move || what.with(String::is_empty);
    let state = move || lab.state_in_words();
    let step =
        Memo::new(move |_| lab.status.get().step.max(lab.run.with(|run| run.as_ref().map_or(0, |run| run.step))));
    let steps = Memo::new(move |_| lab.run.with(|run| run.as_ref().map_or(0, |run| run.steps)));
    let phase = Memo::new(move |_| if lab.is_open() { lab.status.get().part } else { "" });
    view! {
        <div class="standing">
            <span class="run-title" data-testid="run-title">{what}</span>
            <span class="run-state" role="status" data-testid="run-state" data-state=state>{state}</span>
            <span class="run-step" hidden=nothing>
                "step " <b data-testid="run-step">{step}</b> " of " <b data-testid="run-steps">{steps}</b>
            </span>
            <span data-testid="run-phase">{phase}</span>
            <span data-testid="time-left">{move || lab.time_left()}</span>
            <progress
                class="run-progress"
                aria-label="Steps made"
                hidden=nothing
                max=move || steps.get().max(1)
                prop:value=move || step.get() as f64
            ></progress>
        </div>
    }
}

/// What is seldom looked up: the run's own name, what it computes on, what of it is safe.
pub(crate) fn facts(lab: Lab) -> impl IntoView {
    let of_run =
        |of: fn(&StoredRun) -> String| Memo::new(move |_| lab.run.with(|run| run.as_ref().map(of)).unwrap_or_default());
    let (name, device) = (of_run(|run| run.name.clone()), of_run(|run| hardware(&run.device, &run.backend)));
    let why = of_run(|run| run.why.clone());
    let saved = move || lab.saved.get().map(|step| format!("saved at step {step}"));
    view! {
        <p class="facts-of-run aside">
            <span data-testid="run-name">{name}</span>
            <span data-testid="backend">{device}</span>
            <span data-testid="device-why">{why}</span>
            <span data-testid="saved">{saved}</span>
        </p>
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
