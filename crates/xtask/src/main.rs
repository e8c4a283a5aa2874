//! Every chore behind one door: `cargo xtask <command>`.
//!
//! This program links nothing of the engine, so that it builds in seconds; what needs the engine is a binary of
//! `apt-bench` that is built when it is asked for.

mod assets;
mod engine;
mod setup;
mod steps;
mod test;

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The chores of APT Lab.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run every check and test, after installing what they need and this machine lacks.
    Test(test::Args),
    /// Run what CI runs, on a fresh clone of the last commit.
    Ci,
    /// Time training steps and inference beside PyTorch and print the ratios.
    Bench(engine::BenchArgs),
    /// Make the built-in checkpoint in assets/builtin anew.
    Pretrain(engine::PretrainArgs),
    /// List the files built into the programs, with sizes and checksums.
    Assets,
    /// Install the standard library for wasm32-unknown-unknown, also where rustup cannot fetch it.
    WasmTarget(setup::WasmArgs),
}

fn main() -> ExitCode {
    let done = match Cli::parse().chore {
        Chore::Test(args) => test::run(&args),
        Chore::Ci => test::ci(),
        Chore::Bench(args) => engine::bench(&args),
        Chore::Pretrain(args) => engine::pretrain(&args),
        Chore::Assets => assets::list(),
        Chore::WasmTarget(args) => setup::wasm_target(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository.
fn root() -> &'static Path {
    // Invariant: this crate lies two folders below the root.
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."))
}

/// Where build products go.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
