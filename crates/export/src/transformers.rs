//! A folder that transformers loads with the code in it: `config.json` says how wide each layer is and what its modules are
//! called, `modeling_apt.py` builds them.

use crate::{ExportError, config};
use apt_core::wiring::SubBlock;
use apt_nn::{DecoderConfig, DecoderSpec, FamilySpec, ModelConfig, NormKind, Positions, checkpoint};
use serde_json::{Map, Value, json};

/// The code's file.
pub(crate) const CODE_FILE: &str = "modeling_apt.py";
/// The code.
pub(crate) const CODE: &str = include_str!("modeling_apt.py");

/// The `config.json`. Sizes of layers that are not the widest stand in `per_layer_config`, as transformers 5 has it.
///
/// # Errors
/// An encoder without a classifier.
pub(crate) fn config(model: &ModelConfig) -> Result<Value, ExportError> {
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
        ("max_position_embeddings", keys.positions),
    ] {
        json[name] = json[key].clone();
    }
    json["head_dim"] = model.head_size.into();
    json["per_layer_config"] = layers(model);
    let class = match (&model.decoder, &spec.decoder) {
        (Some(decoder), Some(of_family)) => {
            json["num_key_value_heads"] = most(model, SubBlock::Attention).max(1).into();
            json["wiring"] = described(model, decoder, of_family);
            json["modules"] = modules_of_decoder(spec, of_family);
            "CausalLM"
        }
        _ => {
            let Some(head) = model.head else {
                let (form, what) = ("transformers", "the model has no classifier".into());
                let remedy = "train it with `apt-lab run`, and export that run";
                return Err(ExportError::Form { form, what, remedy });
            };
            json["embedding_size"] = model.embedding_width().into();
            json["type_vocab_size"] = model.type_vocab_size.into();
            json["pooling"] = json!(head.pooling);
            json["classifier_size"] = json!(head.dense);
            json["positions_after_padding"] = (spec.positions == Positions::AfterPadding).into();
            json["modules"] = modules(spec);
            "SequenceClassification"
        }
    };
    json["architectures"] = json!([format!("AptFor{class}")]);
    json["auto_map"] = json!({ "AutoConfig": "modeling_apt.AptConfig" });
    json["auto_map"][format!("AutoModelFor{class}")] = format!("modeling_apt.AptFor{class}").into();
    Ok(json)
}

/// What a decoder computes beside its sizes.
fn described(model: &ModelConfig, decoder: &DecoderConfig, spec: &DecoderSpec) -> Value {
    let biases = model.wiring().linears().filter(|linear| linear.bias).map(|linear| linear.site.name());
    let rotary = decoder.rotary.as_ref();
    json!({
        "norm": match spec.norm { NormKind::Layer => "layer", NormKind::Rms => "rms" },
        "norm_eps": model.norm_eps,
        "gated": spec.gated,
        "biases": biases.collect::<Vec<_>>(),
        "transposed": spec.transposed,
        "queries_per_key": decoder.queries_per_key,
        "tied": decoder.tied,
        "rotary": rotary.is_some(),
        // How fast each pair of dims turns, with whatever scales it.
        "frequencies": rotary.map(|rotary| rotary.frequencies(model.head_size)),
        "angle_scale": rotary.map(|rotary| rotary.scaling.attention()),
    })
}

/// The most units that a layer has.
fn most(model: &ModelConfig, sub_block: SubBlock) -> usize {
    model.layers.iter().map(|layer| layer.units(sub_block)).max().unwrap_or(0)
}

/// What differs from the widest layer, by number.
fn layers(model: &ModelConfig) -> Value {
    let queries = model.wiring().queries_per_key;
    let mut all = Map::new();
    for (index, layer) in model.layers.iter().enumerate() {
        let (mut differs, mut skip) = (Map::new(), Vec::new());
        for (sub_block, key, name) in [
            (SubBlock::Attention, "num_attention_heads", "attention"),
            (SubBlock::FeedForward, "intermediate_size", "mlp"),
        ] {
            match layer.units(sub_block) {
                0 => skip.push(name),
                units if units < most(model, sub_block) => {
                    let is_heads = sub_block == SubBlock::Attention;
                    differs.insert(key.into(), (units * if is_heads { queries } else { 1 }).into());
                    if is_heads && model.decoder.is_some() {
                        differs.insert("num_key_value_heads".into(), units.into());
                    }
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

/// What an encoder's modules are called in the file.
fn modules(spec: &FamilySpec) -> Value {
    let table = |name: &str| spec.published(name.trim_end_matches(".weight"));
    let names = spec.tensors;
    json!({
        "words": table(checkpoint::WORDS),
        "positions": table(checkpoint::POSITIONS),
        "types": table(checkpoint::TYPES),
        "embedding_norm": table(checkpoint::EMBEDDING_NORM),
        "projection": table(names.projection),
        "layer": spec.published(names.layer),
        "linears": linears(spec).collect::<Map<_, _>>(),
        "norms": norms(spec),
        "dense": spec.published(spec.head.dense),
        "dense_act": spec.head.activation,
        "classifier": spec.published(spec.head.out),
    })
}

/// What a decoder's modules are called in the file.
fn modules_of_decoder(spec: &FamilySpec, decoder: &DecoderSpec) -> Value {
    let table = |name: &str| spec.published(name.trim_end_matches(".weight"));
    let names = spec.tensors;
    let apart = |site: &str| decoder.fused.is_none() || !["query", "key", "value"].contains(&site);
    let fused = decoder.fused.map(|name| ("fused".to_owned(), Value::from(name)));
    let linears = linears(spec).filter(|(site, _)| apart(site)).chain(fused);
    let mut json = json!({
        "words": table(names.words),
        "positions": table(names.positions),
        "layer": spec.published(names.layer),
        "linears": linears.collect::<Map<_, _>>(),
        "norms": norms(spec),
        "final_norm": spec.published(decoder.final_norm),
        "head": spec.published(decoder.head),
    });
    if let Some([query, key]) = decoder.head_norms {
        json["head_norms"] = json!({ "query": query, "key": key });
    }
    json
}

fn linears(spec: &FamilySpec) -> impl Iterator<Item = (String, Value)> {
    spec.tensors.linears.iter().map(|(site, name)| (site.name().to_owned(), Value::from(*name)))
}

fn norms(spec: &FamilySpec) -> Value {
    let norms = spec.tensors.norms.iter();
    norms.map(|(sub_block, name)| (sub_block.name().to_owned(), Value::from(*name))).collect()
}
