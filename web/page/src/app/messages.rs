//! How messages of the worker change the state of the page, and from there, frame by frame, the screen.
//!
//! A message is taken in as it comes, at a cost that does not grow with the run; what is on the screen is renewed once a
//! frame, and while a run trains twelve times a second at most: the workers need the cores. Charts take turns, so that no
//! frame draws more than one.

use std::time::Duration;

use apt_bridge::{Estimate, Fault, FileSet, Message, RunState, StoredRun, transport};
use apt_experiment::{BUILTIN_TASK, Event, Knobs, Problem, Record, TEXT_TASK};
use leptos::prelude::*;
use wasm_bindgen::JsValue;

use super::browser;
use super::link::Link;
use super::state::{Engine, Lab, Progress, RunStatus};
use crate::history::History;
use crate::phases;
use crate::runs::is_open;
use crate::writing::Writing;

/// Milliseconds between two ticks, at each of which another chart is drawn.
const TICK_MS: f64 = 42.0;
/// Milliseconds between two ticks, and between two renewals of the screen, while a run trains.
const TRAINING_MS: f64 = 84.0;
/// Charts are redrawn in turn: each at every so many ticks.
const CHART_SLOTS: u64 = 6;

impl Lab {
    /// Changes when the chart of this slot is to be redrawn, while messages come. It must be read: a memo that is only
    /// tracked is never computed, and what is not computed does not change.
    pub(crate) fn redraw_signal(self, slot: u64) -> Memo<u64> {
        Memo::new(move |_| (self.tick.get() + CHART_SLOTS - slot % CHART_SLOTS) / CHART_SLOTS)
    }

    pub(crate) fn broken(self, report: String) {
        self.link.with_value(|link| link.iter().for_each(Link::stop));
        if self.does_without_gpu() {
            return;
        }
        self.engine.set(Engine::Broken);
        self.progress.set(None);
        self.asking.set(false);
        self.stop_waiting_for_texts();
        self.history.update_value(|history| history.ended_by_error = true);
        self.fail_run();
        self.studies.update(|studies| {
            for study in studies.iter_mut().filter(|study| study.running) {
                self.cut_off.set(Some(study.name.clone()));
                *study = study.clone().stopped();
            }
        });
        self.panic.set(Some(report));
    }

