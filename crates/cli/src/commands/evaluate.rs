//! `eval`: the metric of a model in a folder.

use crate::args::source_of;
use crate::device;
use crate::error::CliError;
use crate::files::write_atomic;
use crate::hub;
use crate::model::{ModelLocation, is_model};
use crate::reporter::{print_stderr, print_stdout};
use crate::run::folder::EVENTS;
use crate::run::resume::settings_of;
use crate::settings::apply_flags;
use crate::setup::ensure_data;
use crate::shell::resume_command;
use apt_data::{Example, ObjectiveKind, Reading, Target, load_task, load_whole, tokenize_task};
use apt_experiment::{Knobs, LOSS};
use apt_train::{adapt_head, head_misfit};
use clap::ArgMatches;
use clap::parser::ValueSource;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Runs the command.
///
/// # Errors
/// Whatever is wrong with the folder, the model or the task.
pub(super) fn evaluate(matches: &ArgMatches) -> Result<(), CliError> {
    let root = &hub::located(source_of(matches))?;
    // A run's folder names its task, a model's does not; flags override both.
    let (folder, mut knobs) = if is_model(root) {
        (root.to_path_buf(), Knobs::default())
    } else if is_model(&root.join("model")) {
        (root.join("model"), settings_of(root)?.into())
    } else if root.join(EVENTS).is_file() {
        return Err(CliError::at(
            root,
            "this run is not finished, so that there is no model yet",
            format!("continue it first: {}", resume_command(root)),
        ));
    } else {
        return Err(CliError::at(
            root,
            "there is neither a model nor a finished run here",
            "name a folder with config.json, or with model/config.json",
        ));
    };
    apply_flags(&mut knobs, matches)?;
    let knobs = knobs.check()?;
    let opened = device::open(knobs.device)?;
    let location = ModelLocation::Folder(folder.clone());
    let files = location.files()?;
    let (config, tokenizer) = (&files.source.config, &files.tokenizer);
    // A file that is named here is to be evaluated, all of it; what a run was given is split as it was then.
    let file = matches.get_one::<String>("data").map(Path::new).filter(|path| path.is_file());
    let is_split_named = matches.value_source("split") == Some(ValueSource::CommandLine);
    if let Some(file) = file.filter(|_| is_split_named) {
        return Err(CliError::at(file, "a file has no splits, all of it is evaluated", "leave out --split"));
    }
    let mut reading = Reading { classes: config.label_names.clone(), ..Reading::of(&knobs) };
    if config.head.is_some_and(|head| head.multi_label) {
        reading.objective.get_or_insert(ObjectiveKind::MultiLabel);
    }
    let data = knobs.data.as_deref().map(Path::new);
    ensure_data(&knobs.task, data)?;
    let task = match file {
        Some(file) => load_whole(&knobs.task, file, &reading)?,
        None => load_task(&knobs.task, data, &reading)?,
    };
    apt_train::check_objective(config, &task.objective)?;
    if config.head.is_none() && config.decoder.is_none() {
        let remedy = "train it with `apt-lab run --model`, and evaluate that run";
        return Err(CliError::at(&folder, "the model has no trained head", remedy));
    }
    if let Some(misfit) = head_misfit(config, &task.objective, None) {
        return Err(CliError::at(&folder, misfit, "name the task the model was trained on with --task"));
    }
    print_stderr(&format!("model   {}", files.read.line()));
    let model = adapt_head(files.source.model(&opened.device)?, &task.objective);
    let length = knobs.max_length.min(config.max_length());
    let tokenized = tokenize_task(&task, tokenizer, length)?;
    let read = tokenized.read_at(length, task.read.clone());
    read.lines().iter().for_each(|line| print_stderr(&format!("data    {line}")));
    let split = match file {
        Some(_) => "file",
        None => matches.get_one::<String>("split").map_or("validation", String::as_str),
    };
    let examples: &[Example] = match split {
        "validation" | "file" => &tokenized.validation,
        _ => tokenized.test.as_deref().ok_or_else(|| {
            CliError::at(&folder, format!("the task {} has no labelled test set", task.name), "use --split validation")
        })?,
    };
    apt_train::check_examples(config, examples, &task.objective)?;
    let predictions = pollster::block_on(apt_train::predict(&model, None, examples, &task.objective))?;
    let targets: Vec<Target> = examples.iter().map(|e| e.target.clone()).collect();
    if let Some(path) = matches.get_one::<PathBuf>("predictions") {
        if task.objective.predicts_tokens() {
            let what = "--predictions writes answers, and where tokens are predicted there are none";
            return Err(CliError::at(path, what, "leave it out"));
        }
        let rows = predictions.answers.iter().zip(&targets);
        let row = |(answer, target)| format!("{}\t{}\n", task.objective.text(answer), task.objective.text(target));
        write_atomic(path, format!("answer\tlabel\n{}", rows.map(row).collect::<String>()).as_bytes())?;
    }
    let judged = predictions.judged(&task.objective, &targets);
    let mut metrics: Vec<(&str, Option<f64>)> = judged.into_iter().map(|(m, value)| (m.name(), value)).collect();
    metrics.push((LOSS, Some(predictions.loss)));
    if matches.get_flag("json") {
        print_stderr(&format!("on {} ({})", opened.name, opened.why));
        let (name, value) = metrics[0];
        let all: Map<String, Value> = metrics.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let report = json!({
            "task": task.name,
            "split": split,
            "examples": targets.len(),
            "outputs": task.objective.outputs(),
            "metric": {"name": name, split: value},
            "metrics": all,
        });
        print_stdout(&report.to_string());
    } else {
        let (name, examples) = (&task.name, targets.len());
        let what = file.map_or(format!("{split} set of {name}"), |file| format!("all of {} as {name}", file.display()));
        print_stdout(&format!("{what}, {examples} examples, on {} ({})", opened.name, opened.why));
        for (name, value) in metrics {
            let value = value.map_or("undefined: all answers or all targets are equal".into(), |v| format!("{v:.4}"));
            print_stdout(&format!("{name:11} {value}"));
        }
    }
    Ok(())
}
