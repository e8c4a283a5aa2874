//! The commands of the program, and which one the arguments name.

mod cell;
mod compare;
mod densities;
mod evaluate;
pub(crate) mod export;
pub(crate) mod generate;
mod inspect;
mod list;
mod predict;
mod report;
mod run;
mod study;

use crate::args::source_of;
use crate::error::CliError;
use crate::interrupt;
use crate::reporter::Reporter;
use clap::ArgMatches;

/// Runs the command that the arguments name.
///
/// # Errors
/// Whatever ends the command.
pub(crate) fn dispatch(matches: &ArgMatches) -> Result<(), CliError> {
    match matches.subcommand() {
        None => with_reporter(json(matches), |reporter| compare::compare(matches, reporter)),
        Some(("run", m)) => with_reporter(json(m), |reporter| run::run(m, reporter)),
        Some(("study", m)) => with_reporter(json(m), |reporter| study::study(m, reporter)),
        Some(("cell", _)) => with_reporter(true, cell::cell),
        Some(("report", m)) => report::report(m),
        Some(("eval", m)) => evaluate::evaluate(m),
        Some(("predict", m)) => predict::predict(m),
        Some(("generate", m)) => generate::generate(m),
        Some(("export", m)) => export::export(m),
        Some(("inspect", m)) => match m.get_one::<f64>("density") {
            Some(density) => inspect::at_density(source_of(m), *density, json(m)),
            None => inspect::inspect(source_of(m)),
        },
        Some(("devices", m)) => list::devices(json(m)),
        Some(("models", m)) => {
            list::models(json(m));
            Ok(())
        }
        Some(("knobs", m)) => {
            list::knobs(json(m));
            Ok(())
        }
        Some(("presets", m)) => {
            list::presets(json(m));
            Ok(())
        }
        Some(_) => {
            list::schema();
            Ok(())
        }
    }
}

fn json(matches: &ArgMatches) -> bool {
    matches.get_flag("json")
}

/// Runs a command that Ctrl-C can stop and that reports events. An error becomes an event too, unless the run it ended
/// has reported it already.
fn with_reporter(json: bool, command: impl FnOnce(&mut Reporter) -> Result<(), CliError>) -> Result<(), CliError> {
    interrupt::install_handler();
    let mut reporter = Reporter::new(json);
    let result = command(&mut reporter);
    if let Err(error) = &result
        && !error.is_user_abort()
        && !reporter.failure_reported()
    {
        reporter.event(&error.event(0));
    }
    result
}
