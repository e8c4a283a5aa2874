//! The lab for browsers: the static folder, and serving it while one works on it.

use crate::steps::{run, shown};
use crate::{root, tools, wasm_target};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::time::Instant;

/// Arguments of trunk.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Passed on to trunk as they are, for instance `--port 8081`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds the static folder and returns where it is. Any web server can serve it from any path.
pub(crate) fn build(args: &Args) -> Result<PathBuf> {
    trunk("build", args)?;
    Ok(root().join("dist"))
}

/// Builds the lab, serves it, and builds it again when a file changes.
pub(crate) fn serve(args: &Args) -> Result<()> {
    trunk("serve", args)
}

/// For a chore that needs the folder as it is delivered.
pub(crate) fn delivered() -> Result<PathBuf> {
    build(&Args { arguments: Vec::new() })
}

fn trunk(verb: &str, args: &Args) -> Result<()> {
    wasm_target::install(&wasm_target::Args::default())?;
    let tools = tools::install()?;
    let began = Instant::now();
    let mut trunk = tools.command("trunk");
    // All it needs is there: without `--offline` it would look for it elsewhere.
    trunk.args([verb, "--offline", "--locked"]).args(&args.arguments);
    // A release is optimised by wasm-opt, and the page of one has a cargo profile of its own (index.html).
    if verb == "build" && tools.wasm_opt {
        trunk.arg("--release");
    }
    // trunk takes this variable for its own switch and stops at a value other than true or false.
    trunk.env_remove("NO_COLOR");
    run(&mut trunk).context("trunk did not build the lab")?;
    if verb == "build" {
        println!("dist: built in {}", shown(began.elapsed()));
    }
    Ok(())
}
