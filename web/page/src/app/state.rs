//! The state of the pages, and what they can do to it. `messages` holds how messages of the worker change it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use apt_bridge::{
    Adapter, Answer, Command, DataLook, DeviceReport, Estimate, Fault, FileSet, FirstSteps, RunState, StoredRun,
    StoredStudy,
};
use apt_experiment::{Explain, Knob, Knobs, Problem, Record, run_name};
use leptos::prelude::*;
use wasm_bindgen::JsValue;

use super::browser;
use super::link::Link;
pub(crate) use super::page::Page;
use crate::address::{self, Settings};
use crate::baseline::Pin;
use crate::engine::Program;
use crate::history::History;
use crate::hub::HubState;
use crate::phases;
use crate::runs::{is_open, state_name};
use crate::writing::Writing;

/// Faults and notices that are kept.
const MAX_ALERTS: usize = 20;

/// The state of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Loading,
    Ready,
    Broken,
}

/// Text in a control that is not (yet) the knob's value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Draft {
    pub(crate) text: String,
    pub(crate) error: Option<String>,
}

/// Something that takes a while.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Progress {
    pub(crate) what: String,
    pub(crate) done: u64,
    pub(crate) total: Option<u64>,
}

/// What changes with every step of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RunStatus {
    pub(crate) step: usize,
    /// What is happening, in words.
    pub(crate) part: &'static str,
    pub(crate) frames: usize,
    pub(crate) done: bool,
    pub(crate) ranks_never_grew: bool,
    pub(crate) warnings: usize,
    /// Whether it is known when the run prunes.
    pub(crate) laid_out: bool,
}

/// Changes that wait for the next frame, and what has been requested and not yet confirmed.
#[derive(Default)]
pub(crate) struct PendingUpdate {
    pub(crate) run: Option<StoredRun>,
    /// The run that was requested, until the worker reports it: with what to show if it cannot be had.
    pub(crate) requested: Option<Option<StoredRun>>,
    /// Whether a frame was asked for.
    pub(crate) due: bool,
    /// When the screen was renewed last.
    pub(crate) renewed: f64,
    /// When the charts were redrawn last.
    pub(crate) ticked: f64,
    /// Ticks until every chart has drawn what has come.
    pub(crate) ticks_left: u64,
}

/// The state of the page. A handle: copies are the same state.
#[derive(Clone, Copy)]
pub(crate) struct Lab {
    pub(crate) page: RwSignal<Page>,
    pub(crate) settings: RwSignal<Settings>,
    pub(crate) drafts: RwSignal<BTreeMap<&'static str, Draft>>,
    pub(crate) engine: RwSignal<Engine>,
    pub(crate) progress: RwSignal<Option<Progress>>,
    pub(crate) run: RwSignal<Option<StoredRun>>,
    pub(crate) status: RwSignal<RunStatus>,
    /// Counts while events come, see [`Lab::redraw_signal`].
    pub(crate) tick: RwSignal<u64>,
    pub(crate) saved: RwSignal<Option<usize>>,
    /// The browser's adapter, as far as it has said.
    pub(crate) adapter: RwSignal<Option<Adapter>>,
    pub(crate) devices: RwSignal<Option<DeviceReport>>,
    pub(crate) estimate: RwSignal<Option<Estimate>>,
    /// How long the first steps of a run take here.
    pub(crate) first_steps: RwSignal<Option<FirstSteps>>,
    /// What the data of the settings hold.
    pub(crate) look: RwSignal<Option<DataLook>>,
    pub(crate) answer: RwSignal<Option<Answer>>,
    pub(crate) asking: RwSignal<bool>,
    /// What decoders write, or wrote last.
    pub(crate) writing: RwSignal<Option<Writing>>,
    pub(crate) faults: RwSignal<VecDeque<Fault>>,
    pub(crate) notices: RwSignal<VecDeque<String>>,
    pub(crate) panic: RwSignal<Option<String>>,
    pub(crate) runs: RwSignal<Vec<StoredRun>>,
    pub(crate) records: RwSignal<Vec<(String, Arc<Record>)>>,
    /// Whether the stored records have been read; reading all takes a while, so it is done once and when needed.
    pub(crate) has_records: RwSignal<bool>,
    pub(crate) studies: RwSignal<Vec<StoredStudy>>,
    /// The study that the worker went through when an earlier page ended.
    pub(crate) cut_off: RwSignal<Option<String>>,
    /// The study that the report is on; on all records if none.
    pub(crate) report_of: RwSignal<Option<String>>,
    /// What runs are compared with.
    pub(crate) pin: RwSignal<Pin>,
    pub(crate) sets: RwSignal<Vec<FileSet>>,
    /// What is being asked of the hub.
    pub(crate) hub: RwSignal<HubState>,
    /// The address of a model whose host may be contacted: typed here, not only part of a link.
    pub(crate) confirmed_address: RwSignal<Option<String>>,
    pub(crate) dark: RwSignal<bool>,
    pub(crate) width: RwSignal<f64>,
    state: Memo<Option<RunState>>,
    pub(crate) history: StoredValue<History, LocalStorage>,
    /// The program of the worker.
    pub(crate) program: StoredValue<Program>,
    pub(crate) link: StoredValue<Option<Link>, LocalStorage>,
    /// The worker that tests the GPU while the other is the program without.
    pub(crate) tester: StoredValue<Option<Link>, LocalStorage>,
    /// Commands that wait until the worker is loaded.
    pub(super) unsent: StoredValue<Vec<(Command, Vec<JsValue>)>, LocalStorage>,
    pub(crate) pending: StoredValue<PendingUpdate, LocalStorage>,
    /// The run whose events are taken in.
    pub(crate) current: StoredValue<Option<String>>,
}

