//! Which tensors of a file are the encoder's: what stands before their names, and what else is in the file.
//!
//! A checkpoint of transformers has the family's prefix (`bert.`) or none; what wraps a model puts its own before that
//! (`module.` of PyTorch's DataParallel, `0.auto_model.` of sentence-transformers, `model.`, `_orig_mod.`). Whatever stands
//! before the word embeddings stands before the whole encoder, so it is found there.

use crate::NnError;
use crate::family::Family;

/// How the names in a file become those of the family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Naming {
    /// What stands before every name of the model, heads included; empty for a checkpoint of transformers.
    pub wrapper: String,
    /// What stands before the names of the encoder.
    encoder: String,
}

impl Naming {
    /// As the names in `file` show it.
    ///
    /// # Errors
    /// [`NnError::Weights`] for several encoders, or one of another family.
    pub(super) fn of<'n>(names: impl Iterator<Item = &'n str>, family: Family, file: &str) -> Result<Self, NnError> {
        let (own, words) = (family.spec().prefix, family.spec().tensors.words);
        let bad = |what: String, remedy: &str| Err(NnError::Weights { file: file.into(), what, remedy: remedy.into() });
        let mut found: Vec<&str> = names.filter_map(|name| before(name, words)).collect();
        found.sort_unstable();
        let encoder = match found.as_slice() {
            [] => own,
            [one] => *one,
            // Without prefix and with the family's own it is one model; a tensor that is there twice is reported later.
            ["", other] if *other == own => own,
            several => {
                let several = several.iter().map(|before| format!("`{before}`")).collect::<Vec<_>>().join(", ");
                return bad(
                    format!("it holds several models: word embeddings stand after {several}"),
                    "save the one that is meant on its own, with save_pretrained",
                );
            }
        };
        if let Some(wrapper) = before(encoder, own) {
            return Ok(Self { wrapper: wrapper.to_owned(), encoder: encoder.to_owned() });
        }
        let alike = Family::ALL.iter().map(|family| family.spec()).filter(|spec| spec.tensors.words == words);
        let other = alike.into_iter().find(|spec| before(encoder, spec.prefix).is_some());
        if let Some(other) = other {
            let (ours, theirs) = (family.spec().model_type, other.model_type);
            return bad(
                format!("its tensors are those of {} (`{encoder}`), config.json says `{ours}`", other.name),
                &format!("set \"model_type\" to \"{theirs}\" in config.json if that is what it is"),
            );
        }
        Ok(Self { wrapper: encoder.to_owned(), encoder: encoder.to_owned() })
    }

    /// The family's name of a tensor; `None` for one that is no part of the wrapped model.
    pub(super) fn name(&self, in_file: &str, family: Family) -> Option<String> {
        let name = match in_file.strip_prefix(&self.encoder) {
            Some(name) => name,
            None => in_file.strip_prefix(&self.wrapper)?,
        };
        let name = name.strip_prefix(family.spec().prefix).unwrap_or(name);
        Some(name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias"))
    }
}

/// What stands before `prefix` at the end of `names`, if it ends there.
fn before<'n>(names: &'n str, prefix: &str) -> Option<&'n str> {
    names.strip_suffix(prefix).filter(|before| before.is_empty() || before.ends_with('.'))
}
