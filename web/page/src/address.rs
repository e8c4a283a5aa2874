//! The configuration in the address: `?preset=apt&density=0.5&lock=density&hide=seed`, or that of a study:
//! `?study=salience&seeds=3`.
//!
//! Names and values are those of [`KNOBS`], as on the command line. Only what differs from the preset is written, so
//! that an address says what is special about an experiment.

use std::collections::BTreeSet;

use apt_experiment::{
    Explain, KNOBS, Knob, Knobs, MOST_SEEDS, PRESETS, Preset, Problem, Seeds, StudyFile, preset_entry,
};

/// The word that stands for the preset among what can be locked or hidden.
pub const PRESET: &str = "preset";
/// The word that stands for the study.
pub const STUDY: &str = "study";
/// The word that stands for the number of seeds of the study.
pub const SEEDS: &str = "seeds";
/// Where problems are.
const PLACE: &str = "the address of this page";
const CORRECT: &str = "correct the address";
const LOCK: &str = "lock";
const HIDE: &str = "hide";

/// What an address asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The preset the knobs start from.
    pub preset: &'static Preset,
    /// The knobs.
    pub knobs: Knobs,
    /// Names of knobs (or `preset`, `study`, `seeds`) that are shown and cannot be changed.
    pub locked: BTreeSet<String>,
    /// Names of knobs (or `preset`, `study`, `seeds`) that are not shown.
    pub hidden: BTreeSet<String>,
    /// The study, if there is one.
    pub study: Option<StudyChoice>,
}

/// A built-in study and how many seeds it is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StudyChoice {
    /// Its name.
    pub name: String,
    /// Seeds from 1 on; those of its file if it does not say.
    pub seeds: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        // The first preset is the defaults.
        let (locked, hidden) = (BTreeSet::default(), BTreeSet::default());
        Self { preset: &PRESETS[0], knobs: Knobs::default(), locked, hidden, study: None }
    }
}

/// What was read from an address.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The settings; what could not be read is at its preset's value.
    pub settings: Settings,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// Reads the part of an address after `?`.
#[must_use]
pub fn read(query: &str) -> Reading {
    let pairs: Vec<(String, String)> =
        form_urlencoded::parse(query.trim_start_matches('?').as_bytes()).into_owned().collect();
    let mut reading = Reading::default();
    // The preset first, wherever it stands: the knobs change what it sets.
    for (_, name) in pairs.iter().filter(|(key, _)| key == PRESET) {
        match preset_entry(name).and_then(|preset| Ok((preset, preset.knobs()?))) {
            Ok((preset, knobs)) => {
                reading.settings.preset = preset;
                reading.settings.knobs = knobs;
            }
            Err(error) => reading.problems.push(of_address(&error)),
        }
    }
    let mut seeds = None;
    for (key, value) in &pairs {
        match key.as_str() {
            PRESET => {}
            STUDY => match StudyFile::built_in(value) {
                Ok(file) => {
                    let name = file.name.unwrap_or_default();
                    reading.settings.study = Some(StudyChoice { name, seeds: None });
                }
                Err(error) => reading.problems.push(of_address(&error)),
            },
            SEEDS => match value.parse() {
                Ok(count) if (1..=MOST_SEEDS).contains(&count) => seeds = Some(count),
                _ => {
                    let what = format!("seeds: `{value}` is not a number from 1 to {MOST_SEEDS}");
                    reading.problems.push(Problem::new(PLACE, what, CORRECT));
                }
            },
            LOCK | HIDE => {
                let (names, problems) = names(value);
                let set = if key == LOCK { &mut reading.settings.locked } else { &mut reading.settings.hidden };
                set.extend(names);
                reading.problems.extend(problems);
            }
            _ => reading.problems.extend(reading.settings.knobs.set(key, value).err().map(|error| of_address(&error))),
        }
    }
    match &mut reading.settings.study {
        Some(study) => study.seeds = seeds,
        None if seeds.is_some() => {
            let what = "seeds: they are a study's, and the address names none";
            reading.problems.push(Problem::new(PLACE, what, "name a study, or give a run its seed"));
        }
        None => {}
    }
    reading
}

