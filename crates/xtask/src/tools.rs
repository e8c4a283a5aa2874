//! Programs of other projects: trunk, wasm-bindgen of the locked version, wasm-opt, cargo-deny. They are taken from PATH
//! where their versions fit; else they are installed into one folder that outlives a clone.
//!
//! To move to another version, change it here and, for trunk and cargo-deny, the checksums of its archives.

use crate::release::{self, Archive};
use crate::root;
use crate::steps::{output, run, shown};
use anyhow::{Context, Result, ensure};
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The newest trunk that the workspace's Rust version builds, and the SHA-256 of its archives.
const TRUNK: &str = "0.21.14";
const TRUNK_SHA256: [(&str, &str); 5] = [
    ("x86_64-unknown-linux-musl", "a67f4054b249fe9acc5fabc25de1aebf19783aca3ad6ff64bf34d7da44d0ea20"),
    ("aarch64-unknown-linux-musl", "e8e2a2bb423ce6702ab9f4f02f8c9ae99d790f0301f7634e986b2dd8706019cc"),
    ("x86_64-apple-darwin", "f1ba0e3bbe24e0ae219c6d22c33e24e2825c1608dd27c2556e323495110f1a95"),
    ("aarch64-apple-darwin", "764e299dd50d89442a4e96a236349f57961984b701e74d3dbdb39cd1c9f5101e"),
    ("x86_64-pc-windows-msvc", "cd6ac15b9daff0365e5695036791ef2ce3c63f61c014f5a8c532363266e4569c"),
];
/// cargo-deny, and the SHA-256 of its archives.
const DENY: &str = "0.20.2";
const DENY_SHA256: [(&str, &str); 5] = [
    ("x86_64-unknown-linux-musl", "9f12ed4c49936e09b48bf862b595cde2fe64fcbd9d74dfacac6131ca824c8d5f"),
    ("aarch64-unknown-linux-musl", "995c82be0defc7a025cae49a2aa2644ce8245c9a3318fc4103907c6a285e8c7d"),
    ("x86_64-apple-darwin", "248da7f581724e470071990c088ffc55c811981715f4cbdb258621fb79f8b7a6"),
    ("aarch64-apple-darwin", "fe67d82a10d8597a3549364cb733a3f9cc1bfff9031b7ae46384a9f2a72090c3"),
    ("x86_64-pc-windows-msvc", "975a22143262fd27476d19ee00c7af67978426e40e1dee94eed6bbade1cf87dc"),
];
/// The npm package that holds wasm-opt.
const BINARYEN: &str = "132.0.0";

/// The tools, ready for use.
pub(crate) struct Tools {
    /// Whether wasm-opt is among them.
    pub wasm_opt: bool,
    path: OsString,
}

impl Tools {
    /// A command that finds the tools.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", &self.path).current_dir(root());
        command
    }
}

/// Finds the tools, and installs those that are missing.
///
/// # Errors
/// When trunk or wasm-bindgen cannot be installed. Without wasm-opt the lab only gets larger.
pub(crate) fn install() -> Result<Tools> {
    let folder = folder()?;
    let path = path(&folder)?;
    trunk().install(&folder, &path)?;
    wasm_bindgen(locked("wasm-bindgen")?).install(&folder, &path)?;
    let wasm_opt = wasm_opt(&folder, &path);
    if let Err(error) = &wasm_opt {
        println!("wasm-opt: {error:#}; building without it, the lab gets larger and works all the same");
    }
    Ok(Tools { wasm_opt: wasm_opt.is_ok(), path })
}

/// Finds cargo-deny, or installs it, and returns the PATH that has it.
///
/// # Errors
/// When it can be neither fetched nor built.
pub(crate) fn deny() -> Result<OsString> {
    let folder = folder()?;
    let path = path(&folder)?;
    let url = "https://github.com/EmbarkStudios/cargo-deny/releases/download";
    let archive = |(platform, sha256)| Archive {
        url: format!("{url}/{DENY}/cargo-deny-{DENY}-{platform}.tar.gz"),
        sha256: Some(sha256),
    };
    let ready = of_this_machine(&DENY_SHA256).map(archive);
    let build = Build { package: "cargo-deny", arguments: &["--locked", "--no-default-features"], opt_level: "0" };
    Tool { name: "cargo-deny", version: DENY.into(), ready, build }.install(&folder, &path)?;
    Ok(path)
}

fn trunk() -> Tool {
    let url = "https://github.com/trunk-rs/trunk/releases/download";
    let archive = |(platform, sha256): (&str, _)| {
        let ending = if platform.contains("windows") { "zip" } else { "tar.gz" };
        Archive { url: format!("{url}/v{TRUNK}/trunk-{platform}.{ending}"), sha256: Some(sha256) }
    };
    let ready = of_this_machine(&TRUNK_SHA256).map(archive);
    // It only starts cargo, wasm-bindgen and wasm-opt and copies files; it needs no TLS, for it downloads nothing here.
    let build = Build { package: "trunk", arguments: &["--locked", "--no-default-features"], opt_level: "0" };
    Tool { name: "trunk", version: TRUNK.into(), ready, build }
}

