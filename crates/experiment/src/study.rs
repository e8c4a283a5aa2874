//! A study: arms that are compared, the seeds each is run with, and the cells (single runs) that come of it.
//!
//! A study is a TOML or JSON file; those built in are the files in `crates/experiment/studies`. Every arm is run with the same
//! seeds, and a seed decides data order and initial weights, so differences between arms are paired. An arm that several
//! axes share, such as the baseline, is run once per seed.
//!
//! With `[tune]` every arm first makes trials with seeds of their own; what they choose are the settings of its cells.

mod error;
mod file;
mod identity;
mod progress;
mod tune;

pub use error::StudyError;
pub use file::{ArmFile, AxisFile, MOST_SEEDS, STUDIES, Seeds, StudyFile, TuneFile};
pub use identity::{ArmId, ExperimentId, SettingsId, Sources, compared, setting};
pub use progress::{CellState, duration, time_left};
pub use tune::{Choice, Combination, TrialOutcome, Tried, Tune};

use std::borrow::Cow;

use crate::{KnobError, Knobs, PRESETS, Preset, Record, ablation_axes, preset_entry};

/// One way to do it: a name and its settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// What tables call it.
    pub name: String,
    /// The preset it starts from.
    pub preset: &'static str,
    /// Its settings; the seed is the cell's.
    pub knobs: Knobs,
}

/// A question: arms that differ in one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct StudyAxis {
    /// What is varied.
    pub name: String,
    /// The baseline first.
    pub arms: Vec<Arm>,
}

/// A study with everything its file names looked up and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    /// Its name.
    pub name: String,
    /// The question, in one line.
    pub summary: String,
    /// What every other arm is compared with.
    pub base: Arm,
    /// The dense run whose metric is the reference of time to target.
    pub reference: Option<Arm>,
    /// The questions.
    pub axes: Vec<StudyAxis>,
    /// Densities at which every arm that prunes is run; empty leaves each arm its own.
    pub densities: Vec<f64>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Which knobs every arm gets by a sweep, and what has been chosen so far.
    pub tune: Option<Tune>,
}

/// One run of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The name of its arm; of several that ask for the same run, the first.
    pub arm: String,
    /// The preset it starts from.
    pub preset: &'static str,
    /// Its settings.
    pub knobs: Knobs,
}

impl Cell {
    /// A name for people and folders, such as `salience-random-d0.4-s3`.
    #[must_use]
    pub fn name(&self) -> String {
        let arm: String = self.arm.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let density = if self.knobs.prunes() { format!("-d{}", self.knobs.density) } else { String::new() };
        format!("{}{density}-s{}", arm.to_lowercase(), self.knobs.seed)
    }

    /// The digest of its experiment and seed, which its folder's name ends in.
    #[must_use]
    pub fn digest(&self, sources: &Sources) -> String {
        ExperimentId::new(&self.knobs, sources).digest(self.knobs.seed)
    }

    /// What its folder, or its run in a browser, is called: [`Cell::name`] and [`Cell::digest`].
    #[must_use]
    pub fn run_name(&self, sources: &Sources) -> String {
        format!("{}-{}", self.name(), self.digest(sources))
    }

