//! `export`: a run's compacted model as a folder that other programs load.

mod card;
mod sizes;
pub(crate) mod vocabulary;

use crate::args::source_of;
use crate::error::CliError;
use crate::files::{ensure_empty, write_folder};
use crate::hub;
use crate::model::{ModelLocation, TokenizerFile, is_model};
use crate::reporter::{print_stderr, print_stdout};
use crate::run::folder::run_of;
use crate::run::resume::settings_of;
use crate::run::{ADAPTER, adapter_files, exported};
use crate::source::{model_at, open_session, settings_at};
use apt_experiment::{ADAPTER_FILE, Record};
use apt_export::{File, Model, Stored};
use apt_nn::{Init, ModelConfig};
use apt_train::pooling_note;
use burn::tensor::Device;
use card::Card;
use clap::{ArgMatches, ValueEnum};
use sizes::{Sizes, load};
use std::path::{Path, PathBuf};
use vocabulary::Wanted;

/// What is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// config.json and model.safetensors: for this program; where nothing was removed, for transformers too
    Safetensors,
    /// A graph for ONNX Runtime, optimum and transformers.js, whatever was removed
    Onnx,
    /// As safetensors, with the code by which transformers loads any pruned model (trust_remote_code=True)
    Transformers,
    /// The adapters of a run that removed nothing, for PEFT
    Peft,
    /// One file for llama.cpp, of a decoder, whatever was removed
    Gguf,
}

/// The type of weights.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Precision {
    /// 32-bit floats
    F32,
    /// Half-precision floats; an ONNX graph computes in 32 bits all the same
    F16,
    /// Bytes, quantised dynamically; for ONNX alone
    Int8,
}

