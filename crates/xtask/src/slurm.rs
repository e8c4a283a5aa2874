//! Slurm for the test that submits a study: Debian's packages, where they can be installed without asking.

use crate::debian;
use std::process::{Command, Stdio};

/// Installs Slurm where it is missing and may be installed: as root, with apt. Where that is not so, or fails, it says why;
/// the test then says itself that it did not run. Returns whether it is there, so that the test may not be skipped.
pub(crate) fn install() -> bool {
    if !cfg!(target_os = "linux") {
        return false;
    }
    let there = |tool: &str| Command::new(tool).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !debian::may_install() {
        println!(
            "Slurm: its daemons are started by root, with apt's packages; the test of `study --slurm` does not run"
        );
        return false;
    }
    if ["sbatch", "slurmctld", "slurmd", "munged"].into_iter().all(there) {
        println!("Slurm: installed");
        return true;
    }
    println!("Slurm: none; installing Debian's slurm-wlm");
    let installed = debian::install(&["slurm-wlm"]);
    if let Err(error) = &installed {
        println!("Slurm: slurm-wlm cannot be installed ({error:#}); the test of `study --slurm` does not run");
    }
    installed.is_ok()
}
