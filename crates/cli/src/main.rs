//! `apt-lab`: prunes and tunes pretrained transformers on a desktop, and shows what that bought.
//!
//! The program only parses, opens files and draws; what happens in a run is `apt-train`'s, what it reports `apt-experiment`'s.

mod allocator;
mod args;
mod cell;
mod commands;
mod demo;
mod device;
mod error;
mod folder;
mod interrupt;
mod listing;
mod model;
mod probe;
mod progress;
mod resume;
mod run;
mod settings;
mod setup;
mod study;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// What is left when even the last resort was needed.
const BUG: u8 = 101;

fn main() -> ExitCode {
    // Arguments are parsed outside: clap prints its own help and leaves with status 0 or 2.
    let matches = args::command().get_matches();
    // On one of the pool's own threads: from outside, each of a step's many short parallel loops would put this thread to
    // sleep and wake it again.
    let done = rayon::scope(|_| catch_unwind(AssertUnwindSafe(|| commands::dispatch(&matches))));
    match done {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            let lead = if error.is_wish() { "" } else { "error: " };
            progress::to_stderr(&format!("{lead}{error}"));
            ExitCode::from(error.status())
        }
        Err(_) => {
            progress::to_stderr(
                "error: this is a bug in apt-lab, not in what you gave it; checkpoints already written are good. \
                 Please report the lines above with the command.",
            );
            ExitCode::from(BUG)
        }
    }
}
