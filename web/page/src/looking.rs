//! What is said of data before they are trained on.

use apt_bridge::{Cut, DataLook, LabelCounts};

use crate::figures::{plain, share};

/// Characters of a text that are shown.
const SHOWN: usize = 90;
/// Labels that are counted one by one.
const LISTED: usize = 8;

/// How many examples there are: `1080 for training, 120 for validation`.
#[must_use]
pub fn rows(look: &DataLook) -> String {
    let of = |(name, number): &(String, usize)| format!("{number} for {name}");
    let splits = look.splits.iter().map(of).collect::<Vec<_>>().join(", ");
    let total: usize = look.splits.iter().map(|(_, number)| number).sum();
    format!("{total} rows: {splits}")
}

/// Which labels there are and how often.
#[must_use]
pub fn labels(look: &DataLook) -> String {
    match &look.labels {
        LabelCounts::Classes(classes) => {
            let of = |(name, number): &(String, usize)| format!("{} {number}", short(name));
            let listed = classes.iter().take(LISTED).map(of).collect::<Vec<_>>().join(", ");
            let more = classes.len().saturating_sub(LISTED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{} labels: {listed}{more}.", classes.len())
        }
        LabelCounts::Values(low, high) => format!("Labels are numbers from {} to {}.", plain(*low), plain(*high)),
    }
}

/// How many texts lose their end; `None` if none does.
#[must_use]
pub fn cut(cut: Cut) -> Option<String> {
    let Cut { longer, of, length } = cut;
    (longer > 0).then(|| {
        let share = share(longer as f64 / of as f64);
        format!(
            "{longer} of {of} texts ({share}) are longer than the {length} tokens that are read; their end is cut off."
        )
    })
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
    use super::*;

    #[test]
    fn data_are_told_in_words() {
        let classes = [("bad", 4), ("good", 8)].map(|(name, number)| (name.to_owned(), number));
        let look = DataLook {
            data: "mine.csv".into(),
            task: "text".into(),
            splits: vec![("training".into(), 11), ("validation".into(), 1)],
            labels: LabelCounts::Classes(classes.into()),
            first: Vec::new(),
            cut: None,
            notes: Vec::new(),
        };
        assert_eq!(rows(&look), "12 rows: 11 for training, 1 for validation");
        assert_eq!(labels(&look), "2 labels: bad 4, good 8.");
        let many = (0..10).map(|label| (label.to_string(), 1)).collect();
        let many = DataLook { labels: LabelCounts::Classes(many), ..look.clone() };
        assert!(labels(&many).ends_with("7 1 and 2 more."), "{}", labels(&many));
        let values = DataLook { labels: LabelCounts::Values(0.0, 4.8), ..look };
        assert_eq!(labels(&values), "Labels are numbers from 0 to 4.80.");
        let told = cut(Cut { longer: 3, of: 12, length: 16 }).expect("some are cut");
        assert!(told.starts_with("3 of 12 texts (25.0 %) are longer than the 16 tokens"), "{told}");
        assert_eq!(cut(Cut { longer: 0, of: 12, length: 16 }), None);
        assert_eq!(short(&"a".repeat(91)), format!("{}…", "a".repeat(90)));
        assert_eq!(short("short"), "short");
    }
}
