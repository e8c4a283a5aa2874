//! How far the cells of a study have come, wherever they are run.

use apt_core::problem::Problem;
use serde::{Deserialize, Serialize};

/// How far a cell has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellState {
    /// Nothing has been done.
    Queued,
    /// It is being worked on.
    Running,
    /// It was begun and not finished; it goes on from its last checkpoint.
    Begun,
    /// It has a record.
    Done,
    /// It ended with an error.
    Failed(String),
}

impl CellState {
    /// It ended at `step` with this problem.
    #[must_use]
    pub fn failed(problem: &Problem, step: usize) -> Self {
        Self::Failed(format!("{} ({}, step {step})", problem.what, problem.place))
    }

    /// In one word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Begun => "interrupted",
            Self::Done => "done",
            Self::Failed(_) => "failed",
        }
    }

    /// Why it failed.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        if let Self::Failed(why) = self { Some(why) } else { None }
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Done | Self::Failed(_))
    }
}

/// How long, in words, `left` cells will take, `jobs` at a time, where `over` took `seconds`. `None` before one is over.
#[must_use]
pub fn time_left(seconds: f64, over: usize, left: usize, jobs: usize) -> Option<String> {
    if over == 0 || left == 0 {
        return None;
    }
    let rounds = left.div_ceil(jobs.max(1)) as f64 / (over as f64 / jobs.max(1) as f64);
    Some(duration(seconds * rounds))
}

/// A length of time that is only known roughly: `47 s`, `12 min`, `2 h 05 min`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match seconds {
        ..100.0 => format!("{seconds:.0} s"),
        ..6000.0 => format!("{minutes} min"),
        _ => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_counts_rounds() {
        assert_eq!(time_left(60.0, 3, 2, 1).as_deref(), Some("40 s"));
        assert_eq!(time_left(60.0, 2, 5, 2).as_deref(), Some("3 min"), "three rounds of a minute");
        assert_eq!((time_left(60.0, 0, 2, 1), time_left(60.0, 2, 0, 1)), (None, None));
    }

    #[test]
    fn lengths_of_time_are_said_as_roughly_as_they_are_known() {
        let words = [47.4, 100.0, 720.0, 5999.0, 7500.0].map(duration);
        assert_eq!(words, ["47 s", "2 min", "12 min", "100 min", "2 h 05 min"]);
    }
}
