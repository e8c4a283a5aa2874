//! Exported folders, with what to feed them and what must come out.

use crate::models::{self, Shape};
use crate::tokenizers;
use apt_core::tokens::TokenBatch;
use apt_data::Tokenizer;
use apt_export::{File, Model, Stored, TextSettings, VocabularyCut, Weights, peft};
use apt_nn::checkpoint::{Checkpoint, Precision, to_safetensors};
use apt_nn::{Adapter, Family, Init, ModelConfig, Pooling, Transformer, inference};
use burn::module::Param;
use burn::tensor::Device;
use pollster::block_on;
use serde_json::{Value, json};
use std::path::Path;

/// Texts of several lengths; the last is cut by every reader.
pub(crate) const TEXTS: [&str; 4] =
    ["a quick film", "Zeb saw it AND left", "no", "long long long long long long long long long long long long"];

/// How a folder is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// ONNX.
    Onnx(Stored),
    /// For transformers, with code.
    Code(Stored),
    /// For transformers as it is.
    Plain,
    /// For transformers, with zeros.
    Padded,
    /// Adapters beside their base.
    Adapters,
    /// For llama.cpp.
    Gguf(Stored),
}

impl Form {
    /// Its name in tables.
    fn name(self) -> &'static str {
        match self {
            Self::Onnx(Stored::F32) => "onnx f32",
            Self::Onnx(Stored::F16) => "onnx f16",
            Self::Onnx(Stored::Int8) => "onnx int8",
            Self::Code(Stored::F16) => "code f16",
            Self::Code(_) => "code",
            Self::Plain => "plain",
            Self::Padded => "padded",
            Self::Adapters => "adapters",
            Self::Gguf(Stored::F16) => "gguf f16",
            Self::Gguf(_) => "gguf",
        }
    }

    pub(crate) fn stored(self) -> Stored {
        match self {
            Self::Onnx(stored) | Self::Code(stored) | Self::Gguf(stored) => stored,
            Self::Plain | Self::Padded | Self::Adapters => Stored::F32,
        }
    }
}

/// A folder to be read.
#[derive(Clone)]
pub(crate) struct Case {
    /// The family, and the classifier where it is not the usual one.
    pub(crate) name: String,
    /// What is left of it.
    pub(crate) shape: Shape,
    /// How it is written.
    pub(crate) form: Form,
    /// The folder.
    pub(crate) files: Vec<File>,
    /// `case.json`, which says what to read.
    pub(crate) task: Value,
    /// Logits of every sequence of the batches, then of every text; of a decoder those of all tokens, and of a file for
    /// llama.cpp the probabilities of what follows.
    pub(crate) logits: Vec<Vec<f64>>,
    /// What a decoder writes after every text.
    pub(crate) written: Vec<Vec<i32>>,
}

impl Case {
    /// Its name in tables.
    pub(crate) fn form_name(&self) -> &'static str {
        self.form.name()
    }

    /// Whether its own code loads it.
    pub(crate) fn needs_code(&self) -> bool {
        matches!(self.form, Form::Code(_))
    }

    /// Whether products are computed in bytes.
    pub(crate) fn is_int8(&self) -> bool {
        self.form.stored() == Stored::Int8
    }

    fn new(name: &str, shape: Shape, form: Form, (model, tokenizer): (&Transformer, &str)) -> Self {
        let weights = block_on(Weights::read(model)).expect("the model can be read back");
        let exported =
            Model { weights, tokenizer: tokenizer.into(), max_length: None, settings: TextSettings::default() };
        let stored = form.stored();
        let files = match form {
            Form::Onnx(stored) => exported.onnx(&[stored]),
            Form::Code(stored) => exported.transformers(stored),
            Form::Padded => exported.padded(stored),
            Form::Plain | Form::Adapters | Form::Gguf(_) => exported.safetensors(stored),
        };
        let files = files.unwrap_or_else(|e| panic!("{name}, {shape:?}, {form:?}: {e}"));
        let model = if stored == Stored::F16 { halved(model) } else { model.clone() };
        Self::read(name, shape, form, files, (&model, tokenizer))
    }

    fn read(name: &str, shape: Shape, form: Form, files: Vec<File>, (model, tokens): (&Transformer, &str)) -> Self {
        let tokenizer = Tokenizer::from_bytes(tokens.as_bytes(), name).expect("it is a tokenizer");
        let batches = batches(&model.config);
        let texts: Vec<TokenBatch> = TEXTS.iter().map(|text| of_text(&tokenizer, text, &model.config)).collect();
        let logits = batches.iter().chain(&texts).flat_map(|batch| logits(model, batch)).collect();
        let task = json!({
            "batches": batches.iter().map(|batch| feed(batch, &model.config)).collect::<Vec<_>>(),
            "texts": TEXTS,
            "ids": texts.iter().map(|text| &text.ids).collect::<Vec<_>>(),
            "dtype": match form.stored() { Stored::F32 => "fp32", Stored::F16 => "fp16", Stored::Int8 => "q8" },
            "needs_code": matches!(form, Form::Code(_)),
        });
        Self { name: name.into(), shape, form, files, task, logits, written: Vec::new() }
    }
}

