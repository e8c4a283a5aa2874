//! What building for a browser needs beside cargo: trunk, wasm-bindgen of the locked version, wasm-opt. They are taken
//! from PATH where their versions fit; else they are installed into one folder that outlives a clone.

use crate::root;
use crate::steps::{output, run, shown};
use anyhow::{Context, Result, ensure};
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The newest trunk that the workspace's Rust version builds.
const TRUNK: &str = "0.21.14";
/// The npm package that holds wasm-opt.
const BINARYEN: &str = "132.0.0";

/// The tools, ready for use.
pub struct Tools {
    /// Whether wasm-opt is among them.
    pub wasm_opt: bool,
    path: OsString,
}

impl Tools {
    /// A command that finds the tools.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", &self.path).current_dir(root());
        command
    }
}

/// Finds the tools, and installs those that are missing.
///
/// # Errors
/// When trunk or wasm-bindgen cannot be installed. Without wasm-opt the lab only gets larger.
pub fn install() -> Result<Tools> {
    let folder = folder()?;
    let path = path(&folder)?;
    let bindgen = locked("wasm-bindgen")?;
    // Its lock file names a version that its registry took back, so wasm-bindgen's is not used.
    cargo_install("trunk", "trunk", TRUNK, &["--locked"], &folder, &path)?;
    cargo_install("wasm-bindgen", "wasm-bindgen-cli", &bindgen, &[], &folder, &path)?;
    let wasm_opt = wasm_opt(&folder, &path);
    if let Err(error) = &wasm_opt {
        println!("wasm-opt: {error:#}; building without it, the lab gets larger and works all the same");
    }
    Ok(Tools { wasm_opt: wasm_opt.is_ok(), path })
}

/// Where tools live: `APT_TOOLS_DIR`, else a folder in the user's cache.
pub fn folder() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("APT_TOOLS_DIR") {
        return Ok(std::path::absolute(folder)?);
    }
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(env::home_dir()?.join(".cache")));
    Ok(cache.context("there is no home folder; name one for the tools in APT_TOOLS_DIR")?.join("apt-lab/tools"))
}

/// Runs `npm` with `words` in `folder`.
pub fn npm(folder: &std::path::Path, words: &str) -> Result<()> {
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    run(Command::new(npm).args(words.split_whitespace()).current_dir(folder).stdin(Stdio::null()))
        .context("it takes Node.js of version 20 or newer with npm")
}

fn path(folder: &std::path::Path) -> Result<OsString> {
    let before = env::var_os("PATH").unwrap_or_default();
    let folders = [folder.join("bin")].into_iter().chain(env::split_paths(&before));
    env::join_paths(folders).context("a folder in PATH has a forbidden character")
}

/// What `tool --version` says, if it can be run.
fn version(tool: &str, path: &OsString) -> Option<String> {
    output(Command::new(tool).arg("--version").env("PATH", path).stderr(Stdio::null())).ok()
}

fn names(line: &str, version: &str) -> bool {
    line.split_whitespace().any(|word| word == version)
}

fn cargo_install(
    tool: &str,
    package: &str,
    wanted: &str,
    more: &[&str],
    folder: &std::path::Path,
    path: &OsString,
) -> Result<()> {
    let why = match version(tool, path) {
        Some(line) if names(&line, wanted) => {
            println!("{tool}: {wanted}");
            return Ok(());
        }
        Some(line) => format!("{line} is there, but it takes {wanted}"),
        None => "missing".to_owned(),
    };
    println!("{tool}: {why}; building {wanted} into {} (some minutes, once)", folder.display());
    let began = Instant::now();
    // Kept when it fails, so that the next try goes on from there.
    let scratch = folder.join("build");
    std::fs::create_dir_all(folder)?;
    let mut install = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    install.args(["install", package, "--quiet", "--force", "--version", wanted]).args(more);
    install.arg("--root").arg(folder).arg("--target-dir").arg(&scratch);
    run(install.current_dir(folder).stdin(Stdio::null()))
        .with_context(|| format!("{tool} cannot be built; install version {wanted} of it by hand"))?;
    ensure!(version(tool, path).is_some_and(|line| names(&line, wanted)), "{tool} was built and is not {wanted}");
    std::fs::remove_dir_all(&scratch)?;
    println!("{tool}: built in {}", shown(began.elapsed()));
    Ok(())
}

fn wasm_opt(folder: &std::path::Path, path: &OsString) -> Result<()> {
    if let Some(line) = version("wasm-opt", path) {
        println!("wasm-opt: {}", line.trim_start_matches("wasm-opt "));
        return Ok(());
    }
    ensure!(cfg!(unix), "missing, and installed by itself only on Unix");
    println!("wasm-opt: missing; installing npm's binaryen {BINARYEN} into {}", folder.display());
    let began = Instant::now();
    std::fs::create_dir_all(folder.join("bin"))?;
    npm(folder, &format!("install --silent --no-fund --no-audit --prefix {} binaryen@{BINARYEN}", folder.display()))?;
    let link = folder.join("bin/wasm-opt");
    let _ = std::fs::remove_file(&link);
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.join("node_modules/binaryen/bin/wasm-opt"), &link)?;
    ensure!(version("wasm-opt", path).is_some(), "it was installed and does not start");
    println!("wasm-opt: installed in {}", shown(began.elapsed()));
    Ok(())
}

/// The version of `package` in the lock file.
fn locked(package: &str) -> Result<String> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).context("Cargo.lock cannot be read")?;
    version_in(&lock, package).with_context(|| format!("Cargo.lock has no {package}"))
}

fn version_in(lock: &str, package: &str) -> Option<String> {
    let mut lines = lock.lines().skip_while(|line| *line != format!("name = \"{package}\""));
    let version = lines.nth(1)?.strip_prefix("version = \"")?;
    Some(version.trim_end_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locked_version_is_that_of_the_package_of_this_very_name() {
        let lock = "[[package]]\nname = \"wasm-bindgen-futures\"\nversion = \"0.4.80\"\n\n[[package]]\nname = \
                    \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(version_in(lock, "wasm-bindgen").as_deref(), Some("0.2.130"));
        assert_eq!(version_in(lock, "wasm"), None);
    }

    #[test]
    fn a_longer_version_is_another_one() {
        assert!(names("trunk 0.21.14", "0.21.14"));
        assert!(!names("trunk 0.21.140", "0.21.14"));
    }
}
