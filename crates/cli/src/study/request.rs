//! What a study sends to the process that runs one of its cells: one line of JSON on standard input.

use apt_experiment::Knobs;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One cell to run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CellRequest {
    /// The study's folder.
    pub study: PathBuf,
    /// The cell's name in it.
    pub cell: String,
    /// The preset its arm starts from.
    pub preset: String,
    /// Its settings.
    pub knobs: Knobs,
    /// Cells run at the same time.
    pub jobs: usize,
}
