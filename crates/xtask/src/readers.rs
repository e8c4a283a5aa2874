//! Exported models in the programs that they are made for (`tests/readers`): what these need, and the run.
//!
//! Everything is installed into the folder of tools, at the versions that the lists in `tests/readers` name.

use crate::packages::{environment, from_npm, installed, pip, python, quiet};
use crate::steps::{cargo, run};
use crate::{browser, root, tools};
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version of node-llama-cpp in `tests/readers/llama`.
const LLAMA: &str = "3.21.1";

/// Which programs read.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// PyTorch's as well: three versions of transformers, and PEFT (on Linux a download of some 3 GB, once).
    #[arg(long)]
    all: bool,
}

/// All that are asked for.
///
/// # Errors
/// A program that is missing here, or logits that are not ours.
pub(crate) fn chore(args: &Args) -> Result<()> {
    let mut test = tests();
    test.env("APT_REQUIRE_READERS", "1");
    let python = python(&[])?;
    test.env("APT_READERS_PYTHON", environment("readers", &python, &lists().join("requirements.txt"))?);
    test.env("APT_READERS_NODE", node()?);
    test.env("APT_READERS_LLAMA", llama()?);
    if args.all {
        let torch = environment("readers-torch", &python, &lists().join("requirements-torch.txt"))?;
        test.env("APT_READERS_TRANSFORMERS", transformers(&torch)?).env("APT_READERS_TORCH", torch);
    }
    run(&mut test)
}

/// The step of the tests: ONNX Runtime, transformers.js and llama.cpp, each skipped, loudly, where Python or Node.js is
/// missing.
///
/// # Errors
/// Logits that are not ours.
pub(crate) fn step() -> Result<()> {
    let mut test = tests();
    let ready = [
        (
            "APT_READERS_PYTHON",
            python(&[]).and_then(|python| environment("readers", &python, &lists().join("requirements.txt"))),
        ),
        ("APT_READERS_NODE", node()),
        ("APT_READERS_LLAMA", llama()),
    ];
    for (variable, program) in ready {
        match program {
            Ok(program) => {
                test.env(variable, program);
            }
            Err(error) => println!("!! {variable}: this reader is LEFT OUT ({error:#})"),
        }
    }
    run(&mut test)
}

/// The test, built as all others are.
fn tests() -> Command {
    cargo("test --release --workspace --locked --test readers -- --nocapture --test-threads=1")
}

/// A folder with every version of transformers that `tests/readers/transformers` lists, each in a folder of its own.
fn transformers(python: &Path) -> Result<PathBuf> {
    let folder = tools::folder()?.join("readers-transformers");
    for entry in fs::read_dir(lists().join("transformers"))? {
        let list = entry?.path();
        let version = folder.join(list.file_stem().unwrap_or_default());
        installed(&version, &list, || {
            // Beside the packages of the environment, so without what it has already.
            run(quiet(pip(python).args(["--no-deps", "--target"]).arg(&version).arg("-r").arg(&list)))
        })?;
    }
    Ok(folder)
}

/// The folder with transformers.js.
///
/// # Errors
/// Node.js that is missing, or packages that cannot be had.
pub(crate) fn node() -> Result<PathBuf> {
    from_npm("readers-node", &lists())
}

/// The folder with llama.cpp for Node.js, as it is built for this machine's processor alone: its packages for GPUs are some
/// 600 MB.
fn llama() -> Result<PathBuf> {
    browser::node()?;
    let folder = tools::folder()?.join("readers-llama");
    let list = lists().join("llama");
    installed(&folder, &list.join("package-lock.json"), || {
        for file in ["package.json", "package-lock.json"] {
            fs::copy(list.join(file), folder.join(file))?;
        }
        tools::npm(&folder, "ci --silent --no-fund --no-audit --prefer-offline --ignore-scripts --omit=optional")?;
        let built = match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => "linux-x64",
            ("linux", "aarch64") => "linux-arm64",
            ("macos", "x86_64") => "mac-x64",
            ("macos", "aarch64") => "mac-arm64-metal",
            ("windows", "x86_64") => "win-x64",
            (os, processor) => anyhow::bail!("node-llama-cpp is not built for {os} on {processor}"),
        };
        let words =
            format!("install --silent --no-save --ignore-scripts --omit=optional @node-llama-cpp/{built}@{LLAMA}");
        tools::npm(&folder, &words)
    })?;
    Ok(folder)
}

fn lists() -> PathBuf {
    root().join("tests/readers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_of_llama_cpp_is_of_the_version_that_is_listed() {
        let list = fs::read_to_string(lists().join("llama/package.json")).expect("the list is there");
        assert!(list.contains(&format!("\"node-llama-cpp\": \"{LLAMA}\"")), "{list}");
    }
}
