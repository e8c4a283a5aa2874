//! An open run: the session with all that the page and the database are to learn of it.

use crate::claim::Claim;
use crate::clock::{self, BrowserProbe};
use crate::error::WorkerError;
use crate::port;
use crate::sources::Prepared;
use crate::trouble;
use apt_bridge::store::{Save, Store, StoredModel};
use apt_bridge::{Message, RunState, StoredRun};
use apt_experiment::{Event, RecordBuilder};
use apt_nn::checkpoint::{Precision, to_safetensors};
use apt_train::Session;

/// Milliseconds between saves, if the run's own checkpoints are further apart.
const SAVE_EVERY: f64 = 5_000.0;
/// Milliseconds between letters to the page: often enough to look live, seldom enough to cost nothing.
const TELL_EVERY: f64 = 50.0;

/// A run that is open in the worker.
pub struct Run {
    /// Its entry in the list of runs.
    pub entry: StoredRun,
    /// The run itself; `None` when it is done and only its results are left.
    pub session: Option<Session>,
    /// Whether to hold after the next training step.
    pub one_step: bool,
    /// Whether it computes on the GPU.
    pub on_gpu: bool,
    /// `tokenizer.json` of its model.
    pub tokenizer: Vec<u8>,
    /// Names of its classes.
    pub labels: Vec<String>,
    /// Keeps other tabs from opening it.
    _claim: Option<Claim>,
    builder: RecordBuilder,
    /// Events that the page has not heard yet.
    untold: Vec<Event>,
    told_at: f64,
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
    pub fn new(
        mut entry: StoredRun,
        prepared: Prepared,
        save: Option<Save>,
        on_gpu: bool,
        claim: Claim,
    ) -> Result<Self, WorkerError> {
        let Prepared { setup, tokenizer, labels } = prepared;
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
            one_step: false,
            on_gpu,
            tokenizer,
            labels,
            _claim: Some(claim),
            builder,
            untold: Vec::new(),
            told_at: now,
            unsaved: Vec::new(),
            saved,
            saved_at: now,
        })
    }

    /// A run that is over: only its results are left.
    pub fn finished(entry: StoredRun, labels: Vec<String>, tokenizer: Vec<u8>) -> Self {
        Self {
            entry,
            session: None,
            one_step: false,
            on_gpu: false,
            tokenizer,
            labels,
            _claim: None,
            builder: RecordBuilder::new(),
            untold: Vec::new(),
            told_at: 0.0,
            unsaved: Vec::new(),
            saved: 0,
            saved_at: 0.0,
        }
    }

    /// Whether steps are to be made.
    pub fn is_running(&self) -> bool {
        self.entry.state == RunState::Running && self.session.is_some()
    }

    /// Whether it can go on.
    pub fn is_open(&self) -> bool {
        matches!(self.entry.state, RunState::Running | RunState::Paused) && self.session.is_some()
    }

    /// Sets the state and tells the page, after all that happened before.
    pub fn enter(&mut self, state: RunState) {
        self.entry.state = state;
        self.tell(true);
        port::post(&Message::Run(Box::new(self.entry.clone())));
    }

    /// Takes in what the session said.
    pub fn note(&mut self, event: Event) {
        self.builder.observe(&event);
        if let Event::Step(point) = &event {
            self.entry.step = point.step;
        }
        self.untold.push(event.clone());
        self.unsaved.push(event);
    }

    /// Whether nothing has gone wrong on the GPU, if it computes there. Errors of the GPU come as events of their own;
    /// what they spoil must not be told.
    pub async fn is_sound(&self) -> bool {
        if self.on_gpu {
            clock::breathe().await;
        }
        !self.is_spoilt()
    }

    fn is_spoilt(&self) -> bool {
        self.on_gpu && trouble::seen().is_some()
    }

    /// Lets the page hear what it has not heard: at once if `now`, else when enough time has passed.
    pub fn tell(&mut self, now: bool) {
        if !self.is_spoilt() && !self.untold.is_empty() && (now || clock::now() - self.told_at > TELL_EVERY) {
            let events = std::mem::take(&mut self.untold);
            port::post(&Message::Events { run: self.entry.name.clone(), events });
            self.told_at = clock::now();
        }
    }

    /// Forgets what was said after the last letter: the step it belongs to was in trouble.
    pub fn take_back(&mut self) {
        self.untold.clear();
    }

    /// Whether a save is due.
    pub fn save_due(&self) -> bool {
        self.session.as_ref().is_some_and(|session| {
            !session.has_pending_events()
                && session.steps_made() > 0
                && (session.checkpoint_due() || clock::now() - self.saved_at > SAVE_EVERY)
        })
    }

    /// Saves the session and everything it has said, or nothing if it is over or in the middle of telling.
    ///
    /// # Errors
    /// When values cannot be read back or the database cannot be written.
    pub async fn save(&mut self, store: Option<&Store>) -> Result<(), WorkerError> {
        let (Some(session), Some(store)) = (&self.session, store) else { return Ok(()) };
        if session.has_pending_events() {
            return Ok(());
        }
        let snapshot = match session.steps_made() {
            // At the very beginning the settings are all there is.
            0 => None,
            _ => Some(session.snapshot().await?.bytes),
        };
        if self.is_spoilt() {
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

    /// Ends the run: the page is told, the record is stored, and the model if it is to be kept.
    ///
    /// # Errors
    /// A record that lacks parts, values that cannot be read back, or a database that cannot be written; in the last case
    /// the page has the record all the same.
    pub async fn finish(&mut self, store: Option<&Store>, keeps_model: bool) -> Result<(), WorkerError> {
        let record = self.builder.clone().finish()?;
        let model = if keeps_model { Some(self.model().await?) } else { None };
        if !self.is_sound().await {
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
    pub async fn model(&self) -> Result<StoredModel, WorkerError> {
        let Some(session) = &self.session else {
            return Err(WorkerError::place(&self.entry.name, "this run has no model open", "open the run first"));
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
