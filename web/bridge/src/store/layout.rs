//! How the tables of the database are named and keyed: what reading ([`super::Store`]) and writing (the worker's) share.

use rexie::KeyRange;
use wasm_bindgen::JsValue;

/// [`crate::StoredRun`] as JSON, by name.
pub const RUNS: &str = "runs";
/// Lines of events, by `name/index of the first`.
pub const EVENTS: &str = "events";
/// The newest save of a run, by name.
pub const SAVES: &str = "saves";
/// Records as JSON, by name; also those of runs made elsewhere.
pub const RECORDS: &str = "records";
/// `[File, …]` as dropped, by the set's name.
pub const FILES: &str = "files";
/// Self-tests passed and steps timed, by program and adapter.
pub const CHECKS: &str = "checks";
/// [`crate::StoredStudy`] as JSON, by name.
pub const STUDIES: &str = "studies";
/// `[JSON, tokenizer, weights]` of finished runs, by name.
pub const MODELS: &str = "models";

/// Every table.
pub(super) const TABLES: [&str; 8] = [RUNS, EVENTS, SAVES, RECORDS, FILES, CHECKS, STUDIES, MODELS];

/// Keys of the events of a run from the `first` on.
///
/// # Errors
/// When the browser refuses the range.
pub fn events_from(name: &str, first: usize) -> Result<KeyRange, rexie::Error> {
    // `0` is the character after `/`.
    Ok(KeyRange::bound(&event_key(name, first), &format!("{name}0").into(), None, Some(true))?)
}

/// Key of a chunk of events whose first is the run's `first`-th.
#[must_use]
pub fn event_key(name: &str, first: usize) -> JsValue {
    format!("{name}/{first:012}").into()
}
