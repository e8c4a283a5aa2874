//! Text as UTF-8 whose lines end in a line feed, where a file says that it is written otherwise: UTF-16 behind a byte order
//! mark, as spreadsheets save "Unicode text", or lines that end in a carriage return alone.

use std::borrow::Cow;
use std::io::{BufRead, Read, Result};

/// How a text is written that has to be written anew.
#[derive(Debug)]
pub(super) enum Writing {
    /// Two bytes a unit.
    Utf16 {
        is_big: bool,
        /// The first byte of a unit.
        half: Option<u8>,
        /// The first unit of a character of two.
        high: Option<u16>,
    },
    /// Carriage returns end lines.
    Returns {
        /// Whether one was the last byte.
        is_after: bool,
    },
}

impl Writing {
    /// As the bytes show that a text begins with.
    pub(super) fn of(start: &[u8]) -> Option<Self> {
        let utf16 = |is_big| Some(Self::Utf16 { is_big, half: None, high: None });
        match start {
            [0xFF, 0xFE, ..] => utf16(false),
            [0xFE, 0xFF, ..] => utf16(true),
            // Of a return at the end it is not known what follows.
            [before @ .., _] => {
                (before.contains(&b'\r') && !start.contains(&b'\n')).then_some(Self::Returns { is_after: false })
            }
            [] => None,
        }
    }

    /// What is said of it.
    pub(super) fn note(&self) -> &'static str {
        match self {
            Self::Utf16 { .. } => "it is in UTF-16 and read as such",
            Self::Returns { .. } => "its lines end in a carriage return alone and are read as lines",
        }
    }

    /// All of a text.
    pub(super) fn rewritten(mut self, bytes: &[u8]) -> Cow<'static, [u8]> {
        let mut text = Vec::with_capacity(bytes.len());
        self.push(bytes, &mut text);
        self.finish(&mut text);
        Cow::Owned(text)
    }

    fn push(&mut self, bytes: &[u8], to: &mut Vec<u8>) {
        match self {
            Self::Utf16 { is_big, half, high } => {
                for &byte in bytes {
                    let Some(first) = half.take() else {
                        *half = Some(byte);
                        continue;
                    };
                    let pair = [first, byte];
                    let unit = if *is_big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) };
                    let units = high.take().into_iter().chain([unit]);
                    match unit {
                        0xD800..=0xDBFF => {
                            *high = Some(unit);
                            let alone = units.count() == 2;
                            push_character(alone.then_some(char::REPLACEMENT_CHARACTER), to);
                        }
                        _ => char::decode_utf16(units)
                            .for_each(|unit| push_character(Some(unit.unwrap_or(char::REPLACEMENT_CHARACTER)), to)),
                    }
                }
            }
            Self::Returns { is_after } => {
                for &byte in bytes {
                    match byte {
                        b'\n' if *is_after => {}
                        b'\r' => to.push(b'\n'),
                        byte => to.push(byte),
                    }
                    *is_after = byte == b'\r';
                }
            }
        }
    }

    /// What is left of a text that ends within a character.
    fn finish(&mut self, to: &mut Vec<u8>) {
        if let Self::Utf16 { half, high, .. } = self
            && (half.take().is_some() | high.take().is_some())
        {
            push_character(Some(char::REPLACEMENT_CHARACTER), to);
        }
    }
}

fn push_character(character: Option<char>, to: &mut Vec<u8>) {
    if let Some(character) = character {
        to.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// A text that is written anew as it is read.
pub(super) struct Rewritten<R> {
    input: R,
    writing: Writing,
    ready: Vec<u8>,
    /// How much of that was given out.
    given: usize,
}

impl<R> Rewritten<R> {
    pub(super) fn new(input: R, writing: Writing) -> Self {
        Self { input, writing, ready: Vec::new(), given: 0 }
    }
}

impl<R: BufRead> Read for Rewritten<R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        while self.given == self.ready.len() {
            self.ready.clear();
            self.given = 0;
            let bytes = self.input.fill_buf()?;
            let count = bytes.len();
            if count == 0 {
                self.writing.finish(&mut self.ready);
                if self.ready.is_empty() {
                    return Ok(0);
                }
                break;
            }
            self.writing.push(bytes, &mut self.ready);
            self.input.consume(count);
        }
        let count = (&self.ready[self.given..]).read(into)?;
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, is_big: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    /// The text, read whole and a byte at a time.
    fn read(bytes: &[u8]) -> String {
        let writing = || Writing::of(bytes).expect("it says so");
        let whole = String::from_utf8(writing().rewritten(bytes).into_owned()).expect("UTF-8");
        let mut parts = String::new();
        let slow = std::io::BufReader::with_capacity(1, bytes);
        Rewritten::new(slow, writing()).read_to_string(&mut parts).expect("UTF-8");
        assert_eq!(parts, whole);
        whole
    }

    #[test]
    fn utf16_of_either_order_is_read_with_characters_of_two_units() {
        for is_big in [false, true] {
            assert_eq!(read(&utf16("\u{FEFF}é\t\u{1F600}\r\n", is_big)), "\u{FEFF}é\t\u{1F600}\r\n");
        }
        assert_eq!(read(b"\xFF\xFEa\0\x3D\xD8b\0"), "\u{FEFF}a\u{FFFD}b", "half of a character");
        assert_eq!(read(b"\xFF\xFEa\0\x3D\xD8"), "\u{FEFF}a\u{FFFD}");
        assert_eq!(read(b"\xFF\xFEa\0\x3D"), "\u{FEFF}a\u{FFFD}");
    }

    #[test]
    fn returns_alone_end_lines_and_beside_line_feeds_they_do_not() {
        assert_eq!(read(b"a\tb\rx\t1\r"), "a\tb\nx\t1\n");
        for text in ["a\r\nb\r\n", "a\rb\nc", "a\n", "a\r", "a", ""] {
            assert!(Writing::of(text.as_bytes()).is_none(), "{text:?}");
        }
    }
}
