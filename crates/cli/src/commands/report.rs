//! `report`: runs of a study, or any runs, compared in one HTML file, as Markdown, CSV and JSON; and in brief.

use crate::error::CliError;
use crate::files::write_atomic;
use crate::reporter::print_stdout;
use crate::study::folder::StudyFolder;
use crate::study::report::{cell_entry, run_entry, write_report};
use apt_experiment::Study;
use apt_report::{Brief, Report, json, markdown, study_command};
use clap::ArgMatches;
use std::path::PathBuf;

/// Compares the runs that the arguments name.
///
/// # Errors
/// Paths that hold no run; files that cannot be read or written.
pub(super) fn report(matches: &ArgMatches) -> Result<(), CliError> {
    let paths: Vec<&PathBuf> = matches.get_many("runs").into_iter().flatten().collect();
    let mut entries = Vec::new();
    let mut study: Option<Study> = None;
    let mut commands = Vec::new();
    for path in &paths {
        let folder = StudyFolder::new(path);
        if folder.exists() {
            let file = folder.study()?;
            let found = Study::resolve(&file, "study")?;
            commands.push(study_command(&found.name, &file));
            // Folders of one study from several machines are one study; different ones are compared as single runs.
            study = match study {
                None if paths.len() == 1 || entries.is_empty() => Some(found),
                Some(first) if first.name == found.name => Some(first),
                _ => None,
            };
            entries.extend(folder.cells()?.into_iter().map(cell_entry));
        } else {
            entries.push(run_entry(path)?);
        }
    }
    let report = Report::new(&entries, study.as_ref());
    let out = matches.get_one::<PathBuf>("out").cloned().unwrap_or_else(|| match paths[..] {
        [path] if path.is_dir() => path.clone(),
        _ => PathBuf::from("report"),
    });
    write_report(&report, &out)?;
    if let Some(file) = matches.get_one::<PathBuf>("brief") {
        let brief = Brief::of(&report, commands).ok_or_else(|| {
            CliError::at(file, "there is no finished run to write of", "name folders of runs that are finished")
        })?;
        write_atomic(file, brief.to_json()?.as_bytes())?;
    }
    if matches.get_flag("json") {
        print_stdout(&json(&report)?);
    } else {
        print_stdout(&format!("{}\nreport  {}", markdown(&report), out.join("report.html").display()));
    }
    Ok(())
}
