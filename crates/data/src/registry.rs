//! Which tasks there are and how their files look: a new task is one entry in [`TASKS`].

use apt_experiment::TaskName;

use crate::builtin;
use crate::error::DataError;
use crate::metric::Metric;
use crate::numbering::Numbering;
use crate::objective::ObjectiveKind;
use crate::table::{Cells, Headerless};

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
    /// Files that stand in for published ones, with what is to be known of them.
    pub(crate) stand_ins: &'static [(&'static str, &'static str)],
    /// A byte that published files hold although it is no UTF-8; it is read as a blank.
    pub(crate) stray: Option<u8>,
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
    /// Classes that are known beforehand.
    Classes(Classes),
    /// Numbers.
    Values,
    /// Whatever the training file has: classes judged by these metrics, or numbers if that is asked for.
    Own(&'static [Metric]),
}

/// The classes of a task and how files write them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Classes {
    /// Their names, in class order.
    pub(crate) names: &'static [&'static str],
    /// What their prediction is judged by.
    pub(crate) metrics: &'static [Metric],
    /// Label columns with the numberings that are in use there; a number in another column is the index in class order.
    pub(crate) numberings: &'static [(&'static [&'static str], &'static [Numbering])],
    /// Whether a finer class may follow a name after a colon.
    pub(crate) finer: bool,
}

impl Classes {
    const fn new(names: &'static [&'static str], metrics: &'static [Metric]) -> Self {
        Self { names, metrics, numberings: &[], finer: false }
    }

    /// The numberings that are in use in a label column; none: numbers are indices.
    pub(crate) fn numberings_of(&self, column: &str) -> &'static [Numbering] {
        let found =
            self.numberings.iter().find(|(names, _)| names.iter().any(|name| name.eq_ignore_ascii_case(column)));
        found.map_or(&[], |(_, numberings)| numberings)
    }
}

/// File names, without extension (then each of [`DATA_EXTENSIONS`](apt_experiment::DATA_EXTENSIONS) may follow) or with
/// it: alternatives, best first; all files of an alternative belong together.
pub(crate) type Stems = &'static [&'static [&'static str]];

/// The second text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Second {
    Never,
    Optional(&'static [&'static str]),
    Always(&'static [&'static str]),
    /// There is one text; where its column is called `first`, it goes on in that of the other names.
    Continued {
        first: &'static str,
        by: &'static [&'static str],
    },
}

const SENTENCE: &[&str] = &["sentence", "text", "sentence1"];
const LABEL: &[&str] = &["label", "labels", "gold_label"];
const VALIDATION: Stems = &[&["dev"], &["validation"], &["valid"], &["val"], &["eval"], &["evaluation"]];
const TEST: Stems = &[&["test_labeled"], &["test"]];

/// As the hub's `trec` numbers them since its column is called `coarse_label`.
const TREC: Numbering = Numbering { first: 0, order: &["ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM"] };
/// As it did when the column was called `label-coarse`, and as TensorFlow Datasets does.
const TREC_BEFORE: Numbering = Numbering { first: 0, order: &["DESC", "ENTY", "ABBR", "HUM", "NUM", "LOC"] };
/// As LM-BFF and Tensor2Tensor do.
const TREC_LM_BFF: Numbering = Numbering { first: 0, order: &["DESC", "ENTY", "ABBR", "HUM", "LOC", "NUM"] };

