//! Records of a study made into statistics, tables, plots and one report.
//!
//! `Entry, … → Report → html, markdown, csv, json`: [`Report::new`] computes every number once, the four outputs only
//! write them. Nothing here reads a file or a clock, so a browser page can link it.

pub mod chart;
mod column;
mod command;
mod curves;
pub mod figures;
mod files;
mod fronts;
mod groups;
mod html;
mod infer;
mod markdown;
pub mod metric;
mod origin;
mod picture;
pub mod plots;
mod report;
pub mod series;
pub mod statistics;
mod structure;
mod tables;
mod target;
mod texts;

pub use column::Column;
pub use command::{command, study_command};
pub use curves::{ArmCurve, Curves, MeanPoint, SeedCurve};
pub use files::{ReportError, csv, json};
pub use fronts::{Front, FrontPoint};
pub use groups::{Group, Run};
pub use html::{charts, fragment, html};
pub use markdown::markdown;
pub use origin::{Origin, Place, hardware};
pub use picture::picture;
pub use report::{Entry, LeftOut, REPORT_SCHEMA, Reason, Report, Section};
pub use structure::Structure;
pub use tables::{Row, Table};
pub use target::Target;
