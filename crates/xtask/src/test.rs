//! All checks and tests with one command, cheapest first.

use crate::steps::{Steps, cargo, run, written};
use crate::{root, setup, target};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Crates that a browser needs.
const BROWSER: &str = "-p apt-core -p apt-lab -p apt-nn -p apt-data -p apt-train";

/// Which tests to run.
#[derive(clap::Args)]
pub struct Args {
    /// Only formatting and tests: no set-up, no clippy, no wasm32.
    #[arg(long)]
    quick: bool,
    /// Only tests whose name contains this.
    filter: Option<String>,
}

/// Runs them.
pub fn run_all(args: &Args) -> Result<Steps> {
    let mut steps = Steps::new();
    if !args.quick {
        steps.make("set-up", || {
            setup::components()?;
            setup::wasm_target(&setup::WasmArgs::default())?;
            setup::vulkan()
        })?;
    }
    steps.make("formatting", || run(&mut cargo("fmt --all --check")))?;
    if !args.quick {
        // Everything in the release profile: build scripts and procedural macros are then built once for all steps.
        steps.make("clippy", || run(&mut cargo("clippy --release --workspace --all-targets -- -D warnings")))?;
        let check = format!("check --release --target wasm32-unknown-unknown {BROWSER}");
        steps.make("browser crates (wasm32)", || run(&mut cargo(&check)))?;
    }
    let mut tests = cargo("test --release --workspace --no-fail-fast");
    tests.args(&args.filter);
    steps.make("tests", || counted(&mut tests))?;
    Ok(steps)
}

/// Runs them and says how long each step took.
pub fn run(args: &Args) -> Result<()> {
    run_all(args)?.summary();
    Ok(())
}
