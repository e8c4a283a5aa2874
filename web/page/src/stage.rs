//! The stage: the picture of a model, every unit a cell at its own place. Here is where each unit is (`layout`), how far
//! it is there and since when not (`fate`), which are outliers (`outliers`), what it is called (`words`), where keys lead (`walk`), and how pruning points
//! become a timeline (`ticks`); `app::stage` shows it.

mod fate;
mod layout;
mod outliers;
mod ticks;
mod walk;
mod words;

pub use fate::{Departures, Levels, PerUnit, Percentiles, Reason};
pub use layout::{Field, Layout, Rect, Sheet, Unit};
pub use outliers::Outliers;
pub use ticks::{Moment, moment, ticks};
