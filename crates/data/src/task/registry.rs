//! Which tasks there are and how their files look: a new task is one entry in [`TASKS`].

use crate::error::DataError;
use crate::metric::Metric;

/// A task of the registry.
#[derive(Debug, Clone, Copy)]
pub struct TaskSpec {
    /// The name that `--task` takes.
    pub name: &'static str,
    /// One line of help.
    pub about: &'static str,
    /// What it is judged by.
    pub metric: Metric,
    /// Where it comes from; `None` for the built-in task, which needs no files.
    pub(super) files: Option<Files>,
}

/// How a task's files look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files {
    pub(super) train: Stems,
    pub(super) validation: Stems,
    pub(super) test: Stems,
    /// Without a validation file a tenth of the training rows is held out.
    pub(super) may_hold_out: bool,
    /// The columns of files without a header line.
    pub(super) headerless: Option<&'static [&'static str]>,
    pub(super) a: &'static [&'static str],
    pub(super) b: Second,
    pub(super) label: &'static [&'static str],
    /// Fixed label names in class order; `None`: whatever the training file has.
    pub(super) labels: Option<&'static [&'static str]>,
}

/// File names without extension: alternatives, best first; all files of an alternative belong together.
pub(super) type Stems = &'static [&'static [&'static str]];

/// The second text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Second {
    Never,
    Optional(&'static [&'static str]),
    Always(&'static [&'static str]),
}

const SENTENCE: &[&str] = &["sentence", "text", "sentence1"];
const LABEL: &[&str] = &["label", "labels", "gold_label"];
const VALIDATION: Stems = &[&["dev"], &["validation"], &["valid"], &["val"]];
const TEST: Stems = &[&["test_labeled"], &["test"]];

/// Every task, the built-in one first.
pub const TASKS: &[TaskSpec] = &[
    TaskSpec {
        name: "builtin",
        about: "short reviews whose verdict needs several facts combined; made by the program, no files",
        metric: Metric::Accuracy,
        files: None,
    },
    TaskSpec {
        name: "sst2",
        about: "SST-2: is a film review's sentence positive?",
        metric: Metric::Accuracy,
        files: Some(Files {
            train: &[&["train"]],
            validation: VALIDATION,
            test: TEST,
            may_hold_out: false,
            headerless: None,
            a: SENTENCE,
            b: Second::Never,
            label: LABEL,
            labels: Some(&["negative", "positive"]),
        }),
    },
    TaskSpec {
        name: "cola",
        about: "CoLA: is a sentence acceptable English? (validation is GLUE's dev set: in-domain and out-of-domain)",
        metric: Metric::Matthews,
        files: Some(Files {
            train: &[&["in_domain_train"], &["train"]],
            validation: &[
                &["in_domain_dev", "out_of_domain_dev"],
                &["in_domain_dev"],
                &["dev"],
                &["validation"],
                &["valid"],
                &["val"],
            ],
            test: TEST,
            may_hold_out: false,
            headerless: Some(&["source", "label", "mark", "sentence"]),
            a: SENTENCE,
            b: Second::Never,
            label: LABEL,
            labels: Some(&["unacceptable", "acceptable"]),
        }),
    },
    TaskSpec {
        name: "mrpc",
        about: "MRPC: do two sentences say the same?",
        metric: Metric::F1,
        files: Some(Files {
            train: &[&["mrpc_train"], &["train"], &["msr_paraphrase_train"]],
            validation: &[&["mrpc_val"], &["mrpc_dev"], &["dev"], &["validation"], &["valid"], &["val"]],
            test: &[&["mrpc_test"], &["test_labeled"], &["test"], &["msr_paraphrase_test"]],
            may_hold_out: false,
            headerless: None,
            a: &["#1 String", "sentence1"],
            b: Second::Always(&["#2 String", "sentence2"]),
            label: &["Quality", "label", "labels", "gold_label"],
            labels: Some(&["not_equivalent", "equivalent"]),
        }),
    },
    TaskSpec {
        name: "rte",
        about: "RTE: does the first text entail the second?",
        metric: Metric::Accuracy,
        files: Some(Files {
            train: &[&["train"]],
            validation: VALIDATION,
            test: TEST,
            may_hold_out: false,
            headerless: None,
            a: &["sentence1", "premise"],
            b: Second::Always(&["sentence2", "hypothesis"]),
            label: LABEL,
            labels: Some(&["entailment", "not_entailment"]),
        }),
    },
    TaskSpec {
        name: "text",
        about: "your own file with the columns text and label (a second text in text2); TSV, CSV or JSONL",
        metric: Metric::Accuracy,
        files: Some(Files {
            train: &[&["train"]],
            validation: VALIDATION,
            test: TEST,
            may_hold_out: true,
            headerless: None,
            a: &["text", "sentence", "sentence1", "text1", "text_a", "premise", "review"],
            b: Second::Optional(&["text2", "sentence2", "text_b", "hypothesis"]),
            label: &["label", "labels", "class", "category", "target", "gold_label"],
            labels: None,
        }),
    },
];

impl TaskSpec {
    /// The task of this name; `csv` is another name of `text`, a file of one's own.
    ///
    /// # Errors
    /// [`DataError::UnknownTask`].
    pub fn named(name: &str) -> Result<&'static Self, DataError> {
        let known = || TASKS.iter().map(|task| task.name.to_owned()).collect();
        let wanted = if name.eq_ignore_ascii_case("csv") { "text" } else { name };
        let found = TASKS.iter().find(|task| task.name.eq_ignore_ascii_case(wanted));
        found.ok_or_else(|| DataError::UnknownTask { name: crate::error::shortened(name), known: known() })
    }

    /// Whether the task reads files.
    pub fn needs_files(&self) -> bool {
        self.files.is_some()
    }
}
