//! How the worker's news gets into the state of the page, and from there, frame by frame, to the screen.
//!
//! News is taken in as it comes, at a cost that does not grow with the run; what is on the screen is renewed once a frame.
//! Charts are drawn anew four times a second at most, and take turns, so that no frame draws more than one.

use std::time::Duration;

use apt_bridge::{Fault, Message, RunState, StoredRun};
use apt_experiment::{Event, Problem};
use leptos::prelude::*;

use super::browser;
use super::link::Link;
use super::state::{Engine, Lab, Progress, Stand};
use crate::history::History;
use crate::runs::is_open;

/// Milliseconds between two ticks, at each of which another chart is drawn.
const TICK: f64 = 42.0;
/// Ticks until it is a chart's turn again.
const TURNS: u64 = 6;

/// News that waits for the next frame, and what has been asked for and not yet confirmed.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) run: Option<StoredRun>,
    /// The run that was asked for, until the worker tells of it: with what to show if it cannot be had.
    pub(crate) asked: Option<Option<StoredRun>>,
    due: bool,
    ticked: f64,
    /// Ticks until every chart has drawn what has come.
    turns_left: u64,
}

impl Lab {
    /// Changes when it is the turn of the chart in this place to be drawn, while there is news. It must be read: a memo
    /// that is only tracked is never computed, and what is not computed does not change.
    pub(crate) fn turn_of(self, place: u64) -> Memo<u64> {
        Memo::new(move |_| (self.tick.get() + TURNS - place % TURNS) / TURNS)
    }

    pub(crate) fn broken(self, report: String) {
        self.link.with_value(|link| link.iter().for_each(Link::stop));
        self.engine.set(Engine::Broken);
        self.progress.set(None);
        self.asking.set(false);
        self.history.update_value(|history| history.sealed = true);
        self.fail_run();
        self.studies.update(|studies| {
            for study in studies.iter_mut().filter(|study| study.running) {
                self.cut_off.set(Some(study.name.clone()));
                *study = study.clone().at_rest();
            }
        });
        self.panic.set(Some(report));
    }

    pub(crate) fn hear(self, message: Message, enclosures: &[Vec<u8>]) {
        match message {
            Message::Ready => {
                self.engine.set(Engine::Ready);
                self.progress.set(None);
            }
            Message::Progress { what, done, total } => {
                let over = total.is_some_and(|total| done >= total);
                self.progress.set((!over).then_some(Progress { what, done, total }));
            }
            Message::Devices(report) => self.devices.set(Some(*report)),
            Message::Estimate(estimate) => self.estimate.set(Some(estimate)),
            Message::Run(run) => self.hear_of_run(*run),
            Message::Study(study) => self.take_study(*study),
            Message::Events { run, events } if self.follows(&run) => self.hear_events(&events),
            Message::History { run, events } => {
                self.current.set_value(Some(run));
                self.history.set_value(History::of(&events));
                self.take_turns(&events);
                self.due();
            }
            // Of a run that is not shown.
            Message::Events { .. } => {}
            Message::Saved { run, step } => {
                if self.follows(&run) {
                    self.saved.set(Some(step));
                }
            }
            Message::Recorded { run, record } => {
                self.load_runs();
                self.add_record(run, *record);
            }
            Message::Answer(answer) => {
                self.asking.set(false);
                self.answer.set(Some(*answer));
            }
            Message::File { name } => self.save_file(&name, enclosures),
            Message::Notice { text } => self.notice(text),
            Message::Fault(fault) => {
                self.asking.set(false);
                self.progress.set(None);
                if fault.run.as_ref().is_some_and(|run| self.follows(run)) {
                    self.history.update_value(|history| history.sealed = true);
                    self.fail_run();
                } else if let Some(otherwise) = self.inbox.try_update_value(|inbox| inbox.asked.take()).flatten() {
                    self.run.set(otherwise);
                }
                self.fault(fault);
            }
            Message::Panic { report } => self.broken(report),
        }
    }

