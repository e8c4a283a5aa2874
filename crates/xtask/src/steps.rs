//! Steps of a chore: each announced, timed, and named again when it fails.

use anyhow::{Context, Result, bail, ensure};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The steps made so far.
pub(crate) struct Steps {
    began: Instant,
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), done: Vec::new() }
    }

    /// Makes the step `name`.
    pub(crate) fn make(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("── {name}");
        let began = Instant::now();
        let result = step();
        let took = began.elapsed();
        println!("── {name}: {} after {}\n", if result.is_ok() { "passed" } else { "FAILED" }, shown(took));
        self.done.push((name, took));
        result.with_context(|| format!("step `{name}` failed (alone: cargo xtask test --only {name})"))
    }

    /// Says what was made and how long it took.
    pub(crate) fn summary(&self) {
        for (name, took) in &self.done {
            println!("{:>12}  {name}", shown(*took));
        }
        let steps = if self.done.len() == 1 { "step" } else { "steps" };
        println!("{:>12}  in all; {} {steps}, all passed", shown(self.began.elapsed()), self.done.len());
    }
}

/// A cargo command in the repository, by the cargo that runs this program.
pub(crate) fn cargo(words: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words.split_whitespace()).current_dir(crate::root());
    command
}

/// Runs `command` to its end.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", written(command)))?;
    passed(command, status)
}

/// Runs `command`, which may hang (a download without a network), for at most `limit`.
pub(crate) fn run_within(limit: Duration, command: &mut Command) -> Result<()> {
    let mut child = command.spawn().with_context(|| format!("cannot start `{}`", written(command)))?;
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return passed(command, status);
        }
        if began.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            bail!("`{}` did not end within {}", written(command), shown(limit));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether `command` can be run and succeeds; what it prints is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Installs the toolchain component whose program is `tool`, if it is missing.
pub(crate) fn component(name: &str, tool: &str) -> Result<()> {
    if succeeds(Command::new(tool).arg("--version")) {
        return Ok(());
    }
    run(Command::new("rustup").args(["component", "add", name]).stdin(Stdio::null()))
        .with_context(|| format!("{name} is missing; install it for the active Rust toolchain"))
}

/// What `command` prints.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start `{}`", written(command)))?;
    passed(command, output.status)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn passed(command: &Command, status: ExitStatus) -> Result<()> {
    ensure!(status.success(), "`{}` ended with {status}", written(command));
    Ok(())
}

/// The command as one would type it.
fn written(command: &Command) -> String {
    let name = std::path::Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// A duration in words.
pub(crate) fn shown(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds}.{} s", duration.subsec_millis() / 100),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_an_error_that_names_it() {
        let error = run(&mut cargo("no-such-subcommand")).expect_err("cargo has no such command");
        assert!(error.to_string().contains("cargo no-such-subcommand"), "the error says only: {error}");
    }

    #[test]
    fn minutes_and_seconds_are_told_apart() {
        assert_eq!(shown(Duration::from_millis(59_949)), "59.9 s");
        assert_eq!(shown(Duration::from_secs(605)), "10 min 05 s");
    }
}
