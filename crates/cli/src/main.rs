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
mod interrupt;
mod model;
mod probe;
mod reporter;
mod run;
mod settings;
mod setup;
mod study;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// Exit status after a panic, as Rust's own.
const EXIT_PANIC: u8 = 101;

fn main() -> ExitCode {
    // Arguments are parsed outside: clap prints its own help and leaves with status 0 or 2.
    let matches = args::command().get_matches();
    // On one of the pool's own threads: from outside, each of a step's many short parallel loops would put this thread to
    // sleep and wake it again.
    let result = rayon::scope(|_| catch_unwind(AssertUnwindSafe(|| commands::dispatch(&matches))));
    match result {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            let prefix = if error.is_user_abort() { "" } else { "error: " };
            reporter::print_stderr(&format!("{prefix}{error}"));
            ExitCode::from(error.exit_status())
        }
        Err(_) => {
            reporter::print_stderr(
                "error: this is a bug in apt-lab, not in your input; checkpoints already written are good. \
                 Please report the lines above with the command.",
            );
            ExitCode::from(EXIT_PANIC)
        }
    }
}
