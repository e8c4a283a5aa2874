//! The settings of the next run or study: a preset with what was changed in it, and what of it may be changed or is
//! shown. `address` reads and writes them.

use std::collections::BTreeSet;

use apt_experiment::{KNOBS, Knob, Knobs, PRESETS, Preset, Seeds, StudyFile};

/// What an address asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The preset the knobs start from.
    pub preset: &'static Preset,
    /// The knobs.
    pub knobs: Knobs,
    /// Names of knobs (or `preset`, `study`, `seeds`, `jobs`) that are shown and cannot be changed.
    pub locked: BTreeSet<String>,
    /// Names of knobs (or `preset`, `study`, `seeds`, `jobs`) that are not shown.
    pub hidden: BTreeSet<String>,
    /// The study, if there is one.
    pub study: Option<StudyChoice>,
    /// Runs of a study that are made at the same time, as far as this computer has room for them.
    pub jobs: usize,
    /// Whether the pages are shown as in front of an audience.
    pub present: bool,
}

/// A built-in study and how many seeds it is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StudyChoice {
    /// Its name.
    pub name: String,
    /// Seeds from 1 on; those of its file if it does not say.
    pub seeds: Option<u32>,
}

/// Most runs of a study at the same time that can be asked for.
pub const MOST_JOBS: usize = 64;

impl Default for Settings {
    fn default() -> Self {
        // The first preset is the defaults.
        let (locked, hidden) = (BTreeSet::default(), BTreeSet::default());
        Self { preset: &PRESETS[0], knobs: Knobs::default(), locked, hidden, study: None, jobs: 1, present: false }
    }
}

impl Settings {
    /// The study that is chosen, the knobs that are changed here set in its every cell; `None` if none is chosen.
    #[must_use]
    pub fn study_file(&self) -> Option<StudyFile> {
        let choice = self.study.as_ref()?;
        let mut file = StudyFile::built_in(&choice.name).ok()?;
        file.seeds = choice.seeds.map_or(file.seeds, Seeds::Count);
        // A study has seeds of its own.
        for knob in self.changed().into_iter().filter(|knob| knob.name != "seed") {
            file.knobs.insert(knob.name.to_owned(), knob.get(&self.knobs));
        }
        Some(file)
    }

    /// The knobs that differ from the preset, in their order.
    #[must_use]
    pub fn changed(&self) -> Vec<&'static Knob> {
        let preset_knobs = self.preset.knobs().unwrap_or_default();
        KNOBS.iter().filter(|knob| knob.get(&self.knobs) != knob.get(&preset_knobs)).collect()
    }

    /// How many knobs differ from the preset.
    #[must_use]
    pub fn changed_count(&self) -> usize {
        self.changed().len()
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
    use crate::address::read;
    use apt_experiment::preset_entry;

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
