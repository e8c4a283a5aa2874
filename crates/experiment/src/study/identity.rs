//! When two runs are the same experiment, wherever they were made.
//!
//! An experiment is its settings and what it is made from: the content of the model and of the data, and the code. Where
//! the files lie, on which device it runs and how often it is saved are no part of it; nor is the seed, by which the runs
//! of one experiment differ. The digest of a cell, the question whether a record is a cell's, the groups of a report and
//! the browser all ask [`ExperimentId`].

use std::fmt::Write;

use apt_core::hex;
use sha2::{Digest, Sha256};

use crate::{KNOBS, Knobs, Provenance, Record, ablation_axes};

/// Knobs that change no number of the model: the device, shards, how often a run is saved, and what its time to target is
/// measured against. Devices and shards differ by rounding; the record names them.
const NOT_COMPARED: [&str; 4] = ["device", "shards", "checkpoint_every", "reference_metric"];
/// Runs of one experiment differ in it.
const SEED: &str = "seed";
/// Knobs that name files, whose content counts and not their path.
const PATHS: [&str; 2] = ["model", "data"];

/// What a run is made from beside its settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sources {
    /// Digest of the data as they are read. With `train_examples` a run trains on a sample of them, which follows from
    /// that setting and the seed: the digest is that of the whole data all the same.
    pub data: String,
    /// Digest of the model.
    pub model: String,
    /// Digest of the code that computes.
    pub code: String,
}

impl Sources {
    /// Those that a record names; `None` unless it names all.
    #[must_use]
    pub fn of(provenance: &Provenance) -> Option<Self> {
        Some(Self {
            data: provenance.data_hash.clone()?,
            model: provenance.model_hash.clone()?,
            code: provenance.code.clone()?,
        })
    }
}

/// The settings by which experiments are told apart, without paths and seed: `name=value`, a line each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SettingsId(String);

impl SettingsId {
    /// Of these settings.
    #[must_use]
    pub fn of(knobs: &Knobs) -> Self {
        let knobs = &knobs.clone().settled();
        let mut text = String::new();
        for knob in KNOBS.iter() {
            if knob.name != SEED && !NOT_COMPARED.contains(&knob.name) && !PATHS.contains(&knob.name) {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{}={}", knob.name, knob.get(knobs));
            }
        }
        Self(text)
    }
}

/// What an experiment is: settings, data, model, code. Its runs differ in the seed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExperimentId {
    settings: SettingsId,
    sources: Sources,
}

impl ExperimentId {
    /// Of these settings with these sources.
    #[must_use]
    pub fn new(knobs: &Knobs, sources: &Sources) -> Self {
        Self { settings: SettingsId::of(knobs), sources: sources.clone() }
    }

    /// Of the run that left this record. `None` where the record does not name all its sources, or knobs were changed
    /// while the run went on: its settings then do not say what was computed.
    #[must_use]
    pub fn of(record: &Record) -> Option<Self> {
        let sources = Sources::of(&record.provenance)?;
        record.changes.is_empty().then(|| Self::new(&record.config, &sources))
    }

    /// Twelve hexadecimal digits that change with whatever may change the numbers of the run with this seed.
    #[must_use]
    pub fn digest(&self, seed: u64) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{}{SEED}={seed}\n", self.settings.0));
        let Sources { data, model, code } = &self.sources;
        hash.update(format!("data:{data}\nmodel:{model}\ncode:{code}\n"));
        hex(&hash.finalize()[..6])
    }
}

/// An arm as a study names it: its settings, and the paths of its model and data, whose content only a run knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArmId {
    settings: SettingsId,
    paths: (String, Option<String>),
}

impl ArmId {
    /// Of an arm with these settings.
    #[must_use]
    pub fn of(knobs: &Knobs) -> Self {
        Self { settings: SettingsId::of(knobs), paths: (knobs.model.clone(), knobs.data.clone()) }
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &SettingsId {
        &self.settings
    }

    /// The paths of its model and of its data.
    #[must_use]
    pub fn paths(&self) -> &(String, Option<String>) {
        &self.paths
    }
}

/// The settings that count when runs are compared, with the paths of their files; the others at their defaults.
#[must_use]
pub fn compared(knobs: &Knobs) -> Knobs {
    with_defaults(knobs, |name| name == SEED || NOT_COMPARED.contains(&name))
}

/// What the arms of all ablation axes share: [`compared`], with the axes' own knobs at their defaults.
#[must_use]
pub fn setting(knobs: &Knobs) -> Knobs {
    let axes = ablation_axes();
    with_defaults(&compared(knobs), |name| axes.iter().any(|(_, knob)| *knob == name))
}

fn with_defaults(knobs: &Knobs, which: impl Fn(&str) -> bool) -> Knobs {
    let (mut knobs, defaults) = (knobs.clone(), Knobs::default());
    for knob in KNOBS.iter().filter(|knob| which(knob.name)) {
        // The default is in range.
        let _ = knob.set_json(&mut knobs, &knob.get(&defaults));
    }
    knobs
}
