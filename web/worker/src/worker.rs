//! The worker's loop: handles commands as they come, and between them takes the open run one event further.

use crate::crew::Crew;
use crate::error::WorkerError;
use crate::faster::Chosen;
use crate::gpu::Gpu;
use crate::helper::{help, time};
use crate::hub::Hub;
use crate::look::columns_of;
use crate::machine::in_browser;
use crate::port::Commands;
use crate::predictions::Asked;
use crate::queue::Queue;
use crate::run::Run;
use crate::run_lock::RunLock;
use crate::sources::OutputCount;
use crate::store_writer::StoreWriter;
use crate::writing::Writing;
use crate::{clock, port, sources};
use apt_bridge::team::{Order, Report};
use apt_bridge::{Command, Message, RunState, StoredRun};
use apt_experiment::{CellState, Event, Knobs};
use burn::tensor::Device;
use futures::StreamExt;
use wasm_bindgen::JsValue;

/// Everything the worker has.
pub(crate) struct Worker {
    pub(crate) store: Option<StoreWriter>,
    pub(crate) gpu: Option<Gpu>,
    pub(crate) run: Option<Run>,
    pub(crate) study: Option<Queue>,
    /// Devices lost since the last save.
    pub(crate) device_losses: usize,
    /// The outputs of the task that was estimated last.
    pub(crate) output_count: Option<OutputCount>,
    /// The models that were asked last.
    pub(crate) asked: Asked,
    /// What is being written.
    pub(crate) writing: Option<Writing>,
    pub(crate) hub: Hub,
    /// How many runs are made at the same time of another worker's study, if it makes runs for one.
    pub(crate) serves: Option<usize>,
}

/// Serves the page until it is gone.
pub(crate) async fn serve(mut commands: Commands) {
    let store = match StoreWriter::open().await {
        Ok(store) => Some(store),
        Err(error) => {
            port::post(&Message::Notice { text: format!("{error}; nothing will be kept when this page is closed") });
            None
        }
    };
    let mut worker = Worker {
        store,
        gpu: None,
        run: None,
        study: None,
        device_losses: 0,
        output_count: None,
        asked: Asked::default(),
        writing: None,
        hub: Hub::default(),
        serves: None,
    };
    // Held for as long as this worker lives, if it serves another: that it is gone is seen by it.
    let mut _lock = None;
    port::post(&Message::Ready);
    loop {
        let command = if worker.is_running() || worker.is_cell_due() || worker.writing.is_some() {
            clock::yield_now().await;
            commands.try_recv().ok()
        } else {
            match commands.next().await {
                Some(command) => Some(command),
                // The page is gone.
                None => return,
            }
        };
        match command {
            None if worker.is_cell_due() => {
                worker.tend_side_runs().await;
                worker.next_cell().await;
            }
            None => {
                worker.tend_side_runs().await;
                worker.write_on().await;
                if worker.is_running() {
                    worker.advance().await;
                }
            }
            Some(Err(what)) => {
                let error = WorkerError::new("the page", what, "reload the page: it and its worker differ");
                port::post(&Message::Fault(error.fault(None)));
            }
            Some(Ok((Command::Team(Order::Prepare { knobs, lock }), _))) => return help(*knobs, lock, commands).await,
            Some(Ok((Command::Team(Order::Time { knobs, lock }), _))) => return time(*knobs, lock).await,
            Some(Ok((Command::Team(Order::Serve { jobs, lock }), _))) => {
                _lock = RunLock::named(&lock).await;
                worker.serves = Some(jobs);
                port::post(&Message::Team(Report::Prepared));
            }
            Some(Ok((command, attachments))) => {
                let handled = worker.handle(command, &attachments).await;
                // What a command made the GPU do may have gone wrong as any step may.
                let recovered = worker.check_gpu(handled.as_ref().err()).await;
                match handled {
                    Err(error) if !recovered => port::post(&Message::Fault(error.fault(None))),
                    _ => {}
                }
            }
        }
    }
}

impl Worker {
    fn is_running(&self) -> bool {
        self.run.as_ref().is_some_and(Run::is_running)
    }

