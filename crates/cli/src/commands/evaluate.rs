//! `eval`: the metric of a model in a folder.

use crate::args::source_of;
use crate::error::CliError;
use crate::model::{ModelLocation, is_model};
use crate::reporter::{print_stderr, print_stdout};
use crate::run::resume::settings_of;
use crate::settings::apply_flags;
use crate::{device, setup};
use apt_data::{Example, Target, tokenize_task};
use apt_experiment::Knobs;
use apt_nn::checkpoint::load_dir;
use clap::ArgMatches;
use serde_json::{Map, Value, json};

/// Runs the command.
///
/// # Errors
/// Whatever is wrong with the folder, the model or the task.
pub fn evaluate(matches: &ArgMatches) -> Result<(), CliError> {
    let root = source_of(matches);
    // A run's folder names its task, a model's does not; flags override both.
    let (folder, mut knobs) = if is_model(root) {
        (root.to_path_buf(), Knobs::default())
    } else if is_model(&root.join("model")) {
        (root.join("model"), settings_of(root)?)
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
    let Some(head) = config.head.filter(|head| head.labels == task.objective.outputs()) else {
        let has = config.head.map_or("no classes".to_owned(), |head| format!("{} classes", head.labels));
        let what = format!("the model has {has}, task {} has {}", task.name, task.objective.outputs());
        return Err(CliError::at(&folder, what, "name the task the model was trained on"));
    };
    let model = load_dir(&folder, &opened.device)?;
    let tokenized = tokenize_task(&task, &tokenizer, knobs.max_length.min(config.max_length()))?;
    let split = matches.get_one::<String>("split").map_or("validation", String::as_str);
    let examples: &[Example] = match split {
        "validation" => &tokenized.validation,
        _ => tokenized.test.as_deref().ok_or_else(|| {
            CliError::at(&folder, format!("task {} has no labelled test part", task.name), "use --split validation")
        })?,
    };
    apt_train::check_examples(&config, examples, &task.objective)?;
    let predictions =
        pollster::block_on(apt_train::predict(&model, None, examples, &task.objective, tokenizer.pad_id()))?;
    let targets: Vec<Target> = examples.iter().map(|e| e.target).collect();
    let judged = task.objective.judge(&predictions.answers, &targets);
    let mut figures: Vec<(&str, Option<f64>)> = judged.into_iter().map(|(m, value)| (m.name(), value)).collect();
    figures.push(("loss", Some(predictions.loss)));
    if matches.get_flag("json") {
        print_stderr(&format!("on {} ({})", opened.name, opened.why));
        let metrics: Map<String, Value> =
            figures.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let metric = json!({"name": figures[0].0, split: figures[0].1});
        print_stdout(&json!({"task": task.name, "split": split, "examples": targets.len(), "classes": head.labels, "metric": metric, "metrics": metrics}).to_string());
    } else {
        print_stdout(&format!(
            "{} of {}, {} examples, on {} ({})",
            split,
            task.name,
            targets.len(),
            opened.name,
            opened.why
        ));
        for (name, value) in figures {
            let value = value.map_or_else(|| "undefined: all alike".to_owned(), |value| format!("{value:.4}"));
            print_stdout(&format!("{name:9} {value}"));
        }
    }
    Ok(())
}
