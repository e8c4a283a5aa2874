//! A numbering of classes: what the numbers of a label column stand for.

use std::fmt;

/// Classes by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbering {
    /// Number of the first class.
    pub(crate) first: u32,
    /// Names of the classes in the order of their numbers.
    pub(crate) order: &'static [&'static str],
}

impl Numbering {
    /// The name of a class.
    pub(crate) fn class(&self, number: u32) -> Option<&'static str> {
        let index = number.checked_sub(self.first)?;
        self.order.get(index as usize).copied()
    }
}

/// Numbers with their classes: "1 World, 2 Sports".
impl fmt::Display for Numbering {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = (self.first..).zip(self.order).map(|(number, class)| format!("{number} {class}"));
        out.write_str(&classes.collect::<Vec<_>>().join(", "))
    }
}
