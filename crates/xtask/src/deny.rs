//! cargo-deny: licences, bans and sources of everything in the lock file, and what is known against it.

use crate::steps::{cargo, run, run_within};
use crate::tools;
use anyhow::Result;
use std::process::Stdio;
use std::time::Duration;

/// Longest wait for the database of advisories.
const LIMIT: Duration = Duration::from_secs(60);

/// Checks the lock file by `deny.toml`. Advisories are left out, and that is said, where their database cannot be had.
///
/// # Errors
/// When cargo-deny finds something, or can be neither fetched nor built.
pub(crate) fn check() -> Result<()> {
    let path = tools::deny()?;
    let deny = |words: &str| {
        let mut deny = cargo(&format!("deny --locked {words}"));
        deny.env("PATH", &path).stdin(Stdio::null());
        deny
    };
    run(&mut deny("check bans licenses sources"))?;
    if run_within(LIMIT, deny("fetch db").stderr(Stdio::null())).is_err() {
        println!("advisories: NOT CHECKED, for their database cannot be had from here");
        return Ok(());
    }
    run(&mut deny("check advisories --disable-fetch"))
}
