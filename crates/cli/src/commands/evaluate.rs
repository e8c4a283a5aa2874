//! `eval`: the metric of a model in a folder.

use crate::args::source_of;
use crate::error::CliError;
use crate::files::write_atomic;
use crate::model::{ModelLocation, is_model};
use crate::reporter::{print_stderr, print_stdout};
use crate::run::resume::settings_of;
use crate::settings::apply_flags;
use crate::{device, setup};
use apt_data::{Example, Target, tokenize_task};
use apt_experiment::{Knobs, LOSS};
use apt_nn::checkpoint::load_dir;
use apt_train::head_misfit;
use clap::ArgMatches;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Runs the command.
///
/// # Errors
/// Whatever is wrong with the folder, the model or the task.
pub(super) fn evaluate(matches: &ArgMatches) -> Result<(), CliError> {
    let root = source_of(matches);
    // A run's folder names its task, a model's does not; flags override both.
    let (folder, mut knobs) = if is_model(root) {
        (root.to_path_buf(), Knobs::default())
    } else if is_model(&root.join("model")) {
        (root.join("model"), settings_of(root)?.into())
    } else {
        return Err(CliError::at(
            root,
            "there is neither a model nor a finished run here",
            "name a folder with config.json, or with model/config.json",
        ));
    };
    apply_flags(&mut knobs, matches)?;
    let opened = device::open(knobs.device)?;
    let location = ModelLocation::Folder(folder.clone());
    let config = location.config()?;
    let (_, tokenizer) = location.tokenizer(&config)?;
    let task = setup::load_task(&knobs)?;
    task.notes.iter().for_each(|note| print_stderr(&format!("data    {note}")));
    if config.head.is_none() {
        let remedy = "train it with `apt-lab run --model`, and evaluate that run";
        return Err(CliError::at(&folder, "the model has no trained head", remedy));
    }
    if let Some(misfit) = head_misfit(&config, &task.objective, None) {
        return Err(CliError::at(&folder, misfit, "name the task the model was trained on with --task"));
    }
    let model = load_dir(&folder, &opened.device)?;
    let tokenized = tokenize_task(&task, &tokenizer, knobs.max_length.min(config.max_length()))?;
    let split = matches.get_one::<String>("split").map_or("validation", String::as_str);
    let examples: &[Example] = match split {
        "validation" => &tokenized.validation,
        _ => tokenized.test.as_deref().ok_or_else(|| {
            CliError::at(&folder, format!("the task {} has no labelled test set", task.name), "use --split validation")
        })?,
    };
    apt_train::check_examples(&config, examples, &task.objective)?;
    let predictions = pollster::block_on(apt_train::predict(&model, None, examples, &task.objective))?;
    let targets: Vec<Target> = examples.iter().map(|e| e.target).collect();
    if let Some(path) = matches.get_one::<PathBuf>("predictions") {
        let rows = predictions.answers.iter().zip(&targets).map(|(answer, target)| (*answer, *target));
        let row = |(answer, target)| format!("{}\t{}\n", task.objective.text(answer), task.objective.text(target));
        write_atomic(path, format!("answer\tlabel\n{}", rows.map(row).collect::<String>()).as_bytes())?;
    }
    let judged = task.objective.judge(&predictions.answers, &targets);
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
        print_stdout(&format!("{split} set of {name}, {examples} examples, on {} ({})", opened.name, opened.why));
        for (name, value) in metrics {
            let value = value.map_or("undefined: all answers or all targets are equal".into(), |v| format!("{v:.4}"));
            print_stdout(&format!("{name:9} {value}"));
        }
    }
    Ok(())
}