impl Lab {
    pub(crate) fn new(settings: Settings) -> Self {
        let run = RwSignal::new(None::<StoredRun>);
        Self {
            page: RwSignal::new(Page::now()),
            settings: RwSignal::new(settings),
            drafts: RwSignal::default(),
            engine: RwSignal::new(Engine::Loading),
            progress: RwSignal::default(),
            run,
            state: Memo::new(move |_| run.with(|run| run.as_ref().map(|run| run.state))),
            status: RwSignal::default(),
            tick: RwSignal::default(),
            saved: RwSignal::default(),
            adapter: RwSignal::default(),
            devices: RwSignal::default(),
            estimate: RwSignal::default(),
            first_steps: RwSignal::default(),
            look: RwSignal::default(),
            answer: RwSignal::default(),
            asking: RwSignal::default(),
            writing: RwSignal::default(),
            faults: RwSignal::default(),
            notices: RwSignal::default(),
            panic: RwSignal::default(),
            runs: RwSignal::default(),
            records: RwSignal::default(),
            has_records: RwSignal::default(),
            studies: RwSignal::default(),
            cut_off: RwSignal::default(),
            report_of: RwSignal::default(),
            pin: RwSignal::default(),
            sets: RwSignal::default(),
            hub: RwSignal::default(),
            confirmed_address: RwSignal::default(),
            dark: RwSignal::default(),
            width: RwSignal::new(0.0),
            history: StoredValue::new_local(History::default()),
            program: StoredValue::new(Program::Cpu),
            link: StoredValue::new_local(None),
            tester: StoredValue::new_local(None),
            unsent: StoredValue::new_local(Vec::new()),
            pending: StoredValue::new_local(PendingUpdate::default()),
            current: StoredValue::new(None),
        }
    }

    /// The state of another run on the same page: with a worker of its own, if it starts one, and settings, alerts and
    /// stored runs in common.
    pub(crate) fn another(self) -> Self {
        let own = Self::new(self.settings.get_untracked());
        Self {
            page: self.page,
            adapter: self.adapter,
            settings: self.settings,
            drafts: self.drafts,
            faults: self.faults,
            notices: self.notices,
            runs: self.runs,
            records: self.records,
            has_records: self.has_records,
            studies: self.studies,
            cut_off: self.cut_off,
            report_of: self.report_of,
            pin: self.pin,
            sets: self.sets,
            hub: self.hub,
            confirmed_address: self.confirmed_address,
            dark: self.dark,
            width: self.width,
            ..own
        }
    }

    /// Shows a fault.
    pub(crate) fn fault(self, fault: Fault) {
        self.faults.update(|faults| {
            faults.retain(|other| *other != fault);
            faults.push_front(fault);
            faults.truncate(MAX_ALERTS);
        });
    }

    /// Shows a problem that has ended no run.
    pub(crate) fn report(self, problem: Problem) {
        self.fault(Fault { run: None, problem });
    }

    /// Shows something to know that ends nothing.
    pub(crate) fn notice(self, text: impl Into<String>) {
        let text = text.into();
        self.notices.update(|notices| {
            notices.retain(|other| *other != text);
            notices.push_front(text);
            notices.truncate(MAX_ALERTS);
        });
    }

    /// Whether the worker has a run open.
    pub(crate) fn is_open(self) -> bool {
        self.state.get().is_some_and(is_open)
    }

    /// Whether the worker makes steps, or is about to.
    pub(crate) fn is_running(self) -> bool {
        matches!(self.state.get(), Some(RunState::Loading | RunState::Running))
    }

    /// How long the shown run will still take, in words; `None` while it does not train.
    pub(crate) fn time_left(self) -> Option<String> {
        self.status.track();
        let is_running = self.state.get() == Some(RunState::Running);
        let left = self.history.with_value(phases::time_left).filter(|_| is_running);
        left.map(|left| format!("about {left} left"))
    }

    /// The state of the run that is shown.
    pub(crate) fn state(self) -> Option<RunState> {
        self.state.get()
    }

