//! What a run says to people: a bar on a terminal, plain lines when piped; and the event stream for programs.

use apt_experiment::{Event, Phase, Split};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};

/// Plain lines of progress in a run.
const LINES: usize = 20;

/// Where words and events go.
pub struct Voice {
    /// Events on standard output, one per line, and words on standard error.
    json: bool,
    terminal: bool,
    bar: Option<ProgressBar>,
    planned: usize,
    /// Step, and seconds of training, at the first step seen here: time left is told from there.
    origin: Option<(usize, f64)>,
    metric: Option<f64>,
    failed: bool,
}

impl Voice {
    /// A voice for people, or for programs with `json`.
    pub fn new(json: bool) -> Self {
        let terminal = std::io::stderr().is_terminal() && (json || std::io::stdout().is_terminal());
        Self { json, terminal, bar: None, planned: 0, origin: None, metric: None, failed: false }
    }

    /// Whether events go to standard output.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a failure has been told.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Says something to people.
    pub fn say(&self, text: &str) {
        let print = || if self.json { to_stderr(text) } else { to_stdout(text) };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// A run of `planned` steps begins or goes on.
    pub fn begin(&mut self, name: &str, planned: usize, step: usize) {
        self.planned = planned;
        self.origin = None;
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

    /// The run called `name` among several is at `step`; only a terminal shows it.
    pub fn advance(&mut self, name: &str, step: usize, planned: usize) {
        if self.bar.is_none() {
            self.begin(name, planned, step);
        }
        if let Some(bar) = &self.bar {
            bar.set_prefix(name.to_owned());
            bar.set_length(planned as u64);
            bar.set_position(step as u64);
        }
    }

    /// Something happened in the run.
    pub fn tell(&mut self, event: &Event) {
        if self.json {
            self.line(event);
        }
        match event {
            Event::Step(point) => {
                let (first, began) = *self.origin.get_or_insert((point.step, point.seconds));
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
                    let share = 100 * step / planned.max(1);
                    self.say(&format!(
                        "  step {step:>6}/{planned} {share:>3} %  loss {:.4}  density {:.3}  {:.0} s{left}",
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
                    self.say(&format!("  step {:>6}  {split} metric {:.4}", evaluation.step, evaluation.metric));
                }
            }
            Event::Pruned(point) => {
                let (heads, neurons): (usize, usize) = (point.heads.iter().sum(), point.neurons.iter().sum());
                let how = if point.removed { "pruned" } else { "masked" };
                self.say(&format!(
                    "  step {:>6}  {how} to density {:.3}: {heads} heads, {neurons} neurons, {} hidden dims left",
                    point.step, point.density, point.hidden
                ));
            }
            Event::Phase { name, .. } => match name {
                Phase::Scoring => self.say("  scoring every block before training"),
                Phase::Evaluating => self.end_bar(),
                Phase::Measuring => self.say("  measuring size, speed and memory"),
                _ => {}
            },
            Event::Warning { message } => self.say(&format!("warning: {message}")),
            Event::Failed { .. } => {
                self.failed = true;
                self.end_bar();
            }
            Event::Done { .. } => self.end_bar(),
            _ => {}
        }
    }

    /// Takes the bar away.
    pub fn end_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn is_milestone(&self, step: usize) -> bool {
        let parts = |step: usize| step * LINES / self.planned.max(1);
        step == 1 || step == self.planned || parts(step) != parts(step - 1)
    }

    fn line(&self, event: &Event) {
        let print = || match event.to_line() {
            Ok(line) => to_stdout(&line),
            Err(error) => to_stderr(&error.to_string()),
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

/// A line on standard output. A reader that has gone away ends no run.
pub fn to_stdout(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// A line on standard error, under the same condition.
pub fn to_stderr(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
