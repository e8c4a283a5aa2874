//! What Python's `json` writes and JSON has not: `NaN` where a number is missing, and half of a character of two UTF-16
//! units, which is left where a text was cut by length.

use serde::de::DeserializeOwned;

/// What was read as something else.
#[derive(Debug, Default)]
pub(super) struct Mended {
    /// `NaN`, as nothing.
    missing: usize,
    /// Halves of characters, as `U+FFFD`.
    halves: usize,
}

impl Mended {
    /// The value that `text` writes.
    ///
    /// # Errors
    /// What is no JSON for another reason.
    pub(super) fn parsed<T: DeserializeOwned>(&mut self, text: &str) -> serde_json::Result<T> {
        let error = match serde_json::from_str(text) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let mut found = Self::default();
        let whole = found.rewritten(text);
        if found.missing + found.halves == 0 {
            return Err(error);
        }
        let value = serde_json::from_str(&whole)?;
        self.missing += found.missing;
        self.halves += found.halves;
        Ok(value)
    }

    /// What is to be said of it.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> + use<> {
        let missing = (self.missing > 0).then(|| format!("NaN is read as nothing: {}", self.missing));
        let halves = (self.halves > 0).then(|| format!("halves of characters are read as U+FFFD: {}", self.halves));
        missing.into_iter().chain(halves)
    }

    /// `text` with what is counted in its place. Places stay what they are.
    fn rewritten(&mut self, text: &str) -> String {
        const HALF: &str = "\\uFFFD";
        let mut whole = String::with_capacity(text.len() + 8);
        let mut rest = text;
        let mut is_within = false;
        while let Some(first) = rest.chars().next() {
            let taken = if is_within && first == '\\' {
                match (unit(rest), rest.get(6..).and_then(unit)) {
                    (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
                    (Some(0xD800..=0xDFFF), _) => {
                        self.halves += 1;
                        whole.push_str(HALF);
                        rest = &rest[HALF.len()..];
                        continue;
                    }
                    _ => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
                }
            } else if !is_within && rest.starts_with("NaN") {
                self.missing += 1;
                whole.push_str("null");
                rest = &rest["NaN".len()..];
                continue;
            } else {
                is_within ^= first == '"';
                first.len_utf8()
            };
            let (before, after) = rest.split_at(taken);
            whole.push_str(before);
            rest = after;
        }
        whole
    }
}

/// The unit of UTF-16 that `text` begins with as an escape sequence.
fn unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(text: &str) -> (Option<Value>, usize, usize) {
        let mut mended = Mended::default();
        let value = mended.parsed(text).ok();
        (value, mended.missing, mended.halves)
    }

    #[test]
    fn what_python_writes_beside_json_is_read_and_counted() {
        assert_eq!(read(r#"{"a":NaN,"b":[1, NaN]}"#), (Some(json!({"a": null, "b": [1, null]})), 2, 0));
        assert_eq!(read(r#"{"a":"sad \ud83d"}"#), (Some(json!({"a": "sad \u{FFFD}"})), 0, 1));
        assert_eq!(
            read(r#"["\ude00 \ud83d\ude00 \\ud83d NaN \"", NaN]"#).0,
            Some(json!(["\u{FFFD} 😀 \\ud83d NaN \"", null]))
        );
    }

    #[test]
    fn what_is_no_json_stays_so() {
        for text in [r#"{"a":Infinity}"#, r#"{"a":nan}"#, r#"{"a":"\ud8"}"#, r#"{"a":1"#, "\\", "\"\\"] {
            assert_eq!(read(text), (None, 0, 0), "{text}");
        }
    }
}
