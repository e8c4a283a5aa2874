//! The standard library for wasm32-unknown-unknown: by rustup, else built from Debian's packaged Rust sources.

use crate::root;
use crate::steps::{output, run, run_within, shown};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a browser runs.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// How to install it.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Build it from Debian's sources even where rustup could fetch it.
    #[arg(long)]
    without_rustup: bool,
    /// Put it under this folder instead of the toolchain's, for instance to see whether the second way works.
    #[arg(long, value_name = "FOLDER")]
    sysroot: Option<PathBuf>,
}

/// Installs it if it is missing.
pub(crate) fn install(args: &Args) -> Result<()> {
    let sysroot = match &args.sysroot {
        Some(folder) => std::path::absolute(folder)?,
        None => PathBuf::from(output(Command::new("rustc").args(["--print", "sysroot"]))?),
    };
    let folder = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    if holds_std(&folder) {
        println!("{TARGET}: in {}", sysroot.display());
        return Ok(());
    }
    if !args.without_rustup && args.sysroot.is_none() {
        let mut rustup = Command::new("rustup");
        match run_within(Duration::from_secs(180), rustup.args(["target", "add", TARGET]).stdin(Stdio::null())) {
            Ok(()) if holds_std(&folder) => {
                println!("{TARGET}: installed by rustup");
                return Ok(());
            }
            Ok(()) => println!("{TARGET}: rustup serves another toolchain; building from Debian's Rust sources"),
            Err(error) => println!("{TARGET}: {error:#}; building from Debian's Rust sources"),
        }
    }
    let began = Instant::now();
    let script = root().join("crates/xtask/scripts/wasm-std-from-debian.sh");
    run(Command::new("bash").arg(script).arg(&folder).stdin(Stdio::null())).with_context(|| {
        format!("{TARGET} is missing; install it with `rustup target add {TARGET}` or your system's package manager")
    })?;
    ensure!(holds_std(&folder), "{} still holds no standard library", folder.display());
    println!("{TARGET}: built in {}", shown(began.elapsed()));
    Ok(())
}

fn holds_std(folder: &Path) -> bool {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .any(|name| name.starts_with("libstd-") && name.ends_with(".rlib"))
}

#[cfg(test)]
mod tests {
    use super::holds_std;

    #[test]
    fn a_folder_without_std_counts_as_missing() {
        assert!(!holds_std("/no/such/folder".as_ref()));
        assert!(!holds_std(env!("CARGO_MANIFEST_DIR").as_ref()));
    }
}
