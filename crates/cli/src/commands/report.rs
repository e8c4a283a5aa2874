//! `report`: runs of a study, or any runs, compared in one HTML file, as Markdown, CSV and JSON.

use crate::error::CliError;
use crate::folder::write_whole;
use crate::progress::to_stdout;
use crate::study::{Found, StudyFolder};
use apt_experiment::{CellState, Record, Study};
use apt_report::{Entry, Report, csv, html, json, markdown};
use clap::ArgMatches;
use std::fs;
use std::path::{Path, PathBuf};

/// Compares what the arguments name.
///
/// # Errors
/// Paths that hold no run; files that cannot be read or written.
pub fn report(matches: &ArgMatches) -> Result<(), CliError> {
    let paths: Vec<&PathBuf> = matches.get_many("runs").into_iter().flatten().collect();
    let mut entries = Vec::new();
    let mut study: Option<Study> = None;
    for path in &paths {
        let folder = StudyFolder::new(path);
        if folder.exists() {
            let file = folder.study()?;
            let found = Study::resolve(&file, "study")?;
            // Folders of one study from several machines are one study; different ones are compared as loose runs.
            study = match study {
                None if paths.len() == 1 || entries.is_empty() => Some(found),
                Some(first) if first.name == found.name => Some(first),
                _ => None,
            };
            entries.extend(folder.cells()?.into_iter().map(entry));
        } else {
            entries.push(run(path)?);
        }
    }
    let report = Report::new(&entries, study.as_ref());
    let out = matches.get_one::<PathBuf>("out").cloned().unwrap_or_else(|| match paths[..] {
        [path] if path.is_dir() => path.clone(),
        _ => PathBuf::from("report"),
    });
    write(&report, &out)?;
    if matches.get_flag("json") {
        to_stdout(&json(&report)?);
    } else {
        to_stdout(&format!("{}\nreport  {}", markdown(&report), out.join("report.html").display()));
    }
    Ok(())
}

/// Writes the four files of a report.
///
/// # Errors
/// A folder that cannot be written.
pub fn write(report: &Report, out: &Path) -> Result<(), CliError> {
    fs::create_dir_all(out).map_err(|e| CliError::writing(out, e))?;
    let files = [("html", html(report)), ("md", markdown(report)), ("csv", csv(report)?), ("json", json(report)?)];
    files.iter().try_for_each(|(kind, text)| write_whole(&out.join(format!("report.{kind}")), text.as_bytes()))
}

/// A study's cell as the report takes it.
pub fn entry(found: Found) -> Entry {
    let failure = match found.state {
        CellState::Done => None,
        CellState::Failed(why) => Some(why),
        unfinished => Some(unfinished.name().to_owned()),
    };
    Entry { name: found.name, record: found.record.map(Into::into), failure }
}

/// A run's folder, or a record.
fn run(path: &Path) -> Result<Entry, CliError> {
    let file = if path.is_dir() { path.join("record.json") } else { path.to_path_buf() };
    if !file.is_file() {
        let remedy = "name a study's folder, a run's folder that is finished, or a record.json";
        return Err(CliError::place(path, "there is no study and no record here", remedy));
    }
    let bytes = fs::read(&file).map_err(|e| CliError::reading(&file, e))?;
    let record = Record::from_json(&bytes, &file.display().to_string())?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok(Entry { name, record: Some(record.into()), failure: None })
}
