//! What is to be predicted of an example.

use serde::{Deserialize, Serialize};

/// What is to be predicted for an example; a model's answer is of the same kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A class, as an index into the labels of [`crate::Objective::Classification`].
    Class(u32),
    /// Those of the labels of [`crate::Objective::MultiLabel`] that apply.
    Set(ClassSet),
    /// A real number, finite.
    Value(f32),
}

impl Target {
    /// The class index, if it is a class.
    pub fn class(&self) -> Option<u32> {
        match self {
            Self::Class(class) => Some(*class),
            Self::Set(_) | Self::Value(_) => None,
        }
    }

    /// The classes that apply, if it is a set of them.
    pub fn set(&self) -> Option<&ClassSet> {
        match self {
            Self::Set(set) => Some(set),
            Self::Class(_) | Self::Value(_) => None,
        }
    }

    /// The number, if it is one.
    pub fn value(&self) -> Option<f32> {
        match self {
            Self::Value(value) => Some(*value),
            Self::Class(_) | Self::Set(_) => None,
        }
    }
}

/// Some of several classes: none, one or more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClassSet {
    /// In order, each once.
    classes: Vec<u32>,
    of: usize,
}

impl ClassSet {
    /// These of `of` classes; indices from `of` on are left out.
    pub fn new(classes: impl IntoIterator<Item = u32>, of: usize) -> Self {
        let mut classes: Vec<u32> = classes.into_iter().filter(|&class| (class as usize) < of).collect();
        classes.sort_unstable();
        classes.dedup();
        Self { classes, of }
    }

    /// Those that apply, in order.
    pub fn classes(&self) -> &[u32] {
        &self.classes
    }

    /// How many classes there are.
    pub fn of(&self) -> usize {
        self.of
    }

    /// Whether a class applies.
    pub fn contains(&self, class: u32) -> bool {
        self.classes.binary_search(&class).is_ok()
    }

    /// For every class whether it applies.
    pub fn marks(&self) -> impl Iterator<Item = bool> {
        (0..self.of as u32).map(|class| self.contains(class))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_each_of_its_classes_once_and_in_order() {
        let set = ClassSet::new([3, 1, 3, 9], 4);
        assert_eq!((set.classes(), set.of()), (&[1, 3][..], 4));
        assert_eq!(set.marks().collect::<Vec<_>>(), [false, true, false, true]);
        assert_eq!(ClassSet::new([], 2).marks().filter(|mark| *mark).count(), 0);
    }
}
