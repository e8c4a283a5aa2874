//! A study in the worker: its cells are run one after the other, each as any run is. What is finished is known by the
//! digest of settings, data, model and code that the desktop's folders go by, or by a record from elsewhere of the same.

use crate::error::WorkerError;
use crate::queue::Queue;
use crate::run::Run;
use crate::run_lock::RunLock;
use crate::worker::Worker;
use crate::{clock, port, sources};
use apt_bridge::{Message, RunState, StoredCell, StoredRun, StoredStudy};
use apt_experiment::{CellState, Study, StudyFile};

impl Worker {
    /// Finds out what of a study is left to do, and begins.
    pub(crate) async fn begin_study(&mut self, name: String, file: StudyFile, retry: bool) -> Result<(), WorkerError> {
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
                    queue.skip();
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
        let Some(index) = queue.next() else { return self.close_study().await };
        let (cell, entry) = (queue.cells[index].clone(), &mut queue.stored.cells[index]);
        let was = std::mem::replace(&mut entry.state, CellState::Running);
        let run = entry.run.clone();
        self.publish_study().await;
        self.close().await?;
        // Locked before it is looked at: another tab may have finished it in the meantime, or be about to.
        let lock = RunLock::of(&run).await.ok_or_else(|| WorkerError::Busy { run: run.clone() })?;
        let state = match &self.store {
            Some(store) => store.run(&run).await?.map(|entry| entry.state),
            None => None,
        };
        if state == Some(RunState::Done) {
            self.end_cell(CellState::Done).await;
            return Ok(());
        }
        match was {
            CellState::Begun => self.open(&run, true, Some(lock)).await,
            _ => {
                let entry = StoredRun::new(run, Some(cell.preset.to_owned()), cell.knobs, clock::date());
                self.start(entry, Some(lock)).await
            }
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

    /// Notes the end of the current cell, if there is one.
    pub(crate) async fn end_cell(&mut self, state: CellState) {
        if let Some(queue) = &mut self.study {
            queue.end(state);
            self.publish_study().await;
        }
    }

    /// Leaves the study as it is.
    pub(crate) async fn leave_study(&mut self) {
        if let Some(queue) = self.study.take() {
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
