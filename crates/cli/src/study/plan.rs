//! From the arguments of `study` to the cells that are to be run.

use crate::error::CliError;
use crate::model::ModelLocation;
use crate::reporter::Reporter;
use crate::settings::{is_json, paper_schedule, read_text};
use crate::setup::load_task;
use apt_experiment::{ArmFile, Cell, DataSource, KNOBS, Knobs, Sources, StudyFile};
use apt_train::{CODE, ModelFiles};
use clap::ArgMatches;
use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

/// A cell and the folder it is written to.
pub(crate) struct PlannedCell {
    /// The run.
    pub cell: Cell,
    /// Its folder's name.
    pub folder: String,
}

/// The built-in study or the file called `name`.
///
/// # Errors
/// No such study; a file that cannot be read.
pub(crate) fn read_study(name: &str) -> Result<StudyFile, CliError> {
    let path = Path::new(name);
    if !path.is_file() {
        return Ok(StudyFile::built_in(name)?);
    }
    let text = read_text(path)?;
    Ok(if is_json(path) { StudyFile::from_json(&text, name)? } else { StudyFile::from_toml(&text, name)? })
}

/// The name of a study whose file has none: that of the file, without its extension.
pub(crate) fn default_name(name: &str) -> String {
    Path::new(name).file_stem().map_or_else(|| "study".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// Sets the knobs given as flags in every cell.
///
/// # Errors
/// A value of the wrong type or out of range.
pub(crate) fn set_knobs(file: &mut StudyFile, matches: &ArgMatches) -> Result<(), CliError> {
    for (name, text) in paper_schedule(matches) {
        let mut knobs = Knobs::default();
        knobs.set(name, text)?;
        file.knobs.insert((*name).to_owned(), apt_experiment::knob(name)?.get(&knobs));
    }
    for knob in KNOBS.iter() {
        if let Ok(Some(text)) = matches.try_get_one::<String>(knob.name) {
            let mut knobs = Knobs::default();
            knob.set(&mut knobs, text)?;
            file.knobs.insert(knob.name.to_owned(), knob.get(&knobs));
        }
    }
    Ok(())
}

/// Names the models of the hub with the commit that they have now, for all cells and all machines of the study.
///
/// # Errors
/// A model that the hub does not give.
pub(crate) fn pin_models(file: &mut StudyFile) -> Result<(), CliError> {
    let arms = file.axes.iter_mut().flat_map(|axis| axis.arms.iter_mut().flatten());
    let own = arms.filter_map(|arm| match arm {
        ArmFile::Own(arm) => Some(&mut arm.knobs),
        ArmFile::Preset(_) => None,
    });
    for knobs in own.chain([&mut file.knobs]) {
        let Some(Value::String(model)) = knobs.get_mut("model") else { continue };
        if let Some(pinned) = ModelLocation::from_knob(model)?.pinned(model) {
            *model = pinned;
        }
    }
    Ok(())
}

/// Finds out where cells belong. A model or task that several cells use is read once, and what was decided in reading it
/// is printed.
#[derive(Default)]
pub(crate) struct Planner {
    known: BTreeMap<(String, DataSource), Sources>,
}

impl Planner {
    /// The cells with their folders.
    ///
    /// # Errors
    /// A model or task that cannot be read.
    pub(crate) fn plan(&mut self, cells: Vec<Cell>, reporter: &Reporter) -> Result<Vec<PlannedCell>, CliError> {
        let mut planned = Vec::new();
        for cell in cells {
            let folder = cell.run_name(self.sources(&cell.knobs, reporter)?);
            planned.push(PlannedCell { cell, folder });
        }
        Ok(planned)
    }

    fn sources(&mut self, knobs: &Knobs, reporter: &Reporter) -> Result<&Sources, CliError> {
        let key = (knobs.model.clone(), knobs.data_source());
        Ok(match self.known.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let ModelFiles { hash: model, read, .. } = ModelLocation::from_knob(&knobs.model)?.files()?;
                reporter.print(&format!("model   {}", read.line()));
                let task = load_task(knobs, knobs.data.as_deref())?;
                task.read.lines().iter().for_each(|line| reporter.print(&format!("data    {line}")));
                unknown.insert(Sources { data: task.hash, model, code: CODE.to_owned() })
            }
        })
    }
}
