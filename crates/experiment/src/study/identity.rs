//! When two runs are the same experiment, and the digest a cell goes by.

use sha2::{Digest, Sha256};

use super::Cell;
use crate::{KNOBS, Knobs, Record, ablation_axes};

/// Knobs that do not change what is computed, or say in other words what [`Sources`] says.
const NOT_COMPARED: [&str; 4] = ["seed", "device", "checkpoint_every", "reference_metric"];
/// Knobs that name files, whose content counts and not their path.
const PATHS: [&str; 2] = ["model", "data"];

/// What a cell is made from beside its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// Digest of the data.
    pub data: String,
    /// Digest of the model.
    pub model: String,
    /// Digest of the code that computes.
    pub code: String,
}

/// The settings that count when runs are compared; the others at their defaults.
#[must_use]
pub fn compared(knobs: &Knobs) -> Knobs {
    forget(knobs, &NOT_COMPARED)
}

/// What the arms of all ablation axes share: [`compared`], the axes' own knobs at their defaults.
#[must_use]
pub fn setting(knobs: &Knobs) -> Knobs {
    forget(&compared(knobs), &ablation_axes().into_iter().map(|(_, knob)| knob).collect::<Vec<_>>())
}

/// Whether two runs differ in nothing but the seed and where they are computed.
#[must_use]
pub fn same_experiment(a: &Knobs, b: &Knobs) -> bool {
    compared(a) == compared(b)
}

/// Digest of the data that a run was made from; none where it trained on a sample, which each seed draws anew.
#[must_use]
pub fn data_digest(record: &Record) -> Option<&str> {
    record.provenance.data_hash.as_deref().filter(|_| record.config.train_examples.is_none())
}

fn forget(knobs: &Knobs, names: &[&str]) -> Knobs {
    let (mut knobs, defaults) = (knobs.clone(), Knobs::default());
    for knob in KNOBS.iter().filter(|knob| names.contains(&knob.name)) {
        // The default is in range.
        let _ = knob.set_json(&mut knobs, &knob.get(&defaults));
    }
    knobs
}

impl Cell {
    /// Twelve hexadecimal digits that change with whatever may change the cell's numbers: settings, data, model, code.
    #[must_use]
    pub fn digest(&self, sources: &Sources) -> String {
        let settings = KNOBS.iter().filter(|knob| !PATHS.contains(&knob.name) && knob.name != "checkpoint_every");
        let mut hash = Sha256::new();
        for knob in settings {
            hash.update(format!("{}={}\n", knob.name, knob.get(&self.knobs)));
        }
        for (name, digest) in [("data", &sources.data), ("model", &sources.model), ("code", &sources.code)] {
            hash.update(format!("{name}:{digest}\n"));
        }
        hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// What its folder, or its run in a browser, is called: [`Cell::name`] and [`Cell::digest`].
    #[must_use]
    pub fn run_name(&self, sources: &Sources) -> String {
        format!("{}-{}", self.name(), self.digest(sources))
    }

    /// Whether `record` is this cell's, on whatever device it was made: the same settings and seed from the same data,
    /// model and code.
    #[must_use]
    pub fn is_of(&self, record: &Record, sources: &Sources) -> bool {
        let from = &record.provenance;
        let is = |digest: &Option<String>, of: &str| digest.as_deref() == Some(of);
        record.turns.is_empty()
            && record.config.seed == self.knobs.seed
            && same_experiment(&record.config, &self.knobs)
            && is(&from.model_hash, &sources.model)
            && is(&from.code, &sources.code)
            && data_digest(record).is_none_or(|digest| digest == sources.data)
    }
}
