//! What settings may name: models that come with the program, tasks, and the endings of data files.

use std::{fmt, ops::Deref};

use serde::{Deserialize, Deserializer, Serialize};

use crate::knob::kind::{KnobKind, KnobValue};

/// The pretrained model that comes with the program.
pub const BUILTIN_MODEL: &str = "builtin";
/// A tiny model with random weights, made by the program.
pub const NANO_MODEL: &str = "nano";
/// The pretrained decoder that comes with the program.
pub const BUILTIN_DECODER: &str = "builtin-decoder";
/// A tiny decoder with random weights, made by the program.
pub const NANO_DECODER: &str = "nano-decoder";
/// The task whose examples the program makes itself.
pub const BUILTIN_TASK: &str = "builtin";
/// The task of a file of one's own.
pub const TEXT_TASK: &str = "text";
/// Endings of files with examples, best first; the first three are named in messages.
pub const DATA_EXTENSIONS: [&str; 8] = ["tsv", "csv", "jsonl", "json", "ndjson", "parquet", "txt", "label"];
/// Endings that a compressed one of them may have after its own.
pub const COMPRESSED_EXTENSIONS: [&str; 2] = ["gz", "zst"];

/// Other names of tasks, each with the name that it stands for.
const ALIASES: [(&str, &str); 1] = [("csv", TEXT_TASK)];

/// A task as settings and pages know it; `apt-data` knows how its files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskEntry {
    /// Its name.
    pub name: &'static str,
    /// Whether its examples have, or may have, a second text.
    pub has_pairs: bool,
}

/// Every task, the built-in one first.
pub const TASK_NAMES: &[TaskEntry] = &[
    TaskEntry { name: BUILTIN_TASK, has_pairs: false },
    TaskEntry { name: "sst2", has_pairs: false },
    TaskEntry { name: "cola", has_pairs: false },
    TaskEntry { name: "mrpc", has_pairs: true },
    TaskEntry { name: "rte", has_pairs: true },
    TaskEntry { name: "stsb", has_pairs: true },
    TaskEntry { name: "trec", has_pairs: false },
    TaskEntry { name: "agnews", has_pairs: false },
    TaskEntry { name: TEXT_TASK, has_pairs: true },
];

/// The name of a task in its one form: lower case, without blanks around it, aliases replaced. Whether there is such a
/// task is not checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TaskName(String);

impl TaskName {
    /// What is known of the task; `None` where there is no such task.
    #[must_use]
    pub fn entry(&self) -> Option<&'static TaskEntry> {
        TASK_NAMES.iter().find(|task| task.name == self.0)
    }
}

impl From<&str> for TaskName {
    fn from(name: &str) -> Self {
        let name = name.trim().to_lowercase();
        let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
        Self(alias.map_or(name, |(_, of)| (*of).to_owned()))
    }
}

impl Deref for TaskName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<&str> for TaskName {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for TaskName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(from)?.as_str()))
    }
}

impl KnobValue for TaskName {
    type Limits = ();

    fn kind((): ()) -> KnobKind {
        KnobKind::Text
    }
}

/// Whether the model of this name comes with the program or is made by it.
#[must_use]
pub fn is_own_model(model: &str) -> bool {
    [BUILTIN_MODEL, NANO_MODEL].contains(&model) || is_own_decoder(model)
}

/// Whether it is one of the program's own decoders.
#[must_use]
pub fn is_own_decoder(model: &str) -> bool {
    [BUILTIN_DECODER, NANO_DECODER].contains(&model)
}

/// Sizes of a model.
pub const CONFIG_FILE: &str = "config.json";
/// Its weights.
pub const WEIGHTS_FILE: &str = "model.safetensors";
/// Which of several files of weights holds which tensor.
pub const INDEX_FILE: &str = "model.safetensors.index.json";
/// Of an adapter of PEFT.
pub const ADAPTER_FILE: &str = "adapter_config.json";
/// A tokenizer, whole.
pub const TOKENIZER_FILE: &str = "tokenizer.json";
/// What else is read of a tokenizer: special tokens, those that end a text, and how a conversation is written.
pub const TOKENIZER_SETTINGS: [&str; 4] =
    ["tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "chat_template.jinja"];
/// What a tokenizer is read from where there is no [`TOKENIZER_FILE`].
pub const VOCABULARY_FILES: [&str; 4] = ["added_tokens.json", "vocab.txt", "vocab.json", "merges.txt"];

/// Whether a file of this name is one of a model: of those that are read, or of those that another program would read and
/// that this one answers with the way to convert them.
#[must_use]
pub fn is_model_file(name: &str) -> bool {
    const ENDS: [&str; 10] =
        [".safetensors", ".bin", ".h5", ".msgpack", ".gguf", ".pt", ".pth", ".spm", ".codes", ".model"];
    [CONFIG_FILE, ADAPTER_FILE, INDEX_FILE, TOKENIZER_FILE].contains(&name)
        || TOKENIZER_SETTINGS.contains(&name)
        || VOCABULARY_FILES.contains(&name)
        || ENDS.iter().any(|end| name.to_lowercase().ends_with(end))
}
