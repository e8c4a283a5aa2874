//! A text as a model reads it: which words its tokenizer knows, and how far it reads.

use serde::{Deserialize, Serialize};

/// A text or a pair of texts as a tokenizer reads them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// For each text, its words as far as they are read.
    pub texts: Vec<Vec<Word>>,
    /// Tokens that are read, special ones included.
    pub read: usize,
    /// Tokens that the whole would be.
    pub of: usize,
}

/// A word or a sign with the tokens it becomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// The word.
    #[serde(flatten)]
    pub segment: Segment,
    /// Its tokens.
    pub tokens: Vec<String>,
}

/// A run of alphanumeric characters, or another character alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// What it is.
    pub text: String,
    /// Whether a blank stands before it.
    pub spaced: bool,
}

/// From here on a character is a word of its own: Chinese, Japanese and Korean.
const FIRST_IDEOGRAM: char = '\u{2E80}';

/// The words and signs of a text.
#[must_use]
pub fn segments(text: &str) -> Vec<Segment> {
    let mut found: Vec<Segment> = Vec::new();
    let mut spaced = false;
    let mut joins = false;
    for character in text.chars() {
        if character.is_whitespace() {
            (spaced, joins) = (!found.is_empty(), false);
            continue;
        }
        let is_word = character.is_alphanumeric() && character < FIRST_IDEOGRAM;
        match found.last_mut().filter(|_| joins && is_word) {
            Some(word) => word.text.push(character),
            None => found.push(Segment { text: character.to_string(), spaced }),
        }
        (spaced, joins) = (false, is_word);
    }
    found
}

impl Word {
    /// Whether it is a word and not a sign.
    #[must_use]
    pub fn is_word(&self) -> bool {
        self.segment.text.chars().any(char::is_alphanumeric)
    }

    /// Whether the tokenizer knows it: one of its pieces holds most of it. Of other words it sees single characters, or nothing.
    #[must_use]
    pub fn is_known(&self) -> bool {
        if self.tokens.is_empty() || self.tokens.iter().any(|token| matches!(token.as_str(), "[UNK]" | "<unk>")) {
            return false;
        }
        let length = |text: &str| text.chars().filter(|character| character.is_alphanumeric()).count();
        let longest = self.tokens.iter().map(|token| length(token)).max().unwrap_or(0);
        self.tokens.len() == 1 || 2 * longest > length(&self.segment.text)
    }
}

impl Reading {
    /// Whether the end of a text is not read.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.read < self.of
    }

    /// How many of the words that are read are known, and how many there are.
    #[must_use]
    pub fn known(&self) -> (usize, usize) {
        let words = || self.texts.iter().flatten().filter(|word| word.is_word());
        (words().filter(|word| word.is_known()).count(), words().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, tokens: &[&str]) -> Word {
        let segment = Segment { text: text.to_owned(), spaced: false };
        Word { segment, tokens: tokens.iter().map(|&token| token.to_owned()).collect() }
    }

    #[test]
    fn a_text_falls_into_words_and_signs_and_together_they_are_the_text() {
        let text = "It's  fine, 3 of 9. 好吃!";
        let found = segments(text);
        let words: Vec<&str> = found.iter().map(|segment| segment.text.as_str()).collect();
        assert_eq!(words, ["It", "'", "s", "fine", ",", "3", "of", "9", ".", "好", "吃", "!"]);
        let joined: String =
            found.iter().map(|of| format!("{}{}", if of.spaced { " " } else { "" }, of.text)).collect();
        assert_eq!(joined, "It's fine, 3 of 9. 好吃!");
        assert_eq!(segments(" \n"), []);
    }

    #[test]
    fn a_word_is_known_if_one_piece_holds_most_of_it() {
        for known in [word("soup", &["soup"]), word("soups", &["soup", "##s"]), word("MiniLM", &["mini", "##lm"])] {
            assert!(known.is_known(), "{known:?}");
        }
        for spelled in [
            word("quark", &["q", "##u", "##ar", "##k"]),
            word("xy", &["x", "##y"]),
            word("zebra", &["[UNK]"]),
            word("", &[]),
        ] {
            assert!(!spelled.is_known(), "{spelled:?}");
        }
        // Bytes of a letter that is no ASCII.
        assert!(word("é", &["Ã©"]).is_known());
    }

    #[test]
    fn signs_do_not_count_as_words() {
        let texts =
            vec![vec![word("soup", &["soup"]), word("zebra", &["z", "##e", "##b", "##r", "##a"]), word(".", &["."])]];
        let reading = Reading { texts, read: 9, of: 20 };
        assert_eq!((reading.known(), reading.is_cut()), ((1, 2), true));
    }
}
