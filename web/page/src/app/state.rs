//! Everything the pages show, and how the worker's news gets there.
//!
//! News is taken in as it comes, at a cost that does not grow with the run; what is on the screen is renewed once a frame.
//! Charts are drawn anew four times a second at most, and take turns, so that no frame draws more than one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use apt_bridge::{Answer, Command, DeviceReport, Estimate, Fault, FileSet, Message, RunState, StoredRun};
use apt_lab::{Event, Knob, Phase, Record, run_name};
use leptos::prelude::*;

use super::browser;
use super::link::Link;
use crate::address::{self, Settings};
use crate::history::{History, Memory};
use crate::runs::is_open;

/// Milliseconds between two ticks, at each of which another chart is drawn.
const TICK: f64 = 42.0;
/// Ticks until it is a chart's turn again.
pub(crate) const TURNS: u64 = 6;
/// Faults and notices that are kept.
const REMEMBERED: usize = 20;

/// A page of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Lab,
    Compare,
    Try,
    Learn,
    Device,
}

impl Page {
    pub(crate) const ALL: [Self; 5] = [Self::Lab, Self::Compare, Self::Try, Self::Learn, Self::Device];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lab => "lab",
            Self::Compare => "compare",
            Self::Try => "try",
            Self::Learn => "learn",
            Self::Device => "device",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Lab => "Lab",
            Self::Compare => "Compare",
            Self::Try => "Try",
            Self::Learn => "Learn",
            Self::Device => "Device",
        }
    }

    /// The page that the address names; the Lab if it names none.
    pub(crate) fn now() -> Self {
        let name = browser::fragment();
        Self::ALL.into_iter().find(|page| page.name() == name).unwrap_or(Self::Lab)
    }
}

/// Where the worker stands.
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
pub(crate) struct Stand {
    pub(crate) step: usize,
    pub(crate) phase: Option<Phase>,
    pub(crate) frames: usize,
    pub(crate) done: bool,
    pub(crate) ranks_never_grew: bool,
    pub(crate) warnings: usize,
}

