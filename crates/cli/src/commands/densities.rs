//! `run --densities`: several densities out of one run, each in a folder with a record of its own.

use crate::error::CliError;
use crate::reporter::Reporter;
use crate::run::folder::EVENTS;
use crate::run::further::go_on;
use crate::run::resume::{refuse_other_settings, resume};
use crate::run::{self, RunOptions};
use crate::settings::{self, Request};
use crate::shell::word;
use apt_experiment::{Densities, Knobs};
use apt_report::summary;
use clap::ArgMatches;
use std::path::{Path, PathBuf};

/// Runs the command. What is there already of an earlier call is kept, and continued where it was interrupted.
///
/// # Errors
/// Densities that do not fall; a folder with runs of other settings; whatever ends one of the runs.
pub(super) fn run(matches: &ArgMatches, list: &str, reporter: &mut Reporter) -> Result<(), CliError> {
    let requests = requests(&settings::request(matches)?, list)?;
    let out = matches.get_one::<PathBuf>("out").cloned().unwrap_or_else(run::new_folder);
    let options = RunOptions::default();
    let mut before: Option<PathBuf> = None;
    for request in &requests {
        let folder = out.join(format!("density-{}", request.knobs.density));
        let is_begun = folder.join(EVENTS).exists();
        let outcome = match &before {
            _ if is_begun => {
                refuse_other_settings(&folder, &request.knobs).and_then(|()| resume(&folder, options, reporter))
            }
            None => run::start(request, &folder, options, reporter),
            Some(before) => go_on(before, &folder, request, options, reporter),
        };
        let outcome = outcome.map_err(|error| again(error, &out))?;
        reporter.print(&format!("\n{}\nrecord  {}\n", summary(&outcome.record), outcome.path.display()));
        reporter.done(&outcome.path);
        before = Some(folder);
    }
    let folders: Vec<String> =
        requests.iter().map(|of| word(&out.join(format!("density-{}", of.knobs.density)))).collect();
    reporter.print(&format!("compare them: apt-lab report {} --out {}", folders.join(" "), word(&out.join("report"))));
    Ok(())
}

/// An interrupted run is continued with those after it.
fn again(error: CliError, out: &Path) -> CliError {
    match error {
        CliError::Interrupted { step, folder, .. } => {
            CliError::Interrupted { step, folder, command: format!("the same command, with --out {}", word(out)) }
        }
        other => other,
    }
}

/// A run for every density of `list`, with those before it on its way.
fn requests(base: &Request, list: &str) -> Result<Vec<Request>, CliError> {
    let Some(values) = Densities::from(list.to_owned()).values() else {
        let what = format!("`{list}` is no list of numbers");
        return Err(CliError::at(Path::new("--densities"), what, "write densities by comma, falling: 0.8,0.6,0.4"));
    };
    // All are checked before the first begins.
    let mut requests = Vec::new();
    for (place, &density) in values.iter().enumerate() {
        let via = values.get(..place).filter(|before| !before.is_empty()).map(Densities::from);
        let knobs = Knobs { density, via, ..Knobs::from(base.knobs.clone()) }.check()?;
        requests.push(Request { knobs, preset: base.preset.clone() });
    }
    Ok(requests)
}