/// Every family with its own classifier, some with others, and the built-in model.
pub(crate) fn all(form: Form, shapes: &[Shape]) -> Vec<Case> {
    let mut cases = of_families(form, shapes);
    for (family, pooling) in
        [(Family::Bert, Pooling::Mean), (Family::Electra, Pooling::Cls), (Family::Roberta, Pooling::Mean)]
    {
        cases.push(of_family(form, Shape::Ragged, family, pooling));
    }
    cases.extend(shapes.iter().map(|&shape| builtin(form, shape)));
    cases
}

/// Every family with its own classifier.
pub(crate) fn of_families(form: Form, shapes: &[Shape]) -> Vec<Case> {
    let of = |family| shapes.iter().map(move |&shape| of_family(form, shape, family, Pooling::Pooler));
    Family::ENCODERS.into_iter().flat_map(of).collect()
}

fn of_family(form: Form, shape: Shape, family: Family, pooling: Pooling) -> Case {
    let (tokenizer, config) = sizes(family);
    let model = models::model(&config, pooling, shape);
    let reads = if pooling == Pooling::Pooler { String::new() } else { format!(", {pooling:?}").to_lowercase() };
    let name = format!("{}{reads}", family.spec().name);
    Case::new(&name, shape, form, (&model, &tokenizer))
}

fn sizes(family: Family) -> (String, ModelConfig) {
    let (tokenizer, pad) = tokenizers::of(family);
    let vocabulary = Tokenizer::from_bytes(tokenizer.as_bytes(), "tokenizer.json").expect("it is one").vocab_size();
    (tokenizer, models::config(family, vocabulary, pad))
}

/// Pruned models whose vocabulary is cut to the pieces of the first text: one of each kind of tokenizer.
pub(crate) fn with_cut_vocabulary(form: Form) -> Vec<Case> {
    [Family::Bert, Family::Roberta, Family::XlmRoberta].map(|family| of_cut_vocabulary(form, family)).into()
}

fn of_cut_vocabulary(form: Form, family: Family) -> Case {
    let (tokenizer, config) = sizes(family);
    let whole = models::model(&config, Pooling::Pooler, Shape::Ragged);
    let read = Tokenizer::from_bytes(tokenizer.as_bytes(), "tokenizer.json").expect("it is one");
    let used = read.encode(TEXTS[0], None, config.max_length()).expect("it can be encoded").ids.into_iter().collect();
    let cut = VocabularyCut::new(tokenizer.as_bytes(), &used, &config).expect("it can be cut");
    assert!(cut.pieces() < config.vocab_size, "{family:?}: no piece left");
    let weights = block_on(Weights::read(&whole)).expect("the model can be read back");
    let model = Model { weights, tokenizer: tokenizer.into(), max_length: None, settings: TextSettings::default() };
    let model = model.with_vocabulary(&cut).expect("it has a row for every piece");
    let files = model.safetensors(Stored::F32).expect("it can be written");
    let file = |name: &str| &files.iter().find(|file| file.name == name).expect("it is written").bytes;
    let config = ModelConfig::from_json(file("config.json"), "config.json").expect("its own");
    let checkpoint = Checkpoint::parse(file("model.safetensors"), "model.safetensors", family).expect("its own");
    let smaller = checkpoint.model(&config, &Device::flex()).expect("its own weights");
    let tokenizer = String::from_utf8(model.tokenizer).expect("it is text");
    Case::new(&format!("{}, cut words", family.spec().name), Shape::Ragged, form, (&smaller, &tokenizer))
}

/// The built-in model with a new classifier.
fn builtin(form: Form, shape: Shape) -> Case {
    let read = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/builtin").join(name);
        std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let config = ModelConfig::from_json(&read("config.json"), "config.json").expect("the built-in model's");
    let device = Device::flex();
    let bytes = read("model.safetensors");
    let whole = Checkpoint::parse(&bytes, "model.safetensors", config.family).and_then(|c| c.model(&config, &device));
    let mut init = Init::new(3, &device);
    let model = whole.expect("the built-in model").with_head(Pooling::Pooler, 2, &mut init);
    let tokenizer = String::from_utf8(read("tokenizer.json")).expect("it is text");
    Case::new("built-in", shape, form, (&models::cut(&model, shape), &tokenizer))
}

