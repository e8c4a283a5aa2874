//! `study`: a grid of runs, each in a process of its own, resumable, here or shared out over many machines.

mod folder;
mod runner;
mod slurm;

use crate::commands::report;
use crate::error::CliError;
use crate::model::Place;
use crate::progress::Voice;
use crate::settings::{is_json, read_text};
use crate::setup::task;
use apt_experiment::{Cell, KNOBS, Knobs, STUDIES, Seeds, Sources, Study, StudyFile};
use apt_report::Report;
use apt_train::CODE;
use clap::ArgMatches;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use folder::{Found, StudyFolder, reason};

/// A share of the cells: those whose place, counted from 0, leaves `index` − 1 when divided by `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    pub index: usize,
    /// Shares there are.
    pub of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((index, of)) if 1 <= index && index <= of => Ok(Self { index, of }),
            _ => Err("give i/n with 1 ≤ i ≤ n, such as 2/8".into()),
        }
    }
}

impl Shard {
    fn holds(self, place: usize) -> bool {
        place % self.of == self.index - 1
    }
}

/// A cell and the folder it goes to.
pub struct Planned {
    /// The run.
    pub cell: Cell,
    /// Its folder's name.
    pub folder: String,
}

/// Runs, lists or submits the study that the arguments name.
///
/// # Errors
/// A study that cannot be read or run; cells that failed or were not reached.
pub fn study(matches: &ArgMatches, voice: &mut Voice) -> Result<(), CliError> {
    let Some(wanted) = matches.get_one::<String>("study") else {
        list_studies(voice);
        return Ok(());
    };
    let mut file = read(wanted)?;
    if let Some(count) = matches.get_one::<u32>("seeds") {
        file.seeds = Seeds::Count(*count);
    }
    turn(&mut file, matches)?;
    let study = Study::resolve(&file, &stem(wanted))?;
    let out = matches.get_one::<PathBuf>("out").cloned().unwrap_or_else(|| Path::new("runs").join(&study.name));
    let planned = plan(&study)?;
    let folder = StudyFolder::new(&out);
    if matches.get_flag("list") {
        return list(&folder, &planned, voice);
    }
    folder.write_study(&file, &study.name)?;
    if let Some(partition) = matches.get_one::<String>("slurm") {
        return slurm::submit(&folder, &planned, partition, voice);
    }
    let shard = matches.get_one::<Shard>("shard").copied();
    let mine: Vec<&Planned> =
        planned.iter().enumerate().filter(|(place, _)| shard.is_none_or(|s| s.holds(*place))).map(|(_, p)| p).collect();
    let share = shard.map_or_else(String::new, |s| format!(", share {} of {}", s.index, s.of));
    voice.say(&format!("{}: {}", study.name, study.summary));
    voice.say(&format!("  {} runs over seeds {:?}{share}, into {}", mine.len(), study.seeds, out.display()));
    let jobs = matches.get_one::<usize>("jobs").copied().unwrap_or(1);
    if jobs > 1 {
        voice.say(&format!("  {jobs} side by side: their times are not comparable, and are marked so"));
    }
    let tally = runner::run(&folder, &mine, jobs, matches.get_flag("retry"), voice)?;
    voice.say(&tally.to_string());
    if shard.is_some() {
        voice.say(&format!("when all shares are done: apt-lab report {}", out.display()));
    } else {
        let entries: Vec<_> = folder.cells()?.into_iter().map(report::entry).collect();
        let report = Report::new(&entries, Some(&study));
        report::write(&report, folder.root())?;
        if tally.is_complete() {
            voice.say(&format!("\n{}", apt_report::markdown(&report)));
        }
        voice.say(&format!("report  {}", out.join("report.html").display()));
    }
    tally.verdict(&folder)
}

/// A built-in study, or a file.
fn read(wanted: &str) -> Result<StudyFile, CliError> {
    let path = Path::new(wanted);
    if !path.is_file() {
        return Ok(StudyFile::built_in(wanted)?);
    }
    let text = read_text(path)?;
    Ok(if is_json(path) { StudyFile::from_json(&text, wanted)? } else { StudyFile::from_toml(&text, wanted)? })
}

fn stem(wanted: &str) -> String {
    Path::new(wanted).file_stem().map_or_else(|| "study".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// Knobs given as flags are turned in every cell.
fn turn(file: &mut StudyFile, matches: &ArgMatches) -> Result<(), CliError> {
    for knob in KNOBS.iter() {
        if let Ok(Some(text)) = matches.try_get_one::<String>(knob.name) {
            let mut knobs = Knobs::default();
            knob.set(&mut knobs, text)?;
            file.knobs.insert(knob.name.to_owned(), knob.get(&knobs));
        }
    }
    Ok(())
}

/// The cells with their folders; what several cells are made from is read once.
fn plan(study: &Study) -> Result<Vec<Planned>, CliError> {
    let mut known: BTreeMap<(String, String, Option<String>), Sources> = BTreeMap::new();
    let mut planned = Vec::new();
    for cell in study.cells() {
        let knobs = &cell.knobs;
        let key = (knobs.model.clone(), knobs.task.clone(), knobs.data.clone());
        let sources = match known.get(&key) {
            Some(sources) => sources,
            None => {
                let model = Place::named(&knobs.model).files()?.hash;
                let data = task(&knobs.task, knobs.data.as_deref())?.hash;
                known.entry(key).or_insert(Sources { data, model, code: CODE.to_owned() })
            }
        };
        let folder = cell.run_name(sources);
        planned.push(Planned { cell, folder });
    }
    Ok(planned)
}

fn list_studies(voice: &Voice) {
    voice.say("Studies that are built in; `apt-lab study <name>` runs one, a TOML or JSON file is one of your own:\n");
    for (name, _) in STUDIES {
        let study = StudyFile::built_in(name).and_then(|file| Study::resolve(&file, name));
        if let Ok(study) = study {
            let seeds = study.seeds.len();
            voice.say(&format!("  {name:14} {} ({} runs with {seeds} seeds)", study.summary, study.cells().len()));
        }
    }
}

fn list(folder: &StudyFolder, planned: &[Planned], voice: &Voice) -> Result<(), CliError> {
    for planned in planned {
        let state = folder.state(&planned.folder)?;
        voice.say(&format!("{:12} {}{}", state.name(), planned.folder, reason(&state)));
    }
    Ok(())
}
