//! Gives the program the digest of its code.

#[path = "build/digest.rs"]
mod digest;

use std::path::Path;
use std::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let workspace = Path::new("../..");
    let rustc = Command::new(std::env::var("RUSTC")?).arg("--version").output()?;
    let (code, files) = digest::digest(workspace, String::from_utf8_lossy(&rustc.stdout).trim())?;
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/digest.rs");
    for folder in ["core", "data", "nn", "train"] {
        // For files that come or go.
        println!("cargo::rerun-if-changed=../{folder}/src");
    }
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    println!("cargo::rustc-env=APT_LAB_CODE={code}");
    Ok(())
}
