//! What pruning left of each layer, of one seed per arm.

use apt_experiment::{ModelShape, PruningPoint};
use serde::Serialize;

use crate::assignment::Assigned;
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
pub(crate) fn structures(groups: &[Group], runs: &[Assigned]) -> Vec<Structure> {
    let of = |(place, group): (usize, &Group)| {
        let first = group.runs.first()?;
        let run = runs.iter().find(|of| of.name == first.name && of.record.config.seed == first.seed)?;
        let point = run.record.last_point()?.clone();
        Some(Structure { group: place, seed: first.seed, shape: run.record.shape.clone(), point })
    };
    groups.iter().enumerate().filter_map(of).collect()
}
