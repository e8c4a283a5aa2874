//! Which tasks there are and how their files look: a new task is one entry in [`TASKS`].

use apt_experiment::TaskName;

use crate::builtin;
use crate::error::DataError;
use crate::metric::Metric;
use crate::objective::ObjectiveKind;
use crate::table::Headerless;

/// A task of the registry.
#[derive(Debug, Clone, Copy)]
pub struct TaskSpec {
    /// The name that `--task` takes.
    pub name: &'static str,
    /// One line of help.
    pub about: &'static str,
    /// Where it comes from; `None` for the built-in task, which needs no files.
    pub(crate) files: Option<Files>,
}

/// How a task's files look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Files {
    pub(crate) train: Stems,
    pub(crate) validation: Stems,
    pub(crate) test: Stems,
    /// Without a validation file a tenth of the training rows is held out.
    pub(crate) may_hold_out: bool,
    /// Layouts of files without a header line; none: the first line names the columns.
    pub(crate) headerless: &'static [Headerless],
    pub(crate) a: &'static [&'static str],
    pub(crate) b: Second,
    pub(crate) label: &'static [&'static str],
    pub(crate) labels: Labels,
}

/// What the label column holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Labels {
    /// Classes with these names, in class order, and what their prediction is judged by.
    Classes(&'static [&'static str], &'static [Metric]),
    /// Numbers.
    Values,
    /// Whatever the training file has: classes judged by these metrics, or numbers if that is asked for.
    Own(&'static [Metric]),
}

/// File names without extension: alternatives, best first; all files of an alternative belong together.
pub(crate) type Stems = &'static [&'static [&'static str]];

/// The second text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Second {
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
        name: builtin::NAME,
        about: "short reviews whose verdict needs several facts combined; made by the program, no files",
        files: None,
    },
    TaskSpec {
        name: "sst2",
        about: "SST-2: is a film review's sentence positive?",
        files: Some(Files {
            train: &[&["train"]],
            validation: VALIDATION,
            test: TEST,
            may_hold_out: false,
            headerless: &[],
            a: SENTENCE,
            b: Second::Never,
            label: LABEL,
            labels: Labels::Classes(&["negative", "positive"], &[Metric::Accuracy]),
        }),
    },
    TaskSpec {
        name: "cola",
        about: "CoLA: is a sentence acceptable English? (validation is GLUE's dev set: in-domain and out-of-domain)",
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
            headerless: &[Headerless { columns: &["source", "label", "mark", "sentence"], more: false }],
            a: SENTENCE,
            b: Second::Never,
            label: LABEL,
            labels: Labels::Classes(&["unacceptable", "acceptable"], &[Metric::Matthews, Metric::Accuracy]),
        }),
    },
    TaskSpec {
        name: "mrpc",
        about: "MRPC: do two sentences say the same?",
        files: Some(Files {
            train: &[&["mrpc_train"], &["train"], &["msr_paraphrase_train"]],
            validation: &[&["mrpc_val"], &["mrpc_dev"], &["dev"], &["validation"], &["valid"], &["val"]],
            test: &[&["mrpc_test"], &["test_labeled"], &["test"], &["msr_paraphrase_test"]],
            may_hold_out: false,
            headerless: &[],
            a: &["#1 String", "sentence1"],
            b: Second::Always(&["#2 String", "sentence2"]),
            label: &["Quality", "label", "labels", "gold_label"],
            labels: Labels::Classes(&["not_equivalent", "equivalent"], &[Metric::F1, Metric::Accuracy]),
        }),
    },
    TaskSpec {
        name: "rte",
        about: "RTE: does the first text entail the second?",
        files: Some(Files {
            train: &[&["train"]],
            validation: VALIDATION,
            test: TEST,
            may_hold_out: false,
            headerless: &[],
            a: &["sentence1", "premise"],
            b: Second::Always(&["sentence2", "hypothesis"]),
            label: LABEL,
            labels: Labels::Classes(&["entailment", "not_entailment"], &[Metric::Accuracy]),
        }),
    },
    TaskSpec {
        name: "stsb",
        about: "STS-B: how similar in meaning are two sentences, from 0 to 5? (a regression)",
        files: Some(Files {
            train: &[&["train"], &["sts-train"]],
            validation: &[&["dev"], &["validation"], &["valid"], &["val"], &["sts-dev"]],
            test: &[&["test_labeled"], &["test"], &["sts-test"]],
            may_hold_out: false,
            // As stsb-multi-mt has it, and the original (ixa2.si.ehu.eus/stswiki), in which some rows go on with the
            // sentences' sources. GLUE's copy has a header.
            headerless: &[
                Headerless { columns: &["sentence1", "sentence2", "score"], more: false },
                Headerless {
                    columns: &["genre", "filename", "year", "id", "score", "sentence1", "sentence2"],
                    more: true,
                },
            ],
            a: &["sentence1"],
            b: Second::Always(&["sentence2"]),
            label: &["score", "similarity_score", "label", "labels"],
            labels: Labels::Values,
        }),
    },
    TaskSpec {
        name: "text",
        about: "your own file with the columns text and label (a second text in text2); TSV, CSV or JSONL; \
                labels are classes, or numbers with --objective regression",
        files: Some(Files {
            train: &[&["train"]],
            validation: VALIDATION,
            test: TEST,
            may_hold_out: true,
            headerless: &[],
            a: &["text", "sentence", "sentence1", "text1", "text_a", "premise", "review"],
            b: Second::Optional(&["text2", "sentence2", "text_b", "hypothesis"]),
            label: &["label", "labels", "class", "category", "target", "gold_label"],
            labels: Labels::Own(&[Metric::Accuracy]),
        }),
    },
];

