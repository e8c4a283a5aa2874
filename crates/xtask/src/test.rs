//! All checks and tests with one command, cheapest first. Each step installs what it needs, so each can run alone on a
//! fresh machine.

use crate::steps::{Steps, cargo, run as finish};
use crate::{browser, slurm, vulkan, wasm_target};
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::process::{Command, Stdio};

/// The crates a browser needs.
const BROWSER: &str = "-p apt-core -p apt-experiment -p apt-report -p apt-nn -p apt-data -p apt-train -p apt-bridge -p apt-worker -p apt-page";

/// Which steps to make.
#[derive(clap::Args)]
pub struct Args {
    /// Make only this step.
    #[arg(long, value_name = "STEP")]
    only: Option<Step>,
}

/// A step, in the order they are made.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// The formatting is rustfmt's.
    Fmt,
    /// Clippy finds nothing.
    Clippy,
    /// What a browser needs compiles for it, and clippy finds nothing there that it cannot see elsewhere.
    Wasm,
    /// The tests of all crates pass.
    Tests,
    /// The lab works in a real browser.
    Browser,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Wasm => "wasm",
            Self::Tests => "tests",
            Self::Browser => "browser",
        }
    }

    /// What runs here is in the release profile and what browsers run in the profile `web`: build scripts and procedural
    /// macros are then built once for each.
    fn make(self) -> Result<()> {
        match self {
            Self::Fmt => {
                component("rustfmt", "cargo-fmt")?;
                finish(&mut cargo("fmt --all --check")).context("`cargo fmt --all` puts it right")
            }
            Self::Clippy => {
                component("clippy", "cargo-clippy")?;
                finish(&mut cargo("clippy --release --workspace --all-targets -- -D warnings"))
            }
            Self::Wasm => {
                wasm_target::install(&wasm_target::Args::default())?;
                component("clippy", "cargo-clippy")?;
                let target = wasm_target::TARGET;
                finish(&mut cargo(&format!("clippy --profile web --target {target} {BROWSER} -- -D warnings")))
            }
            Self::Tests => {
                let mut tests = cargo("test --release --workspace");
                if vulkan::install()? {
                    tests.env("APT_REQUIRE_VULKAN", "1");
                }
                if slurm::install() {
                    tests.env("APT_REQUIRE_SLURM", "1");
                }
                finish(&mut tests)
            }
            Self::Browser => browser::test(),
        }
    }
}

/// Makes the steps until one fails, and says how long each took.
pub fn run(args: &Args) -> Result<()> {
    let mut steps = Steps::new();
    for step in Step::value_variants() {
        if args.only.is_none_or(|only| only == *step) {
            steps.make(step.name(), || step.make())?;
        }
    }
    steps.summary();
    Ok(())
}

/// Installs the toolchain component whose program is `tool`, if it is missing.
fn component(name: &str, tool: &str) -> Result<()> {
    let there = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    finish(Command::new("rustup").args(["component", "add", name]).stdin(Stdio::null()))
        .with_context(|| format!("{name} is missing; install it for the active Rust toolchain"))
}
