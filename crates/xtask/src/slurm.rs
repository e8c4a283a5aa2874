//! Slurm for the test that submits a study: Debian's packages, where they can be installed without asking.

use crate::debian;
use anyhow::{Context, Result};
use std::process::{Command, Stdio};

/// Installs Slurm where it is missing and may be installed: as root, with apt. Elsewhere it says so; the test then says
/// itself that it did not run. Returns whether it is there, so that the test may not be skipped.
///
/// # Errors
/// When the packages could be installed and were not.
pub fn install() -> Result<bool> {
    if !cfg!(target_os = "linux") {
        return Ok(false);
    }
    let there = |tool: &str| Command::new(tool).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !debian::may_install() {
        println!(
            "Slurm: its daemons are started by root, with apt's packages; the test of `study --slurm` does not run"
        );
        return Ok(false);
    }
    if ["sbatch", "slurmctld", "slurmd", "munged"].into_iter().all(there) {
        println!("Slurm: installed");
        return Ok(true);
    }
    println!("Slurm: none; installing Debian's slurm-wlm");
    debian::install(&["slurm-wlm"]).context("slurm-wlm cannot be installed")?;
    Ok(true)
}
