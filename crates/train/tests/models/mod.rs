//! A small BERT in memory, as the files that other programs would have written.

use apt_core::tokens::TokenBatch;
use apt_nn::checkpoint::read_back;
use apt_nn::{Batch, Forward};
use apt_train::{ModelFiles, ModelFolder, TrainError};
use burn::tensor::Device;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) const TOKENIZER: &[u8] = include_bytes!("../../../../assets/builtin/tokenizer.json");

const HIDDEN: usize = 16;
const NEURONS: usize = 24;

/// Tensors by name: dimensions and values.
pub(crate) type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// A model's folder before it is written.
#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) config: Value,
    pub(crate) tensors: Tensors,
}

impl Model {
    /// Two layers of four heads, with prefix and pooler as transformers writes them.
    pub(crate) fn bert() -> Self {
        let config = json!({
            "model_type": "bert", "architectures": ["BertModel"], "vocab_size": 917, "max_position_embeddings": 20,
            "type_vocab_size": 2, "hidden_size": HIDDEN, "num_hidden_layers": 2, "num_attention_heads": 4,
            "intermediate_size": NEURONS, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0,
        });
        let mut model = Self { config, tensors: BTreeMap::new() };
        for (name, rows) in [("word", 917), ("position", 20), ("token_type", 2)] {
            model.add(&format!("bert.embeddings.{name}_embeddings.weight"), &[rows, HIDDEN]);
        }
        model.norm("bert.embeddings");
        for layer in ["bert.encoder.layer.0", "bert.encoder.layer.1"] {
            for name in ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
            {
                model.linear(&format!("{layer}.{name}"), HIDDEN, HIDDEN);
            }
            model.linear(&format!("{layer}.intermediate.dense"), NEURONS, HIDDEN);
            model.linear(&format!("{layer}.output.dense"), HIDDEN, NEURONS);
            model.norm(&format!("{layer}.attention.output"));
            model.norm(&format!("{layer}.output"));
        }
        model.linear("bert.pooler.dense", HIDDEN, HIDDEN);
        model
    }

    /// With a classifier as BertForSequenceClassification has it.
    pub(crate) fn classifier(labels: usize) -> Self {
        let mut model = Self::bert();
        model.config["architectures"] = json!(["BertForSequenceClassification"]);
        model.linear("classifier", labels, HIDDEN);
        model
    }

    pub(crate) fn linear(&mut self, name: &str, outputs: usize, inputs: usize) {
        self.add(&format!("{name}.weight"), &[outputs, inputs]);
        self.add(&format!("{name}.bias"), &[outputs]);
    }

    fn norm(&mut self, block: &str) {
        self.add(&format!("{block}.LayerNorm.weight"), &[HIDDEN]);
        self.add(&format!("{block}.LayerNorm.bias"), &[HIDDEN]);
    }

    /// A tensor whose values differ from those of others; they are whole numbers of 1/64, which every type holds.
    pub(crate) fn add(&mut self, name: &str, dims: &[usize]) {
        let seed = self.tensors.len();
        let value = |i: usize| ((i * 7919 + seed * 104_729) % 61) as f32 / 64.0 - 0.5;
        let values = (0..dims.iter().product()).map(value).collect();
        self.tensors.insert(name.into(), (dims.to_vec(), values));
    }

    /// With every tensor's name changed.
    pub(crate) fn renamed(mut self, rename: impl Fn(&str) -> String) -> Self {
        self.tensors = self.tensors.into_iter().map(|(name, tensor)| (rename(&name), tensor)).collect();
        self
    }

    /// Its three files.
    pub(crate) fn files(&self) -> Files {
        let mut files = self.without_weights();
        files.insert("model.safetensors".into(), safetensors(&self.tensors, Dtype::F32));
        files
    }

    pub(crate) fn without_weights(&self) -> Files {
        [("config.json", self.config.to_string().into_bytes()), ("tokenizer.json", TOKENIZER.to_vec())]
            .map(|(name, bytes)| (name.to_owned(), bytes))
            .into()
    }

    /// Its files with the weights in two shards, the first of `first` type, with their index.
    pub(crate) fn sharded(&self, first: Dtype) -> Files {
        let mut files = self.without_weights();
        let half = self.tensors.keys().nth(self.tensors.len() / 2).expect("there are tensors").clone();
        let mut tensors = self.tensors.clone();
        let rest = tensors.split_off(&half);
        let mut map = serde_json::Map::new();
        for (number, (part, dtype)) in [(tensors, first), (rest, Dtype::F32)].into_iter().enumerate() {
            let name = format!("model-0000{}-of-00002.safetensors", number + 1);
            map.extend(part.keys().map(|tensor| (tensor.clone(), Value::from(name.clone()))));
            files.insert(name, safetensors(&part, dtype));
        }
        let index = json!({"metadata": {"total_size": 1}, "weight_map": map});
        files.insert(INDEX.into(), index.to_string().into_bytes());
        files
    }
}

pub(crate) const INDEX: &str = "model.safetensors.index.json";

/// Files by name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// A safetensors file of this type.
pub(crate) fn safetensors(tensors: &Tensors, dtype: Dtype) -> Vec<u8> {
    let encode = |value: &f32| match dtype {
        // Whole numbers of 1/64 have no more than these digits.
        Dtype::BF16 => value.to_le_bytes()[2..].to_vec(),
        Dtype::F16 => f16(*value).to_le_bytes().to_vec(),
        _ => value.to_le_bytes().to_vec(),
    };
    let bytes: Vec<(&str, &[usize], Vec<u8>)> = tensors
        .iter()
        .map(|(name, (dims, values))| (name.as_str(), &dims[..], values.iter().flat_map(encode).collect()))
        .collect();
    let views = bytes.iter().map(|(name, dims, data)| {
        (*name, TensorView::new(dtype, dims.to_vec(), data).expect("values fill their dimensions"))
    });
    serialize(views, None).expect("names are distinct")
}

/// The bits of a number that half precision holds exactly, and that is not below its smallest normal one.
fn f16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value == 0.0 {
        return 0;
    }
    let exponent = ((bits >> 23) & 0xff) as i32 - 127 + 15;
    ((bits >> 16) as u16 & 0x8000) | ((exponent as u16) << 10) | ((bits >> 13) as u16 & 0x3ff)
}

/// Reads a folder as the program and the page do.
pub(crate) fn read(files: &Files) -> Result<ModelFiles, TrainError> {
    let folder = ModelFolder::new("my/model", files.keys().cloned().collect());
    let given = |names: &[String]| -> Vec<(String, Vec<u8>)> {
        names.iter().map(|name| (folder.display(name), files[name].clone())).collect()
    };
    let opened = folder.open(&given(&folder.texts()))?;
    let weights = given(&opened.weights);
    let again = weights.clone();
    ModelFiles::of_folder(opened, &weights, move || Ok(again.clone()))
}

/// The last hidden state, or the logits where there is a head, of two short texts.
pub(crate) fn outputs(files: &ModelFiles) -> Vec<f32> {
    let device = Device::flex();
    let model = files.source.model(&device).expect("the model that was read");
    let tokens = TokenBatch { ids: vec![2, 40, 77, 3, 2, 90, 3, 0], type_ids: vec![0; 8], lengths: vec![4, 3] };
    let batch = Batch::new(&tokens, &model.config, &device);
    let hidden = model.forward(&batch, Forward::default()).hidden;
    let read = if model.head.is_some() { model.classify(hidden, &batch).expect("it has a head") } else { hidden };
    pollster::block_on(read_back(read, "outputs")).expect("they can be read back")
}
