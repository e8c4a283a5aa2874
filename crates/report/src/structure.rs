//! What pruning left of each layer, of one seed per arm.

use apt_experiment::{ModelShape, PruningPoint, Record};
use serde::Serialize;

use crate::groups::Group;

/// The model that one run leaves.
#[derive(Clone, Debug, Serialize)]
pub struct Structure {
    /// Its place in [`crate::Section::groups`].
    pub group: usize,
    /// The seed, the first of the arm.
    pub seed: u64,
    /// The dense model's blocks.
    pub shape: ModelShape,
    /// The last pruning point.
    pub point: PruningPoint,
}

/// Of each arm that prunes, its first seed.
pub(crate) fn structures(groups: &[Group], runs: &[(&str, &Record)]) -> Vec<Structure> {
    let of = |(place, group): (usize, &Group)| {
        let first = group.runs.first()?;
        let (_, record) = runs.iter().find(|(name, of)| *name == first.name && of.config.seed == first.seed)?;
        let point = record.last_point()?.clone();
        Some(Structure { group: place, seed: first.seed, shape: record.shape.clone(), point })
    };
    groups.iter().enumerate().filter_map(of).collect()
}