    async fn handle(&mut self, command: Command, attachments: &[JsValue]) -> Result<(), WorkerError> {
        match command {
            Command::Devices { again } => self.report_devices(again).await,
            Command::Estimate { knobs } => match self.estimate(&knobs).await {
                // The data card asks for the columns.
                Err(error) if columns_of(&error).is_some() => Ok(()),
                estimated => estimated,
            },
            Command::Time { knobs } => {
                // A run with these settings says what is wrong with them.
                let _ = self.time(*knobs).await;
                Ok(())
            }
            Command::Start { run } => {
                self.close_all().await?;
                self.start(*run, None).await
            }
            Command::Open { run, running } => {
                self.close_all().await?;
                self.open(&run, running, None).await
            }
            Command::Restart => {
                let entry = self.opened()?.entry.clone();
                self.close_all().await?;
                self.start(StoredRun::new(entry.name, entry.preset, entry.knobs, clock::date()), None).await
            }
            Command::Stop if self.serves.is_some() => {
                let was_open = self.run.as_ref().is_some_and(Run::is_open);
                let closed = self.close().await;
                if was_open {
                    self.end_cell(CellState::Begun).await;
                }
                closed
            }
            Command::Stop => self.close_all().await,
            Command::Study { study, file, retry, jobs } => {
                self.close_all().await?;
                self.begin_study(study, *file, retry, jobs).await
            }
            Command::Pause => {
                self.tell_side_runs(&Command::Pause);
                self.pause().await
            }
            Command::Step => {
                let run = self.opened()?;
                run.one_step = true;
                run.enter(RunState::Running);
                Ok(())
            }
            Command::Resume => {
                self.tell_side_runs(&Command::Resume);
                let run = self.opened()?;
                run.one_step = false;
                run.enter(RunState::Running);
                Ok(())
            }
            Command::SetKnob { knob, .. } if self.study.is_some() => Err(WorkerError::new(
                knob,
                "the settings of a study's runs are those of the study",
                "stop the study, or change it in a run of its own",
            )),
            Command::SetKnob { knob, value } => {
                let run = self.opened()?;
                if let Some(session) = &mut run.session {
                    session.set_knob(&knob, &value)?;
                }
                self.send_pending().await
            }
            Command::Checkpoint => {
                let Self { run, store, .. } = self;
                let run = run.as_mut().filter(|run| run.is_open()).ok_or_else(nothing_open)?;
                run.save(store.as_ref()).await
            }
            Command::Evaluate => {
                if let Some(session) = &mut self.opened()?.session {
                    session.evaluate_now().await?;
                }
                self.send_pending().await
            }
            Command::Try { runs, text, pair } => self.answer(&runs, text, pair).await,
            Command::Write(task) => self.write(task).await,
            Command::StopWriting => {
                self.stop_writing();
                Ok(())
            }
            Command::Look { knobs } => self.look(&knobs).await,
            Command::Export { what } => self.export(what).await,
            Command::AskHub { name, mirror } => {
                self.hub.ask(name, mirror);
                Ok(())
            }
            Command::FetchOffer => {
                self.hub.fetch();
                Ok(())
            }
            Command::StopHub => {
                self.hub.stop();
                Ok(())
            }
            Command::RemoveRun { run } => self.remove_run(run).await,
            Command::QueueStudy { study } => self.queue_study(*study).await,
            Command::RemoveStudy { study } => self.remove_study(study).await,
            Command::ImportRecord { file, text } => self.import_record(file, &text).await,
            Command::KeepFiles { name, knobs } => self.keep_files(name, &knobs, attachments).await,
            Command::RemoveFiles { name } => self.remove_files(&name).await,
            Command::Team(Order::Make { run, begun }) => {
                self.make_run_beside(*run, begun).await;
                Ok(())
            }
            // The first that a helper gets, and it serves nothing else.
            Command::Team(_) => Ok(()),
            Command::Leave => {
                self.hub.stop();
                // What cannot be saved is said, and is no reason to stay.
                if let Err(error) = self.close_all().await {
                    port::post(&Message::Fault(error.fault(None)));
                }
                port::post(&Message::Left);
                Ok(())
            }
        }
    }

    fn opened(&mut self) -> Result<&mut Run, WorkerError> {
        self.run.as_mut().filter(|run| run.is_open()).ok_or_else(nothing_open)
    }

