//! Runs cells, each in a process of its own: its peak of memory is its own, and whatever ends it ends nothing else.
//!
//! The child is told what to do in the first line of its standard input and stops when that is closed: no cell outlives
//! the study that started it.

use super::{Planned, StudyFolder, reason};
use crate::cell::Order;
use crate::error::{BUSY, CliError, INTERRUPTED};
use crate::interrupt;
use crate::progress::Voice;
use apt_experiment::{CellState, Event, Problem, time_left};
use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often Ctrl-C is looked for while cells run.
const GLANCE: Duration = Duration::from_millis(200);

/// How many cells came to which end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    cells: usize,
    /// Done before.
    skipped: usize,
    done: usize,
    failed: usize,
    elsewhere: usize,
}

impl Tally {
    fn left(&self) -> usize {
        self.cells - self.skipped - self.done - self.failed - self.elsewhere
    }

    /// Whether no cell is left to run.
    pub fn is_complete(&self) -> bool {
        self.left() == 0
    }

    /// What the study's program ends with.
    ///
    /// # Errors
    /// [`CliError::Stopped`], [`CliError::Failures`].
    pub fn verdict(&self, folder: &StudyFolder) -> Result<(), CliError> {
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

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} runs: {} done", self.cells, self.done + self.skipped)?;
        for (count, what) in [
            (self.skipped, "of them before"),
            (self.failed, "failed"),
            (self.elsewhere, "worked on elsewhere"),
            (self.left(), "cancelled"),
        ] {
            if count > 0 {
                write!(out, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// What a worker tells.
enum News {
    Step { place: usize, step: usize, planned: usize },
    Ended { place: usize, end: End, seconds: f64 },
}

/// How a cell's process ended.
enum End {
    Done,
    Failed(Event),
    Busy,
    Interrupted,
}

/// Runs what is not finished of `cells`, `jobs` at a time.
///
/// # Errors
/// A folder that cannot be read or written; failed cells are counted, not returned.
pub fn run(
    folder: &StudyFolder,
    cells: &[&Planned],
    jobs: usize,
    retry: bool,
    voice: &mut Voice,
) -> Result<Tally, CliError> {
    let mut tally = Tally { cells: cells.len(), ..Tally::default() };
    let mut queue = VecDeque::new();
    for (place, planned) in cells.iter().enumerate() {
        match folder.state(&planned.folder)? {
            CellState::Done => tally.skipped += 1,
            CellState::Failed(_) if retry => {
                folder.clear(&planned.folder)?;
                queue.push_back(place);
            }
            state @ CellState::Failed(_) => {
                tally.failed += 1;
                voice.say(&format!("  failed before  {}{}", planned.folder, reason(&state)));
            }
            CellState::Queued | CellState::Begun | CellState::Running => queue.push_back(place),
        }
    }
    if tally.skipped > 0 {
        voice.say(&format!("  {} are done already", tally.skipped));
    }
    let jobs = jobs.clamp(1, queue.len().max(1));
    let queue = Mutex::new(queue);
    let leashes: Vec<Mutex<Option<ChildStdin>>> = (0..jobs).map(|_| Mutex::new(None)).collect();
    let (sender, news) = mpsc::channel();
    let mut outcome = Ok(());
    thread::scope(|scope| {
        for leash in &leashes {
            let (sender, queue) = (sender.clone(), &queue);
            scope.spawn(move || {
                while !interrupt::asked() {
                    let Some(place) = lock(queue).pop_front() else { return };
                    let began = Instant::now();
                    let end = one(folder, cells[place], place, jobs, leash, &sender);
                    let _ = sender.send(News::Ended { place, end, seconds: began.elapsed().as_secs_f64() });
                }
            });
        }
        drop(sender);
        let mut board = Board::new(folder, cells, jobs, tally);
        loop {
            match news.recv_timeout(GLANCE) {
                Ok(news) => {
                    if let Err(error) = board.take(news, voice) {
                        outcome = Err(error);
                        interrupt::ask();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if interrupt::asked() {
                leashes.iter().for_each(|leash| drop(lock(leash).take()));
            }
        }
        voice.end_bar();
        tally = board.tally;
    });
    outcome.map(|()| tally)
}

/// Runs one cell to its end.
fn one(
    folder: &StudyFolder,
    planned: &Planned,
    place: usize,
    jobs: usize,
    leash: &Mutex<Option<ChildStdin>>,
    sender: &Sender<News>,
) -> End {
    let order = Order {
        study: folder.root().to_path_buf(),
        cell: planned.folder.clone(),
        preset: planned.cell.preset.to_owned(),
        knobs: planned.cell.knobs.clone(),
        jobs,
    };
    match spawn(&order) {
        Ok(mut child) => {
            *lock(leash) = child.stdin.take();
            if interrupt::asked() {
                // It was asked between the look at the flag and here.
                drop(lock(leash).take());
            }
            let end = watch(&mut child, place, sender);
            drop(lock(leash).take());
            end
        }
        Err(error) => End::Failed(failed("its process could not be started", &error.to_string())),
    }
}

fn spawn(order: &Order) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("cell").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if order.jobs > 1 {
        let share = (crate::device::threads() / order.jobs).max(1);
        command.env("RAYON_NUM_THREADS", share.to_string());
    }
    let mut child = command.spawn()?;
    if let Some(stdin) = &mut child.stdin {
        let line = serde_json::to_string(order)?;
        writeln!(stdin, "{line}")?;
        stdin.flush()?;
    }
    Ok(child)
}

/// Reads what the process says until it ends.
fn watch(child: &mut Child, place: usize, sender: &Sender<News>) -> End {
    let words = child.stderr.take().map(|mut stderr| {
        thread::spawn(move || {
            let mut words = Vec::new();
            // What cannot be read any more is simply missing from the reason.
            let _ = stderr.read_to_end(&mut words);
            String::from_utf8_lossy(&words).into_owned()
        })
    });
    let (mut planned, mut reason) = (0, None);
    for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()).map_while(Result::ok) {
        match Event::from_line(&line) {
            Ok(Event::Started { steps, .. }) => planned = steps,
            Ok(Event::Step(point)) => {
                let _ = sender.send(News::Step { place, step: point.step, planned });
            }
            Ok(event @ Event::Failed { .. }) => reason = Some(event),
            _ => {}
        }
    }
    let status = child.wait();
    let words = words.and_then(|words| words.join().ok()).unwrap_or_default();
    match status {
        Ok(status) if status.success() => End::Done,
        Ok(status) if status.code() == Some(i32::from(INTERRUPTED)) => End::Interrupted,
        Ok(status) if status.code() == Some(i32::from(BUSY)) => End::Busy,
        _ if interrupt::asked() => End::Interrupted,
        Ok(status) => End::Failed(reason.unwrap_or_else(|| {
            let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            failed(&format!("its process ended with {status}"), last)
        })),
        Err(error) => End::Failed(failed("its process was lost", &error.to_string())),
    }
}

fn failed(what: &str, said: &str) -> Event {
    let remedy = "run the study again with --retry; if memory was short, with fewer --jobs";
    Event::Failed { step: 0, problem: Problem::new("process", format!("{what}: {said}"), remedy) }
}

/// What is told of the study while it runs.
struct Board<'a> {
    folder: &'a StudyFolder,
    cells: &'a [&'a Planned],
    jobs: usize,
    tally: Tally,
    began: Instant,
}

impl<'a> Board<'a> {
    fn new(folder: &'a StudyFolder, cells: &'a [&'a Planned], jobs: usize, tally: Tally) -> Self {
        Self { folder, cells, jobs, tally, began: Instant::now() }
    }

    fn take(&mut self, news: News, voice: &mut Voice) -> Result<(), CliError> {
        match news {
            News::Step { place, step, planned } => voice.advance(&self.cells[place].cell.name(), step, planned),
            News::Ended { place, end, seconds } => self.ended(place, end, seconds, voice)?,
        }
        Ok(())
    }

    fn ended(&mut self, place: usize, end: End, seconds: f64, voice: &mut Voice) -> Result<(), CliError> {
        let name = &self.cells[place].folder;
        let said = match end {
            End::Done => {
                self.tally.done += 1;
                let metric = self.folder.record(name)?.measures.metric;
                let value = |v: Option<f64>| v.map_or_else(|| "—".to_owned(), |v| format!("{v:.4}"));
                format!("done    {name}  {} {}, test {}", metric.name, value(metric.validation), value(metric.test))
            }
            End::Failed(event) => {
                self.tally.failed += 1;
                self.folder.write_failure(name, &event)?;
                format!("FAILED  {name}{}", reason(&self.folder.state(name)?))
            }
            End::Busy => {
                self.tally.elsewhere += 1;
                format!("held    {name}: another process is working on it")
            }
            End::Interrupted => format!("stopped {name}: it is saved"),
        };
        let over = self.tally.cells - self.tally.left();
        let left = self.time_left().map_or_else(String::new, |left| format!(", about {left} left"));
        voice.say(&format!("  {over:>3}/{} {said}  {seconds:.1} s{left}", self.tally.cells));
        Ok(())
    }

    /// From the cells that were finished since the start; cells side by side count as one.
    fn time_left(&self) -> Option<String> {
        let over = self.tally.done + self.tally.failed;
        time_left(self.began.elapsed().as_secs_f64(), over, self.tally.left(), self.jobs)
    }
}

/// A worker that panicked has left nothing half done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
