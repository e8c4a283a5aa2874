//! A Hugging Face `tokenizer.json`, checked once when it is read, so that a wrong file is refused with
//! a reason instead of producing strange ids later. Truncation is ours, not the file's: files often
//! carry the length and the padding of whatever they were exported for.

use serde::{Deserialize, Serialize};
use tokenizers::utils::truncation::{TruncationParams, truncate_encodings};

use crate::error::{DataError, shortened};
use crate::text_decoder::TextDecoder;
use crate::text_ends::TextEnds;

/// A text, or a pair of texts, as token ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoded {
    /// Token ids, special tokens included, no padding.
    pub ids: Vec<u32>,
    /// 0 for the first text and 1 for the second, as long as `ids`.
    pub type_ids: Vec<u32>,
}

/// A text as tokens without special ones, each with the bytes of the text that it stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pieces {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Where each begins and ends in the text, in bytes; the tokens of one character's bytes have all of the character.
    pub spans: Vec<(usize, usize)>,
}

/// A tokenizer of any kind that `tokenizer.json` can describe (WordPiece, BPE, Unigram).
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    file: String,
    mask_id: Option<u32>,
    special_ids: Vec<u32>,
    largest_id: u32,
    ends: TextEnds,
    chat_template: Option<String>,
}

const WHOLE_FILE: &str = "use the tokenizer.json that came with the model";