/// Its version must be that of the library, so that the lock file decides; its checksums are published beside it.
fn wasm_bindgen(version: String) -> Tool {
    let url = "https://github.com/wasm-bindgen/wasm-bindgen/releases/download";
    let archive =
        |platform| Archive { url: format!("{url}/{version}/wasm-bindgen-{version}-{platform}.tar.gz"), sha256: None };
    let ready = release::platform().map(archive);
    // Its own lock file names a version that the registry took back, so it is not used. Unoptimised it is built 48 s
    // (CPU) sooner, and takes 7 instead of 2 s at every build of the lab.
    let build = Build { package: "wasm-bindgen-cli", arguments: &["--no-default-features"], opt_level: "1" };
    Tool { name: "wasm-bindgen", version, ready, build }
}

fn of_this_machine(sums: &[(&'static str, &'static str)]) -> Option<(&'static str, &'static str)> {
    sums.iter().copied().find(|(platform, _)| release::platform() == Some(platform))
}

/// Where tools live: `APT_TOOLS_DIR`, else a folder in the user's cache.
pub(crate) fn folder() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("APT_TOOLS_DIR") {
        return Ok(std::path::absolute(folder)?);
    }
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(env::home_dir()?.join(".cache")));
    Ok(cache.context("there is no home folder; name one for the tools in APT_TOOLS_DIR")?.join("apt-lab/tools"))
}

/// Runs `npm` with `words` in `folder`.
pub(crate) fn npm(folder: &Path, words: &str) -> Result<()> {
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    run(Command::new(npm).args(words.split_whitespace()).current_dir(folder).stdin(Stdio::null()))
        .context("it takes Node.js of version 20 or newer with npm")
}

fn path(folder: &Path) -> Result<OsString> {
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

/// A program of an exact version: taken from PATH, else ready-made from its project, else built.
struct Tool {
    name: &'static str,
    version: String,
    ready: Option<Archive>,
    build: Build,
}

/// How `cargo install` builds it: quickly, for it is built where it cannot be downloaded and does little work.
struct Build {
    package: &'static str,
    arguments: &'static [&'static str],
    opt_level: &'static str,
}

impl Tool {
    fn install(&self, folder: &Path, path: &OsString) -> Result<()> {
        let Self { name, version: wanted, .. } = self;
        match version(name, path) {
            Some(line) if names(&line, wanted) => {
                println!("{name}: {wanted}");
                return Ok(());
            }
            Some(line) => println!("{name}: {line} is there, but it takes {wanted}"),
            None => println!("{name}: missing"),
        }
        let began = Instant::now();
        std::fs::create_dir_all(folder)?;
        let ready = self.ready.as_ref().context("it is not offered for this machine");
        match ready.and_then(|archive| archive.install(name, folder)) {
            Ok(()) if self.is_there(path) => {
                println!("{name}: {wanted} downloaded in {}", shown(began.elapsed()));
                return Ok(());
            }
            Ok(()) => println!("{name}: what was downloaded does not run here"),
            Err(error) => println!("{name}: not downloaded ({error:#})"),
        }
        println!("{name}: building {wanted} into {} (a minute or two, once)", folder.display());
        self.build.run(wanted, folder).with_context(|| format!("{name} cannot be built; install {wanted} by hand"))?;
        ensure!(self.is_there(path), "{name} was built and is not {wanted}");
        println!("{name}: built in {}", shown(began.elapsed()));
        Ok(())
    }

    fn is_there(&self, path: &OsString) -> bool {
        version(self.name, path).is_some_and(|line| names(&line, &self.version))
    }
}

impl Build {
    fn run(&self, version: &str, folder: &Path) -> Result<()> {
        // Kept when it fails, so that the next try goes on from there.
        let scratch = folder.join("build");
        let mut install = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        install.args(["install", self.package, "--quiet", "--force", "--version", version]).args(self.arguments);
        install.arg("--root").arg(folder).arg("--target-dir").arg(&scratch);
        for (name, value) in
            [("OPT_LEVEL", self.opt_level), ("LTO", "off"), ("CODEGEN_UNITS", "16"), ("DEBUG", "false")]
        {
            install.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
        }
        run(install.current_dir(folder).stdin(Stdio::null()))?;
        Ok(std::fs::remove_dir_all(&scratch)?)
    }
}

fn wasm_opt(folder: &Path, path: &OsString) -> Result<()> {
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
