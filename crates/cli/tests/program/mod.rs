//! The program as its users see it: arguments in; status, words and files out. And small models on disk to give it.

// Each test file uses its own part of this.
#![allow(dead_code)]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A run of a few seconds.
pub const TINY: [&str; 8] = ["--steps", "6", "--train-examples", "64", "--num-prunings", "2", "--device", "cpu"];

/// What a command left behind.
pub struct Done {
    /// Its status.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// The program, to be started by hand.
pub fn program(args: &[&str], within: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apt-lab"));
    command.args(args).current_dir(within);
    command
}

/// Runs the program to its end in the folder `within`.
pub fn run(args: &[&str], within: &Path) -> Done {
    done(program(args, within).output().expect("the program starts"))
}

/// What a finished process left behind; a signal counts as status −1.
pub fn done(output: Output) -> Done {
    Done {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A tiny `run` with further arguments.
pub fn tiny(more: &[&str], within: &Path) -> Done {
    run(&[&["run"], &TINY[..], more].concat(), within)
}

/// A JSON file.
pub fn read_json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The events of a run's folder, without times.
pub fn events_without_times(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("events.jsonl")).expect("a run has events");
    text.lines().map(|l| apt_experiment::without_times(&serde_json::from_str(l).expect("an event is JSON"))).collect()
}

/// Every file below `folder` with its content.
pub fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).expect("it can be read"));
        }
    }
    all
}

/// A BERT of two layers for the built-in tokenizer, as three files in `folder`.
pub struct TinyModel {
    /// Its tensors: dimensions and values.
    pub tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    /// `config.json`.
    pub config: Value,
}

const HIDDEN: usize = 16;
const NEURONS: usize = 32;
const POSITIONS: usize = 32;

impl TinyModel {
    /// Weights that differ from each other and are all small.
    pub fn new() -> Self {
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

    fn linear(&mut self, name: &str, outputs: usize, inputs: usize) {
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

    /// The tensor that hostile cases change.
    pub fn query(&mut self) -> &mut (Vec<usize>, Vec<f32>) {
        self.tensors.get_mut(QUERY).expect("every model has a first query")
    }

    /// `model.safetensors`.
    pub fn safetensors(&self) -> Vec<u8> {
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
    pub fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).expect("a folder can be made");
        fs::write(folder.join("config.json"), self.config.to_string()).expect("it can be written");
        fs::write(folder.join("tokenizer.json"), apt_data::builtin::tokenizer_json()).expect("it can be written");
        fs::write(folder.join("model.safetensors"), self.safetensors()).expect("it can be written");
    }
}

/// Name of the first layer's query.
pub const QUERY: &str = "encoder.layer.0.attention.self.query.weight";

fn vocabulary() -> usize {
    apt_data::Tokenizer::from_bytes(apt_data::builtin::tokenizer_json().as_bytes(), "built-in")
        .expect("the built-in tokenizer is one")
        .vocab_size()
}
