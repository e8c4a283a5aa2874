//! `predict`: a model's answers to texts, as many as there are: out of a file or a pipe of any length, in its order.
//!
//! A thread reads ahead, a little; whatever it has read when the last answers are out is answered next. So batches are
//! full where texts come fast, and someone who types has an answer after every line.

mod answers;
mod feed;

use crate::args::source_of;
use crate::device;
use crate::error::CliError;
use crate::hub;
use crate::logging::timed;
use crate::reporter::{keep_failure, print_stderr, stdout_written};
use crate::settings::apply_flags;
use crate::source::{model_at, settings_at};
use answers::{Answers, Form};
use apt_data::{Encoded, Objective, Reading, TextFormat, TextRow, Tokenizer, collate, eval_batches};
use apt_experiment::{Share, TOKENIZER_FILE};
use apt_nn::checkpoint::read_back;
use apt_nn::{Transformer, inference};
use apt_train::{TrainError, check_input};
use burn::tensor::Device;
use clap::ArgMatches;
use clap::parser::ValueSource;
use feed::{Feed, Input};
use rayon::prelude::*;
use std::io::{IsTerminal, stdin, stdout};
use std::path::Path;

/// Batches that are put together from texts sorted by length.
const WINDOW: usize = 8;
/// Padded lengths are multiples of this, so that shapes recur.
const PAD_MULTIPLE: usize = 8;

/// Runs the command.
///
/// # Errors
/// Whatever is wrong with the model; a text that cannot be read, after the answers to those before it.
pub(super) fn predict(matches: &ArgMatches) -> Result<(), CliError> {
    let source = &hub::located(source_of(matches))?;
    let mut knobs = settings_at(source)?;
    apply_flags(&mut knobs, matches)?;
    let input = input(matches)?;
    let opened = timed("device", || device::open(knobs.device))?;
    let (model, tokenizer) = timed("model", || model_at(source, &opened.device))?;
    tracing::info!("on {} ({})", opened.name, opened.why);
    let objective = objective_of(&model, source)?;
    let form = match (matches.get_flag("json"), stdout().is_terminal()) {
        (true, _) => Form::Json,
        (false, true) => Form::Aligned,
        (false, false) => Form::Tsv,
    };
    let mut judge = Judge {
        tokenizer: Tokenizer::from_bytes(&tokenizer.json, TOKENIZER_FILE)?,
        length: knobs.max_length.min(model.config.max_length()),
        device: opened.device,
        batch: matches.get_one::<usize>("batch").copied().unwrap_or(1),
        model,
        cut: Share::default(),
    };
    let mut feed = Feed::begin(input, &knobs.task, Reading::of(&knobs))?;
    let result = answer_all(&mut feed, &mut judge, &mut Answers::new(form, objective));
    if stdout_written().is_ok() {
        told(&judge, &feed).iter().for_each(|line| print_stderr(line));
    }
    result
}

/// What is to be read, and how it lies there.
fn input(matches: &ArgMatches) -> Result<Input, CliError> {
    let name = matches.get_one::<String>("file").map_or("-", String::as_str);
    let given = matches.get_one::<String>("format").map(|format| match format.as_str() {
        "csv" => TextFormat::Csv,
        "tsv" => TextFormat::Tsv,
        "jsonl" => TextFormat::Json,
        "parquet" => TextFormat::Parquet,
        _ => TextFormat::Lines,
    });
    let format = given.or_else(|| (name != "-").then(|| TextFormat::of_name(name)));
    let is_named = |name: &&str| matches.value_source(name) == Some(ValueSource::CommandLine);
    let column = ["text", "text_pair", "no_header"].into_iter().find(is_named);
    if let Some(column) = column.filter(|_| format.is_none_or(|format| format == TextFormat::Lines)) {
        let what = format!("--{} is about columns, and a line has none", column.replace('_', "-"));
        return Err(CliError::at(
            Path::new(name),
            what,
            "say how the columns lie: --format csv, tsv, jsonl or parquet",
        ));
    }
    if name == "-" && stdin().is_terminal() {
        print_stderr("a text a line, please; Ctrl-D ends");
    }
    Input::open(name, format)
}

