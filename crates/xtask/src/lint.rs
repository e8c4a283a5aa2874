//! Clippy and rustdoc over the workspace's crates, without building a dependency for them.
//!
//! `cargo clippy` and `cargo doc` compile every dependency once more, as metadata only. Here Cargo compiles as it does
//! for the program and the tests, but calls this program in the compiler's place for the workspace's own crates
//! (`RUSTC_WORKSPACE_WRAPPER`), which has clippy-driver check them and rustdoc document them. Dependencies are those that
//! the program was built with.

use crate::steps::{cargo, component, run};
use crate::wasm_target::TARGET;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::OnceLock;
use std::{env, fs};

/// Set for Cargo by a lint step: this program is then started as the compiler.
const ROLE: &str = "APT_XTASK_LINT";
/// How cargo-clippy hands `-D warnings` to clippy-driver.
const ARGUMENTS: &str = "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__";

/// Every crate as it is built for this machine, with its tests; documentation of private items too.
///
/// # Errors
/// A warning of clippy or rustdoc.
pub(crate) fn native() -> Result<()> {
    lint("build --release --workspace --all-targets")
}

/// The browser's programs as trunk builds them (see `web`), so that they find the same dependencies.
///
/// # Errors
/// A warning of clippy or rustdoc.
pub(crate) fn browser() -> Result<()> {
    let worker = "--profile web --manifest-path web/worker/Cargo.toml --bin";
    lint(&format!("build --target {TARGET} {worker} apt-worker"))?;
    lint(&format!("build --target {TARGET} {worker} apt-worker-gpu --features gpu"))?;
    lint(&format!("build --target {TARGET} --profile page --manifest-path web/page/Cargo.toml --bin apt-page"))
}

fn lint(words: &str) -> Result<()> {
    component("clippy", "cargo-clippy")?;
    let mut cargo = cargo(words);
    cargo.arg("--locked").env("RUSTC_WORKSPACE_WRAPPER", wrapper()?);
    run(cargo.env(ROLE, "1").env("CLIPPY_ARGS", ARGUMENTS))
}

/// A copy of this program beside it, made once: the tests build the program anew in its own place.
fn wrapper() -> Result<&'static Path> {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    if COPY.get().is_none() {
        let program = env::current_exe()?;
        let (copy, half) = (program.with_file_name("xtask-lint"), program.with_file_name("xtask-lint.new"));
        fs::copy(&program, &half).with_context(|| format!("cannot copy {}", program.display()))?;
        fs::rename(&half, &copy).with_context(|| format!("cannot write {}", copy.display()))?;
        let _ = COPY.set(copy);
    }
    COPY.get().map(PathBuf::as_path).context("the copy was made just now")
}

/// Whether Cargo started this program in the compiler's place.
pub(crate) fn is_compiler() -> bool {
    env::var_os(ROLE).is_some()
}

/// Checks the crate that Cargo wants compiled. The command line is `xtask rustc ARGUMENTS…`.
pub(crate) fn compile() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match check(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check(words: &[String]) -> Result<ExitCode> {
    let crate_name = words.iter().skip_while(|word| *word != "--crate-name").nth(1);
    // Cargo asks the compiler what it is, without a crate; build scripts must run.
    let runs = crate_name.is_none_or(|name| name == "___" || name.starts_with("build_script_"));
    let clippy = if runs { words.to_vec() } else { metadata_only(words, |file| Path::new(file).exists()) };
    let code = finish(Command::new("clippy-driver").args(&clippy))?;
    if code != 0 || runs || words.iter().any(|word| word == "--test") {
        return Ok(ExitCode::from(code));
    }
    let rustdoc = documentation(&clippy);
    Ok(ExitCode::from(finish(Command::new("rustdoc").args(&rustdoc))?))
}

/// The exit code that tells Cargo how the command ended.
fn finish(command: &mut Command) -> Result<u8> {
    let program = command.get_program().to_owned();
    let status = command.status().with_context(|| format!("cannot start {}", program.display()))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// The compiler's arguments without code generation. A crate of the workspace then has no library to link but only
/// metadata, which `exists` tells.
fn metadata_only(words: &[String], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let word = |word: &String| match word.split_once('=') {
        Some(("--emit", _)) => "--emit=dep-info,metadata".to_owned(),
        Some((name, file)) if file.ends_with(".rlib") && !exists(file) => {
            format!("{name}={}.rmeta", file.trim_end_matches(".rlib"))
        }
        _ => word.clone(),
    };
    words.iter().map(word).collect()
}

/// Arguments of rustdoc in place of the compiler's: the same crate with the same dependencies, lints and features.
fn documentation(words: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = words.iter().skip(1).peekable();
    while let Some(word) = words.next() {
        if word == "-C" && words.peek().is_some_and(|option| option.starts_with("incremental=")) {
            words.next();
        } else if word == "--out-dir" {
            // Beside the folder of the libraries.
            let folder = words.next().map(|folder| Path::new(folder).with_file_name("lint-doc"));
            kept.extend(folder.into_iter().flat_map(|folder| [word.clone(), folder.display().to_string()]));
        } else if !word.starts_with("--emit=") {
            kept.push(word.clone());
        }
    }
    kept.extend(["--document-private-items", "-Dwarnings"].map(str::to_owned));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_crate_of_the_workspace_is_linked_by_its_metadata_and_a_dependency_by_its_library() {
        let before =
            words("rustc --crate-name a --emit=dep-info,link --extern b=/t/libb-1.rlib --extern c=/t/libc-2.rlib");
        let after = metadata_only(&before, |file| file.contains("libc"));
        let expected =
            "rustc --crate-name a --emit=dep-info,metadata --extern b=/t/libb-1.rmeta --extern c=/t/libc-2.rlib";
        assert_eq!(after, words(expected));
    }

    #[test]
    fn rustdoc_gets_what_it_understands() {
        let compiler = words(
            "rustc --crate-name a src/lib.rs --emit=metadata -C opt-level=2 --out-dir /t/deps -C incremental=/t/i",
        );
        let expected =
            "--crate-name a src/lib.rs -C opt-level=2 --out-dir /t/lint-doc --document-private-items -Dwarnings";
        assert_eq!(documentation(&compiler), words(expected));
    }
}