/// A problem of a name or a value, which stood in the address.
fn of_address(error: &impl Explain) -> Problem {
    Problem { place: PLACE.to_owned(), ..error.problem() }
}

fn names(list: &str) -> (Vec<String>, Vec<Problem>) {
    let mut names = Vec::new();
    let mut problems = Vec::new();
    for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match apt_experiment::knob(word) {
            _ if [PRESET, STUDY, SEEDS].contains(&word) => names.push(word.to_owned()),
            Ok(knob) => names.push(knob.name.to_owned()),
            Err(error) => problems.push(of_address(&error)),
        }
    }
    (names, problems)
}

/// The part of an address after `?` that [`read`] takes back.
#[must_use]
pub fn write(settings: &Settings) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(study) = &settings.study {
        query.append_pair(STUDY, &study.name);
        if let Some(seeds) = study.seeds {
            query.append_pair(SEEDS, &seeds.to_string());
        }
    }
    query.append_pair(PRESET, settings.preset.name);
    let preset_knobs = settings.preset.knobs().unwrap_or_default();
    for knob in own(settings, &preset_knobs) {
        query.append_pair(knob.name, &knob.text(&settings.knobs));
    }
    for (key, set) in [(LOCK, &settings.locked), (HIDE, &settings.hidden)] {
        if !set.is_empty() {
            query.append_pair(key, &set.iter().map(String::as_str).collect::<Vec<_>>().join(","));
        }
    }
    // Commas are safe in a query and easier to read than %2C.
    query.finish().replace("%2C", ",")
}

fn own<'a>(settings: &'a Settings, preset_knobs: &'a Knobs) -> impl Iterator<Item = &'static Knob> + use<'a> {
    KNOBS.iter().filter(|knob| knob.get(&settings.knobs) != knob.get(preset_knobs))
}

impl Settings {
    /// The study that is chosen, the knobs that are changed here set in its every cell; `None` if none is chosen.
    #[must_use]
    pub fn study_file(&self) -> Option<StudyFile> {
        let choice = self.study.as_ref()?;
        let mut file = StudyFile::built_in(&choice.name).ok()?;
        file.seeds = choice.seeds.map_or(file.seeds, Seeds::Count);
        let preset_knobs = self.preset.knobs().unwrap_or_default();
        // A study has seeds of its own.
        for knob in own(self, &preset_knobs).filter(|knob| knob.name != "seed") {
            file.knobs.insert(knob.name.to_owned(), knob.get(&self.knobs));
        }
        Some(file)
    }

    /// How many knobs differ from the preset.
    #[must_use]
    pub fn changed_count(&self) -> usize {
        let preset_knobs = self.preset.knobs().unwrap_or_default();
        own(self, &preset_knobs).count()
    }

    /// Whether the control of this name may not be changed.
    #[must_use]
    pub fn is_locked(&self, name: &str) -> bool {
        self.locked.contains(name)
    }

    /// Whether the control of this name is not shown.
    #[must_use]
    pub fn is_hidden(&self, name: &str) -> bool {
        self.hidden.contains(name)
    }

    /// Changes to another preset. Knobs that neither preset sets keep their values (the model, the seed, what the user
    /// changed), and so do those that are locked.
    pub fn choose(&mut self, preset: &'static Preset) {
        let defaults = Knobs::default();
        let back = self.preset.overrides.iter().filter_map(|(name, _)| Some((*name, defaults.text(name).ok()?)));
        let forth = preset.overrides.iter().map(|(name, text)| (*name, (*text).to_owned()));
        let changes: Vec<_> = back.chain(forth).filter(|(name, _)| !self.locked.contains(*name)).collect();
        for (name, text) in changes {
            // Presets hold only values that are in range; a test in apt-experiment sees to it.
            let _ = self.knobs.set(name, &text);
        }
        self.preset = preset;
    }