impl Precision {
    const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        }
    }

    const fn stored(self) -> Stored {
        match self {
            Self::F32 => Stored::F32,
            Self::F16 => Stored::F16,
            Self::Int8 => Stored::Int8,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Whatever is wrong with the source, or with the folder to make; a form that cannot hold the model.
pub(super) fn export(matches: &ArgMatches) -> Result<(), CliError> {
    // clap refuses the command without `--out`.
    let out = matches.get_one::<PathBuf>("out").cloned().unwrap_or_default();
    ensure_empty(&out)?;
    let mut precisions: Vec<Precision> = Vec::new();
    for &precision in matches.get_many("precision").into_iter().flatten() {
        // A file of that name is written once.
        if !precisions.contains(&precision) {
            precisions.push(precision);
        }
    }
    let request = Request {
        format: matches.get_one::<Format>("format").copied().unwrap_or(Format::Safetensors),
        precisions,
        is_padded: matches.get_flag("padded"),
        vocabulary: Wanted::of(matches),
    };
    request.check()?;
    let source = &hub::located(source_of(matches))?;
    let Written { mut files, config, sizes, said, notes } = match request.format {
        Format::Peft => Written { files: adapters_of(source)?, ..Written::default() },
        _ => request.forms(source, matches)?,
    };
    let record = record_of(source)?;
    let (config, record) = (config.as_ref(), record.as_ref());
    let card = Card { request: &request, config, sizes: sizes.as_ref(), said: &said, record, files: &files };
    let card = File::new("README.md", card.text());
    files.push(card);
    let listed: Vec<(&str, &[u8])> = files.iter().map(|file| (file.name.as_str(), &file.bytes[..])).collect();
    write_folder(&out, &listed)?;
    print_stdout(&format!("{}: {}", out.display(), written(config, &files)));
    said.iter().for_each(|line| print_stdout(line));
    sizes.iter().for_each(|sizes| print_stdout(&sizes.text()));
    notes.iter().for_each(|note| print_stderr(note));
    Ok(())
}

/// What there is to write.
#[derive(Default)]
struct Written {
    files: Vec<File>,
    /// Sizes of a model; none of an adapter.
    config: Option<ModelConfig>,
    /// What it takes.
    sizes: Option<Sizes>,
    /// What was done to it, in words.
    said: Vec<String>,
    /// What to know before others use it.
    notes: Vec<String>,
}

/// What is to be written.
struct Request {
    format: Format,
    precisions: Vec<Precision>,
    is_padded: bool,
    /// What the vocabulary is cut to.
    vocabulary: Option<Wanted>,
}

impl Request {
    fn check(&self) -> Result<(), CliError> {
        let Self { format, precisions, is_padded, vocabulary } = self;
        let refuse = |what: &str, remedy: &str| Err(CliError::at(Path::new("export"), what, remedy));
        if precisions.len() > 1 && *format != Format::Onnx {
            return refuse("this format has one file of weights", "name one --precision, or take --format onnx");
        }
        if *format == Format::Peft && precisions.iter().any(|&precision| precision != Precision::F32) {
            return refuse("adapters are written in 32 bits", "leave out --precision");
        }
        if *format == Format::Peft && vocabulary.is_some() {
            return refuse("adapters have no vocabulary: that of their base stays", "leave out --vocabulary");
        }
        if *is_padded && *format != Format::Transformers {
            return refuse("--padded is a variant of --format transformers", "name that format, or leave out --padded");
        }
        Ok(())
    }

    /// The merged model's.
    fn forms(&self, source: &Path, matches: &ArgMatches) -> Result<Written, CliError> {
        let (model, tokenizer) = model_at(source, &Device::flex())?;
        let wanted = self.vocabulary.as_ref();
        let texts = wanted.map(|wanted| wanted.texts(source, &model.config, matches)).transpose()?;
        let mut sizes = Sizes::default();
        let mut notes: Vec<String> = self.note(&model.config).into_iter().collect();
        let mut step = "the model".to_owned();
        match dense_of(source, &model.config) {
            Ok(None) => {}
            Ok(Some(dense)) if dense.weights.config.shape() == model.config.shape() => step = "dense".into(),
            Ok(Some(dense)) => {
                let parameters = |config: &ModelConfig| config.shape().parameters() as f64;
                let density = parameters(&model.config) / parameters(&dense.weights.config);
                step = format!("pruned, density {density:.2}");
                self.measure(&mut sizes, "dense checkpoint", &dense, Stored::F32)?;
            }
            Err(error) => notes.push(format!("note: what it was pruned from is not in the table: {error}")),
        }
        let mut form = exported(&model, tokenizer)?;
        self.measure(&mut sizes, &step, &form, Stored::F32)?;
        let mut said = Vec::new();
        if let Some(texts) = texts {
            let (smaller, cut) = texts.cut(form)?;
            form = smaller;
            let (reloaded, _) = load(&form.safetensors(Stored::F32)?)?;
            said = texts.report(&cut, &model, &reloaded)?;
            self.measure(&mut sizes, "vocabulary cut", &form, Stored::F32)?;
        }
        let stored: Vec<Stored> = self.precisions.iter().map(|precision| precision.stored()).collect();
        for (precision, &stored) in self.precisions.iter().zip(&stored).filter(|(_, stored)| **stored != Stored::F32) {
            self.measure(&mut sizes, precision.name(), &form, stored)?;
        }
        let files = self.write(&form, &stored)?;
        Ok(Written { files, config: Some(form.weights.config), sizes: Some(sizes), said, notes })
    }

    /// The files of `form`.
    fn write(&self, form: &Model, stored: &[Stored]) -> Result<Vec<File>, CliError> {
        // There is one at least, for the argument has a default.
        let first = stored.first().copied().unwrap_or(Stored::F32);
        Ok(match self.format {
            Format::Onnx => form.onnx(stored)?,
            Format::Transformers if self.is_padded => form.padded(first)?,
            Format::Transformers => form.transformers(first)?,
            Format::Gguf => form.gguf(first)?,
            Format::Safetensors | Format::Peft => form.safetensors(first)?,
        })
    }

    /// Adds to `sizes` what `form` takes. This program does not run graphs, nor read llama.cpp's files: beside one stands the
    /// same model as it loads it.
    fn measure(&self, sizes: &mut Sizes, step: &str, form: &Model, stored: Stored) -> Result<(), CliError> {
        let files = self.write(form, &[stored])?;
        match (self.format, stored) {
            (Format::Onnx | Format::Gguf, Stored::F32) => sizes.add(step, &files, Some(&form.safetensors(stored)?)),
            (Format::Onnx | Format::Gguf, _) => sizes.add(step, &files, None),
            _ => sizes.add(step, &files, Some(&files)),
        }
    }

    /// What to know before others use the folder.
    fn note(&self, config: &ModelConfig) -> Option<String> {
        if self.format != Format::Safetensors {
            return None;
        }
        if let Some(note) = pooling_note(config) {
            return Some(format!("warning: {note}"));
        }
        let why = "something was removed of this model, so this folder is for this program alone";
        let others = if config.decoder.is_some() { "transformers or gguf" } else { "onnx or transformers" };
        let note = format!("note: {why}; --format {others} writes what others load");
        (!Model::is_plain(config)).then_some(note)
    }
}

/// The model that the run at `source` started from, with a classifier as the run's, if that has one; `None` where that is no
/// run.
///
/// # Errors
/// A model that is gone or has changed its kind.
fn dense_of(source: &Path, config: &ModelConfig) -> Result<Option<Model>, CliError> {
    // What is not there is a model of this program, from which no run has taken anything.
    let is_run = source.exists() && !is_model(source);
    if !is_run || config.head.is_none() && config.decoder.is_none() {
        return Ok(None);
    }
    let files = ModelLocation::from_knob(&settings_at(source)?.model)?.files()?;
    let device = Device::flex();
    let mut model = files.source.model(&device)?;
    if let Some(head) = config.head {
        model = model.with_head(head.pooling, head.labels, &mut Init::new(0, &device));
    }
    let mut form = exported(&model, TokenizerFile::of(&files))?;
    form.weights.config.label_names.clone_from(&config.label_names);
    Ok(Some(form))
}

/// What was written, in one line.
fn written(config: Option<&ModelConfig>, files: &[File]) -> String {
    let is_weights = |file: &&File| [".safetensors", ".onnx", ".gguf"].iter().any(|end| file.name.ends_with(end));
    let weights = files.iter().filter(is_weights).map(|file| format!("{} {} bytes", file.name, file.bytes.len()));
    let weights: Vec<String> = weights.collect();
    let all: usize = files.iter().map(|file| file.bytes.len()).sum();
    let model = config.map_or_else(String::new, |config| {
        let shape = config.shape();
        let (layers, hidden, parameters) = (shape.layers.len(), shape.hidden, shape.parameters());
        format!("{layers} layers, {hidden} hidden dims, {parameters} parameters without embeddings and head; ")
    });
    format!("{model}{}; {} files, {all} bytes in all", weights.join(", "), files.len())
}

/// The record of a finished run, where `source` is one.
fn record_of(source: &Path) -> Result<Option<Record>, CliError> {
    let path = source.join("record.json");
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = std::fs::read(&path).map_err(|e| CliError::reading(&path, e))?;
    Ok(Some(Record::from_json(&bytes, &path.display().to_string())?))
}

/// The adapters that a finished run left, or those of an unfinished one.
fn adapters_of(path: &Path) -> Result<Vec<File>, CliError> {
    let kept = path.join(ADAPTER);
    if kept.is_dir() {
        let names = [ADAPTER_FILE, "adapter_model.safetensors"];
        let read = |name: &str| {
            let file = kept.join(name);
            std::fs::read(&file).map(|bytes| File::new(name, bytes)).map_err(|e| CliError::reading(&file, e))
        };
        return names.into_iter().map(read).collect();
    }
    if is_model(&path.join("model")) || is_model(path) {
        let what = "there are no adapters: a run keeps them where it has some and removed nothing of its model";
        return Err(CliError::at(path, what, "take a run of `--preset lora`, or another --format"));
    }
    let (session, _) = open_session(path)?;
    let root = if path.is_file() { run_of(path).unwrap_or_default() } else { path.to_path_buf() };
    let knobs = settings_of(&root)?;
    let dense = ModelLocation::from_knob(&knobs.model)?.files()?.source.config;
    Ok(adapter_files(session.student(), &dense, &knobs)?)
}