/// Dense models of every family with adapters whose ranks differ.
pub(crate) fn adapters() -> Vec<Case> {
    Family::ENCODERS.into_iter().map(with_adapters).collect()
}

fn with_adapters(family: Family) -> Case {
    let (tokenizer, config) = sizes(family);
    let base = models::model(&config, Pooling::Pooler, Shape::Dense);
    let mut init = Init::new(11, &Device::flex());
    // The classifier is learned too.
    let mut student = base.clone().with_head(Pooling::Pooler, 3, &mut init);
    for (index, (_, linear)) in student.linears_mut().into_iter().enumerate().filter(|(index, _)| index % 5 != 4) {
        let ([inputs, outputs], rank) = (linear.dims(), 1 + index % 4);
        let mut matrix = |dims| Param::from_tensor(init.normal(dims, 0.2));
        linear.adapter = Some(Adapter { a: matrix([inputs, rank]), b: matrix([rank, outputs]), scale: 1.5 });
    }
    let name = family.spec().name;
    let of_base = Case::new(name, Shape::Dense, Form::Plain, (&base, &tokenizer)).files;
    let named = |folder: &str, files: Vec<File>| -> Vec<File> {
        files.into_iter().map(|file| File::new(format!("{folder}/{}", file.name), file.bytes)).collect()
    };
    let adapter = block_on(peft(&student, &config, "base")).unwrap_or_else(|e| panic!("{name}: {e}"));
    let files = [named("base", of_base), named("adapter", adapter)].concat();
    Case::read(name, Shape::Dense, Form::Adapters, files, (&student.merge(), &tokenizer))
}

/// The model with its weights rounded to half precision.
pub(crate) fn halved(model: &Transformer) -> Transformer {
    let bytes = block_on(to_safetensors(model, Precision::F16)).expect("the model can be read back");
    let read =
        Checkpoint::parse(&bytes, "f16", model.config.family).and_then(|c| c.model(&model.config, &Device::flex()));
    read.expect("its own export reads")
}

/// Batches of several sizes and lengths, padded or not.
pub(crate) fn batches(config: &ModelConfig) -> Vec<TokenBatch> {
    let of = |lengths: &[usize]| {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut batch = TokenBatch { lengths: lengths.to_vec(), ..TokenBatch::default() };
        for (row, &length) in lengths.iter().enumerate() {
            for place in 0..longest {
                let is_token = place < length;
                let id = 5 + (row * 31 + place * 17) % (config.vocab_size - 5);
                batch.ids.push(if is_token { id as i32 } else { config.pad_id as i32 });
                let is_second = config.type_vocab_size > 1 && is_token && 2 * place > length;
                batch.type_ids.push(i32::from(is_second));
            }
        }
        batch
    };
    [&[7][..], &[3, 12, 9], &[1, 1], &[30, 2, 5, 16, 8]].map(of).into()
}

fn of_text(tokenizer: &Tokenizer, text: &str, config: &ModelConfig) -> TokenBatch {
    let encoded = tokenizer.encode(text, None, config.max_length()).expect("it can be encoded");
    let ids: Vec<i32> = encoded.ids.iter().map(|&id| id as i32).collect();
    TokenBatch::of_one_type(ids.clone(), vec![ids.len()])
}

fn logits(model: &Transformer, batch: &TokenBatch) -> Vec<Vec<f64>> {
    let logits = inference::logits(model, batch, &Device::flex()).expect("it has a classifier");
    let [_, labels] = logits.dims();
    let values = logits.to_data().convert::<f32>().try_into_vec::<f32>().expect("just converted");
    values.chunks(labels).map(|row| row.iter().map(|&v| f64::from(v)).collect()).collect()
}

/// A batch as readers are fed with it.
pub(crate) fn feed(batch: &TokenBatch, config: &ModelConfig) -> Value {
    let length = batch.length();
    let rows = |values: &[i32]| values.chunks(length).map(<[i32]>::to_vec).collect::<Vec<_>>();
    let mask: Vec<Vec<u8>> =
        batch.lengths.iter().map(|&n| (0..length).map(|place| u8::from(place < n)).collect()).collect();
    let mut feed = json!({"input_ids": rows(&batch.ids), "attention_mask": mask});
    if config.type_vocab_size > 1 {
        feed["token_type_ids"] = json!(rows(&batch.type_ids));
    }
    feed
}