impl Tokenizer {
    /// Reads the content of a `tokenizer.json`; `file` is the name that messages use.
    ///
    /// # Errors
    /// [`DataError::Empty`], [`DataError::Encoding`] or [`DataError::Tokenizer`].
    pub fn from_bytes(bytes: &[u8], file: &str) -> Result<Self, DataError> {
        refuse_what_is_not_a_tokenizer(bytes, file)?;
        let refused = |what: String| DataError::Tokenizer { file: file.to_owned(), what, remedy: WHOLE_FILE };
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes)
            .map_err(|error| refused(format!("not a tokenizer this program can read ({error})")))?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| refused(error.to_string()))?;

        let mask_id = ["[MASK]", "<mask>"].iter().find_map(|name| inner.token_to_id(name));
        let mut special_ids: Vec<u32> =
            inner.get_added_tokens_decoder().into_iter().filter(|(_, token)| token.special).map(|(id, _)| id).collect();
        special_ids.sort_unstable();
        let largest_id = inner.get_vocab(true).into_values().max().unwrap_or(0);

        let (ends, chat_template) = (TextEnds::default(), None);
        let mut tokenizer =
            Self { inner, file: file.to_owned(), mask_id, special_ids, largest_id, ends, chat_template };
        tokenizer.probe()?;
        let adds = tokenizer.added_around().map(|token| token.is_some());
        tokenizer.ends = TextEnds::by_usual_names(|name| tokenizer.id(name), adds);
        Ok(tokenizer)
    }

    /// With what is known of the ends of texts from elsewhere.
    #[must_use]
    pub fn with_ends(self, ends: TextEnds) -> Self {
        Self { ends, ..self }
    }

    /// With what the files beside it say of the ends of texts and of how conversations are written.
    #[must_use]
    pub(crate) fn with_settings(self, ends: TextEnds, chat_template: Option<String>) -> Self {
        Self { ends, chat_template, ..self }
    }

    /// Reads a `tokenizer.json` from disk.
    ///
    /// # Errors
    /// [`DataError::Unreadable`], and those of [`Tokenizer::from_bytes`].
    #[cfg(not(target_family = "wasm"))]
    pub fn from_file(path: impl AsRef<std::path::Path>) -> Result<Self, DataError> {
        let name = path.as_ref().display().to_string();
        let bytes =
            std::fs::read(path.as_ref()).map_err(|source| DataError::Unreadable { path: name.clone(), source })?;
        Self::from_bytes(&bytes, &name)
    }

    /// `[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`, as the file's post-processor has it, in at most
    /// `max_len` tokens: what is too long loses tokens at its end, the longer text first.
    ///
    /// # Errors
    /// [`DataError::Tokenizer`] when the tokenizer cannot express the text or `max_len` leaves no room
    /// beside the special tokens.
    pub fn encode(&self, a: &str, b: Option<&str>, max_len: usize) -> Result<Encoded, DataError> {
        Ok(self.encode_and_tell(a, b, max_len)?.0)
    }

    /// As [`Self::encode`], and whether something was cut.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_and_tell(&self, a: &str, b: Option<&str>, max_len: usize) -> Result<(Encoded, bool), DataError> {
        let failed =
            |error: tokenizers::Error| self.refused(format!("cannot encode '{}' ({error})", shortened(a)), WHOLE_FILE);
        let specials = self.special_tokens_added(b.is_some());
        let Some(room) = max_len.checked_sub(specials).filter(|room| *room > 0) else {
            let what = format!("{specials} special tokens leave no room for text in {max_len} tokens");
            return Err(self.refused(what, "raise the maximal sequence length"));
        };
        let first = self.inner.encode(a, false).map_err(failed)?;
        let second = b.map(|b| self.inner.encode(b, false)).transpose().map_err(failed)?;
        let is_cut = first.len() + second.as_ref().map_or(0, tokenizers::Encoding::len) > room;
        let limit = TruncationParams { max_length: room, ..TruncationParams::default() };
        let (mut first, mut second) = truncate_encodings(first, second, &limit).map_err(failed)?;
        drop(first.take_overflowing());
        drop(second.as_mut().map(tokenizers::Encoding::take_overflowing));
        let whole = self.inner.post_process(first, second, true).map_err(failed)?;
        Ok((Encoded { ids: whole.get_ids().to_vec(), type_ids: whole.get_type_ids().to_vec() }, is_cut))
    }

    /// The tokens of `text` alone: nothing is added, nothing cut. Names of special tokens in it are these tokens.
    ///
    /// # Errors
    /// [`DataError::Tokenizer`] when the tokenizer cannot express the text.
    pub fn pieces(&self, text: &str) -> Result<Pieces, DataError> {
        let encoded = self.inner.encode(text, false);
        let encoded = encoded
            .map_err(|error| self.refused(format!("cannot encode '{}' ({error})", shortened(text)), WHOLE_FILE))?;
        Ok(Pieces { ids: encoded.get_ids().to_vec(), spans: encoded.get_offsets().to_vec() })
    }

    /// The tokens of a text to go on with, behind the one that begins texts where the model's tokenizer puts it there. An
    /// empty text is that token, whoever puts it, else the one behind which another text begins.
    ///
    /// # Errors
    /// [`DataError::Tokenizer`] when the tokenizer cannot express the text, or an empty one has no token.
    pub fn prompt(&self, text: &str) -> Result<Vec<u32>, DataError> {
        let TextEnds { bos, eos, adds_bos, .. } = &self.ends;
        let pieces = self.pieces(text)?.ids;
        let first = bos.filter(|_| *adds_bos || pieces.is_empty());
        let first = first.or(eos.first().copied().filter(|_| pieces.is_empty()));
        let ids: Vec<u32> = first.into_iter().chain(pieces).collect();
        match ids.is_empty() {
            true => {
                Err(self
                    .refused("no token is known that begins or ends a text".to_owned(), "give a text to go on with"))
            }
            false => Ok(ids),
        }
    }

    /// What begins, ends and fills texts.
    pub fn ends(&self) -> &TextEnds {
        &self.ends
    }

    /// The token that ends a text.
    ///
    /// # Errors
    /// [`DataError::Tokenizer`] if the model's files name none.
    pub fn end_of_text(&self) -> Result<u32, DataError> {
        self.ends.eos.first().copied().ok_or_else(|| {
            self.refused(
                "no token is known that ends a text".to_owned(),
                "fetch tokenizer_config.json too, or name it as eos_token_id in config.json",
            )
        })
    }

    /// The model's own way to write a conversation, a Jinja template; `None` if its files have none.
    pub fn chat_template(&self) -> Option<&str> {
        self.chat_template.as_deref()
    }

    /// Turns tokens into text as they come, behind those of `after`.
    pub fn text_decoder(&self, after: &[u32]) -> TextDecoder<'_> {
        TextDecoder::new(self, after)
    }

    /// The text of `ids` without special tokens, for showing examples.
    ///
    /// # Errors
    /// [`DataError::Tokenizer`] when the file's decoder fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String, DataError> {
        self.inner.decode(ids, true).map_err(|error| self.refused(format!("cannot decode ({error})"), WHOLE_FILE))
    }

    /// The token with this id.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The id of this token.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The tokens that the file itself puts before and behind a text.
    pub(crate) fn added_around(&self) -> [Option<u32>; 2] {
        let of =
            |special| self.inner.encode("a", special).map(|encoded| encoded.get_ids().to_vec()).unwrap_or_default();
        let (plain, with) = (of(false), of(true));
        let before = with.windows(plain.len().max(1)).position(|ids| ids == plain);
        let behind = before.filter(|&before| before + plain.len() < with.len());
        [before.filter(|&n| n > 0).map(|_| with[0]), behind.and_then(|_| with.last().copied())]
    }

    /// Whether the file says what stands around texts.
    pub(crate) fn has_post_processor(&self) -> bool {
        self.inner.get_post_processor().is_some()
    }

    /// Number of rows an embedding needs: the largest id and one.
    pub fn vocab_size(&self) -> usize {
        self.largest_id as usize + 1
    }

    /// Id of the mask token, where there is one.
    pub fn mask_id(&self) -> Option<u32> {
        self.mask_id
    }

    /// Ids of all special tokens, ascending.
    pub fn special_ids(&self) -> &[u32] {
        &self.special_ids
    }

    /// Checks that every id has a row in an embedding of `model_vocab` rows. A model may have more.
    ///
    /// # Errors
    /// [`DataError::Vocabulary`].
    pub fn check_vocab(&self, model_vocab: usize) -> Result<(), DataError> {
        if self.vocab_size() <= model_vocab {
            return Ok(());
        }
        Err(DataError::Vocabulary { file: self.file.clone(), largest_id: self.largest_id, model_vocab })
    }

    /// Encodes once what every tokenizer must be able to encode. A file without an unknown token, or
    /// whose post-processor adds ids outside the vocabulary, shows it here rather than in training.
    fn probe(&mut self) -> Result<(), DataError> {
        let encoded = self.encode("a 9 \u{1F600} \u{4E00}\u{0416}.", Some("b"), 64)?;
        let used = encoded.ids.iter().copied().max().unwrap_or(0);
        self.largest_id = self.largest_id.max(used);
        Ok(())
    }

    fn special_tokens_added(&self, pair: bool) -> usize {
        use tokenizers::PostProcessor as _;
        self.inner.get_post_processor().map_or(0, |processor| processor.added_tokens(pair))
    }

    pub(crate) fn refused(&self, what: String, remedy: &'static str) -> DataError {
        DataError::Tokenizer { file: self.file.clone(), what, remedy }
    }
}