    /// The device of the open run.
    pub(crate) fn device(&self) -> Device {
        let on_gpu = self.run.as_ref().is_some_and(|run| run.on_gpu);
        match &self.gpu {
            Some(gpu) if on_gpu => gpu.device(),
            _ => Device::flex(),
        }
    }

    /// Begins a run, in place of what a run of its name has left.
    pub(crate) async fn start(&mut self, entry: StoredRun, lock: Option<RunLock>) -> Result<(), WorkerError> {
        self.close().await?;
        let mut run = self.build(entry, false, lock).await?;
        if let Some(store) = &self.store {
            store.remove_run(&run.entry.name).await?;
        }
        run.entry.state = RunState::Running;
        run.save(self.store.as_ref()).await?;
        run.enter(RunState::Running);
        self.device_losses = 0;
        self.run = Some(run);
        Ok(())
    }

    /// Opens a stored run, of which its caller may have the lock.
    pub(crate) async fn open(&mut self, name: &str, running: bool, lock: Option<RunLock>) -> Result<(), WorkerError> {
        self.close().await?;
        let entry = match &self.store {
            Some(store) => store.run(name).await?,
            None => None,
        };
        let Some(entry) = entry else {
            return Err(WorkerError::new(name, "there is no run of this name in this browser", "start a new one"));
        };
        if entry.state == RunState::Done {
            return self.open_finished(entry).await;
        }
        let mut run = self.build(entry, true, lock).await?;
        run.enter(if running { RunState::Running } else { RunState::Paused });
        self.device_losses = 0;
        self.run = Some(run);
        Ok(())
    }

    /// Opens a run that is over: its events and its stored model, without a session.
    async fn open_finished(&mut self, entry: StoredRun) -> Result<(), WorkerError> {
        let Some(store) = &self.store else { return Err(nothing_open()) };
        let events = store.events(&entry.name).await?;
        let model = store.model(&entry.name).await?;
        let (labels, tokenizer) = model.map(|model| (model.labels, model.tokenizer)).unwrap_or_default();
        port::post(&Message::History { run: entry.name.clone(), events });
        let mut run = Run::finished(entry, labels, tokenizer);
        run.enter(RunState::Done);
        self.run = Some(run);
        Ok(())
    }

    /// Makes everything a run needs; with `saved`, as its last save has it. Without its `lock` that is asked for.
    pub(crate) async fn build(
        &mut self,
        mut entry: StoredRun,
        saved: bool,
        lock: Option<RunLock>,
    ) -> Result<Run, WorkerError> {
        entry.state = RunState::Loading;
        // A run needs their memory more.
        self.stop_writing();
        self.asked.clear();
        port::post(&Message::Run(Box::new(entry.clone())));
        let made = async {
            let lock = match lock {
                Some(lock) => lock,
                None => RunLock::of(&entry.name).await.ok_or_else(|| WorkerError::Busy { run: entry.name.clone() })?,
            };
            let goes_on = if saved { entry.backend.as_str() } else { "" };
            let Chosen { opened, on_gpu, times, news } = self.choose(&entry.knobs, goes_on).await?;
            // A run from before there were shards has one.
            let asked = if saved { entry.knobs.shards.max(1) } else { entry.knobs.shards };
            let (hands, short) = self.hands(&Knobs { shards: asked, ..entry.knobs.clone() }, on_gpu).await?;
            let opened = if on_gpu { opened } else { in_browser(opened, hands.workers) };
            // What a later start goes on with, whatever computer it is on.
            let knobs = Knobs { shards: hands.shards, ..entry.knobs.clone() };
            let store = self.store.as_deref();
            let save = match store {
                Some(store) if saved => store.saved(&entry.name).await?,
                _ => None,
            };
            let mut prepared = sources::prepare(&knobs, entry.preset.as_deref(), &opened, hands.workers, store).await?;
            prepared.setup.provenance.jobs = Some(if on_gpu { 1 } else { self.jobs() });
            prepared.setup.provenance.step_seconds = times.map(|times| times.seconds()).unwrap_or_default();
            let was_measured = !prepared.setup.provenance.step_seconds.is_empty() || news.is_some();
            let why = if was_measured { opened.why } else { String::new() };
            for text in [news, short].into_iter().flatten() {
                port::post(&Message::Notice { text });
            }
            let crew = Crew::start(hands, &knobs);
            Run::new(StoredRun { knobs, why, ..entry.clone() }, prepared, save, on_gpu, lock, crew)
        };
        let made = made.await;
        if made.is_err() {
            let state = if saved { RunState::Closed } else { RunState::Failed };
            port::post(&Message::Run(Box::new(StoredRun { state, ..entry })));
        }
        made
    }