/// News that waits for the next frame, and what has been asked for and not yet confirmed.
#[derive(Default)]
struct Inbox {
    run: Option<StoredRun>,
    /// The run that was asked for, until the worker tells of it: with what to show if it cannot be had.
    asked: Option<Option<StoredRun>>,
    due: bool,
    ticked: f64,
    /// Ticks until every chart has drawn what has come.
    turns_left: u64,
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
    pub(crate) stand: RwSignal<Stand>,
    /// Counts while events come, see [`Lab::turn_of`].
    tick: RwSignal<u64>,
    pub(crate) saved: RwSignal<Option<usize>>,
    pub(crate) devices: RwSignal<Option<DeviceReport>>,
    pub(crate) estimate: RwSignal<Option<Estimate>>,
    pub(crate) answer: RwSignal<Option<Answer>>,
    pub(crate) asking: RwSignal<bool>,
    pub(crate) faults: RwSignal<VecDeque<Fault>>,
    pub(crate) notices: RwSignal<VecDeque<String>>,
    pub(crate) panic: RwSignal<Option<String>>,
    pub(crate) runs: RwSignal<Vec<StoredRun>>,
    pub(crate) records: RwSignal<Vec<(String, Arc<Record>)>>,
    pub(crate) sets: RwSignal<Vec<FileSet>>,
    pub(crate) dark: RwSignal<bool>,
    pub(crate) width: RwSignal<f64>,
    state: Memo<Option<RunState>>,
    pub(crate) history: StoredValue<History, LocalStorage>,
    link: StoredValue<Option<Link>, LocalStorage>,
    inbox: StoredValue<Inbox, LocalStorage>,
    /// The run whose events are taken in.
    current: StoredValue<Option<String>>,
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
            stand: RwSignal::default(),
            tick: RwSignal::default(),
            saved: RwSignal::default(),
            devices: RwSignal::default(),
            estimate: RwSignal::default(),
            answer: RwSignal::default(),
            asking: RwSignal::default(),
            faults: RwSignal::default(),
            notices: RwSignal::default(),
            panic: RwSignal::default(),
            runs: RwSignal::default(),
            records: RwSignal::default(),
            sets: RwSignal::default(),
            dark: RwSignal::default(),
            width: RwSignal::new(0.0),
            history: StoredValue::new_local(History::default()),
            link: StoredValue::new_local(None),
            inbox: StoredValue::new_local(Inbox::default()),
            current: StoredValue::new(None),
        }
    }

    /// Starts a worker, in place of the one there may be.
    pub(crate) fn start_worker(self) {
        self.engine.set(Engine::Loading);
        self.panic.set(None);
        self.link.set_value(None);
        let fail = move |report| self.broken(report);
        match Link::start(move |message, enclosures| self.hear(message, &enclosures), fail) {
            Ok(link) => self.link.set_value(Some(link)),
            Err(why) => self.broken(why),
        }
    }

    /// Sends a command to the worker.
    pub(crate) fn send(self, command: &Command) {
        let sent = self.link.with_value(|link| match link {
            Some(link) => link.send(command),
            None => Err("the worker is not running".to_owned()),
        });
        if let Err(what) = sent {
            let (place, remedy) = ("the line to the worker".to_owned(), "Restart the worker.".to_owned());
            self.fault(Fault { run: None, what, place, remedy });
        }
    }

    /// Shows a fault.
    pub(crate) fn fault(self, fault: Fault) {
        self.faults.update(|faults| {
            faults.retain(|other| *other != fault);
            faults.push_front(fault);
            faults.truncate(REMEMBERED);
        });
    }

    /// Shows a fault that is no run's. A message such as `what; remedy` is taken apart.
    pub(crate) fn trouble(self, place: &str, message: &str, otherwise: &str) {
        let (what, remedy) = message.rsplit_once("; ").unwrap_or((message, otherwise));
        let (what, place, remedy) = (what.to_owned(), place.to_owned(), remedy.to_owned());
        self.fault(Fault { run: None, what, place, remedy });
    }

    /// Tells something that ends nothing.
    pub(crate) fn notice(self, text: impl Into<String>) {
        let text = text.into();
        self.notices.update(|notices| {
            notices.retain(|other| *other != text);
            notices.push_front(text);
            notices.truncate(REMEMBERED);
        });
    }

    /// Changes when it is the turn of the chart in this place to be drawn, while there is news.
    pub(crate) fn turn_of(self, place: u64) -> Memo<u64> {
        Memo::new(move |_| (self.tick.get() + TURNS - place % TURNS) / TURNS)
    }

    /// Whether the worker has a run open.
    pub(crate) fn is_open(self) -> bool {
        self.state.get().is_some_and(is_open)
    }

    /// The state of the run that is shown.
    pub(crate) fn state(self) -> Option<RunState> {
        self.state.get()
    }

    /// Why the settings cannot be run as they are.
    pub(crate) fn refusal(self) -> Option<String> {
        let draft = self.drafts.with(|drafts| drafts.values().find_map(|draft| draft.error.clone()));
        draft.or_else(|| self.settings.with(|settings| settings.knobs.check().err().map(|error| error.to_string())))
    }

    /// Begins a run with the settings as they are.
    pub(crate) fn begin(self) {
        let settings = self.settings.get_untracked();
        let entropy = browser::now() as u64 ^ ((js_sys::Math::random() * (1u64 << 52) as f64) as u64);
        let run = StoredRun {
            name: run_name(entropy),
            preset: Some(settings.preset.name.to_owned()),
            knobs: settings.knobs,
            state: RunState::Loading,
            step: 0,
            steps: 0,
            began: browser::now(),
            device: String::new(),
            backend: String::new(),
        };
        let (preset, knobs) = (run.preset.clone(), Box::new(run.knobs.clone()));
        self.send(&Command::Start { run: run.name.clone(), preset, knobs });
        self.show(run, None);
    }

    /// Opens a stored run and shows its settings.
    pub(crate) fn open(self, run: &StoredRun, running: bool) {
        self.send(&Command::Open { run: run.name.clone(), running });
        self.settings.update(|settings| {
            if let Some(preset) = run.preset.as_ref().and_then(|name| apt_lab::preset_entry(name).ok()) {
                settings.preset = preset;
            }
            settings.knobs = run.knobs.clone();
        });
        self.drafts.update(BTreeMap::clear);
        let closed = if is_open(run.state) { RunState::Closed } else { run.state };
        let otherwise = StoredRun { state: closed, ..run.clone() };
        self.show(StoredRun { state: RunState::Loading, ..run.clone() }, Some(otherwise));
    }

    /// Begins the shown run anew.
    pub(crate) fn restart(self) {
        let Some(run) = self.run.get_untracked() else { return };
        if is_open(run.state) {
            self.unseal();
            self.send(&Command::Restart);
        } else {
            self.settings.update(|settings| settings.knobs = run.knobs);
            self.begin();
        }
    }

    /// Lets events in again after a fault, because the user goes on.
    pub(crate) fn unseal(self) {
        self.history.update_value(|history| history.sealed = false);
    }

    fn show(self, run: StoredRun, otherwise: Option<StoredRun>) {
        self.inbox.update_value(|inbox| {
            inbox.run = None;
            inbox.asked = Some(otherwise);
        });
        self.current.set_value(Some(run.name.clone()));
        self.history.set_value(History::default());
        self.answer.set(None);
        self.asking.set(false);
        self.saved.set(None);
        self.run.set(Some(run));
        self.due();
    }

    /// Takes text from a control. While a run is open, a live knob is turned in it when the text is `committed`.
    pub(crate) fn turn(self, knob: &'static Knob, text: &str, committed: bool) {
        let mut knobs = self.settings.with_untracked(|settings| settings.knobs.clone());
        let error = knob.set(&mut knobs, text).err().map(|error| error.to_string());
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
            self.send(&Command::Turn { knob: knob.name.to_owned(), value: text.trim().to_owned() });
        }
    }

    /// Puts the settings into the address.
    pub(crate) fn write_address(self) {
        self.settings.with(|settings| browser::set_query(&address::write(settings)));
    }

    fn broken(self, report: String) {
        self.link.with_value(|link| link.iter().for_each(Link::stop));
        self.engine.set(Engine::Broken);
        self.progress.set(None);
        self.asking.set(false);
        self.history.update_value(|history| history.sealed = true);
        self.fail_run();
        self.panic.set(Some(report));
    }

    fn hear(self, message: Message, enclosures: &[Vec<u8>]) {
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
            Message::Events { run, events } if self.follows(&run) => self.hear_events(&events),
            Message::History { run, events } => {
                self.current.set_value(Some(run));
                self.history.set_value(History::of(&events));
                self.due();
            }
            Message::Memory { run, step, wasm, tensors } if self.follows(&run) => {
                let memory = Memory { step, wasm, device: tensors };
                self.history.update_value(|history| history.memory.push(memory));
            }
            // Of a run that is not shown.
            Message::Events { .. } | Message::Memory { .. } => {}
            Message::Saved { run, step } => {
                if self.follows(&run) {
                    self.saved.set(Some(step));
                }
            }
            Message::Recorded { .. } => {
                self.load_runs();
                self.load_records();
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
        for event in events {
            if let Event::Failed { what, place, remedy, .. } = event {
                let (run, what) = (self.current.get_value(), what.clone());
                self.fault(Fault { run, what, place: place.clone(), remedy: remedy.clone() });
            }
        }
        self.due();
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
    fn due(self) {
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
            set_timeout(move || self.ask_for_frame(), std::time::Duration::from_millis(TICK as u64));
        }
    }
}
