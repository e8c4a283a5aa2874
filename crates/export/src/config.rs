//! `config.json` as other libraries want it: the class, and names for all outputs.

use apt_nn::{Family, ModelConfig};
use serde_json::{Value, json};

/// The `config.json` of a model that transformers' own classes load, if it is uniform.
pub(crate) fn plain(config: &ModelConfig) -> Value {
    let mut json = config.to_json();
    json["architectures"] = json!([class(config)]);
    let Some(head) = config.head else { return json };
    if config.label_names.is_empty() {
        // Readers give names of their own to what has none, and not all of them do.
        let name = |id: usize| format!("LABEL_{id}");
        json["id2label"] = (0..head.labels).map(|id| (id.to_string(), Value::from(name(id)))).collect();
        json["label2id"] = (0..head.labels).map(|id| (name(id), Value::from(id))).collect();
    }
    if head.labels == 1 && !head.multi_label {
        json["problem_type"] = json!("regression");
    }
    json
}

/// The class of transformers that a model is of.
fn class(config: &ModelConfig) -> String {
    let class = config.family.spec().class;
    match (&config.decoder, config.family) {
        (None, _) => format!("{class}ForSequenceClassification"),
        (Some(_), Family::Gpt2) => format!("{class}LMHeadModel"),
        (Some(_), _) => format!("{class}ForCausalLM"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apt_nn::{HeadConfig, Pooling};

    #[test]
    fn every_output_has_a_name_and_a_single_one_is_a_number() {
        let bytes = br#"{"model_type": "bert", "vocab_size": 6, "max_position_embeddings": 66, "type_vocab_size": 2,
            "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8,
            "hidden_act": "gelu"}"#;
        let read = ModelConfig::from_json(bytes, "config.json").expect("it is one");
        let of = |labels: usize, names: &[&str]| {
            let head = Some(HeadConfig::new(Pooling::Pooler, 8, labels));
            plain(&ModelConfig { head, label_names: names.iter().map(ToString::to_string).collect(), ..read.clone() })
        };
        assert_eq!(of(2, &[])["id2label"], json!({"0": "LABEL_0", "1": "LABEL_1"}));
        assert_eq!(of(2, &["bad", "good"])["label2id"], json!({"bad": 0, "good": 1}));
        assert_eq!(of(2, &[])["architectures"], json!(["BertForSequenceClassification"]));
        assert_eq!(of(1, &[])["problem_type"], "regression");
        assert_eq!(of(2, &[]).get("problem_type"), None);
        let head = HeadConfig { multi_label: true, ..HeadConfig::new(Pooling::Pooler, 8, 2) };
        let several = plain(&ModelConfig { head: Some(head), ..read.clone() });
        assert_eq!(several["problem_type"], "multi_label_classification");
    }
}
