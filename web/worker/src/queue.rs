//! The cells of the study that the worker goes through.

use crate::clock;
use apt_bridge::StoredStudy;
use apt_experiment::{Cell, CellState, time_left};
use std::collections::BTreeSet;

/// A study with the runs that are to be made for it.
pub(crate) struct Queue {
    /// As the page and the database have it.
    pub(crate) stored: StoredStudy,
    /// Its runs, beside the cells of `stored`.
    pub(crate) cells: Vec<Cell>,
    /// Cells that were open in another tab: several tabs may go through one study together.
    pub(crate) elsewhere: BTreeSet<usize>,
    /// When the worker began with it, and how many cells it has ended since.
    began: f64,
    ended: usize,
}

impl Queue {
    /// A queue of all `cells` that are not over.
    pub(crate) fn new(stored: StoredStudy, cells: Vec<Cell>) -> Self {
        Self { stored, cells, elsewhere: BTreeSet::new(), began: clock::now(), ended: 0 }
    }

    /// Index of the next cell to run.
    pub(crate) fn next(&self) -> Option<usize> {
        let cells = self.stored.cells.iter().enumerate();
        let mut due = cells.filter(|(index, cell)| !cell.state.is_over() && !self.elsewhere.contains(index));
        due.next().map(|(index, _)| index)
    }

    /// Notes the end of the current cell.
    pub(crate) fn end(&mut self, state: CellState) {
        if let Some((index, _)) = self.stored.current_cell() {
            self.stored.cells[index].state = state;
            self.ended += 1;
            let left = self.stored.count(|state| !state.is_over());
            self.stored.time_left = time_left((clock::now() - self.began) / 1000.0, self.ended, left, 1);
        }
    }

    /// Notes that another tab has the current cell open.
    pub(crate) fn skip(&mut self) {
        if let Some((index, _)) = self.stored.current_cell() {
            self.elsewhere.insert(index);
            self.stored.cells[index].state = CellState::Begun;
        }
    }
}
