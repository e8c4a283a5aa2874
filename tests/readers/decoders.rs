//! Exported decoders, with what to feed them, and what must come out: logits, and what they write.

use crate::cases::{Case, Form, TEXTS, batches, feed};
use crate::models::{self, Shape};
use crate::tokenizers;
use apt_core::tokens::TokenBatch;
use apt_data::{Tokenizer, TokenizerRead};
use apt_export::{File, Model, Stored, TextSettings, Weights, peft};
use apt_nn::generation::Decoder;
use apt_nn::{Adapter, Batch, Family, Forward, Init, ModelConfig, RotaryScaling, Transformer};
use burn::module::Param;
use burn::tensor::Device;
use pollster::block_on;
use serde_json::json;

/// Tokens that follow each text.
const WRITTEN: usize = 16;

/// Every family, in every shape.
pub(crate) fn of_families(form: Form, shapes: &[Shape]) -> Vec<Case> {
    [of_llama_likes(form, shapes), of_gpt2(form, shapes)].concat()
}

/// LLaMA and what is built like it, in every shape.
pub(crate) fn of_llama_likes(form: Form, shapes: &[Shape]) -> Vec<Case> {
    let of = |family: Family| shapes.iter().map(move |&shape| of_family(form, shape, family, None));
    Family::DECODERS.into_iter().filter(|&family| family != Family::Gpt2).flat_map(of).collect()
}

/// GPT-2, in every shape.
pub(crate) fn of_gpt2(form: Form, shapes: &[Shape]) -> Vec<Case> {
    shapes.iter().map(|&shape| of_family(form, shape, Family::Gpt2, None)).collect()
}

/// LLaMA with positions that are scaled, in every published way.
pub(crate) fn scaled(form: Form) -> Vec<Case> {
    let attention = 0.1 * 4f64.ln() + 1.0;
    let scalings = [
        RotaryScaling::Linear { factor: 2.0 },
        RotaryScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 32.0 },
        RotaryScaling::Yarn { factor: 4.0, fast: 32.0, slow: 1.0, original: 24.0, attention },
    ];
    scalings.map(|scaling| of_family(form, Shape::Ragged, Family::Llama, Some(scaling))).into()
}

fn of_family(form: Form, shape: Shape, family: Family, scaling: Option<RotaryScaling>) -> Case {
    let (tokenizer, mut config) = sizes(family);
    if let (Some(rotary), Some(scaling)) = (config.decoder.as_mut().and_then(|d| d.rotary.as_mut()), scaling) {
        rotary.scaling = scaling;
    }
    let name = match scaling {
        None => family.spec().name.to_owned(),
        Some(scaling) => format!("{}, {}", family.spec().name, format!("{scaling:?}").split(' ').next().unwrap_or("")),
    };
    let model = models::of_decoder(&config, shape);
    let files = written(&model, &tokenizer, form).unwrap_or_else(|e| panic!("{name}, {shape:?}, {form:?}: {e}"));
    let model = if form.stored() == Stored::F16 { crate::cases::halved(&model) } else { model };
    case(&name, shape, form, files, (&model, &tokenizer))
}

fn sizes(family: Family) -> (String, ModelConfig) {
    let (tokenizer, pad) = tokenizers::of(family);
    let vocabulary = read(&tokenizer).vocab_size();
    (tokenizer, models::config(family, vocabulary, pad))
}

/// The tokenizer as it is read when no file beside it says more.
fn read(json: &str) -> Tokenizer {
    TokenizerRead::of(&[("tokenizer.json".to_owned(), json.into())]).expect("it is a tokenizer").tokenizer
}

/// The files of a model in `form`.
pub(crate) fn written(model: &Transformer, tokenizer: &str, form: Form) -> Result<Vec<File>, apt_export::ExportError> {
    let weights = block_on(Weights::read(model)).expect("the model can be read back");
    let settings = TextSettings::of(&read(tokenizer));
    let model = Model { weights, tokenizer: tokenizer.into(), max_length: None, settings };
    match form {
        Form::Code(stored) => model.transformers(stored),
        Form::Gguf(stored) => model.gguf(stored),
        Form::Padded => model.padded(Stored::F32),
        Form::Plain | Form::Adapters | Form::Onnx(_) => model.safetensors(Stored::F32),
    }
}

/// Dense models of every family with adapters whose ranks differ; GPT-2's are refused.
pub(crate) fn adapters() -> Vec<Case> {
    [Family::Llama, Family::Mistral, Family::Qwen2, Family::Qwen3].map(with_adapters).into()
}

