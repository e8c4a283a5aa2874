//! A study in the worker: its cells are run one after the other, each as any run is. What is finished is known by the
//! digest of settings, data, model and code that the desktop's folders go by, or by a record from elsewhere of the same.

use crate::clock;
use crate::error::WorkerError;
use crate::lab::Lab;
use crate::port;
use crate::sources;
use apt_bridge::{Message, RunState, StoredCell, StoredStudy};
use apt_experiment::{Cell, CellState, Problem, Study, StudyFile, time_left};
use std::collections::BTreeSet;

/// The study that the worker goes through.
pub(crate) struct Queue {
    stored: StoredStudy,
    /// Its runs, beside those of `stored`.
    cells: Vec<Cell>,
    /// Cells that were open in another tab: several tabs may go through one study together.
    elsewhere: BTreeSet<usize>,
    /// When the worker began with it, and how many cells it has ended since.
    began: f64,
    ended: usize,
}

impl Queue {
    /// The next cell to work on.
    fn next(&self) -> Option<usize> {
        let cells = self.stored.cells.iter().enumerate();
        let mut due = cells.filter(|(place, cell)| !cell.state.is_over() && !self.elsewhere.contains(place));
        due.next().map(|(place, _)| place)
    }

    /// Notes the end of the cell that is being worked on.
    fn end(&mut self, state: CellState) {
        if let Some((place, _)) = self.stored.at_work() {
            self.stored.cells[place].state = state;
            self.ended += 1;
            let left = self.stored.count(|state| !state.is_over());
            self.stored.time_left = time_left((clock::now() - self.began) / 1000.0, self.ended, left, 1);
        }
    }
}

impl Lab {
    /// Looks what of a study is left to do, and begins.
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
            let from = digests.of(&cell.knobs, self.store.as_ref()).await?;
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
        let (elsewhere, began) = (BTreeSet::new(), clock::now());
        self.study = Some(Queue { stored, cells, elsewhere, began, ended: 0 });
        self.tell_study().await;
        Ok(())
    }

    /// Whether the run of a cell that is not over was begun; one that failed begins `anew`.
    async fn begun(&self, cell: &StoredCell, anew: bool) -> Result<CellState, WorkerError> {
        let Some(store) = &self.store else { return Ok(CellState::Queued) };
        let is_there = store.run(&cell.run).await?.is_some();
        if is_there && anew {
            store.remove_run(&cell.run).await?;
        }
        Ok(if is_there && !anew { CellState::Begun } else { CellState::Queued })
    }

    /// Whether a study waits for its next cell to be opened.
    pub(crate) fn is_cell_due(&self) -> bool {
        self.study.is_some() && !self.run.as_ref().is_some_and(crate::run::Run::is_open)
    }

    /// Opens the study's next cell; without one the study is over.
    pub(crate) async fn next_cell(&mut self) {
        match self.open_cell().await {
            Ok(()) => {}
            Err(WorkerError::Busy { .. }) => {
                if let Some(queue) = &mut self.study
                    && let Some((place, _)) = queue.stored.at_work()
                {
                    queue.elsewhere.insert(place);
                    queue.stored.cells[place].state = CellState::Begun;
                }
            }
            Err(error) => {
                // Without room or access the next cell would fail too.
                if matches!(error, WorkerError::Store(_)) {
                    self.leave_study().await;
                } else {
                    self.end_cell(failed(&error, 0)).await;
                }
                port::post(&Message::Fault(error.fault(None)));
            }
        }
    }

    async fn open_cell(&mut self) -> Result<(), WorkerError> {
        let Some(queue) = &mut self.study else { return Ok(()) };
        let Some(place) = queue.next() else { return self.close_study().await };
        let (cell, entry) = (queue.cells[place].clone(), &mut queue.stored.cells[place]);
        let was = std::mem::replace(&mut entry.state, CellState::Running);
        let run = entry.run.clone();
        self.tell_study().await;
        // Another tab may have finished it in the meantime.
        let state = match &self.store {
            Some(store) => store.run(&run).await?.map(|entry| entry.state),
            None => None,
        };
        if state == Some(RunState::Done) {
            self.end_cell(CellState::Done).await;
            return Ok(());
        }
        match was {
            CellState::Begun => self.open(&run, true).await,
            _ => self.start(run, Some(cell.preset.to_owned()), cell.knobs).await,
        }
    }

    /// Leaves a study that has no cell left to open, with what other tabs have finished of it.
    async fn close_study(&mut self) -> Result<(), WorkerError> {
        if let (Some(queue), Some(store)) = (&mut self.study, &self.store) {
            for place in std::mem::take(&mut queue.elsewhere) {
                let cell = &mut queue.stored.cells[place];
                if store.run(&cell.run).await?.is_some_and(|run| run.state == RunState::Done) {
                    cell.state = CellState::Done;
                }
            }
        }
        self.leave_study().await;
        Ok(())
    }

    /// Notes the end of the cell that is being worked on, if there is one.
    pub(crate) async fn end_cell(&mut self, state: CellState) {
        if let Some(queue) = &mut self.study {
            queue.end(state);
            self.tell_study().await;
        }
    }

    /// Leaves the study as it stands.
    pub(crate) async fn leave_study(&mut self) {
        if let Some(queue) = self.study.take() {
            self.keep_study(&queue.stored.at_rest()).await;
        }
    }

    async fn tell_study(&self) {
        if let Some(queue) = &self.study {
            self.keep_study(&queue.stored).await;
        }
    }

    /// Tells the page how far the study is. Where that cannot be stored the page hears it, and the study goes on: its
    /// runs are what counts.
    async fn keep_study(&self, stored: &StoredStudy) {
        port::post(&Message::Study(Box::new(stored.clone())));
        if let Some(store) = &self.store
            && let Err(error) = store.put_study(stored).await
        {
            port::post(&Message::Fault(WorkerError::from(error).fault(None)));
        }
    }
}

/// The state of a cell that this error ended.
pub(crate) fn failed(error: &WorkerError, step: usize) -> CellState {
    let fault = error.fault(None);
    CellState::failed(&Problem::new(fault.place, fault.what, fault.remedy), step)
}
