//! What is to be predicted of an example.

use serde::{Deserialize, Serialize};

use crate::mlm::IGNORED;
use crate::tokenizer::Encoded;

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
    /// A text token by token, as it stands in the data.
    Text(Spoken),
    /// The same as tokens: for each token of the example the one that follows it.
    Tokens(NextTokens),
    /// Several endings of the example as tokens, of which one is right.
    Endings(Endings),
}

impl Target {
    /// Whether both ask for the same, wherever they stand.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(Spoken::Answers(one)), Self::Text(Spoken::Answers(other))) => one.messages == other.messages,
            _ => self == other,
        }
    }
}

/// What of a text is learned token by token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spoken {
    /// All of it.
    Whole,
    /// The answers in a conversation, which is the text.
    Answers(Conversation),
    /// The right one of these endings of it.
    Endings {
        /// All of them, as they follow the text after a blank.
        endings: Vec<String>,
        /// Which is right.
        right: usize,
    },
}

/// Messages in turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Who says what, in order.
    pub messages: Vec<Message>,
    /// The file it is from, for messages about it.
    pub file: String,
    /// The 1-based line; of a list of objects the number of the object.
    pub line: u64,
}

/// What one of those who talk says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `input` (what the user's message before it is about) or `assistant`, whose messages are the answers.
    pub role: String,
    /// What is said.
    pub content: String,
}

/// For each token of an example the one that is to be predicted after it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextTokens {
    /// The id, or [`IGNORED`] where none is to be predicted; as long as the example.
    pub ids: Vec<i32>,
    /// Bytes of the text that the tokens to be predicted stand for.
    pub bytes: usize,
}

impl NextTokens {
    /// How many tokens are to be predicted.
    pub fn count(&self) -> usize {
        self.ids.iter().filter(|id| **id != IGNORED).count()
    }
}

/// A text with each of several endings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endings {
    /// The text with each ending, of which the ending alone is to be predicted.
    pub all: Vec<(Encoded, NextTokens)>,
    /// Which is right.
    pub right: usize,
}

/// How well a model predicts tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TokenScore {
    /// Sum over the tokens of −ln of the probability of each, in nats.
    pub nats: f64,
    /// Tokens to be predicted.
    pub tokens: usize,
    /// Those that the model thinks the most likely.
    pub right: usize,
    /// Bytes of the text that they stand for.
    pub bytes: usize,
}

impl std::ops::AddAssign for TokenScore {
    fn add_assign(&mut self, other: Self) {
        self.nats += other.nats;
        self.tokens += other.tokens;
        self.right += other.right;
        self.bytes += other.bytes;
    }
}

impl Target {
    /// The class index, if it is a class.
    pub fn class(&self) -> Option<u32> {
        match self {
            Self::Class(class) => Some(*class),
            Self::Set(_) | Self::Value(_) | Self::Text(_) | Self::Tokens(_) | Self::Endings(_) => None,
        }
    }

    /// The classes that apply, if it is a set of them.
    pub fn set(&self) -> Option<&ClassSet> {
        match self {
            Self::Set(set) => Some(set),
            Self::Class(_) | Self::Value(_) | Self::Text(_) | Self::Tokens(_) | Self::Endings(_) => None,
        }
    }

    /// The number, if it is one.
    pub fn value(&self) -> Option<f32> {
        match self {
            Self::Value(value) => Some(*value),
            Self::Class(_) | Self::Set(_) | Self::Text(_) | Self::Tokens(_) | Self::Endings(_) => None,
        }
    }

    /// The tokens that are to be predicted; of several endings those of the right one.
    pub fn tokens(&self) -> Option<&NextTokens> {
        match self {
            Self::Tokens(next) => Some(next),
            Self::Endings(endings) => endings.all.get(endings.right).map(|(_, next)| next),
            Self::Class(_) | Self::Set(_) | Self::Value(_) | Self::Text(_) => None,
        }
    }

    /// Which of several endings is right.
    pub fn right_ending(&self) -> Option<usize> {
        match self {
            Self::Endings(endings) => Some(endings.right),
            Self::Text(Spoken::Endings { right, .. }) => Some(*right),
            Self::Class(_) | Self::Set(_) | Self::Value(_) | Self::Tokens(_) | Self::Text(_) => None,
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
