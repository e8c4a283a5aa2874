//! Several ways to do the same work, timed in turn within one run, so that a busy machine slows all alike.

use crate::cases::DECODED;
use anyhow::Result;
use std::fmt;
use std::time::Duration;

/// Rounds that are not counted.
const WARM_UPS: usize = 2;
/// A round repeats short work until it lasts about this long.
const ROUND: Duration = Duration::from_millis(250);

/// One way to do the work.
pub struct Way<'a> {
    /// Its column in the table.
    pub name: String,
    /// Does the work so many times; the mean time of one.
    pub run: Box<dyn FnMut(usize) -> Result<Duration> + 'a>,
}

impl<'a> Way<'a> {
    /// The way `name`, which `run` takes.
    pub fn new(name: impl Into<String>, run: impl FnMut(usize) -> Result<Duration> + 'a) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

/// Seconds of every timed round of each way, of which the first is ours; none of another that failed, which is said with
/// `title`.
///
/// # Errors
/// When ours fails.
pub fn in_turn(title: &str, ways: &mut [Way<'_>], rounds: usize) -> Result<Vec<Vec<f64>>> {
    let mut all = vec![Vec::new(); ways.len()];
    let mut failed = vec![false; ways.len()];
    let mut repeat = 1;
    for round in 0..WARM_UPS + rounds {
        for (place, way) in ways.iter_mut().enumerate() {
            if failed[place] {
                continue;
            }
            match (way.run)(repeat) {
                Ok(time) => all[place].push(time.as_secs_f64()),
                Err(error) if place == 0 => return Err(error),
                Err(error) => {
                    eprintln!("{title}, {}: {error:#}", way.name);
                    all[place].clear();
                    failed[place] = true;
                }
            }
        }
        if round + 1 == WARM_UPS {
            let last = all.first().and_then(|ours| ours.last()).map_or(ROUND.as_secs_f64(), |&last| last);
            repeat = (ROUND.as_secs_f64() / last.max(1e-4)).ceil() as usize;
            all.iter_mut().for_each(Vec::clear);
        }
    }
    Ok(all)
}

/// What a row of the table counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Time of one run.
    Milliseconds,
    /// Tokens that are written in a second.
    TokensPerSecond,
}

impl Unit {
    /// Its name in the table and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::TokensPerSecond => "tokens/s",
        }
    }

    /// A run of so many seconds in it.
    pub fn of(self, seconds: f64) -> f64 {
        match self {
            Self::Milliseconds => seconds * 1e3,
            Self::TokensPerSecond => DECODED as f64 / seconds,
        }
    }
}

/// Median and range of what was counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The mean of the middle two, where their number is even.
    pub median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    /// `None` of nothing.
    pub fn of(counted: &[f64]) -> Option<Self> {
        let mut counted = counted.to_vec();
        counted.sort_by(f64::total_cmp);
        let (&least, &most) = (counted.first()?, counted.last()?);
        let half = counted.len() / 2;
        let median = if counted.len() % 2 == 1 { counted[half] } else { (counted[half - 1] + counted[half]) / 2.0 };
        Some(Self { median, least, most })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ({:.1}–{:.1})", self.median, self.least, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn ways_take_turns_and_one_that_fails_is_left_out() {
        let order = RefCell::new(String::new());
        let way = |name: &'static str, fails_at: usize| {
            let (order, mut runs) = (&order, 0);
            Way::new(name, move |_| {
                runs += 1;
                order.borrow_mut().push_str(name);
                anyhow::ensure!(runs != fails_at, "it has had enough");
                Ok(Duration::from_millis(500 + runs as u64))
            })
        };
        let mut ways = [way("a", 0), way("b", 4), way("c", 1)];
        let times = in_turn("a test", &mut ways, 3).expect("the first never fails");
        assert_eq!(times, [vec![0.503, 0.504, 0.505], vec![], vec![]], "rounds behind the two that warm up");
        drop(ways);
        assert_eq!(order.into_inner(), "abcabababa");
        assert!(in_turn("a test", &mut [Way::new("ours", |_| anyhow::bail!("no"))], 1).is_err());
    }

    #[test]
    fn short_work_is_repeated_until_a_round_is_long_enough() {
        let repeated = RefCell::new(Vec::new());
        let run = |times| {
            repeated.borrow_mut().push(times);
            Ok(Duration::from_millis(40))
        };
        in_turn("a test", &mut [Way::new("ours", run)], 2).expect("it does not fail");
        assert_eq!(repeated.into_inner(), [1, 1, 7, 7]);
    }

    #[test]
    fn a_faster_run_is_fewer_milliseconds_and_more_tokens() {
        assert_eq!(Unit::Milliseconds.of(0.25), 250.0);
        assert_eq!(Unit::TokensPerSecond.of(0.25), 4.0 * DECODED as f64);
        let spread = Spread::of(&[4.0, 1.0, 3.0, 10.0]).expect("four numbers");
        assert_eq!(spread.to_string(), "3.5 (1.0–10.0)");
        assert_eq!((Spread::of(&[2.0, 9.0, 1.0]).map(|s| s.median), Spread::of(&[])), (Some(2.0), None));
    }
}
