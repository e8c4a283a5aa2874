//! Weights that are split over several files, with the index that says which tensor is in which.

use crate::NnError;
use safetensors::tensor::SafeTensors;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// `model.safetensors.index.json`.
#[derive(Clone, Debug)]
pub struct ShardIndex {
    file: String,
    /// The file of every tensor.
    map: BTreeMap<String, String>,
}

const REMEDY: &str = "fetch the index and all files that it names again, from one place";

impl ShardIndex {
    /// Reads the index; `file` is its name in errors.
    ///
    /// # Errors
    /// [`NnError::Weights`] for something else than an index, or one that names files elsewhere.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self, NnError> {
        let bad = |what: String| NnError::Weights { file: file.into(), what, remedy: REMEDY.into() };
        if let Some(foreign) = crate::foreign::recognised(bytes, file) {
            return Err(NnError::Weights { file: file.into(), what: foreign.what, remedy: foreign.remedy });
        }
        let json: Value = serde_json::from_slice(bytes).map_err(|e| bad(format!("not JSON ({e})")))?;
        let map = json.get("weight_map").and_then(Value::as_object);
        let map = map.filter(|map| !map.is_empty()).ok_or_else(|| bad("it has no `weight_map`".into()))?;
        let shard = |(tensor, shard): (&String, &Value)| match shard.as_str() {
            Some(shard) if is_plain(shard) => Ok((tensor.clone(), shard.to_owned())),
            _ => Err(bad(format!("`weight_map` gives tensor `{tensor}` the file {shard}, which is none beside it"))),
        };
        let map = map.iter().map(shard).collect::<Result<_, _>>()?;
        Ok(Self { file: file.into(), map })
    }

    /// The name of the index.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The files that it names, in the order of their names.
    #[must_use]
    pub fn shards(&self) -> Vec<String> {
        self.map.values().cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Checks that a file holds the tensors that the index says it does, and no others.
    pub(super) fn check(&self, file: &str, parsed: &SafeTensors<'_>) -> Result<(), NnError> {
        let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
        let bad = |what: String| Err(NnError::Weights { file: file.into(), what, remedy: REMEDY.into() });
        let held: BTreeSet<&str> = parsed.names().into_iter().collect();
        let told = self.map.iter().filter(|(_, shard)| *shard == name).map(|(tensor, _)| tensor.as_str());
        let told: BTreeSet<&str> = told.collect();
        let index = &self.file;
        if let Some(tensor) = told.difference(&held).next() {
            return bad(format!("tensor `{tensor}` is not in it, where {index} says it is"));
        }
        match held.difference(&told).next() {
            Some(tensor) => bad(format!("tensor `{tensor}` is in it, where {index} does not say so")),
            None => Ok(()),
        }
    }
}

/// Whether a name is one of a file beside the index.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != ".." && !name.contains(['/', '\\'])
}
