//! The cells of the study that the worker goes through.

use crate::side_runs::{News, SideRuns};
use crate::{clock, port};
use apt_bridge::{StoredRun, StoredStudy};
use apt_experiment::{Cell, CellState, time_left};
use std::collections::BTreeSet;

/// A study with the runs that are to be made for it.
pub(crate) struct Queue {
    /// As the page and the database have it.
    pub(crate) stored: StoredStudy,
    /// Its runs, beside the cells of `stored`.
    cells: Vec<Cell>,
    /// Cells that were open in another tab: several tabs may go through one study together.
    pub(crate) elsewhere: BTreeSet<usize>,
    /// The cell whose run this worker makes.
    own: Option<usize>,
    /// Those whose runs others make.
    pub(crate) side: SideRuns,
    /// When the worker began with it, and how many cells have ended since.
    began: f64,
    ended: usize,
}

impl Queue {
    /// A queue of all `cells` that are not over.
    pub(crate) fn new(stored: StoredStudy, cells: Vec<Cell>) -> Self {
        let (elsewhere, side) = (BTreeSet::new(), SideRuns::default());
        Self { stored, cells, elsewhere, own: None, side, began: clock::now(), ended: 0 }
    }

    /// The next cell to run: its index, the run to make for it and whether that goes on from its last save. The cell is
    /// being run from now on.
    fn next(&mut self) -> Option<(usize, StoredRun, bool)> {
        let due = |state: &CellState| matches!(state, CellState::Queued | CellState::Begun);
        let mut cells = self.stored.cells.iter_mut().enumerate();
        let (index, entry) = cells.find(|(index, cell)| due(&cell.state) && !self.elsewhere.contains(index))?;
        let begun = std::mem::replace(&mut entry.state, CellState::Running) == CellState::Begun;
        let cell = &self.cells[index];
        let run = StoredRun::new(entry.run.clone(), Some(cell.preset.to_owned()), cell.knobs.clone(), clock::date());
        Some((index, run, begun))
    }

    /// The next run for this worker.
    pub(crate) fn next_own(&mut self) -> Option<(StoredRun, bool)> {
        let (index, run, begun) = self.next()?;
        self.own = Some(index);
        Some((run, begun))
    }

    /// Gives runs to the workers that wait for one; whether there were any.
    pub(crate) fn give_out(&mut self) -> bool {
        let mut any = false;
        while self.side.has_idle() {
            let Some((index, run, begun)) = self.next() else { break };
            self.side.make(index, run, begun);
            any = true;
        }
        any
    }

    /// Notes the end of this worker's cell.
    pub(crate) fn end_own(&mut self, state: CellState) {
        if let Some(index) = self.own.take() {
            self.end(index, state);
        }
    }

    /// Notes that another tab has this worker's cell open.
    pub(crate) fn skip_own(&mut self) {
        if let Some(index) = self.own.take() {
            self.skip(index);
        }
    }

    /// Takes in what became of runs that other workers make, and passes on what is the page's.
    pub(crate) fn take(&mut self, news: Vec<News>) {
        for news in news {
            match news {
                News::Ended(index, CellState::Begun) => self.skip(index),
                News::Ended(index, state) => self.end(index, state),
                News::Lost(index) => self.stored.cells[index].state = CellState::Begun,
                News::Tell(message) => port::post(&message),
            }
        }
    }

    fn end(&mut self, index: usize, state: CellState) {
        self.stored.cells[index].state = state;
        self.ended += 1;
        let left = self.stored.count(|state| !state.is_over());
        self.stored.time_left = time_left((clock::now() - self.began) / 1000.0, self.ended, left, self.stored.jobs);
    }

    fn skip(&mut self, index: usize) {
        self.elsewhere.insert(index);
        self.stored.cells[index].state = CellState::Begun;
    }
}
