//! What only the system's package manager brings; asked for only where that needs no question: as root, with apt.

use crate::steps::{output, run};
use anyhow::Result;
use std::process::{Command, Stdio};

/// Whether packages may be installed without asking anybody.
pub(crate) fn may_install() -> bool {
    let superuser = output(Command::new("id").arg("-u").stderr(Stdio::null())).is_ok_and(|id| id == "0");
    superuser && output(Command::new("apt-get").arg("--version").stderr(Stdio::null())).is_ok()
}

/// Installs `packages`.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-qq", "-o", "Dpkg::Use-Pty=0"]);
        apt.stdin(Stdio::null()).stdout(Stdio::null());
        apt
    };
    run(apt().arg("update"))?;
    run(apt().args(["install", "-y", "--no-install-recommends"]).args(packages))
}
