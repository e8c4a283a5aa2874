//! `cell`, which `study` runs and nobody types: one run of a study in a process of its own.
//!
//! The first line of standard input is the request. When standard input is closed, the study has ended: the run saves
//! and stops.

use crate::error::CliError;
use crate::interrupt;
use crate::reporter::Reporter;
use crate::run::resume::resume;
use crate::run::{self, RunOptions};
use crate::settings::Request;
use crate::study::folder::StudyFolder;
use crate::study::request::CellRequest;
use std::fs;
use std::io::{BufRead, Read};
use std::path::Path;

/// Starts or resumes the run that the request names.
///
/// # Errors
/// A request that cannot be read; whatever ends a run.
pub(super) fn cell(reporter: &mut Reporter) -> Result<(), CliError> {
    let request = read_request()?;
    let watch = || {
        // Nothing follows the request: only the end of the input matters.
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        interrupt::request();
    };
    std::thread::Builder::new().spawn(watch).map_err(CliError::threads)?;
    let study = StudyFolder::new(&request.study);
    let _lock = study.lock_cell(&request.cell)?;
    let folder = study.cell_path(&request.cell);
    let options = RunOptions { jobs: Some(request.jobs), write_model: false };
    if has_begun(&folder)? {
        resume(&folder, options, reporter)?;
    } else {
        let request = Request { knobs: request.knobs.check()?, preset: Some(request.preset) };
        run::start(&request, &folder, options, reporter)?;
    }
    Ok(())
}

fn read_request() -> Result<CellRequest, CliError> {
    let mut line = String::new();
    let place = Path::new("standard input");
    std::io::stdin().lock().read_line(&mut line).map_err(|e| CliError::reading(place, e))?;
    serde_json::from_str(&line).map_err(|e| {
        CliError::at(place, format!("this is no request for a cell ({e})"), "use `apt-lab study`, which writes it")
    })
}

/// Whether there is a run to resume. What a run left that was killed before its first event is removed.
fn has_begun(folder: &Path) -> Result<bool, CliError> {
    let events = folder.join("events.jsonl");
    if !events.exists() {
        return Ok(false);
    }
    let has_events = fs::metadata(&events).map_err(|e| CliError::reading(&events, e))?.len() > 0;
    if has_events && folder.join("config.toml").exists() {
        return Ok(true);
    }
    fs::remove_dir_all(folder).map_err(|e| CliError::writing(folder, e))?;
    Ok(false)
}
