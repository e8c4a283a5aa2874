//! A task as text: labelled examples in splits, what is learned from them, and a digest of it all.

use std::collections::BTreeMap;

use apt_experiment::{ClassCount, DataRead, Share};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::objective::Objective;
use crate::seeded::{Stream, generator, shuffle};
use crate::target::{ClassSet, Spoken, Target};

/// One text or pair of texts with what is to be predicted of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RawExample {
    /// The text.
    pub a: String,
    /// The second text of a pair.
    pub b: Option<String>,
    /// A target that [`RawTask::objective`] admits.
    pub target: Target,
}

impl RawExample {
    /// A text of which every token is learned.
    pub fn of_text(text: String) -> Self {
        Self { a: text, b: None, target: Target::Text(Spoken::Whole) }
    }

    fn texts(&self) -> (&str, Option<&str>) {
        (&self.a, self.b.as_deref())
    }
}

/// A task as text.
#[derive(Debug, Clone, PartialEq)]
pub struct RawTask {
    /// Its name in the registry.
    pub name: String,
    /// What is learned, with the names of the classes and the metrics.
    pub objective: Objective,
    /// What is trained on.
    pub train: Vec<RawExample>,
    /// What runs are steered and compared by. For GLUE tasks the published dev set.
    pub validation: Vec<RawExample>,
    /// What is evaluated once, at the end; `None` where no labelled test set is there.
    pub test: Option<Vec<RawExample>>,
    /// SHA-256 over everything above, in hexadecimal: the provenance of a run's data.
    pub hash: String,
    /// What was read, file by file, and what was decided in reading it.
    pub read: DataRead,
}

/// Seed of the hold-out where a user's data has no validation file, and of the built-in task's data:
/// fixed, so that every run on the same data sees the same split.
pub const DATA_SEED: u64 = 20_240_721;

/// Share of the training rows held out where there is no validation file: one in this many.
pub const HOLD_OUT: usize = 10;

impl RawTask {
    /// Puts a task together and computes its hash.
    pub fn new(
        name: &str,
        objective: Objective,
        train: Vec<RawExample>,
        validation: Vec<RawExample>,
        test: Option<Vec<RawExample>>,
    ) -> Self {
        let (hash, read) = (String::new(), DataRead::default());
        let mut task = Self { name: name.to_owned(), objective, train, validation, test, hash, read };
        task.hash = task.digest();
        task
    }

    /// The same task with at most `n` training examples, drawn by `seed`, in their old order. The hash
    /// is that of the smaller task.
    #[must_use]
    pub fn limit_train(mut self, n: usize, seed: u64) -> Self {
        if n < self.train.len() {
            let mut chosen: Vec<usize> = (0..self.train.len()).collect();
            shuffle(&mut generator(seed, Stream::Subset, 0), &mut chosen);
            chosen.truncate(n);
            chosen.sort_unstable();
            let note = format!("{n} of {} training examples are drawn, by the seed", self.train.len());
            self.read.notes.push(note);
            self.train = chosen.into_iter().map(|index| self.train[index].clone()).collect();
            self.hash = self.digest();
            return self.described();
        }
        self
    }

    /// The same task, with what is to be said of its examples: how its classes are spread, and which texts occur twice.
    #[must_use]
    pub(crate) fn described(mut self) -> Self {
        let mut counts = vec![0; self.objective.labels().len()];
        let mut known: BTreeMap<(&str, Option<&str>), (&Target, bool)> = BTreeMap::new();
        let counted = if self.train.is_empty() { &self.validation } else { &self.train };
        for example in counted {
            let set = example.target.set().map_or(&[][..], ClassSet::classes);
            for class in example.target.class().iter().chain(set) {
                if let Some(count) = counts.get_mut(*class as usize) {
                    *count += 1;
                }
            }
        }
        for example in &self.train {
            let (target, differs) = known.entry(example.texts()).or_insert((&example.target, false));
            *differs |= !target.is_same_as(&example.target);
        }
        let differs = |example: &&RawExample| known.get(&example.texts()).is_some_and(|(_, differs)| *differs);
        let contradicting = self.train.iter().filter(differs).count();
        let others = || self.validation.iter().chain(self.test.iter().flatten());
        let some = others().filter(|example| known.contains_key(&example.texts())).count();
        let trained_on = Share { some, of: others().count() };
        let named = self.objective.labels().iter().zip(counts);
        let classes = named.map(|(name, examples)| ClassCount { name: name.clone(), examples }).collect();
        self.read = DataRead { classes, contradicting, trained_on, ..self.read };
        self
    }

    /// Every field is hashed with its length before it, so that no two tasks share a digest by accident. The metric that
    /// decides stands for the objective.
    fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        field(self.name.as_bytes());
        field(self.objective.metrics().first().map_or("", |metric| metric.name()).as_bytes());
        for label in self.objective.labels() {
            field(label.as_bytes());
        }
        for split in [Some(&self.train), Some(&self.validation), self.test.as_ref()] {
            field(split.map_or(u64::MAX, |split| split.len() as u64).to_le_bytes().as_slice());
            for example in split.into_iter().flatten() {
                field(example.a.as_bytes());
                field(example.b.as_deref().map_or(&[0xFF], str::as_bytes));
                match &example.target {
                    Target::Class(class) => field(&class.to_le_bytes()),
                    Target::Set(set) => {
                        field(&set.classes().iter().flat_map(|class| class.to_le_bytes()).collect::<Vec<u8>>());
                    }
                    Target::Value(value) => field(&value.to_le_bytes()),
                    Target::Text(Spoken::Whole) | Target::Tokens(_) | Target::Endings(_) => field(b"text"),
                    Target::Text(Spoken::Answers(conversation)) => {
                        for message in &conversation.messages {
                            field(message.role.as_bytes());
                            field(message.content.as_bytes());
                        }
                    }
                    Target::Text(Spoken::Endings { endings, right }) => {
                        field(&(*right as u64).to_le_bytes());
                        endings.iter().for_each(|ending| field(ending.as_bytes()));
                    }
                }
            }
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
