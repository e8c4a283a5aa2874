//! `cell`, which people do not type: one run of a study, in the process that `study` started for it.
//!
//! The order is the first line of standard input. When standard input is closed the study is gone, and the run saves
//! and stops.

use crate::error::CliError;
use crate::interrupt;
use crate::progress::Voice;
use crate::resume;
use crate::run::{self, Manner};
use crate::settings::Request;
use crate::study::StudyFolder;
use apt_experiment::Knobs;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

/// What a study asks of a cell's process.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// The study's folder.
    pub study: PathBuf,
    /// The cell's name in it.
    pub cell: String,
    /// The preset its arm starts from.
    pub preset: String,
    /// Its settings.
    pub knobs: Knobs,
    /// Cells run side by side.
    pub jobs: usize,
}

/// Does what the order says: begins the run, or goes on with it.
///
/// # Errors
/// An order that cannot be read; whatever ends a run.
pub fn cell(voice: &mut Voice) -> Result<(), CliError> {
    let order = order()?;
    std::thread::spawn(|| {
        // Nothing more is said: the end of the input is the message.
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        interrupt::ask();
    });
    let study = StudyFolder::new(&order.study);
    let _held = study.hold(&order.cell)?;
    let folder = study.cell(&order.cell);
    let manner = Manner { jobs: Some(order.jobs), keeps_model: false };
    if is_begun(&folder)? {
        resume::resume(&folder, manner, voice)?;
    } else {
        let request = Request { knobs: order.knobs, preset: Some(order.preset) };
        run::start(&request, &folder, manner, voice)?;
    }
    Ok(())
}

fn order() -> Result<Order, CliError> {
    let mut line = String::new();
    let place = Path::new("standard input");
    std::io::stdin().lock().read_line(&mut line).map_err(|e| CliError::reading(place, e))?;
    serde_json::from_str(&line).map_err(|e| {
        CliError::place(place, format!("this is no order for a cell ({e})"), "use `apt-lab study`, which gives them")
    })
}

/// Whether there is something to go on with. A run that was killed before it said anything is taken away.
fn is_begun(root: &Path) -> Result<bool, CliError> {
    let events = root.join("events.jsonl");
    if !events.exists() {
        return Ok(false);
    }
    let said = fs::metadata(&events).map_err(|e| CliError::reading(&events, e))?.len() > 0;
    if said && root.join("config.toml").exists() {
        return Ok(true);
    }
    fs::remove_dir_all(root).map_err(|e| CliError::writing(root, e))?;
    Ok(false)
}
