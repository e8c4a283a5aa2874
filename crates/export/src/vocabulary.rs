//! A vocabulary cut to the pieces that texts use: tokenizer and table of words together, with ids anew.
//!
//! Beside the pieces in use stay
//! - what is named elsewhere: special and other added tokens, the unknown one, the padding, and what the post-processor
//!   puts around a text;
//! - single characters and bytes, and whatever they cannot spell, so that no text becomes unknown that was not;
//! - of BPE, the pieces that another is merged from; of Unigram, the least probable one, by which the unknown is scored;
//! - where positions are counted from the padding's id, all pieces before it, so that it keeps that id.
//!
//! A text whose pieces all stay is then split as before (METHOD §7).

mod merges;
mod pieces;
mod renumber;

use crate::{ExportError, Model};
use apt_data::Tokenizer;
use apt_nn::{ModelConfig, NnError, Positions, checkpoint};
use pieces::Pieces;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What the tokenizer is called in messages.
const FILE: &str = "tokenizer.json";

/// What is left of a vocabulary, and the ids that it has now.
pub struct VocabularyCut {
    tokenizer: Vec<u8>,
    /// The old id of every new one.
    rows: Vec<u32>,
    /// The new id of every old one that is left.
    numbers: BTreeMap<u32, u32>,
    pad_id: usize,
    unknown: Option<u32>,
}

impl VocabularyCut {
    /// Cuts `tokenizer`, the `tokenizer.json` of a model of `config`, to what the ids `used` need.
    ///
    /// # Errors
    /// [`ExportError::Tokenizer`] for a file that is none or names ids that no piece has; [`ExportError::Vocabulary`] for a
    /// decoder, or a kind of tokenizer that cannot be cut.
    pub fn new(tokenizer: &[u8], used: &BTreeSet<u32>, config: &ModelConfig) -> Result<Self, ExportError> {
        if config.decoder.is_some() {
            let what = "a decoder may write any of its pieces, also those that no text of the task has";
            return Err(ExportError::Vocabulary { what: what.into() });
        }
        let loaded = Tokenizer::from_bytes(tokenizer, FILE).map_err(|e| broken(e.to_string()))?;
        let mut json: Value = serde_json::from_slice(tokenizer).map_err(|e| broken(format!("not JSON ({e})")))?;
        let pieces = Pieces::of(&json["model"])?;
        let of_model: BTreeSet<u32> = pieces.ids().collect();
        let added = added(&json, &loaded);
        let padding = u32::try_from(config.pad_id).unwrap_or(u32::MAX);
        let counts_from_padding = config.family.spec().positions == Positions::AfterPadding;

        let mut kept = pieces.needed(used);
        kept.extend(used);
        kept.extend(added.values());
        kept.extend(renumber::ids_around(&json["post_processor"]));
        kept.insert(padding);
        if counts_from_padding {
            kept.extend(of_model.range(..padding));
        }
        // Where the file names its tokens it says so by content, and added ones count on from the vocabulary in its order.
        let beyond: Vec<u32> = listed(&json).filter_map(|content| added.get(content)).copied().collect();
        let beyond = beyond.into_iter().filter(|id| !of_model.contains(id));
        let mut rows: Vec<u32> = kept.iter().copied().filter(|id| of_model.contains(id)).collect();
        for id in beyond {
            if !rows.contains(&id) {
                rows.push(id);
            }
        }
        let numbers: BTreeMap<u32, u32> = rows.iter().copied().zip(0..).collect();
        if let Some(id) = kept.iter().find(|id| !numbers.contains_key(id)) {
            return Err(broken(format!("the id {id} is used, but no piece has it")));
        }
        let pad_id = numbers.get(&padding).map_or(config.pad_id, |&id| id as usize);
        if counts_from_padding && pad_id != config.pad_id {
            let what = "positions are counted from the id of the padding, which stands behind the vocabulary";
            return Err(ExportError::Vocabulary { what: what.into() });
        }
        let unknown = pieces.unknown().and_then(|id| numbers.get(&id)).copied();
        renumber::renumber(&mut json, &numbers, &added)?;
        let tokenizer = json.to_string().into_bytes();
        // What was made must be a tokenizer whose ids all have a row.
        let made = Tokenizer::from_bytes(&tokenizer, FILE).map_err(|e| broken(e.to_string()))?;
        made.check_vocab(rows.len()).map_err(|e| broken(e.to_string()))?;
        Ok(Self { tokenizer, rows, numbers, pad_id, unknown })
    }

    /// Pieces that are left: rows of the table of words.
    pub fn pieces(&self) -> usize {
        self.rows.len()
    }

    /// The id that `old` has now; `None` if it is no more.
    pub fn number(&self, old: u32) -> Option<u32> {
        self.numbers.get(&old).copied()
    }

    /// The new id of the token for what is unknown, where there is one.
    pub fn unknown(&self) -> Option<u32> {
        self.unknown
    }
}

impl Model {
    /// The model with what `cut` left of its vocabulary: the rows of the table of words, the tokenizer, the padding's id.
    ///
    /// # Errors
    /// A model that has no row for a piece.
    pub fn with_vocabulary(mut self, cut: &VocabularyCut) -> Result<Self, ExportError> {
        let weights = &mut self.weights;
        let width = weights.config.embedding_width();
        let name = weights.config.family.spec().published(checkpoint::WORDS);
        let contradicts = |what: String| NnError::Tensor {
            file: "the model".into(),
            tensor: name.clone(),
            what,
            remedy: "use the tokenizer.json that belongs to the model".into(),
        };
        let table = weights.tensors.iter_mut().find(|tensor| tensor.name == name);
        let table = table.ok_or_else(|| contradicts("is missing".into()))?;
        let mut values = Vec::with_capacity(cut.rows.len() * width);
        for &row in &cut.rows {
            let start = row as usize * width;
            let row = table.values.get(start..start + width);
            values.extend_from_slice(row.ok_or_else(|| contradicts("has fewer rows than the tokenizer ids".into()))?);
        }
        (table.values, table.dims) = (values, vec![cut.rows.len(), width]);
        weights.config.vocab_size = cut.rows.len();
        weights.config.pad_id = cut.pad_id;
        self.tokenizer.clone_from(&cut.tokenizer);
        Ok(self)
    }
}

/// Contents of the added tokens, in the order of the file.
fn listed(json: &Value) -> impl Iterator<Item = &str> {
    json["added_tokens"].as_array().into_iter().flatten().filter_map(|token| token["content"].as_str())
}

/// The ids that the added tokens really have: where the file's disagree with its vocabulary, the vocabulary wins.
fn added(json: &Value, loaded: &Tokenizer) -> BTreeMap<String, u32> {
    let contents: BTreeSet<&str> = listed(json).collect();
    let ids = 0..u32::try_from(loaded.vocab_size()).unwrap_or(u32::MAX);
    let named = ids.filter_map(|id| loaded.token(id).map(|content| (content, id)));
    named.filter(|(content, _)| contents.contains(content.as_str())).collect()
}

fn broken(what: String) -> ExportError {
    ExportError::Tokenizer { what }
}