    /// The shown run has ended by an error, whatever was said of it before.
    fn fail_run(self) {
        self.inbox.update_value(|inbox| {
            inbox.run = None;
            inbox.asked = None;
        });
        self.run.update(|run| {
            if let Some(run) = run.as_mut().filter(|run| is_open(run.state)) {
                run.state = RunState::Failed;
            }
        });
    }

    fn hear_of_run(self, run: StoredRun) {
        if !self.follows(&run.name) {
            self.current.set_value(Some(run.name.clone()));
            self.history.set_value(History::default());
            self.saved.set(None);
        }
        if run.state != RunState::Loading && self.progress.with_untracked(Option::is_some) {
            self.progress.set(None);
        }
        let before = self.run.with_untracked(|before| before.as_ref().map(|run| run.state));
        if before != Some(run.state) && !is_open(run.state) {
            self.load_runs();
        }
        self.inbox.update_value(|inbox| {
            inbox.run = Some(run);
            inbox.asked = None;
        });
        self.due();
    }

    fn hear_events(self, events: &[Event]) {
        self.history.update_value(|history| events.iter().for_each(|event| history.observe(event)));
        self.take_turns(events);
        for event in events {
            if let Event::Failed { problem: Problem { what, place, remedy }, .. } = event.clone() {
                self.fault(Fault { run: self.current.get_value(), what, place, remedy });
            }
        }
        self.due();
    }

    /// The controls show what the knobs of the run were turned to.
    fn take_turns(self, events: &[Event]) {
        for event in events {
            let Event::KnobChanged(turn) = event else { continue };
            let mut knobs = self.settings.with_untracked(|settings| settings.knobs.clone());
            if knobs.set(&turn.knob, &turn.value).is_ok() && self.settings.with_untracked(|s| s.knobs != knobs) {
                self.settings.update(|settings| settings.knobs = knobs);
            }
        }
    }

    fn follows(self, run: &str) -> bool {
        self.current.with_value(|current| current.as_deref() == Some(run))
    }

    fn save_file(self, name: &str, enclosures: &[Vec<u8>]) {
        let saved = enclosures.first().map(|bytes| browser::save(name, "application/octet-stream", bytes));
        if !matches!(saved, Some(Ok(()))) {
            self.trouble(name, "the browser did not save the file", "Allow downloads for this page.");
        }
    }

    /// Asks for the screen to be renewed with the next frame.
    pub(crate) fn due(self) {
        self.inbox.update_value(|inbox| inbox.turns_left = TURNS);
        self.ask_for_frame();
    }

    fn ask_for_frame(self) {
        let asked = self.inbox.try_update_value(|inbox| std::mem::replace(&mut inbox.due, true));
        if asked == Some(false) {
            request_animation_frame(move || self.renew());
        }
    }

    fn renew(self) {
        let now = browser::now();
        let renewed = self.inbox.try_update_value(|inbox| {
            inbox.due = false;
            let ticks = now - inbox.ticked >= TICK && inbox.turns_left > 0;
            if ticks {
                inbox.ticked = now;
                inbox.turns_left -= 1;
            }
            (inbox.run.take(), ticks, inbox.turns_left > 0)
        });
        let Some((run, ticks, more)) = renewed else { return };
        if let Some(run) = run
            && self.run.with_untracked(|shown| shown.as_ref() != Some(&run))
        {
            self.run.set(Some(run));
        }
        let stand = self.history.with_value(|history| Stand {
            step: history.step(),
            phase: history.phase(),
            frames: history.frames.len(),
            done: history.done,
            ranks_never_grew: history.ranks_never_grew(),
            warnings: history.record().map_or(0, |record| record.warnings.len()),
        });
        if self.stand.get_untracked() != stand {
            self.stand.set(stand);
        }
        if ticks {
            self.tick.update(|tick| *tick += 1);
        }
        // The other charts draw what has come, also if nothing follows.
        if more {
            set_timeout(move || self.ask_for_frame(), Duration::from_millis(TICK as u64));
        }
    }
}
