//! The lab's pages.
//!
//! What can be decided without a browser stands in modules of its own and is tested natively: the configuration in the
//! address, what can be done with a run, how long one takes and what it can be expected to give, what the events of a run
//! amount to, how far studies are, charts as SVG, files to export. `app` puts it on the screen.

pub mod actions;
pub mod address;
#[cfg(target_family = "wasm")]
mod app;
pub mod arms;
pub mod asking;
pub mod baseline;
pub mod engine;
pub mod export;
pub mod history;
pub mod hub;
pub mod keys;
pub mod knob_list;
pub mod learn;
pub mod looking;
pub mod outcome;
pub mod pace;
pub mod pair;
pub mod phases;
pub mod plots;
pub mod proposal;
pub mod qr;
pub mod recorded;
pub mod runs;
pub mod settings;
pub mod shipped;
pub mod stage;
pub mod studies;
pub mod tabs;
pub mod writing;

#[cfg(target_family = "wasm")]
pub use app::start;
use apt_report::{chart, figures, series};
