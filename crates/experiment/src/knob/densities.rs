//! Densities that a run reaches on its way to its last one.

use serde::{Deserialize, Deserializer, Serialize};

use super::kind::{KnobKind, KnobValue};

/// Densities as settings write them: numbers, by comma. Text that is no such list stays as it is, for
/// [`Knobs::check`](crate::Knobs::check) to refuse.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Densities(String);

impl Densities {
    /// The numbers, in the order in which they are written; `None` where something else is among them.
    #[must_use]
    pub fn values(&self) -> Option<Vec<f64>> {
        self.0.split(',').map(|word| word.trim().parse().ok().filter(|value: &f64| value.is_finite())).collect()
    }
}

impl From<&[f64]> for Densities {
    fn from(values: &[f64]) -> Self {
        Self(values.iter().map(f64::to_string).collect::<Vec<_>>().join(","))
    }
}

impl From<String> for Densities {
    /// Numbers in their shortest form, so that equal densities are equal text.
    fn from(text: String) -> Self {
        let written = Self(text);
        match written.values() {
            Some(values) => values.as_slice().into(),
            None => written,
        }
    }
}

impl<'de> Deserialize<'de> for Densities {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(from)?.into())
    }
}

impl KnobValue for Option<Densities> {
    type Limits = ();

    fn kind((): ()) -> KnobKind {
        KnobKind::OptionalText
    }
}
