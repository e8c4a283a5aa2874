//! A folder in which the program is given bad input: exit status 2, a message that names the place, no record, and
//! earlier runs untouched.

use crate::program::{Finished, contents, tiny};
use crate::tiny_model::TinyModel;
use std::fs;

/// A temporary folder with a tiny model, a task in a file, and an earlier run that must stay as it is.
pub(crate) struct Sandbox {
    pub dir: tempfile::TempDir,
}

impl Sandbox {
    /// Makes the folder.
    pub(crate) fn new() -> Self {
        let sandbox = Self { dir: tempfile::tempdir().expect("a temporary folder can be made") };
        TinyModel::new().write(&sandbox.path("model"));
        let rows: String = (0..40).map(|i| format!("a text\t{}\n", i % 2)).collect();
        fs::create_dir(sandbox.path("data")).expect("a folder can be made");
        fs::write(sandbox.path("data/train.tsv"), format!("text\tlabel\n{rows}")).expect("it can be written");
        fs::create_dir_all(sandbox.path("earlier/model")).expect("a folder can be made");
        for file in ["record.json", "events.jsonl", "config.toml", "model/config.json"] {
            fs::write(sandbox.path("earlier").join(file), "an earlier run").expect("it can be written");
        }
        sandbox
    }

    /// The path of a file in it.
    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file in it, with the folders that it is to lie in.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        path.parent().map(fs::create_dir_all).expect("it lies in a folder").expect("a folder can be made");
        fs::write(path, bytes).expect("it can be written");
    }

    /// Writes the model, changed.
    pub(crate) fn model(&self, change: impl FnOnce(&mut TinyModel)) {
        let mut model = TinyModel::new();
        change(&mut model);
        model.write(&self.path("model"));
    }

    /// A tiny run on the model in the folder.
    pub(crate) fn on_model(&self) -> Finished {
        tiny(&["--model", "model", "--out", "r"], self.dir.path())
    }

    /// A tiny run on the data in the folder.
    pub(crate) fn on_data(&self) -> Finished {
        tiny(&["--task", "csv", "--data", "data", "--out", "r"], self.dir.path())
    }

    /// Asserts that the command was rejected with each of `words` in its message, and changed nothing.
    #[track_caller]
    pub(crate) fn assert_rejected(&self, finished: &Finished, words: &[&str]) {
        assert_eq!(finished.status, 2, "exit status of a command that printed:\n{}{}", finished.out, finished.err);
        for word in words {
            assert!(finished.err.contains(word), "`{word}` is not in the message:\n{}", finished.err);
        }
        assert!(!finished.err.contains("panicked"), "{}", finished.err);
        assert!(!self.path("r/record.json").exists(), "there is a record");
        assert!(!self.path("r/model").exists(), "there is a model");
        let earlier = contents(&self.path("earlier"));
        assert_eq!(earlier.len(), 4, "an earlier run has other files now");
        assert!(earlier.values().all(|bytes| bytes == b"an earlier run"), "an earlier run was changed");
    }
}
