//! A folder that transformers loads with the code in it: `config.json` says how wide each layer is and what its modules are
//! called, `modeling_apt.py` builds them.

use crate::{ExportError, config};
use apt_core::wiring::SubBlock;
use apt_nn::{FamilySpec, ModelConfig, Positions, checkpoint};
use serde_json::{Map, Value, json};

/// The code's file.
pub(crate) const CODE_FILE: &str = "modeling_apt.py";
/// The code.
pub(crate) const CODE: &str = include_str!("modeling_apt.py");

/// The `config.json`. Sizes of layers that are not the widest stand in `per_layer_config`, as transformers 5 has it.
///
/// # Errors
/// A model without a classifier.
pub(crate) fn config(model: &ModelConfig) -> Result<Value, ExportError> {
    model.check_encoder()?;
    let Some(head) = model.head else {
        let remedy = "train it with `apt-lab run`, and export that run";
        return Err(ExportError::Form { form: "transformers", what: "the model has no classifier".into(), remedy });
    };
    let spec = model.family.spec();
    let keys = spec.keys;
    let mut json = config::plain(model);
    // One code reads every family, so sizes stand under the usual names too.
    for (name, key) in [
        ("hidden_size", keys.hidden),
        ("num_hidden_layers", keys.layers),
        ("num_attention_heads", keys.heads),
        ("intermediate_size", keys.neurons),
        ("hidden_act", keys.activation),
    ] {
        json[name] = json[key].clone();
    }
    json["architectures"] = json!(["AptForSequenceClassification"]);
    json["auto_map"] = json!({
        "AutoConfig": "modeling_apt.AptConfig",
        "AutoModelForSequenceClassification": "modeling_apt.AptForSequenceClassification",
    });
    json["head_dim"] = model.head_size.into();
    json["embedding_size"] = model.embedding_width().into();
    json["type_vocab_size"] = model.type_vocab_size.into();
    json["pooling"] = json!(head.pooling);
    json["classifier_size"] = json!(head.dense);
    json["positions_after_padding"] = (spec.positions == Positions::AfterPadding).into();
    json["per_layer_config"] = layers(model);
    json["modules"] = modules(spec);
    Ok(json)
}

/// What differs from the widest layer, by number.
fn layers(model: &ModelConfig) -> Value {
    let most = |sub_block| model.layers.iter().map(|layer| layer.units(sub_block)).max().unwrap_or(0);
    let mut all = Map::new();
    for (index, layer) in model.layers.iter().enumerate() {
        let (mut differs, mut skip) = (Map::new(), Vec::new());
        for (sub_block, key, name) in [
            (SubBlock::Attention, "num_attention_heads", "attention"),
            (SubBlock::FeedForward, "intermediate_size", "mlp"),
        ] {
            match layer.units(sub_block) {
                0 => skip.push(name),
                units if units < most(sub_block) => {
                    differs.insert(key.into(), units.into());
                }
                _ => {}
            }
        }
        if !skip.is_empty() {
            differs.insert("skip".into(), json!(skip));
        }
        if !differs.is_empty() {
            all.insert(index.to_string(), differs.into());
        }
    }
    all.into()
}

/// What the modules are called in the file.
fn modules(spec: &FamilySpec) -> Value {
    let table = |name: &str| spec.published(name.trim_end_matches(".weight"));
    let names = spec.tensors;
    let linears = names.linears.iter().map(|(site, name)| (site.name().to_owned(), Value::from(*name)));
    let norms = names.norms.iter().map(|(sub_block, name)| (sub_block.name().to_owned(), Value::from(*name)));
    json!({
        "words": table(checkpoint::WORDS),
        "positions": table(checkpoint::POSITIONS),
        "types": table(checkpoint::TYPES),
        "embedding_norm": table(checkpoint::EMBEDDING_NORM),
        "projection": table(names.projection),
        "layer": spec.published(names.layer),
        "linears": linears.collect::<Map<_, _>>(),
        "norms": norms.collect::<Map<_, _>>(),
        "dense": spec.published(spec.head.dense),
        "dense_act": spec.head.activation,
        "classifier": spec.published(spec.head.out),
    })
}
