//! Exported models in the programs that they are made for: ONNX Runtime, transformers.js, transformers, PEFT. Each loads
//! the folders as a user's would and says what logits it gets; they must be ours to 1e-4.
//!
//! `cargo xtask readers` installs the programs and names them in the environment; a reader that is not named did not run,
//! which is said, and with `APT_REQUIRE_READERS` is a failure.

mod cases;
mod decoders;
mod models;
mod reader;
mod tokenizers;

use apt_export::Stored;
use cases::{Case, Form};
use models::Shape;
use reader::{Difference, Reader};

/// Largest difference of a logit.
const TOLERANCE: f64 = 1e-4;
/// The same of a probability where llama.cpp multiplies in half precision.
const TOLERANCE_HALF: f64 = 2e-3;
/// The same where products are computed in bytes, as a share of the largest logit.
const TOLERANCE_INT8: f64 = 0.2;

#[test]
fn onnx_runtime_gives_our_logits() {
    let Some(reader) = Reader::onnx_runtime() else { return };
    read_by(&reader, &onnx());
}

#[test]
fn transformers_js_gives_our_logits() {
    let Some(reader) = Reader::transformers_js() else { return };
    read_by(&reader, &onnx());
}

#[test]
fn transformers_gives_our_logits() {
    let readers = Reader::transformers();
    let cases = if readers.is_empty() { Vec::new() } else { in_transformers() };
    readers.iter().for_each(|reader| read_by(reader, &cases));
}

#[test]
fn transformers_gives_the_logits_of_decoders_and_writes_what_they_write() {
    let readers = Reader::transformers();
    let cases = if readers.is_empty() { Vec::new() } else { decoders_in_transformers() };
    for reader in &readers {
        // Its own class is younger than the oldest version; the code that goes along is not asked for one.
        let is_known = |case: &&Case| case.name != "Qwen3" || !reader.name.contains("4.41") || case.needs_code();
        read_by(reader, &cases.iter().filter(is_known).cloned().collect::<Vec<_>>());
    }
}

#[test]
fn llama_cpp_gives_our_probabilities_and_writes_what_we_write() {
    let Some(reader) = Reader::llama_cpp() else { return };
    read_by(&reader, &gguf());
}

#[test]
fn peft_gives_our_logits() {
    let Some(reader) = Reader::peft() else { return };
    read_by(&reader, &[cases::adapters(), decoders::adapters()].concat());
}

fn decoders_in_transformers() -> Vec<Case> {
    let shapes = [Shape::Dense, Shape::Ragged, Shape::Sparse, Shape::Hollow];
    let mut cases = decoders::of_families(Form::Code(Stored::F32), &shapes);
    cases.extend(decoders::scaled(Form::Code(Stored::F32)));
    cases.extend(decoders::of_families(Form::Code(Stored::F16), &[Shape::Ragged]));
    cases.extend(decoders::of_families(Form::Plain, &[Shape::Dense]));
    cases.extend(decoders::of_families(Form::Padded, &[Shape::NoHidden]));
    cases
}

/// Every family and shape that llama.cpp has a place for.
fn gguf() -> Vec<Case> {
    let form = Form::Gguf(Stored::F32);
    let shapes = [Shape::Dense, Shape::Ragged, Shape::Sparse, Shape::Hollow];
    let mut cases = decoders::of_llama_likes(form, &shapes);
    // GPT-2's heads fill the hidden dims there.
    cases.extend(decoders::of_gpt2(form, &[Shape::Dense, Shape::NoHidden]));
    cases.extend(decoders::scaled(form));
    cases.extend(decoders::of_llama_likes(Form::Gguf(Stored::F16), &[Shape::Ragged]));
    cases
}

/// Every family at three densities, the same with other classifiers, the built-in model, and cut vocabularies.
fn onnx() -> Vec<Case> {
    let of = |stored: Stored| cases::all(Form::Onnx(stored), &[Shape::Dense, Shape::Ragged, Shape::Sparse]);
    let mut cases: Vec<Case> = [Stored::F32, Stored::F16, Stored::Int8].into_iter().flat_map(of).collect();
    cases.extend(cases::with_cut_vocabulary(Form::Onnx(Stored::F32)));
    cases
}

fn in_transformers() -> Vec<Case> {
    let mut cases = cases::all(Form::Code(Stored::F32), &[Shape::Dense, Shape::Ragged, Shape::Sparse]);
    cases.extend(cases::all(Form::Code(Stored::F16), &[Shape::Ragged]));
    cases.extend(cases::with_cut_vocabulary(Form::Code(Stored::F32)));
    cases.extend(cases::of_families(Form::Plain, &[Shape::Dense]));
    cases.extend(cases::of_families(Form::Padded, &[Shape::Dense, Shape::NoHidden]));
    cases
}

/// Has `reader` read every case, prints the largest differences, and asserts that all are small.
fn read_by(reader: &Reader, cases: &[Case]) {
    let differences = reader.read(cases);
    println!("{}", reader::table(&reader.name, &differences));
    let large: Vec<&Difference> = differences.iter().filter(|d| d.largest.is_nan() || d.largest > limit(d)).collect();
    assert!(large.is_empty(), "{}: logits that are not ours: {large:#?}", reader.name);
    assert_eq!(differences.len(), cases.len(), "{} did not read every case", reader.name);
}

fn limit(difference: &Difference) -> f64 {
    match difference {
        Difference { is_int8: true, .. } => TOLERANCE_INT8 * difference.magnitude,
        Difference { is_half: true, .. } => TOLERANCE_HALF,
        _ => TOLERANCE,
    }
}
