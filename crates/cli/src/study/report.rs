//! Records on disk as the report takes them, and the report's files.

use super::folder::FoundCell;
use crate::error::CliError;
use crate::files::write_atomic;
use apt_experiment::{CellState, Record};
use apt_report::{Entry, Report, csv, html, json, markdown};
use std::fs;
use std::path::Path;

/// A cell of a study.
pub(crate) fn cell_entry(found: FoundCell) -> Entry {
    let failure = if let CellState::Failed(why) = found.state { Some(why) } else { None };
    Entry { name: found.name, record: found.record.map(Into::into), failure }
}

/// A run's folder, or a record's file.
///
/// # Errors
/// There is no record, or it cannot be read.
pub(crate) fn run_entry(path: &Path) -> Result<Entry, CliError> {
    let file = if path.is_dir() { path.join("record.json") } else { path.to_path_buf() };
    if !file.is_file() {
        let remedy = "name a study's folder, a run's folder that is finished, or a record.json";
        return Err(CliError::at(path, "there is no study and no record here", remedy));
    }
    let bytes = fs::read(&file).map_err(|e| CliError::reading(&file, e))?;
    let record = Record::from_json(&bytes, &file.display().to_string())?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok(Entry { name, record: Some(record.into()), failure: None })
}

/// Writes `report.html`, `.md`, `.csv` and `.json` into `out`.
///
/// # Errors
/// A folder that cannot be written.
pub(crate) fn write_report(report: &Report, out: &Path) -> Result<(), CliError> {
    fs::create_dir_all(out).map_err(|e| CliError::writing(out, e))?;
    let files = [("html", html(report)), ("md", markdown(report)), ("csv", csv(report)?), ("json", json(report)?)];
    files.iter().try_for_each(|(kind, text)| write_atomic(&out.join(format!("report.{kind}")), text.as_bytes()))
}
