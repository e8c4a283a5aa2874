//! What a fresh machine lacks: rustfmt and clippy, the wasm32 standard library, a software Vulkan driver.

use crate::root;
use crate::steps::{output, run, shown};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const TARGET: &str = "wasm32-unknown-unknown";
/// Where Vulkan drivers announce themselves.
const DRIVERS: [&str; 2] = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"];

/// How to install the wasm32 standard library.
#[derive(clap::Args, Default)]
pub struct WasmArgs {
    /// Build it from Debian's sources even where rustup could fetch it.
    #[arg(long)]
    without_rustup: bool,
    /// Put it under this folder instead of the toolchain's, for instance to see whether the second way works.
    #[arg(long)]
    sysroot: Option<PathBuf>,
}

/// Installs rustfmt and clippy if they are missing.
pub fn components() -> Result<()> {
    for (component, tool) in [("rustfmt", "cargo-fmt"), ("clippy", "cargo-clippy")] {
        if output(Command::new(tool).arg("--version")).is_err() {
            run(Command::new("rustup").args(["component", "add", component]))
                .with_context(|| format!("{component} is missing; install it for the active Rust toolchain"))?;
        }
    }
    Ok(())
}

/// Installs the wasm32 standard library if it is missing: by rustup, else from Debian's sources.
pub fn wasm_target(args: &WasmArgs) -> Result<()> {
    let sysroot = match &args.sysroot {
        Some(folder) => folder.clone(),
        None => PathBuf::from(output(Command::new("rustc").args(["--print", "sysroot"]))?),
    };
    let folder = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    if holds_std(&folder) {
        println!("{TARGET}: in {}", sysroot.display());
        return Ok(());
    }
    if !args.without_rustup && args.sysroot.is_none() {
        let added = run(Command::new("rustup").args(["target", "add", TARGET]).stdin(Stdio::null()));
        if added.is_ok() && holds_std(&folder) {
            println!("{TARGET}: installed by rustup");
            return Ok(());
        }
        println!("{TARGET}: rustup did not install it; building it from Debian's Rust sources");
    }
    let began = Instant::now();
    let script = root().join("crates/xtask/scripts/wasm-std-from-debian.sh");
    run(Command::new("bash").arg(script).arg(&folder).stdin(Stdio::null())).with_context(|| {
        format!("{TARGET} is missing; install it with `rustup target add {TARGET}` or your system's package manager")
    })?;
    if !holds_std(&folder) {
        bail!("{} still holds no standard library", folder.display());
    }
    println!("{TARGET}: built in {}", shown(began.elapsed()));
    Ok(())
}

/// Installs Mesa's software Vulkan driver where there is no driver at all and this may be done without asking: as root,
/// with apt. Elsewhere it says what to do; tests that need Vulkan then say that they did not run.
pub fn vulkan() -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    if let Some(driver) = DRIVERS.iter().find_map(|folder| first_file(Path::new(folder))) {
        println!("Vulkan driver: {}", driver.display());
        return Ok(());
    }
    let root_user = output(Command::new("id").arg("-u")).is_ok_and(|id| id == "0");
    if !root_user || output(Command::new("apt-get").arg("--version")).is_err() {
        println!("Vulkan driver: none; for the tests on software Vulkan install Mesa's lavapipe (mesa-vulkan-drivers)");
        return Ok(());
    }
    let script = root().join("crates/xtask/scripts/lavapipe-from-debian.sh");
    match run(Command::new("bash").arg(script).stdin(Stdio::null())) {
        Ok(()) => println!("Vulkan driver: lavapipe installed"),
        Err(error) => println!("Vulkan driver: none, and lavapipe cannot be installed ({error:#})"),
    }
    Ok(())
}

fn holds_std(folder: &Path) -> bool {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    names.map(|entry| entry.file_name().to_string_lossy().into_owned()).any(|n| n.starts_with("libstd-") && n.ends_with(".rlib"))
}

fn first_file(folder: &Path) -> Option<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.into_iter().next()
}
