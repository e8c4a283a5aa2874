//! Every chore behind one door: `cargo xtask <command>`.
//!
//! This program links nothing of the engine, so that it builds in seconds; what needs the engine is a binary of
//! `apt-bench` that is built when it is asked for.

mod assets;
mod browser;
mod debian;
mod deny;
mod engine;
mod lint;
mod packages;
mod readers;
mod release;
mod slurm;
mod steps;
mod test;
mod tools;
mod vulkan;
mod wasm_target;
mod web;

use clap::{Parser, Subcommand};
use std::path::Path;
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
    /// Run every check and test, installing what they need and this machine lacks.
    Test(test::Args),
    /// Build the lab for browsers, serve it, and build it again when a file changes; arguments go to trunk.
    Serve(web::Args),
    /// Build the lab for browsers into dist/, which any static host can serve; arguments go to trunk.
    Web(web::Args),
    /// Time training steps and inference beside PyTorch; arguments go to the benchmark.
    Bench(engine::Args),
    /// Time the first step and a training step in a browser beside the program's, or with --peers beside other programs in it.
    BenchBrowser(browser::Bench),
    /// Take pictures of every page of the lab at four widths in both themes.
    Screens(browser::Screens),
    /// Load exported models by the programs they are made for and compare logits: ONNX Runtime, transformers.js.
    Readers(readers::Args),
    /// Make the built-in checkpoint in assets/builtin anew; arguments go to the program that makes it.
    Pretrain(engine::Args),
    /// Make the built-in decoder in assets/builtin/decoder anew; arguments go to the program that makes it.
    PretrainDecoder(engine::Args),
    /// Install the standard library for wasm32-unknown-unknown, also where rustup cannot fetch it.
    WasmTarget(wasm_target::Args),
}

fn main() -> ExitCode {
    if lint::is_compiler() {
        return lint::compile();
    }
    let done = match Cli::parse().chore {
        Chore::Test(args) => test::run(&args),
        Chore::Serve(args) => web::serve(&args),
        Chore::Web(args) => web::build(&args).map(drop),
        Chore::Bench(args) => engine::run("bench", &args),
        Chore::BenchBrowser(args) => browser::bench(&args),
        Chore::Screens(args) => browser::screens(&args),
        Chore::Readers(args) => readers::chore(&args),
        Chore::Pretrain(args) => engine::run("pretrain", &args),
        Chore::PretrainDecoder(args) => engine::run("pretrain-decoder", &args),
        Chore::WasmTarget(args) => wasm_target::install(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository.
fn root() -> &'static Path {
    // Invariant: this crate lies two folders below the root.
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."))
}
