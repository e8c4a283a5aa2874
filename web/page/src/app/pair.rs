//! Two runs side by side, each in a worker of its own: from the same weights, on the same batches.

use apt_bridge::{Command, RunState};
use apt_experiment::{Preset, duration};
use apt_report::FEWEST_SEEDS;
use leptos::prelude::*;

use super::buttons::{action, never};
use super::expected::Expected;
use super::playback::Playback;
use super::shipped::Shipped;
use super::stage::Look;
use super::state::{Engine, Lab, Page};
use super::visit::Visit;
use super::{browser, controls, figure, setup, stage, zoom};
use crate::address::Settings;
use crate::arms::{APT, called};
use crate::chart::Plot;
use crate::history::History;
use crate::outcome::Outcome;
use crate::pair::{arm, knobs, study, title, verdict};
use crate::shipped::{Elsewhere, Offer, of_pair};
use crate::stage::ticks;
use crate::{phases, plots};

/// The second of two runs, and whether both are shown. A handle; the first is that of the Lab.
#[derive(Clone, Copy)]
pub(crate) struct Pair {
    first: Lab,
    second: Lab,
    /// The arms that were chosen, by their presets' names.
    chosen: RwSignal<[Option<&'static str>; 2]>,
    /// The second arm until one is chosen.
    offer: Memo<Offer>,
    /// The arms of the runs that are shown.
    running: RwSignal<[&'static str; 2]>,
    pub(crate) shown: RwSignal<bool>,
    titles: RwSignal<[String; 2]>,
}

impl Pair {
    pub(crate) fn new(lab: Lab) -> Self {
        let shipped = Shipped::here();
        Self {
            first: lab,
            second: lab.another(),
            chosen: RwSignal::default(),
            offer: Memo::new(move |_| shipped.offer(lab)),
            running: RwSignal::new([APT; 2]),
            shown: RwSignal::new(false),
            titles: RwSignal::default(),
        }
    }

    fn both(self) -> [Lab; 2] {
        [self.first, self.second]
    }

    fn presets(self) -> [&'static Preset; 2] {
        self.running.get_untracked().map(arm)
    }

    /// The arms that would be run.
    fn arms(self) -> [&'static str; 2] {
        let [first, second] = self.chosen.get();
        [first.unwrap_or(APT), second.unwrap_or_else(|| self.offer.with(|offer| offer.preset))]
    }

    /// Chooses the whole method and another arm, for who comes from another page to start them.
    pub(crate) fn choose(self, preset: &'static str) {
        self.chosen.set([Some(APT), Some(preset)]);
    }

    /// Whether they can be started.
    pub(crate) fn is_ready(self) -> bool {
        let lab = self.first;
        lab.engine.get() == Engine::Ready && lab.refusal().is_none() && !lab.is_open()
    }

    /// Starts both with the Lab's settings, but where the study shows something, if that is elsewhere.
    fn begin(self, elsewhere: Option<Elsewhere>) {
        let mut settings = self.first.settings.get_untracked();
        if let Some(elsewhere) = elsewhere {
            elsewhere.set(&mut settings.knobs);
        }
        self.begin_with(untrack(|| self.arms()), &settings);
    }

    /// Starts two arms with these settings.
    pub(crate) fn begin_with(self, arms: [&'static str; 2], settings: &Settings) {
        self.running.set(arms);
        let arms = self.presets();
        let knobs = knobs(settings, arms);
        self.titles.set([0, 1].map(|place| title(arms[place].name, &knobs[place])));
        self.shown.set(true);
        self.second.start_worker();
        for ((lab, arm), knobs) in self.both().into_iter().zip(arms).zip(knobs) {
            lab.begin_with(arm.name, knobs);
        }
    }

    fn send(self, command: &Command) {
        for lab in self.both() {
            let takes_it = match command {
                Command::Resume => lab.state() == Some(RunState::Paused),
                Command::Pause => lab.state() == Some(RunState::Running),
                _ => lab.is_open(),
            };
            if takes_it {
                lab.send(command.clone());
            }
        }
    }

    /// Back to what the visitor came with, for the next one.
    fn start_over(self, visit: Visit) {
        self.close();
        self.chosen.set([None; 2]);
        visit.start_over(self.first);
    }

    /// Back to one run: the first stays, the second is kept in the list of runs as far as it was saved.
    fn close(self) {
        self.second.stop_worker();
        self.shown.set(false);
        self.first.load_runs();
    }

    fn any(self, state: RunState) -> bool {
        self.both().into_iter().any(|lab| lab.state() == Some(state))
    }
}

/// Chooses two arms and starts them, where nothing is running.
pub(crate) fn starter(pair: Pair) -> impl IntoView {
    let lab = pair.first;
    // Two runs are begun with the arm that others are compared with.
    Effect::new(move || {
        let pinned = lab.pin.with(|pin| {
            lab.runs.with_untracked(|runs| runs.iter().find(|run| Some(run.name.as_str()) == pin.run())?.preset.clone())
        });
        if let Some(preset) = pinned {
            pair.chosen.update(|arms| arms[0] = Some(arm(&preset).name));
        }
    });
    let choose = move |place: usize| {
        move |event: web_sys::Event| {
            let preset = arm(&event_target_value(&event));
            pair.chosen.update(|arms| arms[place] = Some(preset.name));
        }
    };
    let expected = use_context::<Expected>();
    let time = move || {
        let arms = pair.arms().map(arm);
        let of = lab.settings.with(|settings| knobs(settings, arms)).map(|knobs| expected?.seconds(&knobs));
        let [Some(one), Some(other)] = of else { return String::new() };
        // On a core each.
        let both = if browser::cores() < 2 { one + other } else { one.max(other) };
        format!("about {} on this computer", duration(both))
    };
    view! {
        <div class="pair-start" role="group" aria-label="Two runs side by side">
            <span class="pair-words">"Side by side:"</span>
            <label>
                <span class="unseen">"The first run"</span>
                <select data-testid="pair-first" on:change=choose(0)>{setup::arm_options(move || pair.arms()[0])}</select>
            </label>
            <span>"and"</span>
            <label>
                <span class="unseen">"The second run"</span>
                <select data-testid="pair-second" on:change=choose(1)>{setup::arm_options(move || pair.arms()[1])}</select>
            </label>
            {action("Run both", "pair-start", never, move || pair.is_ready(), move || pair.begin(None))}
            <span class="aside" data-testid="pair-time">{time}</span>
            {offered(pair)}
        </div>
    }
}

/// Why these two: what the study says of them.
fn offered(pair: Pair) -> impl IntoView {
    let shipped = Shipped::here();
    let told = Memo::new(move |_| {
        let [first, second] = pair.arms();
        let offer = pair.offer.get();
        if pair.chosen.get() == [None; 2] {
            return (offer.words, offer.elsewhere);
        }
        let knobs = pair.first.settings.with(|settings| knobs(settings, [arm(first), arm(second)]));
        let words = shipped.read_for(&knobs[0], |brief| of_pair(brief, [&knobs[0], &knobs[1]]));
        (words, None)
    });
    move || {
        let (words, elsewhere) = told.get();
        let elsewhere = elsewhere.map(|at| {
            let label = format!("Run both {at}");
            action(label, "pair-start-there", never, move || pair.is_ready(), move || pair.begin(Some(at)))
        });
        words.map(|words| view! { <p class="pair-offer" data-testid="pair-offer">{words} " " {elsewhere}</p> })
    }
}

/// Both runs.
pub(crate) fn view(pair: Pair) -> impl IntoView {
    let [first, second] = pair.both();
    let visit = use_context::<Visit>();
    let frames = move |lab: Lab| {
        lab.run.with(|run| run.as_ref().map(|run| run.name.clone()));
        lab.status.with(|status| status.frames);
    };
    let steps = Memo::new(move |_| {
        for lab in pair.both() {
            frames(lab);
        }
        first.history.with_value(|one| second.history.with_value(|other| ticks(&[one, other])))
    });
    let playback = Playback::at_end(steps);
    let look = Look::default();
    let layers = move || {
        frames(first);
        first.history.with_value(|history| history.record().map_or(0, |record| record.shape.heads.len()))
    };
    let words = move || playback.words();
    // On a narrow screen one of the two is shown at a time.
    let front = RwSignal::new(0usize);
    let column = move |place: usize, lab: Lab, name: &'static str| {
        let point = move || {
            frames(lab);
            let step = playback.step_shown()?;
            lab.history.with_value(|history| {
                let at = history.frames.iter().skip(1).position(|frame| frame.step == step)?;
                phases::point(history, at + 1)
            })
        };
        view! {
            <div class="pair-column" class:front=move || front.get() == place>
                <h3>{move || pair.titles.with(|titles| titles[place].clone())}</h3>
                {standing(lab, name)}
                {stage::view(lab, playback, look, name)}
                <p class="aside point-words" data-testid=format!("last-point{name}")>{point}</p>
            </div>
        }
    };
    let names = [0, 1].map(|place| Signal::derive(move || pair.titles.with(|titles| titles[place].clone())));
    let is_over = move || !first.is_open() && !second.is_open();
    let chart = move |slot: u64, name: &'static str, plot: fn(&History) -> Plot, empty: &'static str| {
        figure::of_pair(pair.both(), names, slot, name, plot, empty)
    };
    view! {
        <section class="controls" aria-label="Both runs" data-testid="pair">
            <div class="buttons" class:over=is_over role="group" aria-label="Controls of both runs">
                {action("Pause both", "pair-pause", || false, move || pair.any(RunState::Running), move || pair.send(&Command::Pause))}
                {action("Resume both", "pair-resume", || false, move || pair.any(RunState::Paused), move || pair.send(&Command::Resume))}
                {action("Stop both", "pair-stop", || false, move || first.is_open() || second.is_open(), move || pair.send(&Command::Stop))}
                {action("Back to one run", "pair-close", || false, move || !second.is_open(), move || pair.close())}
                {visit.map(|visit| action(
                    "Start over for the next group",
                    "start-over",
                    || false,
                    is_over,
                    move || pair.start_over(visit),
                ))}
                <button type="button" class="button pair-switch" data-testid="pair-switch" on:click=move |_| front.update(|front| *front = 1 - *front)>
                    "Switch"
                </button>
            </div>
        </section>
        {told(pair)}
        <section class="hero" aria-labelledby="pair-title">
            <h2 id="pair-title" class="unseen">"The two models"</h2>
            <div class="pair-columns">{column(0, first, "")} {column(1, second, "-second")}</div>
            {playback.view(words)}
            {look.view(layers)}
        </section>
        <section class="happening" aria-labelledby="pair-charts">
            <div class="charts-head">
                <h2 id="pair-charts">"What happens"</h2>
                {zoom::control(pair.both())}
            </div>
            <div class="charts">
                {chart(0, "pair-metric", plots::metric, "Not evaluated yet.")}
                {figure::of_difference(pair.both(), names, 1, "pair-difference", "Not both evaluated yet.")}
                {chart(2, "pair-loss", plots::loss, "Nothing has been trained yet.")}
                {chart(3, "pair-density", plots::density, "Nothing has been pruned yet.")}
            </div>
        </section>
    }
}

/// How far one of the two is.
fn standing(lab: Lab, name: &'static str) -> impl IntoView {
    let state = move || lab.state_in_words();
    let steps = move || {
        let of = lab.run.with(|run| run.as_ref().map_or(0, |run| run.steps));
        (of > 0).then(|| format!("step {} of {of}", lab.status.get().step))
    };
    let progress = move || lab.progress.get().map(|progress| controls::amount(&progress));
    let panic =
        move || lab.panic.get().map(|report| view! { <p class="error">"The engine has stopped: " {report}</p> });
    view! {
        <p class="pair-standing" role="status" data-testid=format!("pair-state{name}") data-state=state>
            <span>{state}</span> " · " <span>{steps}</span> " " <span class="aside">{move || lab.time_left()}</span>
            " " <span class="aside">{progress}</span>
        </p>
        {panic}
    }
}

/// What came out of both, and of their difference.
fn told(pair: Pair) -> impl IntoView {
    let [first, second] = pair.both();
    let shipped = Shipped::here();
    let done = Memo::new(move |_| [first, second].map(|lab| lab.status.with(|status| status.done)));
    let record = |lab: Lab| lab.history.with_value(|history| history.record().cloned());
    let as_study = move || {
        let Some(run) = record(first) else { return };
        match first.queue_study(study(&run.config, pair.presets())) {
            Ok(queued) => {
                first.run_study(&queued, false);
                Page::Compare.open();
            }
            Err(problem) => first.report(problem),
        }
    };
    move || {
        if done.get() != [true, true] {
            return None;
        }
        let (one, other) = (record(first)?, record(second)?);
        let titles = pair.titles.get();
        let [a, b] = &titles;
        let names = pair.presets().map(|preset| called(preset.name));
        let lines = verdict([(&names[0], &one), (&names[1], &other)])?;
        let mut lines = lines.into_iter();
        let headline = lines.next()?;
        let expected = shipped.read_for(&one.config, |brief| of_pair(brief, [&one.config, &other.config]));
        let each = [(a, &one), (b, &other)].map(|(title, record)| {
            Outcome::of(record).map(|outcome| view! { <dt>{title.clone()}</dt> <dd>{outcome.headline}</dd> })
        });
        Some(view! {
            <section class="outcome" aria-labelledby="pair-outcome" data-testid="pair-outcome">
                <h2 id="pair-outcome">"The difference"</h2>
                <p class="headline">{headline}</p>
                {expected.map(|words| view! { <p class="expected" data-testid="pair-expected">{words}</p> })}
                <dl>{each.into_iter().collect_view()}</dl>
                {lines.map(|line| view! { <p class="aside">{line}</p> }).collect_view()}
                <p class="buttons">
                    {action(format!("Run it with {FEWEST_SEEDS} seeds"), "pair-study", || true, || true, as_study)}
                    <button type="button" class="button" on:click=move |_| Page::Compare.open()>"Compare"</button>
                </p>
            </section>
        })
    }
}
