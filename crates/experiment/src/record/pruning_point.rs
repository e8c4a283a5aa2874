//! A pruning point: what was left of the model, and why.

use std::collections::BTreeMap;

use apt_core::search::KindWeights;
use serde::{Deserialize, Serialize};

use crate::finite::checked;

use super::units::{UnitExceptions, UnitOutliers, UnitSalience, UnitSet};

/// What was left of the model at a pruning point.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PruningPoint {
    /// After this step.
    pub step: usize,
    /// Target density.
    #[serde(serialize_with = "checked")]
    pub target_density: f64,
    /// Density that is left, by exact count.
    #[serde(serialize_with = "checked")]
    pub density: f64,
    /// Heads kept per layer.
    pub heads: Vec<usize>,
    /// Which, by their number in the dense model.
    pub kept_heads: Vec<Vec<usize>>,
    /// Neurons kept per layer.
    pub neurons: Vec<usize>,
    /// Which, by their number in the dense model; empty in files of versions that did not say.
    #[serde(default)]
    pub kept_neurons: Vec<UnitSet>,
    /// Hidden dims kept.
    pub hidden: usize,
    /// Which, by their number in the dense model.
    pub kept_hidden: Vec<usize>,
    /// Factors on the scores of each kind of block, where the run weighs kinds; those of the paper are all 1.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "checked")]
    pub kind_weights: Option<KindWeights>,
    /// What each unit that was there scored; of runs that do not prune, and in files of versions that did not say, nothing.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "checked")]
    pub salience: Option<UnitSalience>,
    /// √kurtosis in it: at the first point of runs with outlier-aware salience, where every unit is still there, and
    /// nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "checked")]
    pub outliers: Option<UnitOutliers>,
    /// The units that do not follow their rank. Not reported where chance chooses within the shares of scores
    /// (`random_within`), nor in files of versions that did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceptions: Option<UnitExceptions>,
    /// Rank of every adapter, by name.
    pub ranks: BTreeMap<String, usize>,
    /// Whether the blocks were removed for good; else they are only masked.
    pub removed: bool,
    /// Seconds since training began.
    #[serde(serialize_with = "checked")]
    pub seconds: f64,
}
