//! What a run read of its model, and what it did not: so that nothing is misread in silence.

use serde::{Deserialize, Serialize};

/// What was read as a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelRead {
    /// Its family, as people call it.
    pub family: String,
    /// The files that were read, without folders; none where the program makes the model.
    pub files: Vec<String>,
    /// The hub's name of it with the commit, `hf:org/name@commit`, where it came from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What stood before the names of all tensors and was taken off; none for a file of transformers.
    pub prefix: Option<String>,
    /// Parts of the file that were not used, with their tensors: another head.
    pub left_out: Vec<PartLeftOut>,
    /// What becomes of the classification head.
    pub head: Option<String>,
    /// What was built, assumed or decided where files disagree: a sentence each.
    pub notes: Vec<String>,
}

/// A part of a model that was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartLeftOut {
    /// How its tensors' names begin.
    pub name: String,
    /// How many they are.
    pub tensors: usize,
}

impl ModelRead {
    /// All of it in words, in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let origin = self.origin.as_ref().map_or_else(String::new, |origin| format!(" of {origin}"));
        let files = match self.files.as_slice() {
            [] => "made by this program".to_owned(),
            files => format!("from {}{origin}", files.join(", ")),
        };
        let mut parts = vec![format!("{} {files}", self.family)];
        parts.extend(self.prefix.iter().map(|prefix| format!("the prefix `{prefix}` of its tensors is taken off")));
        if !self.left_out.is_empty() {
            let part = |PartLeftOut { name, tensors }: &PartLeftOut| {
                format!("{name} ({tensors} {})", if *tensors == 1 { "tensor" } else { "tensors" })
            };
            let parts_out: Vec<String> = self.left_out.iter().map(part).collect();
            parts.push(format!("left out: {}", parts_out.join(", ")));
        }
        parts.extend(self.head.iter().chain(&self.notes).cloned());
        parts.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_of_a_model_is_told_in_one_line() {
        let read = ModelRead {
            family: "BERT".into(),
            files: vec!["config.json".into(), "vocab.txt".into(), "model.safetensors".into()],
            origin: None,
            prefix: Some("module.".into()),
            left_out: vec![
                PartLeftOut { name: "cls.predictions".into(), tensors: 5 },
                PartLeftOut { name: "extra".into(), tensors: 1 },
            ],
            head: Some("a new head is trained, it has none".into()),
            notes: vec!["config.json does not give `pad_token_id` 0: BERT's defaults".into()],
        };
        assert_eq!(
            read.line(),
            "BERT from config.json, vocab.txt, model.safetensors; the prefix `module.` of its tensors is taken off; \
             left out: cls.predictions (5 tensors), extra (1 tensor); a new head is trained, it has none; \
             config.json does not give `pad_token_id` 0: BERT's defaults"
        );
        let fetched = ModelRead { origin: Some("hf:org/name@0123".into()), ..read };
        let line = fetched.line();
        assert!(
            line.starts_with("BERT from config.json, vocab.txt, model.safetensors of hf:org/name@0123; "),
            "{line}"
        );
        let made = ModelRead { family: "BERT".into(), ..ModelRead::default() };
        assert_eq!(made.line(), "BERT made by this program");
    }
}
