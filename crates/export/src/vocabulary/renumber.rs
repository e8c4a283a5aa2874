//! Every place in a `tokenizer.json` that names an id.

use super::broken;
use super::merges::pair;
use crate::ExportError;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The ids that a post-processor puts around texts.
pub(super) fn ids_around(processor: &Value) -> BTreeSet<u32> {
    // Of a copy: the places are those that are rewritten.
    let mut processor = processor.clone();
    let ids = places_around(&mut processor);
    ids.into_iter().filter_map(|id| u32::try_from(id.as_u64()?).ok()).collect()
}

/// Gives ids their new numbers; pieces and merges without one leave. `added` has the ids of the added tokens.
///
/// # Errors
/// A file that names an id without a new number.
pub(super) fn renumber(
    json: &mut Value,
    numbers: &BTreeMap<u32, u32>,
    added: &BTreeMap<String, u32>,
) -> Result<(), ExportError> {
    let new = |id: u64| u32::try_from(id).ok().and_then(|id| numbers.get(&id)).copied();
    let model = &mut json["model"];
    match &mut model["vocab"] {
        Value::Object(by_name) => by_name.retain(|_, id| match id.as_u64().and_then(new) {
            Some(number) => {
                *id = number.into();
                true
            }
            None => false,
        }),
        // The place is the id, and what stays keeps its order.
        Value::Array(by_place) => {
            let mut place = 0;
            by_place.retain(|_| {
                place += 1;
                new(place - 1).is_some()
            });
        }
        _ => {}
    }
    if let Some(mut merges) = model.get_mut("merges").map(Value::take) {
        let vocabulary = &model["vocab"];
        let stays = |entry: &Value| {
            pair(entry).is_some_and(|(a, b)| [a, b, &format!("{a}{b}")].iter().all(|of| vocabulary.get(of).is_some()))
        };
        merges.as_array_mut().into_iter().for_each(|merges| merges.retain(stays));
        model["merges"] = merges;
    }
    for token in json.get_mut("added_tokens").and_then(Value::as_array_mut).into_iter().flatten() {
        let id = token["content"].as_str().and_then(|content| added.get(content)).copied();
        if let Some(id) = id {
            token["id"] = id.into();
            rewrite(&mut token["id"], new)?;
        }
    }
    if let Some(id) = json.get_mut("model").and_then(|model| model.get_mut("unk_id")) {
        rewrite(id, new)?;
    }
    // How texts are padded is the reader's matter, and the id there may be of another use.
    if let Some(padding) = json.get_mut("padding") {
        *padding = Value::Null;
    }
    let around = json.get_mut("post_processor").map_or_else(Vec::new, places_around);
    around.into_iter().try_for_each(|id| rewrite(id, new))
}

/// Puts the new number in the place of an id; where there is none it stays so.
fn rewrite(id: &mut Value, new: impl Fn(u64) -> Option<u32>) -> Result<(), ExportError> {
    if let Some(old) = id.as_u64() {
        let number = new(old).ok_or_else(|| broken(format!("the id {old} is named, but no piece has it")))?;
        *id = number.into();
    }
    Ok(())
}

/// Where a post-processor, or each of several, names ids.
fn places_around(processor: &mut Value) -> Vec<&mut Value> {
    let Some(parts) = processor.as_object_mut() else { return Vec::new() };
    let mut places = Vec::new();
    for (key, part) in parts.iter_mut() {
        match (key.as_str(), part) {
            ("processors", Value::Array(several)) => places.extend(several.iter_mut().flat_map(places_around)),
            ("special_tokens", Value::Object(tokens)) => {
                let ids = tokens.values_mut().filter_map(|token| token.get_mut("ids")?.as_array_mut());
                places.extend(ids.flatten());
            }
            // A token with its id.
            ("cls" | "sep", token) => places.extend(token.get_mut(1)),
            _ => {}
        }
    }
    places
}