/// What the model says of a text.
fn objective_of(model: &Transformer, source: &Path) -> Result<Objective, CliError> {
    if model.config.decoder.is_some() {
        let what =
            format!("{} is a decoder: it continues texts and does not answer to them", model.config.family.spec().name);
        return Err(CliError::at(source, what, "let it go on with `apt-lab generate`"));
    }
    let Some(head) = model.config.head else {
        let remedy = "train it with `apt-lab run --model`, and name that run";
        return Err(CliError::at(source, "the model has no trained head", remedy));
    };
    if head.labels == 1 && !head.multi_label {
        return Ok(Objective::regression());
    }
    let names = model.config.label_names.clone();
    let labels =
        if names.len() == head.labels { names } else { (0..head.labels).map(|class| class.to_string()).collect() };
    Ok(match head.multi_label {
        true => Objective::multi_label(labels),
        false => Objective::Classification { labels, metrics: &[] },
    })
}

fn answer_all(feed: &mut Feed, judge: &mut Judge, answers: &mut Answers) -> Result<(), CliError> {
    loop {
        let rows = feed.next(WINDOW * judge.batch)?;
        if rows.is_empty() {
            return Ok(());
        }
        let outputs = judge.outputs(&rows)?;
        tracing::debug!("{} texts answered, the last in line {}", rows.len(), rows.last().map_or(0, |row| row.line));
        if let Err(error) = answers.write(&rows, &outputs) {
            // Where nobody reads the answers there is nothing left to do.
            keep_failure(Err(error));
            return stdout_written();
        }
    }
}

/// What is to be known of the texts once all are answered.
fn told(judge: &Judge, feed: &Feed) -> Vec<String> {
    let Share { some: cut, of } = judge.cut;
    let cut = (cut > 0).then(|| format!("{cut} of {of} texts were cut to {} tokens", judge.length));
    let empty = (feed.empty > 0).then(|| format!("{} lines without a text were left out", feed.empty));
    cut.into_iter().chain(empty).collect()
}

/// A model and what it reads with.
struct Judge {
    model: Transformer,
    tokenizer: Tokenizer,
    device: Device,
    /// Most tokens of a text.
    length: usize,
    /// Texts of a batch.
    batch: usize,
    /// Texts that were cut, of all.
    cut: Share,
}

impl Judge {
    /// What the model's head gives for each row, `[outputs]`.
    fn outputs(&mut self, rows: &[TextRow]) -> Result<Vec<Vec<f32>>, CliError> {
        let encode = |row: &TextRow| self.tokenizer.encode_and_tell(&row.a, row.b.as_deref(), self.length);
        let encoded = rows.par_iter().map(encode).collect::<Result<Vec<(Encoded, bool)>, _>>()?;
        self.cut.of += rows.len();
        self.cut.some += encoded.iter().filter(|(_, cut)| *cut).count();
        let config = &self.model.config;
        encoded.iter().try_for_each(|(tokens, _)| check_input(config, tokens))?;
        let lengths: Vec<usize> = encoded.iter().map(|(tokens, _)| tokens.ids.len()).collect();
        let mut all = vec![Vec::new(); rows.len()];
        for indices in eval_batches(&lengths, self.batch) {
            let sequences: Vec<&Encoded> = indices.iter().map(|&index| &encoded[index].0).collect();
            let tokens = collate(&sequences, config.pad_id, PAD_MULTIPLE);
            let logits = inference::logits(&self.model, &tokens, &self.device)?;
            let [_, outputs] = logits.dims();
            let values = pollster::block_on(read_back(logits, "logits"))?;
            for (row, index) in values.chunks_exact(outputs).zip(indices) {
                if row.iter().any(|value| !value.is_finite()) {
                    let tensor = format!("logits of line {}", rows[index].line);
                    return Err(TrainError::NotFinite { step: 0, tensor }.into());
                }
                all[index] = row.to_vec();
            }
        }
        Ok(all)
    }
}
