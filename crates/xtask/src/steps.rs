//! Steps of a chore: each announced, timed, and named again when it fails.

use anyhow::{Context, Result, ensure};
use std::process::Command;
use std::time::{Duration, Instant};

/// The steps made so far.
pub struct Steps {
    began: Instant,
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// None yet.
    pub fn new() -> Self {
        Self { began: Instant::now(), done: Vec::new() }
    }

    /// Makes the step `name`.
    pub fn make<T>(&mut self, name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("── {name}");
        let began = Instant::now();
        let result = step().with_context(|| format!("{name} failed"))?;
        let took = began.elapsed();
        println!("── {name}: {}\n", shown(took));
        self.done.push((name.into(), took));
        Ok(result)
    }

    /// Says what was made and how long it took.
    pub fn summary(&self) {
        for (name, took) in &self.done {
            println!("{:>12}  {name}", shown(*took));
        }
        println!("{:>12}  in all; {} steps, all passed", shown(self.began.elapsed()), self.done.len());
    }
}

/// A cargo command in the repository, by the cargo that runs this program.
pub fn cargo(words: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words.split_whitespace()).current_dir(crate::root());
    command
}

/// Runs `command` to its end.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", written(command)))?;
    ensure!(status.success(), "{status}; the command was\n  {}", written(command));
    Ok(())
}

/// What `command` prints.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {}", written(command)))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}\n{said}", written(command), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The command as one would type it.
pub fn written(command: &Command) -> String {
    let name = std::path::Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// A duration in words.
pub fn shown(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds}.{} s", duration.subsec_millis() / 100),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}
