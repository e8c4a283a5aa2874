//! Texts out of a file of text, and which of all texts are held out where there is no validation file.

use crate::error::DataError;
use crate::seeded::{Stream, generator, shuffle};
use crate::table::decode;
use crate::target::Spoken;
use crate::task::{DATA_SEED, HOLD_OUT, RawExample};

/// What stands between texts in one file, as TinyStories and the texts of GPT-2 have it.
const BETWEEN: &str = "<|endoftext|>";

/// The texts of a file and how it was cut into them.
///
/// # Errors
/// What is no text, and a file without any.
pub(super) fn documents(bytes: &[u8], file: &str) -> Result<(Vec<String>, String), DataError> {
    let text = decode(bytes, file)?.replace("\r\n", "\n");
    let texts: Vec<String> =
        text.split(BETWEEN).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect();
    let note = match texts.len() {
        0 => return Err(DataError::Empty { file: file.to_owned() }),
        1 if !text.contains(BETWEEN) => {
            format!("it is one text, blank lines and all; {BETWEEN} between texts would make it several")
        }
        _ => format!("a text ends at {BETWEEN}"),
    };
    Ok((texts, note))
}

/// What was held out, and in which way.
pub(super) struct HeldOut {
    pub(super) examples: Vec<RawExample>,
    pub(super) note: String,
}

/// Moves a tenth of the texts out of `train`, by a fixed seed; of fewer than ten the end of each.
///
/// # Errors
/// [`DataError::TooFewRows`] for texts too short to be cut.
pub(super) fn hold_out(train: &mut Vec<RawExample>, place: &str) -> Result<HeldOut, DataError> {
    let all = train.len();
    if all >= HOLD_OUT {
        let mut order: Vec<usize> = (0..all).collect();
        shuffle(&mut generator(DATA_SEED, Stream::HoldOut, 0), &mut order);
        let mut held = vec![false; all];
        order.iter().take(all / HOLD_OUT).for_each(|&index| held[index] = true);
        let (out, kept): (Vec<_>, Vec<_>) = std::mem::take(train).into_iter().zip(held).partition(|(_, held)| *held);
        *train = kept.into_iter().map(|(example, _)| example).collect();
        let examples: Vec<RawExample> = out.into_iter().map(|(example, _)| example).collect();
        let note = format!("no validation file: {} of {all} training texts are held out for it", examples.len());
        return Ok(HeldOut { examples, note });
    }
    let too_few = || DataError::TooFewRows { place: place.to_owned(), rows: all };
    let mut examples = Vec::with_capacity(all);
    for example in train.iter_mut() {
        if example.target != crate::target::Target::Text(Spoken::Whole) {
            return Err(too_few());
        }
        let at = end_of_text(&example.a).ok_or_else(too_few)?;
        let end = example.a.split_off(at);
        examples.push(RawExample::of_text(end.trim_start().to_owned()));
        example.a.truncate(example.a.trim_end().len());
    }
    let note = "no validation file, and fewer than ten texts: the last tenth of each is held out for it".to_owned();
    Ok(HeldOut { examples, note })
}

/// Where about the last tenth of a text begins, in bytes: at a paragraph, else a line, else a word; `None` if it has none.
fn end_of_text(text: &str) -> Option<usize> {
    let wanted = text.floor_char_boundary(text.len() - text.len() / HOLD_OUT);
    // A paragraph may begin a little earlier or later; so far from there.
    let reach = text.len() / HOLD_OUT / 2;
    let from = text.floor_char_boundary(wanted.saturating_sub(reach));
    let to = text.ceil_char_boundary((wanted + reach).min(text.len()));
    ["\n\n", "\n", " "].iter().find_map(|between| {
        let ends = text[from..to].match_indices(between).map(|(at, between)| from + at + between.len());
        let inside = ends.filter(|&at| !text[..at].trim().is_empty() && !text[at..].trim().is_empty());
        inside.min_by_key(|&at| at.abs_diff(wanted))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stories_end_where_they_say_and_blank_lines_are_part_of_a_text() {
        let (texts, note) =
            documents(b"One.\r\n\r\nTwo.\n<|endoftext|>\n\nThree.\n<|endoftext|>\n", "f.txt").expect("texts");
        assert_eq!(texts, ["One.\n\nTwo.", "Three."]);
        assert!(note.contains("ends at <|endoftext|>"), "{note}");
        let (one, note) = documents(b"One.\n\nTwo.\n", "f.txt").expect("a text");
        assert_eq!((one.len(), one[0].as_str()), (1, "One.\n\nTwo."));
        assert!(note.starts_with("it is one text"), "{note}");
        assert!(documents(b" \n<|endoftext|>\n", "f.txt").is_err(), "nothing in it");
    }

    #[test]
    fn a_tenth_of_the_texts_is_held_out_and_of_few_their_ends() {
        let mut many: Vec<RawExample> = (0..57).map(|n| RawExample::of_text(format!("text {n}"))).collect();
        let held = hold_out(&mut many, "here").expect("enough");
        assert_eq!((held.examples.len(), many.len()), (5, 52));
        assert!(held.examples.iter().all(|example| !many.contains(example)), "none is on both sides");

        let text: String = (0..40).map(|n| format!("Paragraph {n} says so.\n\n")).collect();
        let mut one = vec![RawExample::of_text(text.trim().to_owned())];
        let held = hold_out(&mut one, "here").expect("long enough");
        assert_eq!(
            held.examples[0].a,
            "Paragraph 36 says so.\n\nParagraph 37 says so.\n\nParagraph 38 says so.\n\n\
                                        Paragraph 39 says so."
        );
        assert_eq!(format!("{}\n\n{}", one[0].a, held.examples[0].a), text.trim(), "nothing is lost");
        assert!(hold_out(&mut vec![RawExample::of_text("word".to_owned())], "here").is_err());
    }
}
