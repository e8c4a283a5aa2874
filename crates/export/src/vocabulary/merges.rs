//! The merges of BPE. A piece is made of two others, and those of two each, down to single characters: without them it can
//! never be made again. A merge that stays keeps its place among those that stay, so a text whose merges all stay is split
//! as before.

use super::broken;
use crate::ExportError;
use serde_json::Value;
use std::collections::HashMap;

/// Which pairs are merged, the first in the file first.
pub(super) struct Merges {
    ranks: HashMap<(String, String), usize>,
}

impl Merges {
    /// Of the `model` of a `tokenizer.json`.
    pub(super) fn of(model: &Value) -> Result<Self, ExportError> {
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if model[key].as_str().is_some_and(|affix| !affix.is_empty()) {
                return Err(ExportError::Vocabulary { what: format!("it is of BPE with a {key}") });
            }
        }
        let listed = model["merges"].as_array().into_iter().flatten().zip(0..);
        let ranks = listed.map(|(entry, rank)| pair(entry).map(|(a, b)| ((a.to_owned(), b.to_owned()), rank)));
        let ranks = ranks.collect::<Option<_>>().ok_or_else(|| broken("a merge is not a pair of pieces".into()))?;
        Ok(Self { ranks })
    }

    /// What is made, one after the other, where `piece` is made of its characters; nothing where it never is.
    pub(super) fn on_the_way_to(&self, piece: &str) -> Vec<String> {
        let mut parts: Vec<String> = piece.chars().map(String::from).collect();
        let mut made = Vec::new();
        while let Some(place) = self.next(&parts) {
            let second = parts.remove(place + 1);
            if let Some(first) = parts.get_mut(place) {
                first.push_str(&second);
                made.push(first.clone());
            }
        }
        if parts.len() == 1 { made } else { Vec::new() }
    }

    /// Where the pair stands that is merged next.
    fn next(&self, parts: &[String]) -> Option<usize> {
        let rank = |pair: &[String]| match pair {
            [a, b] => self.ranks.get(&(a.clone(), b.clone())),
            _ => None,
        };
        let ranked = parts.windows(2).enumerate().filter_map(|(place, pair)| Some((rank(pair)?, place)));
        ranked.min().map(|(_, place)| place)
    }
}

/// The pieces of a merge, which files give as a list or with a blank between them.
pub(super) fn pair(entry: &Value) -> Option<(&str, &str)> {
    match entry {
        Value::String(joined) => joined.split_once(' '),
        _ => entry.get(0)?.as_str().zip(entry.get(1)?.as_str()),
    }
}