    /// Whether `run` is what [`Cell::run_name`] calls it, from whatever sources.
    #[must_use]
    pub fn is_run_name(&self, run: &str) -> bool {
        let digest = run.strip_prefix(&self.name()).and_then(|rest| rest.strip_prefix('-'));
        digest.is_some_and(|digest| digest.len() == 12 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }

    /// Whether `record` is this cell's, wherever it was made and wherever its files lay.
    #[must_use]
    pub fn is_of(&self, record: &Record, sources: &Sources) -> bool {
        record.config.seed == self.knobs.seed
            && ExperimentId::of(record).is_some_and(|id| id == ExperimentId::new(&self.knobs, sources))
    }
}

/// Whether a folder within another one can have this name.
fn names_a_folder(name: &str) -> bool {
    let apart = |c: char| c == '/' || c == '\\' || c.is_control();
    !name.trim().is_empty() && !name.starts_with('.') && !name.contains(apart)
}

impl Study {
    /// Looks up and checks what `file` names; `name` is the study's unless the file has one.
    ///
    /// # Errors
    /// Unknown presets and knobs, values out of range, arms that cannot be run, and what is missing or named twice.
    pub fn resolve(file: &StudyFile, name: &str) -> Result<Self, StudyError> {
        let name = file.name.clone().unwrap_or_else(|| name.to_owned());
        let at = |place: &str| format!("study `{name}`, {place}");
        if !names_a_folder(&name) {
            let what = "its name is no name of a folder, and its runs go into one that is called so".to_owned();
            let remedy = "give it a name without / and \\, which does not begin with a dot";
            return Err(StudyError::unfit(format!("study `{name}`"), what, remedy));
        }
        // A density for every cell takes the place of a list of them.
        let mut file = Cow::Borrowed(file);
        if let Some(value) = file.knobs.get("density").filter(|_| !file.densities.is_empty()).cloned() {
            let mut knobs = Knobs::default();
            let set = crate::knob("density").and_then(|knob| knob.set_json(&mut knobs, &value));
            set.map_err(|source| StudyError::Knob { place: at("knobs"), source: Box::new(source) })?;
            let of = file.to_mut();
            of.knobs.remove("density");
            of.densities = vec![knobs.density];
        }
        let file = file.as_ref();
        for required in &file.required {
            crate::knob(required)
                .map_err(|source| StudyError::Knob { place: at("required"), source: Box::new(source) })?;
        }
        let missing = file.missing();
        if !missing.is_empty() {
            let flags: Vec<String> = missing.iter().map(|name| format!("--{}", name.replace('_', "-"))).collect();
            let what = format!("it leaves {} to you", flags.join(" and "));
            let remedy = "give a value for each, as a flag or under [knobs] of its file";
            return Err(StudyError::unfit(format!("study `{name}`"), what, remedy));
        }
        let arm = |of: &ArmFile, place: String| resolve_arm(of, file, place);
        let base = arm(&ArmFile::preset(&file.base), at("base"))?;
        let reference = file.reference.as_ref().map(|of| arm(&ArmFile::preset(of), at("reference"))).transpose()?;
        let mut axes = Vec::new();
        for axis in &file.axes {
            let named = axis.arms.clone().unwrap_or_else(|| arms_of(&axis.name));
            let mut arms = vec![base.clone()];
            for of in &named {
                let arm = arm(of, at(&format!("axis `{}`", axis.name)))?;
                if ArmId::of(&arm.knobs) == ArmId::of(&base.knobs) {
                    // The axis has a name of its own for the baseline.
                    arms[0].name = arm.name;
                } else if arms.iter().any(|other| other.name == arm.name) {
                    let what = format!("two arms are called `{}`", arm.name);
                    return Err(StudyError::unfit(
                        at(&format!("axis `{}`", axis.name)),
                        what,
                        "give each a name of its own",
                    ));
                } else {
                    arms.push(arm);
                }
            }
            if arms.len() < 2 {
                let axes: Vec<&str> = ablation_axes().into_iter().map(|(axis, _)| axis.name()).collect();
                let remedy = format!("list arms, or name one of {}", axes.join(", "));
                return Err(StudyError::unfit(
                    at(&format!("axis `{}`", axis.name)),
                    "there is nothing to compare".into(),
                    &remedy,
                ));
            }
            axes.push(StudyAxis { name: axis.name.clone(), arms });
        }
        if axes.is_empty() {
            return Err(StudyError::unfit(at("axes"), "there are none".into(), "add an [[axes]] with a name"));
        }
        if !(1..=MOST_SEEDS as usize).contains(&file.seeds.count()) {
            let what = match file.seeds.count() {
                0 => "there are none".to_owned(),
                count => format!("there are {count}, and at most {MOST_SEEDS} can be had"),
            };
            return Err(StudyError::unfit(at("seeds"), what, "give a number of seeds, or a list"));
        }
        let mut study = Self {
            name,
            summary: file.summary.clone(),
            base,
            reference,
            axes,
            densities: file.densities.clone(),
            seeds: file.seeds.list(),
            tune: None,
        };
        study.check(study.cells())?;
        if let Some(tune) = &file.tune {
            study.tune = Some(Tune::resolve(tune, file, &study)?);
            study.check(study.trials())?;
        }
        Ok(study)
    }

    /// That all of these can be run.
    fn check(&self, cells: Vec<Cell>) -> Result<(), StudyError> {
        for cell in cells {
            let place = format!("study `{}`, arm `{}`", self.name, cell.arm);
            cell.knobs.check().map_err(|source| StudyError::Knob { place, source: Box::new(source) })?;
        }
        Ok(())
    }

    /// Every run of the study, seed by seed so that differences can be seen early; each once. With `[tune]` those of the
    /// arms that have a choice ([`Study::with_choices`]).
    #[must_use]
    pub fn cells(&self) -> Vec<Cell> {
        let own = self.own_cells();
        let settled: Vec<Cell> =
            own.into_iter().filter_map(|cell| Some(Cell { knobs: self.settled(&cell.knobs)?, ..cell })).collect();
        let at_seed =
            |seed| settled.iter().map(move |cell| Cell { knobs: Knobs { seed, ..cell.knobs.clone() }, ..cell.clone() });
        self.seeds.iter().flat_map(|&seed| at_seed(seed)).collect()
    }

