//! Names of labels in the config.json of models as people have them.

use apt_nn::ModelConfig;

/// The names that a BERT with this piece of config.json gives its labels.
fn names(labels: &str) -> Result<Vec<String>, String> {
    let config = format!(
        r#"{{"model_type": "bert", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 8, "max_position_embeddings": 8, "type_vocab_size": 2, "hidden_act": "swish", {labels}}}"#
    );
    let read = ModelConfig::from_json(config.as_bytes(), "config.json");
    read.map(|config| config.label_names).map_err(|error| error.to_string())
}

#[test]
fn label2id_alone_names_the_labels_by_numbers_or_texts() {
    for labels in [r#""label2id": {"neg": 1, "pos": 0}"#, r#""label2id": {"neg": "1", "pos": "0"}"#] {
        assert_eq!(names(labels).as_deref(), Ok(["pos", "neg"].map(str::to_owned).as_slice()), "{labels}");
    }
    let message = names(r#""label2id": {"neg": 2, "pos": 0}"#).expect_err("a gap");
    assert!(message.contains("`label2id` names no label 1 of 2"), "{message}");
}

#[test]
fn labels_that_answers_could_not_tell_apart_are_refused() {
    for (labels, what) in [
        (r#""id2label": {"0": "neg", "1": "neg"}"#, "label 1 'neg'"),
        (r#""id2label": {"0": " ", "1": "pos"}"#, "label 0 ' '"),
    ] {
        let message = names(labels).expect_err("refused");
        assert!(message.contains("`id2label` calls") && message.contains(what), "{message}");
        assert!(message.contains("a name of its own"), "{message}");
    }
    assert!(names(r#""id2label": {"0": "B", "1": "b"}"#).is_ok(), "case tells them apart");
}