/// As the hub's `ag_news` numbers them.
const AG_NEWS: Numbering = Numbering { first: 0, order: &["World", "Sports", "Business", "Sci/Tech"] };
/// As the published files do.
const AG_NEWS_FROM_1: Numbering = Numbering { first: 1, order: AG_NEWS.order };

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
            stand_ins: &[],
            stray: None,
            headerless: &[],
            a: SENTENCE,
            b: Second::Never,
            label: LABEL,
            labels: Labels::Classes(Classes::new(&["negative", "positive"], &[Metric::Accuracy])),
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
            stand_ins: &[],
            stray: None,
            headerless: &[Headerless { columns: &["source", "label", "mark", "sentence"], cells: Cells::Exactly }],
            a: SENTENCE,
            b: Second::Never,
            label: LABEL,
            labels: Labels::Classes(Classes::new(
                &["unacceptable", "acceptable"],
                &[Metric::Matthews, Metric::Accuracy],
            )),
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
            stand_ins: &[],
            stray: None,
            headerless: &[],
            a: &["#1 String", "sentence1"],
            b: Second::Always(&["#2 String", "sentence2"]),
            label: &["Quality", "label", "labels", "gold_label"],
            labels: Labels::Classes(Classes::new(&["not_equivalent", "equivalent"], &[Metric::F1, Metric::Accuracy])),
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
            stand_ins: &[],
            stray: None,
            headerless: &[],
            a: &["sentence1", "premise"],
            b: Second::Always(&["sentence2", "hypothesis"]),
            label: LABEL,
            labels: Labels::Classes(Classes::new(&["entailment", "not_entailment"], &[Metric::Accuracy])),
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
            stand_ins: &[],
            stray: None,
            // As stsb-multi-mt has it, and the original (ixa2.si.ehu.eus/stswiki), in which some rows go on with the
            // sentences' sources. GLUE's copy has a header.
            headerless: &[
                Headerless { columns: &["sentence1", "sentence2", "score"], cells: Cells::Exactly },
                Headerless {
                    columns: &["genre", "filename", "year", "id", "score", "sentence1", "sentence2"],
                    cells: Cells::AtLeast,
                },
            ],
            a: &["sentence1"],
            b: Second::Always(&["sentence2"]),
            label: &["score", "similarity_score", "label", "labels"],
            labels: Labels::Values,
        }),
    },
    TaskSpec {
        name: "trec",
        about: "TREC: what does a question ask for? (the six coarse classes)",
        files: Some(Files {
            train: &[&["train_5500.label"], &["trec_train.txt"], &["train"]],
            validation: VALIDATION,
            test: &[&["TREC_10.label"], &["trec_test.txt"], &["test_labeled"], &["test"]],
            may_hold_out: true,
            stand_ins: &[],
            // One, in train_5500.label; the hub's copy has a blank there too.
            stray: Some(0xF0),
            headerless: &[Headerless { columns: &["COARSE:fine", "text"], cells: Cells::FirstWord }],
            a: &["text", "question", "sentence"],
            b: Second::Never,
            label: &["label", "labels", "coarse_label", "label-coarse", "label_coarse", "COARSE:fine"],
            labels: Labels::Classes(Classes {
                names: TREC.order,
                metrics: &[Metric::Accuracy],
                numberings: &[
                    (&["coarse_label"], &[TREC]),
                    (&["label-coarse"], &[TREC_BEFORE]),
                    (&["label", "labels", "label_coarse", "COARSE:fine"], &[TREC, TREC_BEFORE, TREC_LM_BFF]),
                ],
                finer: true,
            }),
        }),
    },
    TaskSpec {
        name: "agnews",
        about: "AG News: what is a report about?",
        files: Some(Files {
            train: &[&["train"], &["alps_dev10k.tsv"]],
            validation: VALIDATION,
            test: TEST,
            may_hold_out: true,
            stand_ins: &[(
                "alps_dev10k.tsv",
                "stands in for the training file, which is missing: the development set of ALPS, descriptions without \
                 titles, while published test rows have both",
            )],
            stray: None,
            headerless: &[
                Headerless { columns: &["class from 1", "title", "description"], cells: Cells::Exactly },
                Headerless { columns: &["text", "class name"], cells: Cells::Exactly },
            ],
            a: &["text", "title"],
            b: Second::Continued { first: "title", by: &["description"] },
            label: &["label", "labels", "class index", "class from 1", "class name"],
            labels: Labels::Classes(Classes {
                names: AG_NEWS.order,
                metrics: &[Metric::Accuracy],
                numberings: &[
                    (&["class index", "class from 1"], &[AG_NEWS_FROM_1]),
                    (&["label", "labels", "class name"], &[AG_NEWS, AG_NEWS_FROM_1]),
                ],
                finer: false,
            }),
        }),
    },
    TaskSpec {
        name: "text",
        about: "your own file with the columns text and label (a second text in text2), or those that --text, --text-pair \
                and --label name; CSV, TSV, JSON, JSONL or Parquet; labels are classes, lists of classes with \
                --objective multi_label, or numbers with --objective regression",
        files: Some(Files {
            train: &[&["train"]],
            validation: VALIDATION,
            test: TEST,
            may_hold_out: true,
            stand_ins: &[],
            stray: None,
            headerless: &[],
            a: &["text", "sentence", "sentence1", "text1", "text_a", "premise", "review"],
            b: Second::Optional(&["text2", "sentence2", "text_b", "hypothesis", "text_pair"]),
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

    /// What is learned on it by a model that reads it; `None`: what its files have.
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
            // Its texts alone can be learned too.
            (_, Some(ObjectiveKind::CausalLm)) if self.files.is_none() => Ok(()),
            (Some(own), Some(asked)) if own != asked => {
                Err(DataError::OtherObjective { task: self.name.to_owned(), own, asked })
            }
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }

    /// Whether its examples have, or may have, a second text.
    pub fn has_pairs(&self) -> bool {
        match self.files.map(|files| files.b) {
            None | Some(Second::Never | Second::Continued { .. }) => false,
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
