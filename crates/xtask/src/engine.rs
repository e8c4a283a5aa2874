//! Chores that need the engine: binaries of `apt-bench`, built when they are asked for.

use crate::steps::{cargo, run as finish};
use anyhow::Result;
use std::ffi::OsString;

/// Arguments of the program.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Passed on as they are; `--help` behind `--` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Builds and runs the binary `name` of `apt-bench`.
pub(crate) fn run(name: &str, args: &Args) -> Result<()> {
    finish(cargo("run --release --locked -p apt-bench --bin").arg(name).arg("--").args(&args.arguments))
}
