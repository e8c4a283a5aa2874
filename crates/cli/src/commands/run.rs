//! `run`: one run, new or resumed.

use super::densities;
use crate::error::CliError;
use crate::reporter::Reporter;
use crate::run::resume::resume;
use crate::run::{self, Outcome, RunOptions};
use crate::settings;
use apt_report::{record_picture, summary};
use clap::ArgMatches;
use std::path::PathBuf;

/// Runs the command.
///
/// # Errors
/// Whatever ends the run.
pub(super) fn run(matches: &ArgMatches, reporter: &mut Reporter) -> Result<(), CliError> {
    if let Some(list) = matches.get_one::<String>("densities") {
        return densities::run(matches, list, reporter);
    }
    let options = RunOptions::default();
    let Outcome { record, path } = match matches.get_one::<PathBuf>("resume") {
        Some(root) => resume(root, options, reporter)?,
        None => {
            let out = matches.get_one::<PathBuf>("out").cloned().unwrap_or_else(run::new_folder);
            run::start(&settings::request(matches)?, &out, options, reporter)?
        }
    };
    reporter.print(&format!("\n{}\n{}\nrecord  {}", summary(&record), record_picture(&record), path.display()));
    reporter.done(&path);
    Ok(())
}
