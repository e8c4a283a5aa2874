//! What a run read of its data, and what it did not: so that nothing is misread in silence.

use serde::{Deserialize, Serialize};

/// Names that a line lists before it says how many more there are.
const LISTED: usize = 12;

/// What was read as a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataRead {
    /// Every file; none where the program makes the examples.
    pub files: Vec<FileRead>,
    /// Files beside them that were not read.
    pub unread: Vec<String>,
    /// The classes with their training examples, or with those of a file that is evaluated; empty where numbers are
    /// learned.
    pub classes: Vec<ClassCount>,
    /// Training examples whose text stands there with another answer too.
    pub contradicting: usize,
    /// Validation and test examples whose text is trained on.
    pub trained_on: Share,
    /// Texts that were cut.
    pub cut: Share,
    /// Tokens that are read of a text at most; none before texts are tokenised, nor where they are joined.
    pub cut_at: Option<usize>,
    /// What became of texts that are learned token by token, for each part of the data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<TokensRead>,
    /// What was decided in reading: one line each.
    pub notes: Vec<String>,
}

/// What became of a part of the data that is learned token by token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokensRead {
    /// `training`, `validation`, `test`.
    pub split: String,
    /// Texts, conversations or examples with endings.
    pub texts: usize,
    /// Tokens of all of them, those that begin and end texts included.
    pub tokens: usize,
    /// Tokens that are predicted.
    pub predicted: usize,
    /// Sequences that a model reads.
    pub sequences: usize,
    /// The longest a sequence can be.
    pub length: usize,
    /// Whether texts were joined before they were cut into sequences.
    pub joined: bool,
    /// Conversations of which no answer was left when their end was cut off; they are not used.
    pub unanswered: usize,
}

impl TokensRead {
    /// In words.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { split, texts, tokens, predicted, sequences, length, .. } = self;
        let texts_are = if *texts == 1 { "text is" } else { "texts are" };
        let become_of = if self.joined { "joined and cut into" } else { "read as" };
        let unanswered = match self.unanswered {
            0 => String::new(),
            n => format!("; {n} left out, since no answer begins within that length"),
        };
        format!(
            "{split}: {texts} {texts_are} {become_of} {sequences} sequences of at most {length} tokens; {predicted} of \
             {tokens} tokens are predicted{unanswered}"
        )
    }
}

/// What was read of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileRead {
    /// Its name, without folders.
    pub file: String,
    /// What it is used as: `training`, `validation`, `test`.
    pub split: String,
    /// Examples read.
    pub examples: usize,
    /// The column of the text.
    pub text: String,
    /// The column of the second text, or those of the rest of the text, by comma.
    pub text_pair: Option<String>,
    /// The column of the label; none if it was not needed.
    pub label: Option<String>,
    /// Columns that were not used.
    pub unused: Vec<String>,
    /// Rows that were left out.
    pub left_out: Vec<LeftOut>,
}

/// Rows that were left out for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Why: "without a label ('-1')".
    pub why: String,
    /// How many.
    pub rows: usize,
    /// The line of the first, from 1.
    pub line: u64,
}

/// A class with how many examples are of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCount {
    /// Its name.
    pub name: String,
    /// Training examples.
    pub examples: usize,
}

/// Some of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Those that are meant.
    pub some: usize,
    /// All.
    pub of: usize,
}

impl Share {
    fn percent(self) -> String {
        format!("{:.1} %", 100.0 * self.some as f64 / self.of.max(1) as f64)
    }
}

impl DataRead {
    /// All of it in words, a line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.files.iter().flat_map(FileRead::lines).collect();
        if !self.unread.is_empty() {
            lines.push(format!("not read: {}", listed(&self.unread)));
        }
        lines.extend(self.class_line());
        lines.extend(self.tokens.iter().map(TokensRead::line));
        lines.extend(self.cut_line());
        lines.extend(self.trained_on_line());
        if self.contradicting > 0 {
            lines.push(format!(
                "{} training examples have texts that stand there with another answer too",
                self.contradicting
            ));
        }
        lines.extend(self.notes.iter().cloned());
        lines
    }

    /// The classes with their training examples; of many, the commonest and the rarest.
    #[must_use]
    pub fn class_line(&self) -> Option<String> {
        let words = |class: &ClassCount| format!("{} {}", short(&class.name), class.examples);
        let join = |classes: &[&ClassCount]| classes.iter().map(|class| words(class)).collect::<Vec<_>>().join(", ");
        let mut classes: Vec<&ClassCount> = self.classes.iter().collect();
        match classes.len() {
            0 => None,
            count if count <= LISTED => Some(format!("{count} classes: {}", join(&classes))),
            count => {
                classes.sort_by_key(|class| std::cmp::Reverse(class.examples));
                let (most, least) = (classes.get(..3).unwrap_or(&[]), classes.get(count - 3..).unwrap_or(&[]));
                Some(format!("{count} classes: from {} down to {}", join(most), join(least)))
            }
        }
    }

    /// How many texts lose their end; `None` before texts are tokenised.
    #[must_use]
    pub fn cut_line(&self) -> Option<String> {
        let length = self.cut_at?;
        let Share { some, of } = self.cut;
        Some(match some {
            0 => format!("no text is longer than the {length} tokens that are read"),
            _ => {
                let share = self.cut.percent();
                format!(
                    "{some} of {of} texts ({share}) are longer than the {length} tokens that are read; their end is cut off"
                )
            }
        })
    }

    /// How many examples that are not trained on have a text that is; `None` if none has.
    #[must_use]
    pub fn trained_on_line(&self) -> Option<String> {
        let Share { some, of } = self.trained_on;
        let share = self.trained_on.percent();
        (some > 0).then(|| {
            format!("{some} of {of} held-out examples ({share}) have a text that is trained on: their metric flatters")
        })
    }
}