impl TaskSpec {
    /// The task of this name, or of an alias that [`TaskName`] resolves.
    ///
    /// # Errors
    /// [`DataError::UnknownTask`].
    pub fn named(name: &str) -> Result<&'static Self, DataError> {
        let known = || TASKS.iter().map(|task| task.name.to_owned()).collect();
        let wanted = TaskName::from(name);
        let found = TASKS.iter().find(|task| wanted == task.name);
        found.ok_or_else(|| DataError::UnknownTask { name: crate::error::shortened(name), known: known() })
    }

    /// What is learned on it; `None`: what its files have.
    pub fn objective(&self) -> Option<ObjectiveKind> {
        match self.files.map(|files| files.labels) {
            None | Some(Labels::Classes(..)) => Some(ObjectiveKind::Classification),
            Some(Labels::Values) => Some(ObjectiveKind::Regression),
            Some(Labels::Own(_)) => None,
        }
    }

    /// Whether the objective that is `asked` for is one of the task's.
    ///
    /// # Errors
    /// [`DataError::OtherObjective`].
    pub(crate) fn check_objective(&self, asked: Option<ObjectiveKind>) -> Result<(), DataError> {
        match (self.objective(), asked) {
            (Some(own), Some(asked)) if own != asked => {
                Err(DataError::OtherObjective { task: self.name.to_owned(), own, asked })
            }
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }

    /// Whether its examples have, or may have, a second text.
    pub fn has_pairs(&self) -> bool {
        match self.files.map(|files| files.b) {
            None | Some(Second::Never) => false,
            Some(Second::Optional(_) | Second::Always(_)) => true,
        }
    }

    /// Whether the task reads files.
    pub fn needs_files(&self) -> bool {
        self.files.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_experiment::{TASK_NAMES, TaskEntry};

    #[test]
    fn settings_and_pages_know_the_same_tasks() {
        let entries = TASKS.iter().map(|task| TaskEntry { name: task.name, has_pairs: task.has_pairs() });
        assert_eq!(entries.collect::<Vec<_>>(), TASK_NAMES);
    }
}
