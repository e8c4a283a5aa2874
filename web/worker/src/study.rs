//! A study in the worker: its cells are run one after the other, each as any run is, or several at the same time, with
//! workers beside this one. What is finished is known by the digest of settings, data, model and code that the desktop's
//! folders go by, or by a record from elsewhere of the same.

use crate::beside::LOOK_MS;
use crate::error::WorkerError;
use crate::queue::Queue;
use crate::run::Run;
use crate::run_lock::RunLock;
use crate::worker::Worker;
use crate::{clock, port, sources};
use apt_bridge::team::Report;
use apt_bridge::{Command, Message, RunState, StoredCell, StoredRun, StoredStudy};
use apt_experiment::{CellState, Study, StudyFile};

impl Worker {
    /// Finds out what of a study is left to do, and begins.
    pub(crate) async fn begin_study(
        &mut self,
        name: String,
        file: StudyFile,
        retry: bool,
        jobs: usize,
    ) -> Result<(), WorkerError> {
        let study = Study::resolve(&file, &name)?;
        let (cells, mut stored) = (study.cells(), StoredStudy::queued(&name, file, &study, clock::date()));
        let mut records = Vec::new();
        let mut before = None;
        if let Some(store) = &self.store {
            records = store.records().await?;
            before = store.study(&name).await?;
        }
        if let Some(before) = &before {
            stored.began = before.began;
        }
        let mut digests = sources::Digests::default();
        for (cell, entry) in cells.iter().zip(&mut stored.cells) {
            let from = digests.of(&cell.knobs, self.store.as_deref()).await?;
            entry.run = cell.run_name(from);
            let own = records.iter().find(|(run, _)| *run == entry.run);
            let same = own.or_else(|| records.iter().find(|(_, record)| cell.is_of(record, from)));
            if let Some((run, _)) = same {
                entry.run.clone_from(run);
                entry.state = CellState::Done;
                continue;
            }
            let failed = before.iter().flat_map(|before| &before.cells).find(|of| of.run == entry.run);
            let failed = failed.filter(|of| of.state.reason().is_some());
            entry.state = match failed {
                Some(of) if !retry => of.state.clone(),
                _ => self.begun(entry, failed.is_some()).await?,
            };
        }
        let left = stored.cells.iter().position(|cell| !cell.state.is_over());
        if let Some(left) = left.filter(|_| jobs > 1) {
            let (at_once, why) = self.that_fit_at_once(jobs, &cells[left].knobs).await?;
            stored.jobs = at_once;
            why.into_iter().for_each(|text| port::post(&Message::Notice { text }));
        }
        stored.running = true;
        self.study = Some(Queue::new(stored, cells));
        self.publish_study().await;
        Ok(())
    }

    /// Whether the run of a cell that is not over was begun; one that failed begins `anew`.
    async fn begun(&self, cell: &StoredCell, anew: bool) -> Result<CellState, WorkerError> {
        let Some(store) = &self.store else { return Ok(CellState::Queued) };
        if store.run(&cell.run).await?.is_none() {
            return Ok(CellState::Queued);
        }
        let lock = if anew { RunLock::of(&cell.run).await } else { None };
        // What another tab has open is its own; that is found out again when the cell's turn comes.
        let Some(_lock) = lock else { return Ok(CellState::Begun) };
        store.remove_run(&cell.run).await?;
        Ok(CellState::Queued)
    }

    /// Whether a study waits for its next cell to be opened.
    pub(crate) fn is_cell_due(&self) -> bool {
        self.study.is_some() && !self.run.as_ref().is_some_and(Run::is_open)
    }

    /// Opens the study's next cell; without one the study is over.
    pub(crate) async fn next_cell(&mut self) {
        match self.open_cell().await {
            Ok(()) => {}
            Err(WorkerError::Busy { .. }) => {
                if let Some(queue) = &mut self.study {
                    queue.skip_own();
                }
            }
            Err(error) => {
                // Without room or access the next cell would fail too.
                if matches!(error, WorkerError::Store(_)) {
                    self.leave_study().await;
                } else {
                    self.end_cell(error.cell_state(0)).await;
                }
                port::post(&Message::Fault(error.fault(None)));
            }
        }
    }

    async fn open_cell(&mut self) -> Result<(), WorkerError> {
        let Some(queue) = &mut self.study else { return Ok(()) };
        let Some((run, begun)) = queue.next_own() else {
            if queue.side.is_busy() {
                clock::sleep(LOOK_MS).await;
                return Ok(());
            }
            return self.close_study().await;
        };
        self.publish_study().await;
        self.make_run(run, begun).await
    }