/// What stands under the name of a file by mistake, named as such.
pub(crate) fn refuse_mistakes(bytes: &[u8], file: &str) -> Result<(), DataError> {
    let refused = |what: String, remedy| Err(DataError::Tokenizer { file: file.to_owned(), what, remedy });
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(DataError::Empty { file: file.to_owned() });
    }
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).trim_start().to_lowercase();
    if start.starts_with("<!doctype") || start.starts_with("<html") {
        return refused(
            "this is a web page, not a tokenizer".into(),
            "download the file itself, not the page about it",
        );
    }
    if start.starts_with("version https://git-lfs") {
        return refused("this is a Git LFS pointer, not the file".into(), "fetch the file with `git lfs pull`");
    }
    Ok(())
}

/// The mistakes people make with `tokenizer.json`, named as such.
pub(crate) fn refuse_what_is_not_a_tokenizer(bytes: &[u8], file: &str) -> Result<(), DataError> {
    refuse_mistakes(bytes, file)?;
    let refused = |what: String, remedy| Err(DataError::Tokenizer { file: file.to_owned(), what, remedy });
    let value: serde_json::Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => return refused(format!("not JSON ({error})"), WHOLE_FILE),
    };
    let Some(model) = value.get("model") else {
        return refused(
            "JSON, but without a 'model': not a tokenizer.json".into(),
            "give tokenizer.json, not config.json or tokenizer_config.json",
        );
    };
    let size = model.get("vocab").map_or(0, |vocab| match vocab {
        serde_json::Value::Object(entries) => entries.len(),
        serde_json::Value::Array(entries) => entries.len(),
        _ => 0,
    });
    if size == 0 {
        return refused("its model has no vocabulary".into(), WHOLE_FILE);
    }
    Ok(())
}
