//! The process that runs one cell: its peak of memory is its own, and whatever ends it ends nothing else.
//!
//! It reads its request from standard input and stops when that is closed: no cell outlives the study that started it.

use super::request::CellRequest;
use crate::error::{EXIT_BUSY, EXIT_INTERRUPTED};
use crate::interrupt;
use apt_experiment::{Event, Problem};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;

/// How a cell's process ended.
pub(crate) enum CellOutcome {
    /// With a record.
    Done,
    /// With this `failed` event.
    Failed(Event),
    /// Another process had locked the cell.
    Busy,
    /// Stopped by the user; what it did is saved.
    Interrupted,
}

/// Starts a process and sends it the request. Its standard input stays open in the child that is returned.
///
/// # Errors
/// The process cannot be started.
pub(crate) fn spawn(request: &CellRequest) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("cell").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let threads = (crate::device::threads() / request.jobs.max(1)).max(1);
    command.env("RAYON_NUM_THREADS", threads.to_string());
    let mut child = command.spawn()?;
    if let Some(stdin) = &mut child.stdin {
        let line = serde_json::to_string(request)?;
        writeln!(stdin, "{line}")?;
        stdin.flush()?;
    }
    Ok(child)
}

/// Reads the events of the process until it ends; `on_step` is called with the step and the number of steps planned.
pub(crate) fn wait(child: &mut Child, mut on_step: impl FnMut(usize, usize)) -> CellOutcome {
    let read_all = |mut stderr: ChildStderr| {
        let mut text = Vec::new();
        // What cannot be read is missing from the reason of a failure, and from nothing else.
        let _ = stderr.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    // Where the system has no thread for it, a failure is without this reason.
    let stderr = child.stderr.take().and_then(|stderr| thread::Builder::new().spawn(move || read_all(stderr)).ok());
    let (mut planned, mut failure) = (0, None);
    for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()).map_while(Result::ok) {
        match Event::from_line(&line) {
            Ok(Event::Started { steps, .. }) => planned = steps,
            Ok(Event::Step(point)) => on_step(point.step, planned),
            Ok(event @ Event::Failed { .. }) => failure = Some(event),
            _ => {}
        }
    }
    let status = child.wait();
    let stderr = stderr.and_then(|thread| thread.join().ok()).unwrap_or_default();
    match status {
        Ok(status) if status.success() => CellOutcome::Done,
        Ok(status) if status.code() == Some(i32::from(EXIT_INTERRUPTED)) => CellOutcome::Interrupted,
        Ok(status) if status.code() == Some(i32::from(EXIT_BUSY)) => CellOutcome::Busy,
        _ if interrupt::requested() => CellOutcome::Interrupted,
        Ok(status) => failure.map_or_else(
            || {
                let last = stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it printed nothing");
                process_failure(&format!("its process ended with {status}"), last)
            },
            CellOutcome::Failed,
        ),
        Err(error) => process_failure("its process was lost", &error.to_string()),
    }
}

/// A cell failed without an event that says why.
pub(crate) fn process_failure(what: &str, detail: &str) -> CellOutcome {
    let remedy = "run the study again with --retry, with fewer --jobs if memory was short";
    let problem = Problem::new("process", format!("{what}: {detail}"), remedy);
    CellOutcome::Failed(Event::Failed { step: 0, problem })
}