fn with_adapters(family: Family) -> Case {
    let (tokenizer, config) = sizes(family);
    let base = models::of_decoder(&config, Shape::Dense);
    let mut init = Init::new(11, &Device::flex());
    let mut student = base.clone();
    for (index, (_, linear)) in student.linears_mut().into_iter().enumerate().filter(|(index, _)| index % 5 != 4) {
        let ([inputs, outputs], rank) = (linear.dims(), 1 + index % 4);
        let mut matrix = |dims| Param::from_tensor(init.normal(dims, 0.2));
        linear.adapter = Some(Adapter { a: matrix([inputs, rank]), b: matrix([rank, outputs]), scale: 1.5 });
    }
    let name = family.spec().name;
    let of_base = written(&base, &tokenizer, Form::Plain).unwrap_or_else(|e| panic!("{name}: {e}"));
    let named = |folder: &str, files: Vec<File>| -> Vec<File> {
        files.into_iter().map(|file| File::new(format!("{folder}/{}", file.name), file.bytes)).collect()
    };
    let adapter = block_on(peft(&student, &config, "base")).unwrap_or_else(|e| panic!("{name}: {e}"));
    let files = [named("base", of_base), named("adapter", adapter)].concat();
    case(name, Shape::Dense, Form::Adapters, files, (&student.merge(), &tokenizer))
}

fn case(name: &str, shape: Shape, form: Form, files: Vec<File>, (model, tokens): (&Transformer, &str)) -> Case {
    let tokenizer = read(tokens);
    let batches = batches(&model.config);
    let texts: Vec<Vec<i32>> = TEXTS.iter().map(|text| of_text(&tokenizer, text)).collect();
    let of_texts = texts.iter().map(|ids| TokenBatch::of_one_type(ids.clone(), vec![ids.len()]));
    let all: Vec<TokenBatch> = batches.iter().cloned().chain(of_texts).collect();
    let logits: Vec<Vec<f64>> = all.iter().flat_map(|batch| logits(model, batch)).collect();
    // llama.cpp gives the probabilities of what follows the whole sequence.
    let logits = match form {
        Form::Gguf(_) => logits.into_iter().map(|row| last(&row, model.config.vocab_size)).collect(),
        _ => logits,
    };
    let task = json!({
        "batches": batches.iter().map(|batch| feed(batch, &model.config)).collect::<Vec<_>>(),
        "texts": TEXTS,
        "ids": texts,
        "writes": WRITTEN,
        "needs_code": matches!(form, Form::Code(_)),
    });
    let written = texts.iter().map(|ids| greedy(model, ids)).collect();
    Case { name: name.into(), shape, form, files, task, logits, written }
}

/// The tokens of a text with what the tokenizer puts before it.
fn of_text(tokenizer: &Tokenizer, text: &str) -> Vec<i32> {
    let ends = tokenizer.ends();
    let pieces = tokenizer.pieces(text).expect("it can be encoded").ids;
    ends.bos.filter(|_| ends.adds_bos).into_iter().chain(pieces).map(|id| id as i32).collect()
}

/// Logits of every token of each sequence, one behind the other.
fn logits(model: &Transformer, tokens: &TokenBatch) -> Vec<Vec<f64>> {
    let device = Device::flex();
    let batch = Batch::new(tokens, &model.config, &device);
    let hidden = model.forward(&batch, Forward::default()).hidden;
    let logits = model.next_token_logits(hidden).expect("it is a decoder");
    let [rows, vocab] = logits.dims();
    let values = logits.to_data().convert::<f32>().try_into_vec::<f32>().expect("just converted");
    assert_eq!(rows, tokens.ids.len(), "a row for every place");
    let of = |(row, &n): (usize, &usize)| {
        let start = row * tokens.length() * vocab;
        values[start..start + n * vocab].iter().map(|&v| f64::from(v)).collect()
    };
    tokens.lengths.iter().enumerate().map(of).collect()
}

/// The probabilities that the last token's logits give.
fn last(logits: &[f64], vocab: usize) -> Vec<f64> {
    let logits = &logits[logits.len() - vocab..];
    let most = logits.iter().copied().fold(f64::MIN, f64::max);
    let sum: f64 = logits.iter().map(|logit| (logit - most).exp()).sum();
    logits.iter().map(|logit| (logit - most).exp() / sum).collect()
}

/// The likeliest tokens that follow.
fn greedy(model: &Transformer, ids: &[i32]) -> Vec<i32> {
    let mut decoder = Decoder::new(model).expect("it is a decoder");
    let mut logits =
        decoder.begin(&TokenBatch::of_one_type(ids.to_vec(), vec![ids.len()])).expect("it has room for the text");
    let mut written = Vec::new();
    while written.len() < WRITTEN {
        let values = logits.to_data().convert::<f32>().try_into_vec::<f32>().expect("just converted");
        let best = (0..values.len()).reduce(|a, b| if values[b] > values[a] { b } else { a }).unwrap_or_default();
        written.push(best as i32);
        logits = decoder.step(&[best as i32]).expect("it has room for what follows");
    }
    written
}
