//! A Vulkan driver for the tests that need one: Mesa's software driver where the machine has none.

use crate::steps::run;
use crate::{debian, root};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where Vulkan drivers announce themselves.
const DRIVERS: [&str; 3] = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];
/// How a user names drivers that lie elsewhere.
const NAMED: [&str; 2] = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];

/// Installs lavapipe where there is no driver at all and this may be done without asking: as root, with apt. Elsewhere
/// it says what to do; that is no failure, since the tests on Vulkan then say themselves that they did not run. Returns
/// whether there is a driver, so that those tests may not be skipped.
///
/// # Errors
/// When the driver could be installed and was not: the tests must not pass for want of it.
pub(crate) fn install() -> Result<bool> {
    if !cfg!(target_os = "linux") {
        return Ok(false);
    }
    if let Some(driver) = named().or_else(found) {
        println!("Vulkan driver: {}", driver.display());
        return Ok(true);
    }
    if !debian::may_install() {
        println!("Vulkan driver: none; for the tests on software Vulkan install Mesa's lavapipe (mesa-vulkan-drivers)");
        return Ok(false);
    }
    println!("Vulkan driver: none; installing Mesa's lavapipe");
    let script = root().join("crates/xtask/scripts/lavapipe-from-debian.sh");
    run(Command::new("bash").arg(script).stdin(Stdio::null())).context("lavapipe cannot be installed")?;
    let driver = found().context("no Vulkan driver appeared, although mesa-vulkan-drivers is installed")?;
    println!("Vulkan driver: {}", driver.display());
    Ok(true)
}

fn named() -> Option<PathBuf> {
    NAMED.iter().find_map(std::env::var_os).map(PathBuf::from)
}

fn found() -> Option<PathBuf> {
    DRIVERS.iter().find_map(|folder| first_file(Path::new(folder)))
}

fn first_file(folder: &Path) -> Option<PathBuf> {
    std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).min()
}
