//! All checks and tests with one command, cheapest first. Each step installs what it needs, so each can run alone on a
//! fresh machine, and uses what the steps before it built.

use crate::assets::assets;
use crate::steps::{Steps, cargo, component, run as finish, succeeds};
use crate::{browser, deny, lint, readers, slurm, vulkan, web};
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::path::PathBuf;

/// Which steps to make.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Make only this step.
    #[arg(long, value_name = "STEP")]
    only: Option<Step>,
}

/// A step, in the order they are made.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// The formatting is rustfmt's.
    Fmt,
    /// cargo-deny allows every dependency's licence and source, and knows nothing against it.
    Deny,
    /// Clippy and rustdoc find nothing in any crate and its tests, as they are built for this machine.
    Clippy,
    /// The tests of all crates pass.
    Tests,
    /// Exported models give our logits in ONNX Runtime and transformers.js, and decoders write what ours write in llama.cpp.
    Readers,
    /// Miri finds no undefined behaviour in the code that takes pointers; skipped where the toolchain has no Miri.
    Miri,
    /// The lab is built for browsers, and clippy and rustdoc find nothing in what only browsers compile.
    Wasm,
    /// The lab works in a real browser; alone, this builds it first.
    Browser,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Deny => "deny",
            Self::Clippy => "clippy",
            Self::Tests => "tests",
            Self::Readers => "readers",
            Self::Miri => "miri",
            Self::Wasm => "wasm",
            Self::Browser => "browser",
        }
    }

    /// Native code is built in the profile `release`, as the program is, and what browsers run in the profiles `web`
    /// and `page`.
    /// `dist` is the lab for browsers, once a step has built it.
    fn make(self, dist: &mut Option<PathBuf>) -> Result<()> {
        match self {
            Self::Fmt => {
                component("rustfmt", "cargo-fmt")?;
                finish(&mut cargo("fmt --all --check")).context("`cargo fmt --all` puts it right")
            }
            Self::Deny => deny::check(),
            Self::Clippy => lint::native(),
            Self::Tests => tests(),
            Self::Readers => readers::step(),
            Self::Miri => miri(),
            Self::Wasm => {
                *dist = Some(web::delivered()?);
                lint::browser()
            }
            Self::Browser => browser::test(match dist.take() {
                Some(built) => built,
                None => web::delivered()?,
            }),
        }
    }
}

fn tests() -> Result<()> {
    let mut tests = cargo("test --release --workspace --locked");
    if vulkan::install()? {
        tests.env("APT_REQUIRE_VULKAN", "1");
    }
    if slurm::install() {
        tests.env("APT_REQUIRE_SLURM", "1");
    }
    finish(tests.envs(assets()))
}

fn miri() -> Result<()> {
    if !succeeds(&mut cargo("miri --version")) {
        println!("Miri: NOT RUN, for this toolchain has none (a nightly one can: rustup component add miri)");
        return Ok(());
    }
    finish(&mut cargo("miri test --locked -p apt-nn --lib kernels::gemm"))
}

/// Makes the steps until one fails, and says how long each took.
pub(crate) fn run(args: &Args) -> Result<()> {
    let (mut steps, mut dist) = (Steps::new(), None);
    for step in Step::value_variants() {
        if args.only.is_none_or(|only| only == *step) {
            steps.make(step.name(), || step.make(&mut dist))?;
        }
    }
    steps.summary();
    Ok(())
}