    /// That of its engine while it has none.
    pub(crate) fn state_in_words(self) -> &'static str {
        match (self.state(), self.engine.get()) {
            (_, Engine::Loading) => "loading the engine",
            (_, Engine::Broken) => "stopped",
            (Some(state), Engine::Ready) => state_name(state),
            (None, Engine::Ready) => "ready",
        }
    }

    /// Whether the model is at an address that only a link has named: its host is not contacted before the user agrees.
    pub(crate) fn is_unconfirmed(self) -> bool {
        let model = self.settings.with(|settings| settings.knobs.model.clone());
        model.starts_with("http")
            && model.contains("://")
            && self.confirmed_address.with(|confirmed| confirmed.as_ref() != Some(&model))
    }

    /// Why the settings cannot be run as they are.
    pub(crate) fn refusal(self) -> Option<String> {
        let draft = self.drafts.with(|drafts| drafts.values().find_map(|draft| draft.error.clone()));
        draft.or_else(|| {
            self.settings.with(|settings| settings.knobs.clone().check().err().map(|error| sentence(&error)))
        })
    }

    /// Begins a run with the settings as they are.
    pub(crate) fn begin(self) {
        let settings = self.settings.get_untracked();
        self.begin_with(settings.preset.name, settings.knobs);
    }

    /// Begins a run of these knobs, whatever the settings are.
    pub(crate) fn begin_with(self, preset: &str, knobs: Knobs) {
        let entropy = browser::now() as u64 ^ ((js_sys::Math::random() * (1u64 << 52) as f64) as u64);
        let run = StoredRun::new(run_name(entropy), Some(preset.to_owned()), knobs, browser::now());
        self.send(Command::Start { run: Box::new(run.clone()) });
        self.show(run, None);
    }

    /// Opens a stored run and shows its settings.
    pub(crate) fn open(self, run: &StoredRun, running: bool) {
        self.send(Command::Open { run: run.name.clone(), running });
        self.take_settings(run);
        let closed = if is_open(run.state) { RunState::Closed } else { run.state };
        let otherwise = StoredRun { state: closed, ..run.clone() };
        self.show(StoredRun { state: RunState::Loading, ..run.clone() }, Some(otherwise));
    }

    /// Begins the shown run anew.
    pub(crate) fn restart(self) {
        let Some(run) = self.run.get_untracked() else { return };
        self.take_settings(&run);
        if is_open(run.state) {
            self.accept_events_again();
            self.send(Command::Restart);
        } else {
            self.begin();
        }
    }

    /// Shows the settings that a run began with.
    fn take_settings(self, run: &StoredRun) {
        self.settings.update(|settings| {
            if let Some(preset) = run.preset.as_ref().and_then(|name| apt_experiment::preset_entry(name).ok()) {
                settings.preset = preset;
            }
            settings.knobs = run.knobs.clone();
        });
        self.drafts.update(BTreeMap::clear);
    }

    /// Takes in events again after a fault, because the user goes on.
    pub(crate) fn accept_events_again(self) {
        self.history.update_value(|history| history.ended_by_error = false);
    }

    fn show(self, run: StoredRun, otherwise: Option<StoredRun>) {
        self.pending.update_value(|pending| {
            pending.run = None;
            pending.requested = Some(otherwise);
        });
        self.current.set_value(Some(run.name.clone()));
        self.history.set_value(History::default());
        self.answer.set(None);
        self.asking.set(false);
        self.saved.set(None);
        self.run.set(Some(run));
        self.due();
    }

    /// Takes text from a control. While a run is open, a live knob is set in it when the text is `committed`.
    pub(crate) fn edit_knob(self, knob: &'static Knob, text: &str, committed: bool) {
        let mut knobs = self.settings.with_untracked(|settings| settings.knobs.clone());
        let error = knob.set(&mut knobs, text).err().map(|error| sentence(&error));
        let taken = error.is_none();
        self.drafts.update(|drafts| {
            if taken && committed {
                drafts.remove(knob.name);
            } else {
                drafts.insert(knob.name, Draft { text: text.to_owned(), error });
            }
        });
        if !taken {
            return;
        }
        if self.settings.with_untracked(|settings| settings.knobs != knobs) {
            self.settings.update(|settings| settings.knobs = knobs);
        }
        if committed && untrack(|| self.is_open()) && knob.live {
            self.send(Command::SetKnob { knob: knob.name.to_owned(), value: text.trim().to_owned() });
        }
    }

    /// Puts the settings into the address.
    pub(crate) fn write_address(self) {
        self.settings.with(|settings| browser::set_query(&address::write(settings)));
    }
}

/// What is wrong and what to do, where the place is plain.
pub(crate) fn sentence(error: &impl Explain) -> String {
    let Problem { what, remedy, .. } = error.problem();
    format!("{what}; {remedy}")
}
