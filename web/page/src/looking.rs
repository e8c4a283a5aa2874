//! What is said of data before they are trained on.

use apt_bridge::DataLook;
use apt_experiment::{DataRead, Knobs};

use crate::figures::plain;

/// Characters of a text that are shown.
const SHOWN: usize = 90;

/// How many examples there are: `1080 for training, 120 for validation`.
#[must_use]
pub fn rows(look: &DataLook) -> String {
    let of = |(name, number): &(String, usize)| format!("{number} for {name}");
    let splits = look.splits.iter().map(of).collect::<Vec<_>>().join(", ");
    let total: usize = look.splits.iter().map(|(_, number)| number).sum();
    format!("{total} rows: {splits}")
}

/// Which classes there are and how often in training, or between which numbers labels lie.
#[must_use]
pub fn labels(look: &DataLook) -> String {
    match (look.read.class_line(), look.values) {
        (Some(classes), _) => format!("{classes} (in training)."),
        (None, Some((low, high))) => format!("Labels are numbers from {} to {}.", plain(low), plain(high)),
        (None, None) => String::new(),
    }
}

/// Whether a JSON file holds examples: a list of objects, or an object a line. Records and studies are one object.
#[must_use]
pub fn holds_examples(text: &str) -> bool {
    let text = text.trim_start();
    let mut lines = text.lines();
    let mut is_object = || lines.next().is_some_and(|line| line.starts_with('{') && line.trim_end().ends_with('}'));
    text.strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with('{')) || (is_object() && is_object())
}

/// What was read and what was not, a line each: files with their columns, rows left out, texts that occur twice.
#[must_use]
pub fn read(look: &DataLook) -> Vec<String> {
    // The classes and the texts that are cut have lines of their own.
    DataRead { classes: Vec::new(), cut_at: None, ..look.read.clone() }.lines()
}

/// Whether columns may have to be chosen: some are not used, some are named, or nothing can be read before.
#[must_use]
pub fn may_choose(look: &DataLook, knobs: &Knobs) -> bool {
    let is_named = [&knobs.text, &knobs.text_pair, &knobs.label].into_iter().any(Option::is_some) || knobs.no_header;
    is_named || look.problem.is_some() || look.read.files.iter().any(|file| !file.unused.is_empty())
}

/// A column in a list of columns: its name, and what stands there in the first row.
#[must_use]
pub fn column((name, first): &(String, String)) -> String {
    if first.is_empty() { short(name) } else { format!("{}: {}", short(name), short(first)) }
}

/// How many texts lose their end; `None` if none does.
#[must_use]
pub fn cut(look: &DataLook) -> Option<String> {
    look.read.cut_line().filter(|_| look.read.cut.some > 0)
}

/// A text that fits a line or two.
#[must_use]
pub fn short(text: &str) -> String {
    let mut characters = text.chars();
    let kept: String = characters.by_ref().take(SHOWN).collect();
    if characters.next().is_some() { format!("{}…", kept.trim_end()) } else { kept }
}

#[cfg(test)]
mod tests {
    use apt_experiment::{ClassCount, FileRead, Problem, Share};

    use super::*;

    #[test]
    fn columns_are_chosen_where_some_are_unused_or_named_or_wanted() {
        let file = |unused: &[&str]| FileRead {
            file: "mine.csv".into(),
            text: "text".into(),
            unused: unused.iter().map(|&name| name.to_owned()).collect(),
            ..FileRead::default()
        };
        let look = |unused: &[&str], problem| DataLook {
            data: "mine.csv".into(),
            task: "text".into(),
            splits: Vec::new(),
            values: None,
            first: Vec::new(),
            read: DataRead { files: vec![file(unused)], ..DataRead::default() },
            columns: Vec::new(),
            problem,
        };
        let (plain, named) = (Knobs::default(), Knobs { label: Some("stars".into()), ..Knobs::default() });
        assert!(!may_choose(&look(&[], None), &plain));
        assert!(may_choose(&look(&["id"], None), &plain));
        assert!(may_choose(&look(&[], None), &named));
        assert!(may_choose(&look(&[], Some(Problem::new("a", "b", "c"))), &plain));
        assert!(read(&look(&["id"], None))[0].ends_with("unused: id"), "{:?}", read(&look(&["id"], None)));
        assert_eq!(column(&("1".into(), "fine".into())), "1: fine");
        assert_eq!(column(&("text".into(), String::new())), "text");
    }

    #[test]
    fn a_list_and_an_object_a_line_are_examples_and_one_object_is_none() {
        assert!(holds_examples(" [{\"text\":\"a\"}]"));
        assert!(holds_examples("{\"text\":\"a\"}\n{\"text\":\"b\"}\n"));
        assert!(!holds_examples("{\"schema\":1}\n"));
        assert!(!holds_examples("{\n  \"schema\": 1\n}"));
    }

    #[test]
    fn data_are_told_in_words() {
        let class = |(name, examples): (&str, usize)| ClassCount { name: name.to_owned(), examples };
        let look = DataLook {
            data: "mine.csv".into(),
            task: "text".into(),
            splits: vec![("training".into(), 11), ("validation".into(), 1)],
            values: None,
            first: Vec::new(),
            read: DataRead { classes: [("bad", 4), ("good", 7)].map(class).into(), ..DataRead::default() },
            columns: Vec::new(),
            problem: None,
        };
        assert_eq!(rows(&look), "12 rows: 11 for training, 1 for validation");
        assert_eq!(labels(&look), "2 classes: bad 4, good 7 (in training).");
        let values = DataLook { values: Some((0.0, 4.8)), read: DataRead::default(), ..look.clone() };
        assert_eq!(labels(&values), "Labels are numbers from 0 to 4.80.");
        let of = |some: usize| {
            let read = DataRead { cut: Share { some, of: 12 }, cut_at: Some(16), ..DataRead::default() };
            cut(&DataLook { read, ..look.clone() })
        };
        let told = of(3).expect("some are cut");
        assert!(told.starts_with("3 of 12 texts (25.0 %) are longer than the 16 tokens"), "{told}");
        assert_eq!(of(0), None);
        assert_eq!(short(&"a".repeat(91)), format!("{}…", "a".repeat(90)));
        assert_eq!(short("short"), "short");
    }
}