    /// Every knob that is not locked back to the preset's value.
    pub fn reset(&mut self) {
        let preset_knobs = self.preset.knobs().unwrap_or_default();
        for knob in KNOBS.iter().filter(|knob| !self.locked.contains(knob.name)) {
            let _ = knob.set_json(&mut self.knobs, &knob.get(&preset_knobs));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_differs_from_its_preset_and_reads_back() {
        let mut settings = Settings::default();
        assert_eq!(write(&settings), "preset=apt");
        settings.choose(preset_entry("lora").expect("a preset"));
        settings.knobs.seed = 7;
        settings.knobs.data = Some("a & b?.csv".to_owned());
        settings.locked = ["density", "preset"].map(str::to_owned).into();
        settings.hidden = ["seed".to_owned()].into();
        let query = write(&settings);
        assert!(query.starts_with("preset=lora&data="), "{query}");
        assert!(query.ends_with("&seed=7&lock=density,preset&hide=seed"), "{query}");
        let reading = read(&query);
        assert_eq!(reading.settings, settings);
        assert!(reading.problems.is_empty());
    }

    #[test]
    fn every_preset_and_every_knob_reads_back() {
        for preset in PRESETS {
            let mut settings = Settings::default();
            settings.choose(preset);
            assert_eq!(settings.knobs, preset.knobs().expect("in range"), "{}", preset.name);
            assert_eq!(read(&write(&settings)).settings, settings, "{}", preset.name);
        }
        let mut other = Settings::default();
        other.knobs.steps = Some(20);
        other.knobs.reference_metric = Some(0.5);
        other.knobs.learning_rate = 3e-5;
        assert_eq!(read(&write(&other)).settings, other);
    }

    #[test]
    fn a_study_in_the_address_sets_the_other_knobs_in_every_cell() {
        let settings = read("?study=salience&model=nano&seeds=2&seed=4").settings;
        assert_eq!(read(&write(&settings)).settings, settings);
        assert_eq!(write(&settings), "study=salience&seeds=2&preset=apt&model=nano&seed=4");
        let file = settings.study_file().expect("a study");
        assert_eq!(file.seeds.list(), [1, 2]);
        assert_eq!(file.knobs.keys().collect::<Vec<_>>(), ["model"]);
        let study = apt_experiment::Study::resolve(&file, "salience").expect("it can be run");
        assert!(study.cells().iter().all(|cell| cell.knobs.model == "nano"));
        let reading = read("?study=salienc&seeds=0&seeds=many");
        assert_eq!(reading.problems.len(), 3, "{:?}", reading.problems);
        assert!(reading.problems[0].what.contains("did you mean `salience`") && reading.settings.study.is_none());
        let lone = read("?seeds=3").problems;
        assert!(lone.len() == 1 && lone[0].remedy.contains("its seed"), "{lone:?}");
    }

    #[test]
    fn what_cannot_be_read_is_named_and_the_rest_counts() {
        let reading = read("?density=2&sead=3&preset=atp&seed=4&lock=densety,rank");
        assert_eq!(reading.problems.len(), 4, "{:?}", reading.problems);
        assert_eq!(reading.settings.knobs.seed, 4);
        assert_eq!(reading.settings.knobs.density, Knobs::default().density);
        assert!(reading.settings.is_locked("rank"));
    }

    #[test]
    fn the_preset_counts_first_wherever_it_stands() {
        let settings = read("density=0.5&preset=lora").settings;
        assert_eq!((settings.knobs.density, settings.changed_count()), (0.5, 1));
    }

    #[test]
    fn another_preset_leaves_what_is_locked_or_of_no_preset() {
        let mut settings = read("preset=lora&seed=9&lock=density").settings;
        settings.choose(preset_entry("apt").expect("a preset"));
        assert_eq!(settings.knobs.density, 1.0, "locked");
        assert_eq!(settings.knobs.distillation, Knobs::default().distillation);
        assert_eq!(settings.knobs.seed, 9);
        settings.reset();
        assert_eq!((settings.knobs.density, settings.knobs.seed), (1.0, 1));
    }
}
