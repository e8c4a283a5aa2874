//! Statistics of an arm over a few seeds: mean, spread, interval, difference to the baseline, and whether that is more than
//! chance.
//!
//! A study has few seeds, so intervals are Student's and differences are paired by seed: a seed decides data order and
//! first weights, and what it does to both arms cancels. Where N is too small for a number there is none.

mod bootstrap;
mod interval;
mod paired;
mod power;
mod student;
mod summary;

pub use bootstrap::{EXHAUSTIVE, RESAMPLES, bootstrap};
pub use interval::{CONFIDENCE, Interval};
pub use paired::{Difference, Verdict, holm, paired, set_holm};
pub use power::{POWER, power, smallest_difference};
pub use student::{quantile, two_sided};
pub use summary::{Summary, by_student, summarise};
