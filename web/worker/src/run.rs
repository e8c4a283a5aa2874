//! An open run: the session, and its events on their way to the page and the database.

use crate::clock::{self, BrowserProbe};
use crate::crew::Crew;
use crate::error::WorkerError;
use crate::run_lock::RunLock;
use crate::sources::Prepared;
use crate::store_writer::StoreWriter;
use crate::{gpu_errors, port};
use apt_bridge::store::{Save, StoredModel};
use apt_bridge::{Message, RunState, StoredRun};
use apt_experiment::{Event, RecordBuilder};
use apt_nn::checkpoint::{Precision, to_safetensors};
use apt_train::Session;

/// Milliseconds between saves, if the run's own checkpoints are further apart.
const SAVE_INTERVAL_MS: f64 = 5_000.0;
/// Milliseconds between messages with events: often enough to look live, seldom enough to cost nothing.
const SEND_INTERVAL_MS: f64 = 50.0;

/// A run that is open in the worker.
pub(crate) struct Run {
    /// Its entry in the list of runs.
    pub entry: StoredRun,
    /// The run itself; `None` when it is done and only its results are left.
    pub session: Option<Session>,
    /// Workers that will help.
    crew: Option<Crew>,
    /// Whether to hold after the next training step.
    pub one_step: bool,
    /// Whether it computes on the GPU.
    pub on_gpu: bool,
    /// `tokenizer.json` of its model.
    pub tokenizer: Vec<u8>,
    /// Names of its classes.
    pub labels: Vec<String>,
    /// Keeps other tabs from opening or removing it while it is open.
    lock: Option<RunLock>,
    builder: RecordBuilder,
    /// Events that were not sent to the page yet.
    unsent: Vec<Event>,
    sent_at: f64,
    /// Events that are in no save yet.
    unsaved: Vec<Event>,
    /// Events that are.
    saved: usize,
    saved_at: f64,
}

impl Run {
    /// A run at its beginning, or as `save` has it.
    ///
    /// # Errors
    /// Settings that do not fit the model; a save that is damaged or of another version.
    pub(crate) fn new(
        mut entry: StoredRun,
        prepared: Prepared,
        save: Option<Save>,
        on_gpu: bool,
        lock: RunLock,
        crew: Option<Crew>,
    ) -> Result<Self, WorkerError> {
        let Prepared { setup, tokenizer, labels } = prepared;
        // What a decoder learns is said out.
        entry.knobs.objective = setup.knobs.objective;
        entry.device.clone_from(&setup.provenance.device);
        entry.backend.clone_from(&setup.provenance.backend);
        let probe = Box::new(BrowserProbe::new(&setup.device));
        let mut builder = RecordBuilder::new();
        let (session, saved) = match save {
            None => (Session::new(setup, probe)?, 0),
            Some(save) => {
                save.events.iter().for_each(|event| builder.observe(event));
                let session = Session::resume(setup, probe, &save.snapshot, &format!("the save of {}", entry.name))?;
                let saved = save.events.len();
                port::post(&Message::History { run: entry.name.clone(), events: save.events });
                (session, saved)
            }
        };
        entry.step = session.steps_made();
        entry.steps = session.steps_planned();
        let now = clock::now();
        Ok(Self {
            entry,
            session: Some(session),
            crew,
            one_step: false,
            on_gpu,
            tokenizer,
            labels,
            lock: Some(lock),
            builder,
            unsent: Vec::new(),
            sent_at: now,
            unsaved: Vec::new(),
            saved,
            saved_at: now,
        })
    }

    /// A run that is over: only its results are left.
    pub(crate) fn finished(entry: StoredRun, labels: Vec<String>, tokenizer: Vec<u8>) -> Self {
        Self {
            entry,
            session: None,
            crew: None,
            one_step: false,
            on_gpu: false,
            tokenizer,
            labels,
            lock: None,
            builder: RecordBuilder::new(),
            unsent: Vec::new(),
            sent_at: 0.0,
            unsaved: Vec::new(),
            saved: 0,
            saved_at: 0.0,
        }
    }

    /// Goes on together with the workers that help from here on, once they are prepared.
    ///
    /// # Errors
    /// When values cannot be read back.
    pub(crate) async fn take_in_helpers(&mut self) -> Result<(), WorkerError> {
        let Some(session) = self.session.as_mut().filter(|session| !session.has_pending_events()) else {
            return Ok(());
        };
        if session.steps_made() < session.steps_planned()
            && self.crew.as_mut().is_some_and(Crew::is_prepared)
            && let Some(crew) = self.crew.take()
        {
            crew.join(session).await?;
        }
        Ok(())
    }

    /// Whether steps are to be made.
    pub(crate) fn is_running(&self) -> bool {
        self.entry.state == RunState::Running && self.session.is_some()
    }

