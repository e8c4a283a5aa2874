//! Runs the cells of a study that are not finished, several at the same time if asked to.

use super::child::{self, CellOutcome};
use super::folder::{StudyFolder, failure_reason};
use super::plan::PlannedCell;
use super::progress::{CellCounts, CellProgress, ProgressBoard};
use super::request::CellRequest;
use crate::error::CliError;
use crate::interrupt;
use crate::reporter::Reporter;
use apt_experiment::CellState;
use std::collections::VecDeque;
use std::process::ChildStdin;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often Ctrl-C is checked while cells run.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Runs those of `cells` that are not finished, `jobs` at the same time.
///
/// # Errors
/// A folder that cannot be read or written; failed cells are counted, not returned.
pub(crate) fn run(
    folder: &StudyFolder,
    cells: &[&PlannedCell],
    jobs: usize,
    retry: bool,
    reporter: &mut Reporter,
) -> Result<CellCounts, CliError> {
    let (queue, mut counts) = enqueue(folder, cells, retry, reporter)?;
    let jobs = jobs.clamp(1, queue.len().max(1));
    let queue = Mutex::new(queue);
    // Closing a child's standard input stops it.
    let inputs: Vec<Mutex<Option<ChildStdin>>> = (0..jobs).map(|_| Mutex::new(None)).collect();
    let (sender, receiver) = mpsc::channel();
    let mut result = Ok(());
    thread::scope(|scope| {
        for input in &inputs {
            let (sender, queue) = (sender.clone(), &queue);
            let run_cells = move || {
                while !interrupt::requested() {
                    let Some(cell) = lock(queue).pop_front() else { return };
                    let began = Instant::now();
                    let outcome = run_cell(folder, cells[cell], cell, jobs, input, &sender);
                    let seconds = began.elapsed().as_secs_f64();
                    let _ = sender.send(CellProgress::Ended { cell, outcome, seconds });
                }
            };
            if let Err(error) = thread::Builder::new().spawn_scoped(scope, run_cells) {
                result = Err(CliError::threads(error));
                interrupt::request();
            }
        }
        drop(sender);
        let mut board = ProgressBoard::new(folder, cells, jobs, counts);
        loop {
            match receiver.recv_timeout(POLL_INTERVAL) {
                Ok(progress) => {
                    if let Err(error) = board.update(progress, reporter) {
                        result = Err(error);
                        interrupt::request();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if interrupt::requested() {
                inputs.iter().for_each(|input| drop(lock(input).take()));
            }
        }
        reporter.clear_bar();
        counts = board.counts();
    });
    result.map(|()| counts)
}

/// The indices of the cells that are to be run, and the counts of the others.
fn enqueue(
    folder: &StudyFolder,
    cells: &[&PlannedCell],
    retry: bool,
    reporter: &Reporter,
) -> Result<(VecDeque<usize>, CellCounts), CliError> {
    let mut counts = CellCounts { cells: cells.len(), ..CellCounts::default() };
    let mut queue = VecDeque::new();
    for (cell, planned) in cells.iter().enumerate() {
        match folder.state(&planned.folder)? {
            CellState::Done => counts.skipped += 1,
            CellState::Failed(_) if retry => {
                folder.clear(&planned.folder)?;
                queue.push_back(cell);
            }
            state @ CellState::Failed(_) => {
                counts.failed += 1;
                reporter.print(&format!("  failed before  {}{}", planned.folder, failure_reason(&state)));
            }
            CellState::Queued | CellState::Begun | CellState::Running => queue.push_back(cell),
        }
    }
    if counts.skipped > 0 {
        reporter.print(&format!("  {} are already done", counts.skipped));
    }
    Ok((queue, counts))
}

/// Runs one cell to its end. `input` holds its standard input meanwhile.
fn run_cell(
    folder: &StudyFolder,
    planned: &PlannedCell,
    cell: usize,
    jobs: usize,
    input: &Mutex<Option<ChildStdin>>,
    sender: &Sender<CellProgress>,
) -> CellOutcome {
    let request = CellRequest {
        study: folder.root().to_path_buf(),
        cell: planned.folder.clone(),
        preset: planned.cell.preset.to_owned(),
        knobs: planned.cell.knobs.clone(),
        jobs,
    };
    match child::spawn(&request) {
        Ok(mut process) => {
            *lock(input) = process.stdin.take();
            if interrupt::requested() {
                // The stop was requested after the flag was checked and before the input was stored.
                drop(lock(input).take());
            }
            let outcome = child::wait(&mut process, |step, planned| {
                let _ = sender.send(CellProgress::Step { cell, step, planned });
            });
            drop(lock(input).take());
            outcome
        }
        Err(error) => child::process_failure("its process could not be started", &error.to_string()),
    }
}

/// The values behind these locks are whole even if a thread that held one has panicked.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
