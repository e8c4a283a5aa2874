//! A small BERT on disk.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A BERT of two layers for the built-in tokenizer, as three files in `folder`.
pub(crate) struct TinyModel {
    /// Its tensors: dimensions and values.
    pub tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    /// `config.json`.
    pub config: Value,
}

/// Width of its hidden stream.
pub(crate) const HIDDEN: usize = 16;
const NEURONS: usize = 32;
const POSITIONS: usize = 32;

impl TinyModel {
    /// Weights that differ from each other and are all small.
    pub(crate) fn new() -> Self {
        let vocabulary = vocabulary();
        let mut model = Self {
            tensors: BTreeMap::new(),
            config: json!({
                "model_type": "bert", "vocab_size": vocabulary, "max_position_embeddings": POSITIONS,
                "type_vocab_size": 2, "hidden_size": HIDDEN, "num_hidden_layers": 2, "num_attention_heads": 2,
                "intermediate_size": NEURONS, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0,
            }),
        };
        for (name, rows) in [("word", vocabulary), ("position", POSITIONS), ("token_type", 2)] {
            model.tensor(&format!("embeddings.{name}_embeddings.weight"), &[rows, HIDDEN]);
        }
        model.norm("embeddings");
        for layer in 0..2 {
            let layer = format!("encoder.layer.{layer}");
            for name in ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
            {
                model.linear(&format!("{layer}.{name}"), HIDDEN, HIDDEN);
            }
            model.linear(&format!("{layer}.intermediate.dense"), NEURONS, HIDDEN);
            model.linear(&format!("{layer}.output.dense"), HIDDEN, NEURONS);
            model.norm(&format!("{layer}.attention.output"));
            model.norm(&format!("{layer}.output"));
        }
        model
    }

    /// Adds a linear layer.
    pub(crate) fn linear(&mut self, name: &str, outputs: usize, inputs: usize) {
        self.tensor(&format!("{name}.weight"), &[outputs, inputs]);
        self.tensor(&format!("{name}.bias"), &[outputs]);
    }

    fn norm(&mut self, block: &str) {
        self.tensors.insert(format!("{block}.LayerNorm.weight"), (vec![HIDDEN], vec![1.0; HIDDEN]));
        self.tensors.insert(format!("{block}.LayerNorm.bias"), (vec![HIDDEN], vec![0.0; HIDDEN]));
    }

    fn tensor(&mut self, name: &str, dims: &[usize]) {
        let seed = self.tensors.len();
        let values = (0..dims.iter().product())
            .map(|i: usize| (((i * 7919 + seed * 104_729) % 1000) as f32 / 1000.0 - 0.5) * 0.2);
        let values = values.collect();
        self.tensors.insert(name.into(), (dims.to_vec(), values));
    }

    /// The tensor that tests damage.
    pub(crate) fn query(&mut self) -> &mut (Vec<usize>, Vec<f32>) {
        self.tensors.get_mut(QUERY).expect("every model has a first query")
    }

    /// `model.safetensors`.
    pub(crate) fn safetensors(&self) -> Vec<u8> {
        use safetensors::tensor::{Dtype, TensorView, serialize};
        let bytes: Vec<(&str, &[usize], Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, (dims, values))| {
                (name.as_str(), &dims[..], values.iter().flat_map(|v| v.to_le_bytes()).collect())
            })
            .collect();
        let views = bytes.iter().map(|(name, dims, data)| {
            (*name, TensorView::new(Dtype::F32, dims.to_vec(), data).expect("values fill their dimensions"))
        });
        serialize(views, None).expect("names are distinct")
    }

    /// Writes all three files.
    pub(crate) fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).expect("a folder can be made");
        fs::write(folder.join("config.json"), self.config.to_string()).expect("it can be written");
        fs::write(folder.join("tokenizer.json"), apt_data::builtin::tokenizer_json()).expect("it can be written");
        fs::write(folder.join("model.safetensors"), self.safetensors()).expect("it can be written");
    }
}

/// Name of the first layer's query.
pub(crate) const QUERY: &str = "encoder.layer.0.attention.self.query.weight";

fn vocabulary() -> usize {
    apt_data::Tokenizer::from_bytes(apt_data::builtin::tokenizer_json().as_bytes(), "built-in")
        .expect("the built-in tokenizer is one")
        .vocab_size()
}