    /// Makes the run of a cell, from the beginning or from its last save.
    async fn make_run(&mut self, run: StoredRun, begun: bool) -> Result<(), WorkerError> {
        self.close().await?;
        // Locked before it is looked at: another tab may have finished it in the meantime, or be about to.
        let lock = RunLock::of(&run.name).await.ok_or_else(|| WorkerError::Busy { run: run.name.clone() })?;
        let state = match &self.store {
            Some(store) => store.run(&run.name).await?.map(|entry| entry.state),
            None => None,
        };
        if state == Some(RunState::Done) {
            self.end_cell(CellState::Done).await;
            return Ok(());
        }
        match begun {
            true => self.open(&run.name, true, Some(lock)).await,
            false => self.start(run, Some(lock)).await,
        }?;
        if let Some(queue) = &mut self.study
            && queue.stored.jobs > 1
            && self.run.as_ref().is_some_and(|run| run.on_gpu)
        {
            queue.stored.jobs = 1;
            port::post(&Message::Notice { text: "On a GPU runs are made one after the other.".into() });
        }
        Ok(())
    }

    /// Makes a run of the study that another worker goes through, and tells it how that ends.
    pub(crate) async fn make_run_beside(&mut self, run: StoredRun, begun: bool) {
        let name = run.name.clone();
        match self.make_run(run, begun).await {
            Ok(()) => {}
            Err(WorkerError::Busy { .. }) => self.end_cell(CellState::Begun).await,
            Err(error @ WorkerError::Store(_)) => self.give_up_beside(&name, &error).await,
            Err(error) => {
                self.end_cell(error.cell_state(0)).await;
                port::post(&Message::Fault(error.fault(Some(name))));
            }
        }
    }

    /// Leaves a run of another worker's study as it was last saved, and ends this worker: without room or access its next
    /// run would fail too.
    pub(crate) async fn give_up_beside(&mut self, run: &str, error: &WorkerError) {
        self.end_cell(CellState::Begun).await;
        port::post(&Message::Fault(error.fault(Some(run.to_owned()))));
        port::scope().close();
    }

    /// How many runs are made at the same time, this worker's among them.
    pub(crate) fn jobs(&self) -> usize {
        let of_study = self.study.as_ref().map(|queue| queue.stored.jobs);
        self.serves.or(of_study).unwrap_or(1)
    }

    /// Takes in what became of the runs that are made beside this worker's, and gives out more.
    pub(crate) async fn tend_side_runs(&mut self) {
        let Some(queue) = &mut self.study else { return };
        let jobs = queue.stored.jobs;
        // On a GPU runs are made one after the other.
        if jobs > 1 && self.run.as_ref().is_some_and(|run| run.is_open() && !run.on_gpu) {
            queue.side.start(jobs);
        }
        let news = queue.side.news();
        let is_further = !news.is_empty();
        queue.take(news);
        if (jobs > 1 && queue.give_out()) || is_further {
            self.publish_study().await;
        }
    }

    /// Tells those who make runs of the study beside this worker.
    pub(crate) fn tell_side_runs(&self, command: &Command) {
        if let Some(queue) = &self.study {
            queue.side.tell(command);
        }
    }

    /// Leaves a study that has no cell left to open, with what other tabs have finished of it.
    async fn close_study(&mut self) -> Result<(), WorkerError> {
        if let (Some(queue), Some(store)) = (&mut self.study, &self.store) {
            for index in std::mem::take(&mut queue.elsewhere) {
                let cell = &mut queue.stored.cells[index];
                if store.run(&cell.run).await?.is_some_and(|run| run.state == RunState::Done) {
                    cell.state = CellState::Done;
                }
            }
        }
        self.leave_study().await;
        Ok(())
    }

    /// Notes the end of the cell whose run this worker makes, if it makes one.
    pub(crate) async fn end_cell(&mut self, state: CellState) {
        if self.serves.is_some() {
            port::post(&Message::Team(Report::Ended { state }));
        } else if let Some(queue) = &mut self.study {
            queue.end_own(state);
            self.publish_study().await;
        }
    }

    /// Leaves the study as it is.
    pub(crate) async fn leave_study(&mut self) {
        if let Some(mut queue) = self.study.take() {
            let news = std::mem::take(&mut queue.side).stop().await;
            queue.take(news);
            self.store_and_send(&queue.stored.stopped()).await;
        }
    }

    /// Stores how far the study is, and sends it to the page.
    pub(crate) async fn publish_study(&self) {
        if let Some(queue) = &self.study {
            self.store_and_send(&queue.stored).await;
        }
    }

    /// Where a study cannot be stored the page is informed, and the study goes on: its runs are what counts.
    async fn store_and_send(&self, stored: &StoredStudy) {
        port::post(&Message::Study(Box::new(stored.clone())));
        if let Some(store) = &self.store
            && let Err(error) = store.put_study(stored).await
        {
            port::post(&Message::Fault(WorkerError::from(error).fault(None)));
        }
    }
}