impl FileRead {
    /// In words: file, columns used and left unused, examples; then the rows left out.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let pair = self.text_pair.as_ref().map(|pair| format!(" and '{}'", short(pair))).unwrap_or_default();
        let label = self.label.as_ref().map(|label| format!(", label '{}'", short(label))).unwrap_or_default();
        let unused = match self.unused.as_slice() {
            [] => String::new(),
            unused => format!("; unused: {}", listed(unused)),
        };
        let Self { file, split, examples, text, .. } = self;
        // A file that is a text has no columns.
        let columns = match short(text) {
            text if text.is_empty() => String::new(),
            text => format!("; text '{text}'{pair}{label}{unused}"),
        };
        let what = if text.is_empty() { "texts" } else { "examples" };
        let first = format!("{file}: {examples} {what} for {split}{columns}");
        let left_out = self.left_out.iter().map(|LeftOut { why, rows, line }| {
            let rows = if *rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
            format!("{file}: {rows} left out {why}, first in line {line}")
        });
        [first].into_iter().chain(left_out).collect()
    }
}

fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(LISTED).map(|name| short(name)).collect::<Vec<_>>().join(", ");
    if let Some(more) = names.len().checked_sub(LISTED).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// A name that fits into a line.
fn short(name: &str) -> String {
    const KEPT: usize = 40;
    let mut characters = name.chars();
    let head: String = characters.by_ref().take(KEPT).collect();
    if characters.next().is_some() { format!("{head}…") } else { head }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(counts: &[(&str, usize)]) -> Vec<ClassCount> {
        counts.iter().map(|(name, examples)| ClassCount { name: (*name).to_owned(), examples: *examples }).collect()
    }

    #[test]
    fn what_was_read_is_told_in_a_line_each() {
        let file = FileRead {
            file: "train.csv".into(),
            split: "training".into(),
            examples: 119,
            text: "premise".into(),
            text_pair: Some("hypothesis".into()),
            label: Some("label".into()),
            unused: vec!["id".into(), "note".into()],
            left_out: vec![LeftOut { why: "without a label ('-1')".into(), rows: 8, line: 2 }],
        };
        let read = DataRead {
            files: vec![file],
            classes: classes(&[("neg", 40), ("neu", 41), ("pos", 38)]),
            trained_on: Share { some: 3, of: 12 },
            cut: Share { some: 1, of: 8 },
            cut_at: Some(64),
            ..DataRead::default()
        };
        let expected = [
            "train.csv: 119 examples for training; text 'premise' and 'hypothesis', label 'label'; unused: id, note",
            "train.csv: 8 rows left out without a label ('-1'), first in line 2",
            "3 classes: neg 40, neu 41, pos 38",
            "1 of 8 texts (12.5 %) are longer than the 64 tokens that are read; their end is cut off",
            "3 of 12 held-out examples (25.0 %) have a text that is trained on: their metric flatters",
        ];
        assert_eq!(read.lines(), expected);
    }

    #[test]
    fn tokens_are_counted_in_a_line_each() {
        let joined = TokensRead {
            split: "training".into(),
            texts: 120,
            tokens: 30_331,
            predicted: 30_330,
            sequences: 119,
            length: 256,
            joined: true,
            unanswered: 0,
        };
        let expected = "training: 120 texts are joined and cut into 119 sequences of at most 256 tokens; 30330 of 30331 \
                        tokens are predicted";
        assert_eq!(joined.line(), expected);
        let answers = TokensRead { texts: 1, sequences: 1, joined: false, unanswered: 2, ..joined };
        assert!(answers.line().contains("1 text is read as 1 sequences"), "{}", answers.line());
        assert!(
            answers.line().ends_with("; 2 left out, since no answer begins within that length"),
            "{}",
            answers.line()
        );
    }

    #[test]
    fn of_many_classes_the_commonest_and_the_rarest_are_named() {
        let names: Vec<String> = (0..20).map(|n| format!("c{n}")).collect();
        let many: Vec<(&str, usize)> = names.iter().map(String::as_str).zip(1..).collect();
        let read = DataRead { classes: classes(&many), ..DataRead::default() };
        assert_eq!(
            read.class_line().as_deref(),
            Some("20 classes: from c19 20, c18 19, c17 18 down to c2 3, c1 2, c0 1")
        );
        assert_eq!(DataRead::default().lines(), Vec::<String>::new());
    }
}