    pub(crate) fn on_message(self, message: Message, attachments: &[JsValue]) {
        match message {
            Message::Ready => {
                self.engine.set(Engine::Ready);
                self.progress.set(None);
                self.send_unsent();
            }
            Message::Progress { what, done, total } => {
                let over = total.is_some_and(|total| done >= total);
                self.progress.set((!over).then_some(Progress { what, done, total }));
            }
            Message::Devices(report) => self.devices.set(Some(*report)),
            Message::Estimate(estimate) => {
                self.fit_settings(&estimate);
                self.estimate.set(Some(estimate));
            }
            Message::Timed(steps) => self.first_steps.set(Some(*steps)),
            Message::Run(run) => self.on_run(*run),
            Message::Study(study) => self.take_study(*study),
            Message::Events { run, events } if self.follows(&run) => self.on_events(&events),
            Message::History { run, events } => {
                self.current.set_value(Some(run));
                self.history.set_value(History::of(&events));
                self.apply_knob_changes(&events);
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
            Message::RunRemoved { run } => {
                self.runs.update(|runs| runs.retain(|of| of.name != run));
                self.records.update(|records| records.retain(|(of, _)| *of != run));
            }
            Message::StudyRemoved { study } => self.on_study_removed(&study),
            Message::Imported { file, run, record } => self.on_imported(&file, run, *record),
            Message::Files { sets, added } => self.on_files(sets, added),
            Message::Hub(news) => self.on_hub(news, attachments),
            Message::Look(look) => self.look.set(Some(*look)),
            Message::Answer(answer) => {
                self.asking.set(false);
                self.answer.set(Some(*answer));
            }
            Message::Written(written) => self.writing.update(|writing| {
                if let Some(writing) = writing {
                    writing.take(written);
                }
            }),
            Message::File { name } => self.save_file(&name, attachments),
            Message::Notice { text } => self.notice(text),
            Message::Fault(fault) => {
                self.asking.set(false);
                self.stop_waiting_for_texts();
                self.progress.set(None);
                if fault.run.as_ref().is_some_and(|run| self.follows(run)) {
                    self.history.update_value(|history| history.ended_by_error = true);
                    self.fail_run();
                } else if let Some(otherwise) =
                    self.pending.try_update_value(|pending| pending.requested.take()).flatten()
                {
                    self.run.set(otherwise);
                }
                self.fault(fault);
                self.hub.update(|hub| hub.give_up_keeping());
            }
            Message::Left => self.follow_worker(),
            // Between workers.
            Message::Team(_) => {}
            Message::Panic { report } => self.broken(report),
        }
    }

    /// A decoder learns texts, an encoder labels: the settings ask for what their model can learn once it is known which it is.
    fn fit_settings(self, estimate: &Estimate) {
        let fitted = self.settings.with_untracked(|settings| {
            let knobs = &settings.knobs;
            (knobs.model == estimate.model)
                .then(|| knobs.clone().fitted(estimate.decoder))
                .filter(|fitted| fitted != knobs)
        });
        if let Some(knobs) = fitted.filter(|_| untrack(|| !self.is_open())) {
            self.settings.update(|settings| settings.knobs = knobs);
        }
    }

    fn stop_waiting_for_texts(self) {
        if self.writing.with_untracked(|writing| writing.as_ref().is_some_and(Writing::goes_on)) {
            self.writing.update(|writing| writing.iter_mut().for_each(Writing::give_up));
        }
    }

    /// The shown run has ended by an error, whatever was reported of it before.
    fn fail_run(self) {
        self.pending.update_value(|pending| {
            pending.run = None;
            pending.requested = None;
        });
        self.run.update(|run| {
            if let Some(run) = run.as_mut().filter(|run| is_open(run.state)) {
                run.state = RunState::Failed;
            }
        });
    }

    fn on_run(self, run: StoredRun) {
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
        self.pending.update_value(|pending| {
            pending.run = Some(run);
            pending.requested = None;
        });
        self.due();
    }

    fn on_events(self, events: &[Event]) {
        self.history.update_value(|history| events.iter().for_each(|event| history.observe(event)));
        self.apply_knob_changes(events);
        for event in events {
            if let Event::Failed { problem, .. } = event {
                self.fault(Fault { run: self.current.get_value(), problem: problem.clone() });
            }
        }
        self.due();
    }

    fn on_study_removed(self, study: &str) {
        self.studies.update(|studies| studies.retain(|of| of.name != study));
        if self.report_of.with_untracked(|of| of.as_deref() == Some(study)) {
            self.report_of.set(None);
        }
    }

    fn on_imported(self, file: &str, run: String, record: Record) {
        self.notice(format!("{file} is here as {run}."));
        self.add_record(run, record);
    }

    /// Files that were just added become the model or the data of the settings.
    fn on_files(self, sets: Vec<FileSet>, added: Option<String>) {
        let added = sets.iter().find(|set| Some(&set.name) == added.as_ref()).cloned();
        self.sets.set(sets);
        let Some(added) = added else { return };
        self.hub.update(|hub| hub.end_with(&added.name));
        self.settings.update(|settings| {
            if added.is_model() {
                settings.knobs.model = added.name;
                return;
            }
            settings.knobs.data = Some(added.name);
            // Columns were chosen for other files.
            let Knobs { text, text_pair, label, label_separator, no_header, .. } = Knobs::default();
            settings.knobs = Knobs { text, text_pair, label, label_separator, no_header, ..settings.knobs.clone() };
            if settings.knobs.task == BUILTIN_TASK {
                settings.knobs.task = TEXT_TASK.into();
            }
        });
    }

    /// The controls show what the knobs of the run were changed to.
    fn apply_knob_changes(self, events: &[Event]) {
        for event in events {
            let Event::KnobChanged(change) = event else { continue };
            let mut knobs = self.settings.with_untracked(|settings| settings.knobs.clone());
            if knobs.set(&change.knob, &change.value).is_ok() && self.settings.with_untracked(|s| s.knobs != knobs) {
                self.settings.update(|settings| settings.knobs = knobs);
            }
        }
    }

    fn follows(self, run: &str) -> bool {
        self.current.with_value(|current| current.as_deref() == Some(run))
    }

    fn save_file(self, name: &str, attachments: &[JsValue]) {
        let bytes = attachments.first().map(transport::bytes);
        let saved = bytes.map(|bytes| browser::save(name, "application/octet-stream", &bytes));
        if !matches!(saved, Some(Ok(()))) {
            self.report(Problem::new(name, "the browser did not save the file", "Allow downloads for this page."));
        }
    }

    /// Asks for the screen to be renewed with the next frame.
    pub(crate) fn due(self) {
        self.pending.update_value(|pending| pending.ticks_left = CHART_SLOTS);
        self.ask_for_frame();
    }

    fn ask_for_frame(self) {
        let asked = self.pending.try_update_value(|pending| std::mem::replace(&mut pending.due, true));
        if asked != Some(false) {
            return;
        }
        let frame = move || request_animation_frame(move || self.renew());
        let since = browser::now() - self.pending.with_value(|pending| pending.renewed);
        let wait = TRAINING_MS - since;
        if self.is_training() && wait > 0.0 {
            set_timeout(frame, Duration::from_millis(wait as u64));
        } else {
            frame();
        }
    }

    /// Whether the run goes on, by the latest that is known of it.
    fn is_training(self) -> bool {
        let trains = |run: &StoredRun| run.state == RunState::Running;
        let pending = self.pending.with_value(|pending| pending.run.as_ref().map(trains));
        pending.unwrap_or_else(|| self.run.with_untracked(|run| run.as_ref().is_some_and(trains)))
    }

    fn renew(self) {
        let now = browser::now();
        let tick_ms = if self.is_training() { TRAINING_MS } else { TICK_MS };
        let renewed = self.pending.try_update_value(|pending| {
            pending.due = false;
            pending.renewed = now;
            // A frame comes a little before or after its time.
            let ticks = now - pending.ticked >= 0.9 * tick_ms && pending.ticks_left > 0;
            if ticks {
                pending.ticked = now;
                pending.ticks_left -= 1;
            }
            (pending.run.take(), ticks, pending.ticks_left > 0)
        });
        let Some((run, ticks, more)) = renewed else { return };
        if let Some(run) = run
            && self.run.with_untracked(|shown| shown.as_ref() != Some(&run))
        {
            self.run.set(Some(run));
        }
        let status = self.history.with_value(|history| RunStatus {
            step: history.step(),
            part: phases::part(history),
            frames: history.frames.len(),
            done: history.done,
            ranks_never_grew: history.ranks_never_grew(),
            warnings: history.record().map_or(0, |record| record.warnings.len()),
            laid_out: history.record().is_some_and(|record| record.layout.is_some()),
        });
        if self.status.get_untracked() != status {
            self.status.set(status);
        }
        if ticks {
            self.tick.update(|tick| *tick += 1);
        }
        // The other charts draw what has come, also if nothing follows.
        if more {
            set_timeout(move || self.ask_for_frame(), Duration::from_millis(tick_ms as u64));
        }
    }
}
