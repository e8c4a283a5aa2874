//! What one experiment sets otherwise than another.

use crate::{KNOBS, Knobs};

/// A knob that two experiments set differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The knob.
    pub knob: &'static str,
    /// Its value in the first, as text.
    pub a: String,
    /// Its value in the second.
    pub b: String,
}

/// The knobs in which `a` and `b` differ, in the order of the table.
#[must_use]
pub fn differences(a: &Knobs, b: &Knobs) -> Vec<Difference> {
    KNOBS
        .iter()
        .map(|knob| Difference { knob: knob.name, a: knob.text(a), b: knob.text(b) })
        .filter(|difference| difference.a != difference.b)
        .collect()
}
