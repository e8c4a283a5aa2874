//! Classification tasks as text. A folder on disk and files dropped into a browser go the same way:
//! names and bytes in, a [`RawTask`] out.

mod files;
mod registry;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::builtin;
use crate::error::DataError;
use crate::metric::Metric;
use crate::seeded::{generator, shuffle};
use files::read_files;
#[cfg(not(target_family = "wasm"))]
use files::{Chosen, EXTENSIONS, file_names};
pub use registry::{TASKS, TaskSpec};

/// One labelled text or pair of texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawExample {
    /// The text.
    pub a: String,
    /// The second text of a pair.
    pub b: Option<String>,
    /// Class index into [`RawTask::labels`].
    pub label: u32,
}

/// A task as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawTask {
    /// Its name in the registry.
    pub name: String,
    /// Names of the classes.
    pub labels: Vec<String>,
    /// What it is judged by.
    pub metric: Metric,
    /// What is trained on.
    pub train: Vec<RawExample>,
    /// What runs are steered and compared by. For GLUE tasks the published dev set.
    pub validation: Vec<RawExample>,
    /// What is looked at once, at the end; `None` where no labelled test set is there.
    pub test: Option<Vec<RawExample>>,
    /// SHA-256 over everything above, in hexadecimal: the provenance of a run's data.
    pub hash: String,
}

/// Seed of the hold-out where a user's data has no validation file, and of the built-in task's data:
/// fixed, so that every run on the same data sees the same split.
pub const DATA_SEED: u64 = 20_240_721;

/// Share of the training rows held out where there is no validation file: one in this many.
pub const HOLD_OUT: usize = 10;

/// Reads a task from `dir` (for `text` also a single file, whose rows are then split). The built-in task
/// takes no folder and ignores one.
///
/// # Errors
/// Every reader's [`DataError`], and those about missing folders and files.
#[cfg(not(target_family = "wasm"))]
pub fn load_task(name: &str, dir: Option<&std::path::Path>) -> Result<RawTask, DataError> {
    let spec = TaskSpec::named(name)?;
    let Some(files) = spec.files else {
        return parse_task(name, &[]);
    };
    let Some(dir) = dir else {
        return Err(DataError::NoFolder {
            task: spec.name.to_owned(),
            expected: file_names(files.train, &EXTENSIONS[..3]),
        });
    };
    let unreadable = |path: &std::path::Path| {
        let path = path.display().to_string();
        move |source| DataError::Unreadable { path, source }
    };
    if dir.is_file() {
        let bytes = std::fs::read(dir).map_err(unreadable(dir))?;
        return read_files(spec, &files, None, &[(dir.display().to_string(), bytes)], true);
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable(dir))? {
        names.push(entry.map_err(unreadable(dir))?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let wanted = Chosen::among(&names, &files);
    let mut contents = Vec::with_capacity(names.len());
    for name in names {
        let path = dir.join(&name);
        // Files that no split uses are named in messages but not read.
        let bytes = if wanted.uses(&name) { std::fs::read(&path).map_err(unreadable(&path))? } else { Vec::new() };
        contents.push((name, bytes));
    }
    read_files(spec, &files, Some(&dir.display().to_string()), &contents, false)
}

/// Reads a task from files given as `(name, bytes)`: the browser's form of `load_task`. One single
/// file of task `text` may have any name.
///
/// # Errors
/// Every reader's [`DataError`], and those about missing files.
pub fn parse_task(name: &str, files: &[(String, Vec<u8>)]) -> Result<RawTask, DataError> {
    let spec = TaskSpec::named(name)?;
    match spec.files {
        None => builtin::task(DATA_SEED, builtin::TRAIN, builtin::VALIDATION, builtin::TEST),
        Some(layout) => read_files(spec, &layout, None, files, files.len() == 1),
    }
}

impl RawTask {
    /// Puts a task together and computes its hash.
    pub fn new(
        name: &str,
        labels: Vec<String>,
        metric: Metric,
        train: Vec<RawExample>,
        validation: Vec<RawExample>,
        test: Option<Vec<RawExample>>,
    ) -> Self {
        let mut task = Self { name: name.to_owned(), labels, metric, train, validation, test, hash: String::new() };
        task.hash = task.digest();
        task
    }

    /// The same task with at most `n` training examples, drawn by `seed`, in their old order. The hash
    /// is that of the smaller task.
    #[must_use]
    pub fn limit_train(mut self, n: usize, seed: u64) -> Self {
        if n < self.train.len() {
            let mut chosen: Vec<usize> = (0..self.train.len()).collect();
            shuffle(&mut generator(seed, 0), &mut chosen);
            chosen.truncate(n);
            chosen.sort_unstable();
            self.train = chosen.into_iter().map(|index| self.train[index].clone()).collect();
            self.hash = self.digest();
        }
        self
    }

    /// Whether examples have a second text.
    pub fn is_pair(&self) -> bool {
        self.train.first().is_some_and(|example| example.b.is_some())
    }

    /// Every field is hashed with its length before it, so that no two tasks share a digest by accident.
    fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        field(self.name.as_bytes());
        field(self.metric.name().as_bytes());
        for label in &self.labels {
            field(label.as_bytes());
        }
        for split in [Some(&self.train), Some(&self.validation), self.test.as_ref()] {
            field(split.map_or(u64::MAX, |split| split.len() as u64).to_le_bytes().as_slice());
            for example in split.into_iter().flatten() {
                field(example.a.as_bytes());
                field(example.b.as_deref().map_or(&[0xFF], str::as_bytes));
                field(&example.label.to_le_bytes());
            }
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