    /// Whether it can go on.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.entry.state, RunState::Running | RunState::Paused) && self.session.is_some()
    }

    /// Sets the state and sends it to the page, after all events before it.
    pub(crate) fn enter(&mut self, state: RunState) {
        self.entry.state = state;
        if !self.is_open() {
            (self.lock, self.crew) = (None, None);
        }
        self.send_events(true);
        port::post(&Message::Run(Box::new(self.entry.clone())));
    }

    /// Takes in an event of the session.
    pub(crate) fn note(&mut self, event: Event) {
        self.builder.observe(&event);
        if let Event::Step(point) = &event {
            self.entry.step = point.step;
        }
        self.unsent.push(event.clone());
        self.unsaved.push(event);
    }

    /// Whether nothing has gone wrong on the GPU, if it computes there. Errors of the GPU arrive asynchronously; numbers
    /// computed after one must not be sent.
    pub(crate) async fn is_gpu_ok(&self) -> bool {
        if self.on_gpu {
            clock::yield_now().await;
        }
        !self.has_gpu_error()
    }

    fn has_gpu_error(&self) -> bool {
        self.on_gpu && gpu_errors::first().is_some()
    }

    /// Sends the unsent events: at once if `now`, else when enough time has passed.
    pub(crate) fn send_events(&mut self, now: bool) {
        if !self.has_gpu_error() && !self.unsent.is_empty() && (now || clock::now() - self.sent_at > SEND_INTERVAL_MS) {
            let events = std::mem::take(&mut self.unsent);
            port::post(&Message::Events { run: self.entry.name.clone(), events });
            self.sent_at = clock::now();
        }
    }

    /// Drops the events after the last message: an error of the GPU spoilt the step they belong to.
    pub(crate) fn discard_unsent(&mut self) {
        self.unsent.clear();
    }

    /// Whether a save is due.
    pub(crate) fn save_due(&self) -> bool {
        self.session.as_ref().is_some_and(|session| {
            !session.has_pending_events()
                && session.steps_made() > 0
                && (session.checkpoint_due() || clock::now() - self.saved_at > SAVE_INTERVAL_MS)
        })
    }

    /// Saves the session and its events, or nothing if it is over or between two events of one step.
    ///
    /// # Errors
    /// When values cannot be read back or the database cannot be written.
    pub(crate) async fn save(&mut self, store: Option<&StoreWriter>) -> Result<(), WorkerError> {
        let (Some(session), Some(store)) = (&self.session, store) else { return Ok(()) };
        if session.has_pending_events() {
            return Ok(());
        }
        let snapshot = match session.steps_made() {
            // At the very beginning the settings are all there is.
            0 => None,
            _ => Some(session.snapshot().await?.bytes),
        };
        if self.has_gpu_error() {
            return Ok(());
        }
        let events: &[Event] = if snapshot.is_some() { &self.unsaved } else { &[] };
        store.save(&self.entry, snapshot.as_deref(), events, self.saved).await?;
        if snapshot.is_some() {
            self.saved += self.unsaved.len();
            self.unsaved.clear();
        }
        self.saved_at = clock::now();
        port::post(&Message::Saved { run: self.entry.name.clone(), step: self.entry.step });
        Ok(())
    }

    /// Ends the run: the record is stored, and the model if it is to be kept, and the page is informed.
    ///
    /// # Errors
    /// A record that lacks parts, values that cannot be read back, or a database that cannot be written; in the last case
    /// the page has the record all the same.
    pub(crate) async fn finish(&mut self, store: Option<&StoreWriter>, keeps_model: bool) -> Result<(), WorkerError> {
        let record = self.builder.clone().finish()?;
        let model = if keeps_model { Some(self.model().await?) } else { None };
        if !self.is_gpu_ok().await {
            return Ok(());
        }
        let name = self.entry.name.clone();
        self.note(Event::Done { record: name.clone() });
        self.entry.state = RunState::Done;
        let stored = async {
            let Some(store) = store else { return Ok(()) };
            store.put_record(&name, &record).await?;
            if let Some(model) = &model {
                store.put_model(&name, model).await?;
            }
            store.save(&self.entry, None, &self.unsaved, self.saved).await
        };
        let stored = stored.await;
        self.enter(RunState::Done);
        port::post(&Message::Recorded { run: name.clone(), record: Box::new(record) });
        Ok(stored?)
    }

    /// The run's model as it is now, compacted and merged, with what is needed to use it.
    ///
    /// # Errors
    /// When values cannot be read back, or the session is closed.
    pub(crate) async fn model(&self) -> Result<StoredModel, WorkerError> {
        let Some(session) = &self.session else {
            return Err(WorkerError::new(&self.entry.name, "this run has no model open", "open the run first"));
        };
        let model = session.compacted();
        Ok(StoredModel {
            config: format!("{:#}\n", model.config.to_json()),
            labels: self.labels.clone(),
            step: self.entry.step,
            tokenizer: self.tokenizer.clone(),
            weights: to_safetensors(&model, Precision::F32).await?,
        })
    }
}
