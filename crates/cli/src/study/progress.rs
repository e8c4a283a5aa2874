//! The progress of a study: how many cells came to which end, and what is printed of it.

use super::child::CellOutcome;
use super::folder::{StudyFolder, failure_reason};
use super::plan::PlannedCell;
use crate::error::CliError;
use crate::reporter::Reporter;
use apt_experiment::time_left;
use std::fmt;
use std::time::Instant;

/// How many cells came to which end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CellCounts {
    /// All cells of the study, or of the shard.
    pub cells: usize,
    /// Done before.
    pub skipped: usize,
    /// Done now.
    pub done: usize,
    /// Failed, now or before.
    pub failed: usize,
    /// Locked by another process.
    pub locked: usize,
}

impl CellCounts {
    /// Cells that are left to run.
    pub(crate) fn left(&self) -> usize {
        self.cells - self.skipped - self.done - self.failed - self.locked
    }

    /// The result of the command.
    ///
    /// # Errors
    /// [`CliError::Stopped`], [`CliError::Failures`].
    pub(crate) fn result(&self, folder: &StudyFolder) -> Result<(), CliError> {
        let (cells, failed, left) = (self.cells, self.failed, self.left());
        if left > 0 {
            return Err(CliError::Stopped { left, cells });
        }
        if failed > 0 {
            return Err(CliError::Failures { failed, cells, folder: folder.root().display().to_string() });
        }
        Ok(())
    }
}

impl fmt::Display for CellCounts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} runs: {} done", self.cells, self.done + self.skipped)?;
        for (count, what) in [
            (self.skipped, "of them before"),
            (self.failed, "failed"),
            (self.locked, "running in another process"),
            (self.left(), "not run"),
        ] {
            if count > 0 {
                write!(out, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// A message of the thread that runs a cell. `cell` is its index among those of this study or shard.
pub(crate) enum CellProgress {
    /// It has made this step.
    Step {
        /// Which cell.
        cell: usize,
        /// Steps made.
        step: usize,
        /// Steps planned.
        planned: usize,
    },
    /// It has ended.
    Ended {
        /// Which cell.
        cell: usize,
        /// How.
        outcome: CellOutcome,
        /// Seconds it took.
        seconds: f64,
    },
}

/// Counts and prints what the running cells report.
pub(crate) struct ProgressBoard<'a> {
    folder: &'a StudyFolder,
    cells: &'a [&'a PlannedCell],
    jobs: usize,
    counts: CellCounts,
    began: Instant,
}

impl<'a> ProgressBoard<'a> {
    /// The progress of `cells`, `jobs` of which run at the same time; `counts` are those before the start.
    pub(crate) fn new(folder: &'a StudyFolder, cells: &'a [&'a PlannedCell], jobs: usize, counts: CellCounts) -> Self {
        Self { folder, cells, jobs, counts, began: Instant::now() }
    }

    /// The counts at present.
    pub(crate) fn counts(&self) -> CellCounts {
        self.counts
    }

    /// Takes in one message.
    ///
    /// # Errors
    /// A record that cannot be read, a failure that cannot be written.
    pub(crate) fn update(&mut self, progress: CellProgress, reporter: &mut Reporter) -> Result<(), CliError> {
        match progress {
            CellProgress::Step { cell, step, planned } => {
                reporter.show_step(&self.cells[cell].cell.name(), step, planned);
            }
            CellProgress::Ended { cell, outcome, seconds } => self.cell_ended(cell, outcome, seconds, reporter)?,
        }
        Ok(())
    }

    fn cell_ended(
        &mut self,
        cell: usize,
        outcome: CellOutcome,
        seconds: f64,
        reporter: &mut Reporter,
    ) -> Result<(), CliError> {
        let name = &self.cells[cell].folder;
        let line = match outcome {
            CellOutcome::Done => {
                self.counts.done += 1;
                let metric = self.folder.record(name)?.measures.metric;
                let value = |v: Option<f64>| v.map_or_else(|| "—".to_owned(), |v| format!("{v:.4}"));
                let (validation, test) = (value(metric.validation), value(metric.test));
                format!("done    {name}  {} {validation} validation, {test} test", metric.name)
            }
            CellOutcome::Failed(event) => {
                self.counts.failed += 1;
                self.folder.write_failure(name, &event)?;
                format!("FAILED  {name}{}", failure_reason(&self.folder.state(name)?))
            }
            CellOutcome::Busy => {
                self.counts.locked += 1;
                format!("locked  {name}: another process is running it")
            }
            CellOutcome::Interrupted => format!("stopped {name}: it is saved"),
        };
        let finished = self.counts.cells - self.counts.left();
        let left = self.time_left().map_or_else(String::new, |left| format!(", about {left} left"));
        reporter.print(&format!("  {finished:>3}/{} {line}  {seconds:.1} s{left}", self.counts.cells));
        Ok(())
    }

    /// From the cells that were finished since the start; cells that run at the same time count as one.
    fn time_left(&self) -> Option<String> {
        let finished = self.counts.done + self.counts.failed;
        time_left(self.began.elapsed().as_secs_f64(), finished, self.counts.left(), self.jobs)
    }
}
