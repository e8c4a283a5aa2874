//! What a run prints: for people a bar on a terminal and plain lines when piped; for programs the event stream.

use crate::error::CliError;
use crate::logging;
use apt_experiment::{Evaluation, Event, LOSS, Phase, Split};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::sync::OnceLock;

/// Why standard output could not be written, the first time that it could not.
static STDOUT_FAILURE: OnceLock<io::Error> = OnceLock::new();

/// Plain lines of progress in a run.
const LINES: usize = 20;

/// Prints text and events.
pub(crate) struct Reporter {
    /// Events go to standard output, one per line, and text to standard error.
    json: bool,
    terminal: bool,
    bar: Option<ProgressBar>,
    planned: usize,
    /// The first step seen here and the seconds of training at it, from which the time left is estimated.
    first_step: Option<(usize, f64)>,
    metric: Option<f64>,
    failure_reported: bool,
}

impl Reporter {
    /// A reporter for people, or for programs with `json`.
    pub(crate) fn new(json: bool) -> Self {
        let terminal = io::stderr().is_terminal() && (json || io::stdout().is_terminal()) && !logging::is_on();
        Self { json, terminal, bar: None, planned: 0, first_step: None, metric: None, failure_reported: false }
    }

    /// Whether a `failed` event was reported.
    pub(crate) fn failure_reported(&self) -> bool {
        self.failure_reported
    }

    /// Prints text for people.
    pub(crate) fn print(&self, text: &str) {
        self.above_bar(|| if self.json { print_stderr(text) } else { print_stdout(text) });
    }

    /// A run of `planned` steps starts, or resumes at `step`.
    pub(crate) fn begin(&mut self, name: &str, planned: usize, step: usize) {
        self.planned = planned;
        self.first_step = None;
        self.metric = None;
        if self.terminal {
            let bar = ProgressBar::with_draw_target(Some(planned as u64), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} steps, {eta} left  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(name.to_owned());
            bar.set_position(step as u64);
            bar.reset_eta();
            self.bar = Some(bar);
        }
    }

    /// Shows on a terminal that the run called `name`, one of several, is at `step`.
    pub(crate) fn show_step(&mut self, name: &str, step: usize, planned: usize) {
        if self.bar.is_none() {
            self.begin(name, planned, step);
        }
        if let Some(bar) = &self.bar {
            bar.set_prefix(name.to_owned());
            bar.set_length(planned as u64);
            bar.set_position(step as u64);
        }
    }

    /// Reports an event of the run.
    pub(crate) fn event(&mut self, event: &Event) {
        if self.json {
            self.above_bar(|| print_event(event));
        }
        match event {
            Event::Step(point) => {
                let (first, began) = *self.first_step.get_or_insert((point.step, point.seconds));
                let Some(bar) = &self.bar else {
                    if !self.is_milestone(point.step) {
                        return;
                    }
                    let made = point.step - first;
                    let left = (made > 0).then(|| {
                        (point.seconds - began) / made as f64 * (self.planned - point.step.min(self.planned)) as f64
                    });
                    let left = left.map_or_else(String::new, |s| format!(", {s:.0} s left"));
                    let (step, planned) = (point.step, self.planned);
                    let percent = 100 * step / planned.max(1);
                    self.print(&format!(
                        "  step {step:>6}/{planned} {percent:>3} %  loss {:.4}  density {:.3}  {:.0} s{left}",
                        point.loss, point.density, point.seconds
                    ));
                    return;
                };
                bar.set_position(point.step as u64);
                let metric = self.metric.map_or_else(String::new, |m| format!(", metric {m:.4}"));
                bar.set_message(format!("loss {:.3}, density {:.2}{metric}", point.loss, point.density));
            }
            Event::Evaluation(evaluation) => {
                self.metric = Some(evaluation.metric);
                // On a terminal the bar shows it.
                if self.bar.is_none() || evaluation.split == Split::Test {
                    let split = if evaluation.split == Split::Test { "test" } else { "validation" };
                    self.print(&format!("  step {:>6}  {split} {}", evaluation.step, metrics_of(evaluation)));
                }
            }
            Event::Layout(layout) => self.print(&format!("  step {:>6}  {}", layout.step, layout.sentence())),
            // At a point that removes nothing ranks alone change.
            Event::Pruned(point) if point.salience.is_none() => {
                let ranks = || point.ranks.values().copied();
                if let Some((least, most)) = ranks().min().zip(ranks().max()) {
                    self.print(&format!("  step {:>6}  ranks change: {least} to {most} now", point.step));
                }
            }
            Event::Pruned(point) => {
                let (heads, neurons): (usize, usize) = (point.heads.iter().sum(), point.neurons.iter().sum());
                let how = if point.removed { "pruned" } else { "masked" };
                self.print(&format!(
                    "  step {:>6}  {how} to density {:.3}: {heads} heads, {neurons} neurons, {} hidden dims left",
                    point.step, point.density, point.hidden
                ));
            }
            Event::Phase { name, .. } => match name {
                Phase::Scoring => self.print("  scoring every block before training"),
                Phase::Evaluating => self.clear_bar(),
                Phase::Measuring => self.print("  measuring size, speed and memory"),
                _ => {}
            },
            Event::Warning { message } => self.print(&format!("warning: {message}")),
            Event::Failed { .. } => {
                self.failure_reported = true;
                self.clear_bar();
            }
            Event::Done { .. } => self.clear_bar(),
            _ => {}
        }
    }

    /// Prints the last line of `--json`: the event that names the record or summary.
    pub(crate) fn done(&self, path: &Path) {
        if self.json {
            print_event(&Event::Done { record: path.display().to_string() });
        }
    }

    /// Removes the bar.
    pub(crate) fn clear_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn is_milestone(&self, step: usize) -> bool {
        let parts = |step: usize| step * LINES / self.planned.max(1);
        step == 1 || step == self.planned || parts(step) != parts(step - 1)
    }

    fn above_bar(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

/// Prints a line on standard output. It is no error if nobody reads it; what else goes wrong is kept for
/// [`stdout_written`], for no run should end because of a line of its progress.
pub(crate) fn print_stdout(text: &str) {
    let mut out = io::stdout().lock();
    keep_failure(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// Keeps the failure of a write to standard output, unless nobody reads it any more.
pub(crate) fn keep_failure(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        // Later failures follow from the first.
        let _ = STDOUT_FAILURE.set(error);
    }
}

/// Whether everything that was printed could be.
///
/// # Errors
/// The first failure.
pub(crate) fn stdout_written() -> Result<(), CliError> {
    STDOUT_FAILURE.get().map_or(Ok(()), |error| {
        let remedy = "check where it goes; files that the command was to write are written";
        Err(CliError::at(Path::new("standard output"), format!("writing failed ({error})"), remedy))
    })
}

/// Prints a line on standard error. It is no error if nobody reads it.
pub(crate) fn print_stderr(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Every metric of an evaluation with its name, without the loss.
fn metrics_of(evaluation: &Evaluation) -> String {
    let metrics = evaluation.metrics.iter().filter(|(name, _)| *name != LOSS);
    metrics.map(|(name, value)| format!("{name} {value:.4}")).collect::<Vec<_>>().join(", ")
}

fn print_event(event: &Event) {
    match event.to_line() {
        Ok(line) => print_stdout(&line),
        Err(error) => print_stderr(&error.to_string()),
    }
}
