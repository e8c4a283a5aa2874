//! Records shown to people: single runs and a few side by side as text, those of a study as statistics, tables, plots and
//! one report.
//!
//! `Entry, … → Report → html, markdown, csv, json`: [`Report::new`] computes every number once, the four outputs only
//! write them. Nothing here reads a file or a clock, so a browser page can link it.

mod answer;
mod assignment;
mod brief;
pub mod chart;
mod column;
mod command;
mod comparison;
mod curves;
pub mod figures;
mod files;
mod fronts;
mod grid;
mod groups;
mod html;
mod infer;
mod layers;
mod left_out;
mod markdown;
pub mod metric;
mod origin;
mod picture;
pub mod plots;
mod report;
mod sensitivity;
pub mod series;
pub mod statistics;
mod structure;
mod summary;
mod tables;
mod target;
mod texts;
mod tuning;

pub use answer::FEWEST_SEEDS;
pub use brief::{BRIEF_SCHEMA, Brief, BriefArm, Compared};
pub use column::Column;
pub use command::{command, shell_word, study_command};
pub use comparison::{comparison_markdown, comparison_table};
pub use curves::{ArmCurve, Curves, MeanPoint, SeedCurve};
pub use files::{ReportError, csv, json};
pub use fronts::{Front, FrontPoint};
pub use groups::{Group, Run};
pub use html::{answer_fragment, charts, fragment, html};
pub use layers::{kept_in_parts, layer_markdown, layer_picture, record_picture};
pub use left_out::{LeftOut, Reason};
pub use markdown::markdown;
pub use origin::{Origin, hardware};
pub use picture::picture;
pub use report::{Entry, REPORT_SCHEMA, Report, Section};
pub use sensitivity::Sensitivity;
pub use structure::Structure;
pub use summary::{summary, summary_markdown};
pub use tables::{Row, Table};
pub use target::Target;
pub use tuning::Tuning;
