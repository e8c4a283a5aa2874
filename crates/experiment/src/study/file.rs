//! The file of a study: what can be written in it, and those that are built in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::StudyError;
use crate::knob::error::nearest;

macro_rules! studies {
    ($($name:literal),*) => {
        /// The built-in studies: name and TOML.
        pub const STUDIES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../studies/", $name, ".toml")))),*];
    };
}

studies!(
    "salience",
    "tuning",
    "distillation",
    "schedule",
    "all",
    "real",
    "density",
    "baselines",
    "llama-salience",
    "llama-tuning"
);

/// A study as it is written down. Settings win in this order, from weakest: defaults, preset, `knobs` of the study,
/// `knobs` of the arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyFile {
    /// Its name; by default that of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The question, in one line.
    #[serde(default)]
    pub summary: String,
    /// The preset that every arm is compared with, and that arms start from.
    #[serde(default = "apt")]
    pub base: String,
    /// The preset of the dense run whose metric is the reference of time to target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// How many seeds (from 1 on), or which.
    #[serde(default)]
    pub seeds: Seeds,
    /// Densities at which every arm that prunes is run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub densities: Vec<f64>,
    /// Knobs set in every cell.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub knobs: BTreeMap<String, Value>,
    /// Knobs that the file leaves to whoever runs it; it is refused until all of them are among `knobs`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<String>,
    /// Knobs that every arm gets by a sweep on validation data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tune: Option<TuneFile>,
    /// What is varied.
    pub axes: Vec<AxisFile>,
}

/// The sweep of a study: every combination of the values is tried with every seed, in every arm at every density.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuneFile {
    /// Seeds of the trials; none of them may be the study's.
    pub seeds: Vec<u64>,
    /// Knobs with the values that are tried.
    pub knobs: BTreeMap<String, Vec<Value>>,
}

/// One axis of a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AxisFile {
    /// What is varied.
    pub name: String,
    /// Arms beside the base; for an ablation axis (`salience`, …) by default all its presets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arms: Option<Vec<ArmFile>>,
}

/// One arm: a preset's name, or a name with the knobs it sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "an arm is a preset's name, or { name, preset, knobs } with a name")]
pub enum ArmFile {
    /// A preset.
    Preset(String),
    /// Settings of its own.
    Own(OwnArm),
}

/// An arm with settings of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnArm {
    /// What tables call it.
    pub name: String,
    /// The preset it starts from; by default the study's base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// The knobs it sets.
    #[serde(default)]
    pub knobs: BTreeMap<String, Value>,
}

impl ArmFile {
    /// A preset as an arm.
    #[must_use]
    pub fn preset(name: &str) -> Self {
        Self::Preset(name.to_owned())
    }

    /// Its own name, its preset and the knobs it sets.
    pub(super) fn parts(&self) -> (Option<&str>, Option<&str>, Vec<(&String, &Value)>) {
        match self {
            Self::Preset(preset) => (None, Some(preset), Vec::new()),
            Self::Own(arm) => (Some(&arm.name), arm.preset.as_deref(), arm.knobs.iter().collect()),
        }
    }
}

/// Most seeds that a study may have.
pub const MOST_SEEDS: u32 = 1000;

/// Which seeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "seeds are how many, or a list of whole numbers from 0 on")]
pub enum Seeds {
    /// This many, from 1 on.
    Count(u32),
    /// These.
    List(Vec<u64>),
}

impl Default for Seeds {
    fn default() -> Self {
        Self::Count(5)
    }
}

impl Seeds {
    /// How many there are, repeated ones included.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Count(count) => *count as usize,
            Self::List(seeds) => seeds.len(),
        }
    }

    /// The seeds, each once.
    #[must_use]
    pub fn list(&self) -> Vec<u64> {
        let mut seeds = match self {
            Self::Count(count) => (1..=u64::from(*count)).collect(),
            Self::List(seeds) => seeds.clone(),
        };
        seeds.sort_unstable();
        seeds.dedup();
        seeds
    }
}

fn apt() -> String {
    "apt".to_owned()
}

impl StudyFile {
    /// The built-in study of this name, with or without `studies/` before it.
    ///
    /// # Errors
    /// [`StudyError::Unknown`], with the nearest name there is.
    pub fn built_in(name: &str) -> Result<Self, StudyError> {
        let wanted = name.trim().trim_start_matches("studies/").trim_end_matches(".toml");
        let names = || STUDIES.iter().map(|(name, _)| *name);
        let Some((name, text)) = STUDIES.iter().find(|(name, _)| *name == wanted) else {
            let choices = names().collect::<Vec<_>>().join(", ");
            return Err(StudyError::Unknown { name: wanted.to_owned(), suggestion: nearest(wanted, names()), choices });
        };
        let file = Self::from_toml(text, name)?;
        Ok(Self { name: file.name.or(Some((*name).to_owned())), ..file })
    }

    /// The knobs that it requires and that nobody has set.
    #[must_use]
    pub fn missing(&self) -> Vec<&str> {
        self.required.iter().map(String::as_str).filter(|name| !self.knobs.contains_key(*name)).collect()
    }

    /// Reads TOML; `file` is named in errors.
    ///
    /// # Errors
    /// [`StudyError::Syntax`] with the line.
    pub fn from_toml(text: &str, file: &str) -> Result<Self, StudyError> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| 1 + text.bytes().take(span.start).filter(|b| *b == b'\n').count());
            StudyError::syntax(file, line, error.message())
        })
    }

    /// Reads JSON; `file` is named in errors.
    ///
    /// # Errors
    /// [`StudyError::Syntax`] with the line.
    pub fn from_json(text: &str, file: &str) -> Result<Self, StudyError> {
        serde_json::from_str(text).map_err(|error| StudyError::syntax(file, Some(error.line()), &error.to_string()))
    }

    /// As a TOML file that [`StudyFile::from_toml`] reads back.
    ///
    /// # Errors
    /// [`StudyError::Syntax`] if a knob's value has no place in TOML (`null`).
    pub fn to_toml(&self) -> Result<String, StudyError> {
        toml::to_string_pretty(self).map_err(|error| StudyError::syntax("study.toml", None, &error.to_string()))
    }
}
