//! A byte-level BPE tokenizer of a corpus, as GPT-2's is made (Radford et al. 2019): nothing typed is unknown to it, and
//! tokens put together are the text.

use anyhow::{Context, Result, anyhow};
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer};

/// The token between texts, as GPT-2 calls it.
pub const END_OF_TEXT: &str = "<|endoftext|>";

/// `tokenizer.json` with `size` tokens, of which the first is [`END_OF_TEXT`]; the same texts give the same file.
///
/// # Errors
/// What the library refuses.
pub fn tokenizer_json(texts: &[String], size: usize) -> Result<String> {
    let trainer = BpeTrainer::builder()
        .vocab_size(size)
        .show_progress(false)
        .special_tokens(vec![AddedToken::from(END_OF_TEXT, true)])
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let words = ByteLevel::default().add_prefix_space(false);
    let mut tokenizer = Tokenizer::new(BPE::default());
    tokenizer.with_pre_tokenizer(Some(words));
    tokenizer.with_decoder(Some(words));
    let trained = tokenizer.train(&mut TrainerWrapper::from(trainer), texts.iter());
    trained.map_err(|error| anyhow!("{error}")).context("a tokenizer of the corpus")?;
    tokenizer.to_string(false).map_err(|error| anyhow!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_data::builtin;

    #[test]
    fn the_tokenizer_follows_from_the_texts_and_loses_nothing() {
        let texts = builtin::corpus(1, 500);
        let json = tokenizer_json(&texts, 600).expect("a tokenizer");
        assert_eq!(json, tokenizer_json(&texts, 600).expect("another"), "the same texts");
        let tokenizer = apt_data::Tokenizer::from_bytes(json.as_bytes(), "tokenizer.json").expect("ours to read");
        assert_eq!((tokenizer.vocab_size(), tokenizer.end_of_text().expect("an end")), (600, 0));
        for text in [texts[7].as_str(), "Z\u{fc}rich \u{4e00}, 9!"] {
            let pieces = tokenizer.pieces(text).expect("pieces");
            assert_eq!(tokenizer.decode(&pieces.ids).expect("a text"), text);
        }
    }
}