    /// Saves and closes the open run, and leaves the study that it is of.
    async fn close_all(&mut self) -> Result<(), WorkerError> {
        self.close().await?;
        self.leave_study().await;
        Ok(())
    }

    /// Saves and closes the open run.
    pub(crate) async fn close(&mut self) -> Result<(), WorkerError> {
        let Some(mut run) = self.run.take() else { return Ok(()) };
        if run.is_open() {
            self.finish_step(&mut run).await?;
            run.entry.state = RunState::Closed;
            run.save(self.store.as_ref()).await?;
            run.enter(RunState::Closed);
        }
        Ok(())
    }

    async fn pause(&mut self) -> Result<(), WorkerError> {
        let Some(mut run) = self.run.take() else { return Err(nothing_open()) };
        let finished = self.finish_step(&mut run).await;
        run.one_step = false;
        if run.is_running() {
            run.entry.state = RunState::Paused;
            let saved = run.save(self.store.as_ref()).await;
            run.enter(RunState::Paused);
            self.run = Some(run);
            return finished.and(saved);
        }
        self.run = Some(run);
        finished
    }

    /// Takes in the events that the session's last step has left.
    async fn finish_step(&self, run: &mut Run) -> Result<(), WorkerError> {
        while let Some(session) = run.session.as_mut().filter(|session| session.has_pending_events()) {
            match session.step().await? {
                Some(event) => run.note(event),
                None => break,
            }
        }
        if run.is_gpu_ok().await {
            run.send_events(true);
        }
        Ok(())
    }

    /// Sends the events that a command has caused.
    async fn send_pending(&mut self) -> Result<(), WorkerError> {
        let Some(mut run) = self.run.take() else { return Ok(()) };
        let finished = self.finish_step(&mut run).await;
        self.run = Some(run);
        finished
    }

    /// Takes the open run one event further.
    async fn advance(&mut self) {
        let Some(mut run) = self.run.take() else { return };
        let result = self.advanced(&mut run).await;
        self.run = Some(run);
        let recovered = self.check_gpu(result.as_ref().err()).await;
        match result {
            Err(error) if !recovered => self.on_run_error(error).await,
            _ => {}
        }
    }

    async fn advanced(&mut self, run: &mut Run) -> Result<(), WorkerError> {
        run.take_in_helpers().await?;
        let Some(session) = &mut run.session else { return Ok(()) };
        let event = session.step().await?;
        let finished = !session.has_pending_events();
        if finished && !run.is_gpu_ok().await {
            return Ok(());
        }
        let Some(event) = event else {
            // The models of a study's many runs are not kept.
            run.finish(self.store.as_ref(), self.study.is_none() && self.serves.is_none()).await?;
            if !run.is_open() {
                self.end_cell(CellState::Done).await;
            }
            return Ok(());
        };
        let trained = matches!(event, Event::Step(_));
        run.note(event);
        if finished {
            run.send_events(false);
        }
        if run.one_step && trained {
            run.one_step = false;
            self.finish_step(run).await?;
            run.entry.state = RunState::Paused;
            run.save(self.store.as_ref()).await?;
            run.enter(RunState::Paused);
        } else if run.save_due() {
            run.save(self.store.as_ref()).await?;
            self.device_losses = 0;
        }
        Ok(())
    }

    async fn answer(&mut self, runs: &[String], text: String, pair: Option<String>) -> Result<(), WorkerError> {
        let device = self.device();
        let Self { run, store, asked, .. } = self;
        let answer = asked.answer(runs, (text, pair), run.as_ref(), store.as_deref(), &device).await?;
        let is_ok = match run {
            Some(run) => run.is_gpu_ok().await,
            None => true,
        };
        if is_ok {
            port::post(&Message::Answer(Box::new(answer)));
        }
        Ok(())
    }
}

/// That there is no run to do something with.
pub(crate) fn nothing_open() -> WorkerError {
    WorkerError::new("the worker", "no run is open", "start or open a run first")
}
