//! The pieces of a tokenizer's model, and which of them others need.

use super::broken;
use super::merges::Merges;
use crate::ExportError;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The vocabulary of a tokenizer's model.
pub(super) struct Pieces {
    kind: Kind,
    /// Every piece with its id.
    pieces: Vec<(String, u32)>,
    unknown: Option<u32>,
    /// Whether `<0x0A>` is a byte.
    has_bytes: bool,
    /// Characters that a word, or any piece but WordPiece's, can begin with.
    starts: BTreeSet<char>,
    /// Those within a word.
    within: BTreeSet<char>,
}

enum Kind {
    /// The longest piece first; what stands before a piece within a word.
    WordPiece(String),
    /// Pairs are merged.
    Bpe(Merges),
    /// The most probable split; its least probable piece.
    Unigram(Option<u32>),
}

impl Pieces {
    /// Of the `model` of a `tokenizer.json`.
    pub(super) fn of(model: &Value) -> Result<Self, ExportError> {
        let kind = match model["type"].as_str() {
            Some("WordPiece") => Kind::WordPiece(model["continuing_subword_prefix"].as_str().unwrap_or("##").into()),
            Some("BPE") => Kind::Bpe(Merges::of(model)?),
            Some("Unigram") => Kind::Unigram(least_probable(&model["vocab"])),
            other => {
                let what = format!("a tokenizer of the kind {} cannot spell what it loses", other.unwrap_or("unknown"));
                return Err(ExportError::Vocabulary { what });
            }
        };
        let pieces = listed(&model["vocab"])?;
        let by_name = |name: &str| pieces.iter().find(|(piece, _)| piece == name).map(|(_, id)| *id);
        let unknown = match &kind {
            Kind::Unigram(_) => model["unk_id"].as_u64().and_then(|id| u32::try_from(id).ok()),
            _ => model["unk_token"].as_str().and_then(by_name),
        };
        let has_bytes = model["byte_fallback"] == true;
        let (starts, within) = (BTreeSet::new(), BTreeSet::new());
        let mut all = Self { kind, pieces, unknown, has_bytes, starts, within };
        for (piece, _) in &all.pieces {
            let (is_within, rest) = all.parted(piece);
            let mut characters = rest.chars();
            if let (Some(only), None) = (characters.next(), characters.next()) {
                if is_within {
                    all.within.insert(only)
                } else {
                    all.starts.insert(only)
                };
            }
        }
        Ok(all)
    }

    /// All ids.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> + use<'_> {
        self.pieces.iter().map(|(_, id)| *id)
    }

    /// The token for what is unknown.
    pub(super) fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    /// What has to stay beside the pieces `used`.
    pub(super) fn needed(&self, used: &BTreeSet<u32>) -> BTreeSet<u32> {
        let stays = |piece: &str| self.is_single(piece) || !self.is_spelled(piece);
        let mut needed: BTreeSet<u32> =
            self.pieces.iter().filter(|(piece, _)| stays(piece)).map(|(_, id)| *id).collect();
        needed.extend(self.unknown);
        match &self.kind {
            Kind::WordPiece(_) => {}
            Kind::Unigram(least) => needed.extend(least),
            Kind::Bpe(merges) => {
                let ids: BTreeMap<&str, u32> = self.pieces.iter().map(|(piece, id)| (piece.as_str(), *id)).collect();
                for (piece, _) in self.pieces.iter().filter(|(_, id)| used.contains(id)) {
                    let made = merges.on_the_way_to(piece);
                    needed.extend(made.iter().filter_map(|piece| ids.get(piece.as_str())));
                }
            }
        }
        needed
    }

    /// Whether a piece stands within words alone, and its text.
    fn parted<'a>(&self, piece: &'a str) -> (bool, &'a str) {
        match &self.kind {
            Kind::WordPiece(prefix) => piece.strip_prefix(prefix.as_str()).map_or((false, piece), |rest| (true, rest)),
            _ => (false, piece),
        }
    }

    fn is_single(&self, piece: &str) -> bool {
        let is_byte = self.has_bytes && piece.len() == 6 && piece.starts_with("<0x") && piece.ends_with('>');
        is_byte || self.parted(piece).1.chars().count() <= 1
    }

    /// Whether single characters can stand for a piece.
    fn is_spelled(&self, piece: &str) -> bool {
        let (is_within, text) = self.parted(piece);
        let has_prefix = matches!(self.kind, Kind::WordPiece(_));
        text.chars().enumerate().all(|(place, character)| {
            let is_within = is_within || (has_prefix && place > 0);
            if is_within { self.within.contains(&character) } else { self.starts.contains(&character) }
        })
    }
}

/// The vocabulary by name, or by place.
fn listed(vocabulary: &Value) -> Result<Vec<(String, u32)>, ExportError> {
    let found: Option<Vec<(String, u32)>> = match vocabulary {
        Value::Object(by_name) => by_name.iter().map(|(piece, id)| Some((piece.clone(), number(id)?))).collect(),
        Value::Array(by_place) => {
            by_place.iter().zip(0..).map(|(piece, id)| Some((piece.get(0)?.as_str()?.to_owned(), id))).collect()
        }
        _ => None,
    };
    found.ok_or_else(|| broken("its model has a vocabulary that is neither a table of ids nor a list of pieces".into()))
}

fn number(id: &Value) -> Option<u32> {
    u32::try_from(id.as_u64()?).ok()
}

/// The first piece of the lowest score.
fn least_probable(vocabulary: &Value) -> Option<u32> {
    let scored = vocabulary.as_array()?.iter().zip(0..).filter_map(|(piece, id)| Some((piece.get(1)?.as_f64()?, id)));
    scored.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, id)| id)
}
