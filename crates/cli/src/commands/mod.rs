//! From parsed arguments to the command they name.

mod evaluate;
mod export;
mod inspect;
pub mod report;

use crate::error::CliError;
use crate::progress::{Voice, to_stdout};
use crate::run::{self, Manner, Outcome};
use crate::{cell, demo, interrupt, listing, resume, settings, study};
use apt_experiment::{Event, record_picture, summary};
use clap::ArgMatches;
use std::path::{Path, PathBuf};

/// Does what the arguments ask for.
///
/// # Errors
/// Whatever ends the command.
pub fn dispatch(matches: &ArgMatches) -> Result<(), CliError> {
    match matches.subcommand() {
        None => spoken(matches, |voice| demo::compare(matches, &out_of(matches), voice)),
        Some(("run", run)) => spoken(run, |voice| one_run(run, voice)),
        Some(("study", grid)) => spoken(grid, |voice| study::study(grid, voice)),
        Some(("report", runs)) => report::report(runs),
        Some(("cell", _)) => {
            interrupt::listen();
            tell_failure(Voice::new(true), cell::cell)
        }
        Some(("eval", eval)) => evaluate::evaluate(eval),
        Some(("export", export)) => export::export(export),
        Some(("inspect", inspect)) => inspect::inspect(from(inspect)),
        Some(("devices", list)) => listing::devices(list.get_flag("json")),
        Some(("knobs", list)) => {
            listing::knobs(list.get_flag("json"));
            Ok(())
        }
        Some(("presets", list)) => {
            listing::presets(list.get_flag("json"));
            Ok(())
        }
        Some(_) => {
            listing::schema();
            Ok(())
        }
    }
}

/// The last line of `--json`.
pub fn print_done(record: &Path) {
    if let Ok(line) = (Event::Done { record: record.display().to_string() }).to_line() {
        to_stdout(&line);
    }
}

/// Runs with a voice; a program that reads events hears of an error too.
fn spoken(matches: &ArgMatches, command: impl FnOnce(&mut Voice) -> Result<(), CliError>) -> Result<(), CliError> {
    interrupt::listen();
    tell_failure(Voice::new(matches.get_flag("json")), command)
}

fn tell_failure(mut voice: Voice, command: impl FnOnce(&mut Voice) -> Result<(), CliError>) -> Result<(), CliError> {
    let done = command(&mut voice);
    match &done {
        Ok(()) => {}
        Err(error) if error.is_wish() => {}
        Err(error) if !voice.has_failed() => voice.tell(&error.event(0)),
        Err(_) => {}
    }
    done
}

fn one_run(matches: &ArgMatches, voice: &mut Voice) -> Result<(), CliError> {
    let Outcome { record, path } = match matches.get_one::<PathBuf>("resume") {
        Some(root) => resume::resume(root, Manner::default(), voice)?,
        None => run::start(&settings::request(matches)?, &out_of(matches), Manner::default(), voice)?,
    };
    voice.say(&format!("\n{}\n{}\nrecord  {}", summary(&record), record_picture(&record), path.display()));
    if voice.is_json() {
        print_done(&path);
    }
    Ok(())
}

fn out_of(matches: &ArgMatches) -> PathBuf {
    matches.get_one::<PathBuf>("out").cloned().unwrap_or_else(run::new_folder)
}

fn from(matches: &ArgMatches) -> &Path {
    // clap refuses the command without it.
    matches.get_one::<PathBuf>("from").map_or(Path::new(""), PathBuf::as_path)
}