    /// Every arm at every density as its preset and its file set it, each once; the seed is the arm's.
    fn own_cells(&self) -> Vec<Cell> {
        let mut once: Vec<(ArmId, Cell)> = Vec::new();
        for arm in self.arms() {
            for knobs in self.own_at_densities(arm) {
                let id = ArmId::of(&knobs);
                if !once.iter().any(|(other, _)| *other == id) {
                    once.push((id, Cell { arm: arm.name.clone(), preset: arm.preset, knobs }));
                }
            }
        }
        once.into_iter().map(|(_, cell)| cell).collect()
    }

    /// Every arm: the reference, the base and those of the axes; some may ask for the same run.
    pub fn arms(&self) -> impl Iterator<Item = &Arm> {
        let of_axes = self.axes.iter().flat_map(|axis| axis.arms.iter().skip(1));
        self.reference.iter().chain([&self.base]).chain(of_axes)
    }

    /// Whether `record` has the settings of one of its arms, whatever its files, device and seed.
    #[must_use]
    pub fn asks_for(&self, record: &Record) -> bool {
        let settings = SettingsId::of(&record.config);
        self.arms().flat_map(|arm| self.settled_at_densities(arm)).any(|knobs| SettingsId::of(&knobs) == settings)
    }

    /// The arm's settings at each density of the study, with what `[tune]` has chosen; an arm that does not prune has
    /// one.
    #[must_use]
    pub fn at_densities(&self, arm: &Arm) -> Vec<Knobs> {
        self.own_at_densities(arm).into_iter().map(|own| self.settled(&own).unwrap_or(own)).collect()
    }

    /// [`Study::at_densities`] without those for which `[tune]` has chosen nothing.
    #[must_use]
    pub fn settled_at_densities(&self, arm: &Arm) -> Vec<Knobs> {
        self.own_at_densities(arm).iter().filter_map(|own| self.settled(own)).collect()
    }

    /// An arm's settings with what `[tune]` has chosen for them; `None` where it has chosen nothing.
    fn settled(&self, own: &Knobs) -> Option<Knobs> {
        self.tune.as_ref().map_or_else(|| Some(own.clone()), |tune| tune.chosen(own))
    }

    fn own_at_densities(&self, arm: &Arm) -> Vec<Knobs> {
        if self.densities.is_empty() || !arm.knobs.prunes() {
            return vec![arm.knobs.clone()];
        }
        self.densities.iter().map(|&density| Knobs { density, ..arm.knobs.clone() }).collect()
    }
}

/// The presets of an ablation axis, called by what they set.
fn arms_of(axis: &str) -> Vec<ArmFile> {
    let of = |preset: &&Preset| preset.axis.is_some_and(|of| of.name() == axis);
    PRESETS.iter().filter(of).map(|preset| ArmFile::preset(preset.name)).collect()
}

fn resolve_arm(of: &ArmFile, file: &StudyFile, place: String) -> Result<Arm, StudyError> {
    let wrong = |source: KnobError| StudyError::Knob { place: place.clone(), source: Box::new(source) };
    let (name, preset, own) = of.parts();
    let preset = preset_entry(preset.unwrap_or(&file.base)).map_err(wrong)?;
    let mut knobs = preset.knobs().map_err(wrong)?;
    // A density for all arms is one for those that prune: what is dense by its preset stays so.
    let is_dense = !knobs.prunes();
    let shared = file.knobs.iter().filter(|(name, _)| !(is_dense && *name == "density"));
    for (name, value) in shared.chain(own.iter().copied()) {
        if name == "seed" {
            return Err(StudyError::unfit(
                place,
                "`seed` stands among the knobs".into(),
                "list the study's seeds as seeds",
            ));
        }
        crate::knob(name).and_then(|knob| knob.set_json(&mut knobs, value)).map_err(wrong)?;
    }
    let has_own_density = own.iter().any(|(name, _)| *name == "density") && knobs.prunes();
    if has_own_density && !file.densities.is_empty() {
        let what =
            format!("`density` {} stands beside densities, at which every arm that prunes is run", knobs.density);
        return Err(StudyError::unfit(place, what, "leave one of them out"));
    }
    let name = name.unwrap_or(preset.arm()).to_owned();
    Ok(Arm { name, preset: preset.name, knobs })
}
