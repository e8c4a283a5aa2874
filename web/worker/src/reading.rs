//! How a model's tokenizer reads a text: as the run would, and word by word for people.

use crate::error::WorkerError;
use apt_bridge::{Reading, Word, segments};
use apt_data::{Encoded, Tokenizer};

/// Far above what a model reads, and far below what would take long.
const WHOLE: usize = 1 << 20;

/// `text` in at most `length` tokens, with `pair` as second text, and which of its words that are.
///
/// # Errors
/// Texts that the tokenizer cannot express.
pub(crate) fn read(
    tokenizer: &Tokenizer,
    text: &str,
    pair: Option<&str>,
    length: usize,
) -> Result<(Encoded, Reading), WorkerError> {
    let encoded = tokenizer.encode(text, pair, length)?;
    let of = tokenizer.encode(text, pair, WHOLE)?.ids.len();
    let read = encoded.ids.len();
    let mut left: Vec<u32> = encoded.ids.iter().copied().filter(|id| !is_added(tokenizer, *id)).collect();
    let mut texts = Vec::new();
    for text in [Some(text), pair].into_iter().flatten() {
        // What is read of the first text begins as the text does; then comes the second.
        let own = own_ids(tokenizer, text)?;
        let taken = own.iter().zip(&left).take_while(|(own, left)| own == left).count();
        left.drain(..taken);
        texts.push(words(tokenizer, text, taken)?);
    }
    Ok((encoded, Reading { texts, read, of }))
}

/// The words of a text as far as `taken` tokens go.
fn words(tokenizer: &Tokenizer, text: &str, taken: usize) -> Result<Vec<Word>, WorkerError> {
    let mut words = Vec::new();
    let mut left = taken;
    for segment in segments(text) {
        // Some tokenizers tell words by the blank before them.
        let spelled = if segment.spaced { format!(" {}", segment.text) } else { segment.text.clone() };
        let ids = own_ids(tokenizer, &spelled)?;
        if ids.len() > left || left == 0 {
            break;
        }
        left -= ids.len();
        let tokens = ids.into_iter().map(|id| tokenizer.token(id).unwrap_or_default()).collect();
        words.push(Word { segment, tokens });
    }
    Ok(words)
}

/// The ids of a text without those that are put around it.
fn own_ids(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>, WorkerError> {
    let ids = tokenizer.encode(text, None, WHOLE)?.ids;
    Ok(ids.into_iter().filter(|id| !is_added(tokenizer, *id)).collect())
}

/// Whether a token marks a beginning or an end. The one for what is unknown stands for a piece of the text.
fn is_added(tokenizer: &Tokenizer, id: u32) -> bool {
    tokenizer.special_ids().binary_search(&id).is_ok()
        && !matches!(tokenizer.token(id).as_deref(), Some("[UNK]" | "<unk>"))
}
