//! `apt-lab`: prunes and tunes pretrained transformers on a desktop, and measures what that costs and saves.
//!
//! The program parses arguments, reads and writes files, and prints; a run itself is `apt-train`'s, a record
//! `apt-experiment`'s, a report `apt-report`'s.

mod allocator;
mod args;
mod commands;
mod device;
mod error;
mod files;
mod hub;
mod interrupt;
mod logging;
mod model;
mod probe;
mod reporter;
mod run;
mod settings;
mod setup;
mod shell;
mod source;
mod study;

use clap::ArgMatches;
use error::CliError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// Exit status after arguments that cannot be understood.
const EXIT_USAGE: u8 = 2;
/// Exit status after a panic, as Rust's own.
const EXIT_PANIC: u8 = 101;

fn main() -> ExitCode {
    let matches = match args::parsed() {
        Ok(matches) => matches,
        Err(answer) => return print_usage(&answer),
    };
    if let Err(error) = begin(matches.subcommand().map_or(&matches, |(_, own)| own)) {
        return ended_by(&error);
    }
    // On one of the pool's own threads: from outside, each of a step's many short parallel loops would put this thread to
    // sleep and wake it again.
    let result = rayon::scope(|_| catch_unwind(AssertUnwindSafe(|| commands::dispatch(&matches))));
    match result {
        Ok(result) => result
            .and_then(|()| reporter::stdout_written())
            .map_or_else(|error| ended_by(&error), |()| ExitCode::SUCCESS),
        Err(_) => {
            reporter::print_stderr(
                "error: this is a bug in apt-lab, not in your input; checkpoints already written are good. \
                 Please report the lines above with the command.",
            );
            ExitCode::from(EXIT_PANIC)
        }
    }
}

/// Prints help, or what is wrong with the arguments.
fn print_usage(answer: &clap::Error) -> ExitCode {
    let printed = answer.print();
    if answer.use_stderr() {
        return ExitCode::from(EXIT_USAGE);
    }
    reporter::keep_failure(printed);
    reporter::stdout_written().map_or_else(|error| ended_by(&error), |()| ExitCode::SUCCESS)
}

/// What every command does first: begins to log, and starts the threads of the CPU backend.
fn begin(arguments: &ArgMatches) -> Result<(), CliError> {
    if let Some(level) = arguments.get_one::<String>(args::LOG) {
        logging::begin(level)?;
    }
    let threads = arguments.get_one::<usize>(args::THREADS).copied().unwrap_or_default();
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(CliError::threads)?;
    tracing::info!("apt-lab {}, {} threads", env!("CARGO_PKG_VERSION"), device::threads());
    Ok(())
}

fn ended_by(error: &CliError) -> ExitCode {
    let prefix = if error.is_user_abort() { "" } else { "error: " };
    reporter::print_stderr(&format!("{prefix}{error}"));
    ExitCode::from(error.exit_status())
}
