//! Puts the commit of the checkout into a program, where there is one: records say what they were made with. The
//! browser's worker has the same build script.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=../../crates/cli/build.rs");
    // The first changes with a checkout of another branch, the second with every commit.
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    if let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) {
        println!("cargo::rustc-env=APT_LAB_COMMIT={commit}");
    }
}

/// The line that git answers, if this is a checkout.
fn git(arguments: &[&str]) -> Option<String> {
    let answer = Command::new("git").args(arguments).output().ok()?;
    let line = String::from_utf8(answer.stdout).ok()?.trim().to_owned();
    (answer.status.success() && !line.is_empty()).then_some(line)
}
