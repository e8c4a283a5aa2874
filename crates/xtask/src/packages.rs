//! Packages of PyPI and npm that chores need: each list's in a folder of its own among the tools, installed once and again
//! when the list has changed.

use crate::steps::{run, shown, succeeds};
use crate::{browser, debian, tools};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// A Python with what makes environments: one of the `wanted` if it is there, else the system's.
///
/// # Errors
/// There is none, and none can be installed.
pub(crate) fn python(wanted: &[&str]) -> Result<PathBuf> {
    let makes = |name: &str| succeeds(Command::new(name).args(["-c", "import venv, ensurepip"]));
    if let Some(name) = wanted.iter().find(|name| makes(name)) {
        return Ok(name.into());
    }
    let name = if cfg!(windows) { "python" } else { "python3" };
    let can = || makes(name);
    if !can() && debian::may_install() {
        println!("Python: missing, or without venv; installing Debian's");
        debian::install(&["python3", "python3-venv"])?;
    }
    anyhow::ensure!(can(), "Python 3 with venv and ensurepip is missing");
    Ok(name.into())
}

/// An environment with exactly what `list` names; its Python.
///
/// # Errors
/// Packages that cannot be had.
pub(crate) fn environment(name: &str, python: &Path, list: &Path) -> Result<PathBuf> {
    let folder = tools::folder()?.join(name);
    let own = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    installed(&folder, list, || {
        run(quiet(Command::new(python).args(["-m", "venv"]).arg(&folder)))?;
        run(quiet(pip(&own).arg("-r").arg(list)))
    })?;
    Ok(own)
}

/// A folder with exactly what the lock file in `lists` names.
///
/// # Errors
/// Node.js that is missing, or packages that cannot be had.
pub(crate) fn from_npm(name: &str, lists: &Path) -> Result<PathBuf> {
    browser::node()?;
    let folder = tools::folder()?.join(name);
    installed(&folder, &lists.join("package-lock.json"), || {
        for file in ["package.json", "package-lock.json"] {
            fs::copy(lists.join(file), folder.join(file))?;
        }
        // Scripts of packages would fetch libraries for GPUs.
        tools::npm(&folder, "ci --silent --no-fund --no-audit --prefer-offline --ignore-scripts")
    })?;
    Ok(folder)
}

/// Makes `folder` by `install`, unless it was made from the same `list`.
///
/// # Errors
/// A list that cannot be read, and what `install` fails with.
pub(crate) fn installed(folder: &Path, list: &Path, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let wanted = fs::read(list).with_context(|| format!("{} cannot be read", list.display()))?;
    let stamp = folder.join("made-from");
    if fs::read(&stamp).is_ok_and(|made_from| made_from == wanted) {
        return Ok(());
    }
    println!("installing what {} names into {}", list.display(), folder.display());
    let began = Instant::now();
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    install()?;
    fs::write(&stamp, wanted)?;
    println!("installed in {}", shown(began.elapsed()));
    Ok(())
}

/// `pip install` of an environment.
pub(crate) fn pip(python: &Path) -> Command {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    pip
}

/// `command` without an input to wait for.
pub(crate) fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null())
}
