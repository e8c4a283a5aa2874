//! Learn: the method in eight steps, each on a real run: the recorded one, or the visitor's own.

mod answers;
mod density;
mod formula;
mod guess;
mod layer;
mod outcome;
mod questions;
mod ranks;
mod salience;
mod schedules;
mod task;
mod terms;

use apt_experiment::Knobs;
use leptos::ev::hashchange;
use leptos::prelude::*;

use super::buttons::{action, never};
use super::recording::Recording;
use super::state::{Engine, Lab, Page};
use super::{browser, paper};
use crate::history::History;
use crate::learn::{STEPS, Step, WRITES, about, fragment, place_in};

/// Steps of the run that the tour starts, in which the built-in model learns its task (METHOD §9).
const SHORT: usize = 128;

/// The run that the tour is about. A handle.
#[derive(Clone, Copy)]
struct Run {
    lab: Lab,
    /// Changes when the run comes to another pruning point or to its end, and when it is another.
    version: Memo<(Option<String>, usize, bool)>,
}

impl Run {
    fn new(lab: Lab) -> Self {
        let name = move || lab.run.with(|run| run.as_ref().map(|run| run.name.clone()));
        let version = Memo::new(move |_| {
            let (frames, done) = lab.status.with(|status| (status.frames, status.done));
            (name(), frames, done)
        });
        Self { lab, version }
    }

    /// Something of its history, made anew when it comes further.
    fn memo<T: PartialEq + Send + Sync + 'static>(
        self,
        make: impl Fn(&History) -> T + Send + Sync + 'static,
    ) -> Memo<T> {
        Memo::new(move |_| {
            self.version.track();
            self.lab.history.with_value(&make)
        })
    }
}

pub(crate) fn view(lab: Lab, recording: Recording) -> impl IntoView {
    paper::share_cursor();
    let now = || place_in(&browser::fragment());
    let at = RwSignal::new(now());
    let followed = window_event_listener(hashchange, move |_| {
        if Page::now() == Page::Learn && at.get_untracked() != now() {
            at.set(now());
            window().scroll_to_with_x_and_y(0.0, 0.0);
        }
    });
    on_cleanup(move || followed.remove());
    let own = RwSignal::new(false);
    let last = STEPS.len() - 1;
    let go = move |by: isize| browser::set_fragment(&fragment(at.get_untracked().saturating_add_signed(by).min(last)));
    let link = move |(place, step): (usize, &Step)| {
        view! {
            <li>
                <a href=format!("#{}", fragment(place)) data-testid=format!("learn-{}", place + 1) aria-current=move || (at.get() == place).then_some("step")>
                    <span class="tour-number">{place + 1}</span> <span class="tour-title">{step.title}</span>
                </a>
            </li>
        }
    };
    let name = Memo::new(move |_| {
        let lab = if own.get() { lab } else { recording.0 };
        (own.get(), lab.run.with(|run| run.as_ref().map(|run| run.name.clone())))
    });
    let step = move || STEPS.get(at.get());
    let lead = move || {
        let lab = if own.get() { lab } else { recording.0 };
        let writes = || lab.run.with(|run| run.as_ref().is_some_and(|run| run.knobs.predicts_tokens()));
        if at.get() == 0 && writes() { Some(WRITES) } else { step().map(|step| step.lead) }
    };
    let body = move || {
        let (own, name) = name.get();
        let place = at.get();
        let run = Run::new(if own { lab } else { recording.0 });
        match name {
            Some(_) => view! { {note(run)} {part(run, place)} }.into_any(),
            None if own => view! { <p class="empty">"You have no run yet."</p> }.into_any(),
            None => view! { <p class="empty">"The recorded run is loading."</p> }.into_any(),
        }
    };
    view! {
        <div class="page learn" data-testid="page-learn">
            <h1>"Learn"</h1>
            {which(lab, own)}
            <div class="tour">
                <nav aria-label="Steps of the tour"><ol>{STEPS.iter().enumerate().map(link).collect_view()}</ol></nav>
                <article>
                    <p class="aside" role="status" data-testid="learn-at">
                        {move || format!("Step {} of {}", at.get() + 1, STEPS.len())}
                        <span class="unseen">{move || step().map(|step| format!(": {}", step.title))}</span>
                    </p>
                    <h2>{move || step().map(|step| step.title)}</h2>
                    <p class="words">{lead}</p>
                    {body}
                    <div class="buttons tour-go">
                        {action("Back", "learn-back", never, move || at.get() > 0, move || go(-1))}
                        {action("Next", "learn-next", || true, move || at.get() < last, move || go(1))}
                    </div>
                </article>
            </div>
        </div>
    }
}

fn part(run: Run, place: usize) -> AnyView {
    match place {
        0 => task::view(run).into_any(),
        1 => layer::view(run).into_any(),
        2 => guess::view(run).into_any(),
        3 => salience::view(run).into_any(),
        4 => density::view(run).into_any(),
        5 => ranks::view(run).into_any(),
        6 => schedules::view(run).into_any(),
        _ => outcome::view(run).into_any(),
    }
}

/// Chooses the run that is shown, and starts one where there is none.
fn which(lab: Lab, own: RwSignal<bool>) -> impl IntoView {
    let has_own = Memo::new(move |_| lab.run.with(Option::is_some));
    let start = move || {
        // The Lab's settings are not touched: whoever goes there finds what they left.
        let device = lab.settings.with_untracked(|settings| settings.knobs.device);
        lab.begin_with("apt", Knobs { steps: Some(SHORT), device, ..Knobs::default() });
        own.set(true);
    };
    let choice = move |label: &'static str, name: &'static str, value: bool| {
        view! {
            <label class="switch">
                <input
                    type="radio"
                    name="learn-run"
                    data-testid=name
                    prop:checked=move || own.get() == value
                    disabled=move || value && !has_own.get()
                    on:change=move |_| own.set(value)
                />
                {label}
            </label>
        }
    };
    let standing = move || {
        let run = lab.run.with(|run| run.as_ref().map(|run| (run.name.clone(), run.steps)));
        let (name, steps) = run.filter(|_| own.get())?;
        let done = lab.status.with(|status| status.done);
        Some(match done {
            true => format!("{name}, finished"),
            false => format!("{name}, step {} of {steps}; it fills the pictures as it goes", lab.status.get().step),
        })
    };
    view! {
        <div class="line learn-run" role="group" aria-label="The run that is shown">
            {choice("a recorded run", "learn-recorded", false)}
            {choice("your own run", "learn-own", true)}
            {move || (!has_own.get()).then(|| {
                action("Prune the model yourself, 128 steps", "learn-start", never, move || lab.engine.get() == Engine::Ready, start)
            })}
            <span class="aside">{standing}</span>
        </div>
    }
}

const _: () = assert!(SHORT == 128, "the button names the number of steps");

/// Says so where the run is not the whole method.
fn note(run: Run) -> impl IntoView {
    let note = run.memo(|history| history.record().and_then(about));
    move || note.get().map(|note| view! { <p class="learn-note" data-testid="learn-note">{note}</p> })
}
