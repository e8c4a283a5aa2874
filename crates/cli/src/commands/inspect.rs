//! `inspect`: what is in a run, a record, a checkpoint or a model, layer by layer.

use crate::error::CliError;
use crate::hub;
use crate::model::{ModelLocation, is_model};
use crate::reporter::print_stdout;
use crate::run::folder::{checkpoints, run_of};
use crate::run::resume::settings_of;
use apt_experiment::{ModelShape, PruningPoint, Record, UnitSet};
use apt_nn::ModelConfig;
use apt_report::{layer_picture, record_picture, summary};
use apt_train::{Contents, Snapshot};
use serde_json::json;
use std::fs;
use std::path::Path;

/// Runs the command.
///
/// # Errors
/// A path that holds none of these, or something damaged.
pub(super) fn inspect(path: &Path) -> Result<(), CliError> {
    let path = &hub::located(path)?;
    if path.is_file() {
        let bytes = fs::read(path).map_err(|e| CliError::reading(path, e))?;
        let json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
        return if json { record(&bytes, path) } else { checkpoint(&bytes, path) };
    }
    if is_model(path) {
        return model(path);
    }
    let finished = path.join("record.json");
    if finished.is_file() {
        return inspect(&finished);
    }
    match checkpoints(path)?.into_iter().next() {
        Some((_, newest)) => inspect(&newest),
        None => Err(CliError::at(
            path,
            "there is no run, record, checkpoint or model here",
            "name a run's folder, a record.json, a .ckpt, or a folder with config.json",
        )),
    }
}

fn record(bytes: &[u8], path: &Path) -> Result<(), CliError> {
    let record = Record::from_json(bytes, &path.display().to_string())?;
    print_stdout(&format!("record {}\n\n{}\n{}", path.display(), summary(&record), record_picture(&record)));
    Ok(())
}

/// Prints which units would be left at another density.
///
/// # Errors
/// A path that holds no record; a record without salience.
pub(super) fn at_density(path: &Path, density: f64, json: bool) -> Result<(), CliError> {
    let file = if path.is_dir() { path.join("record.json") } else { path.to_path_buf() };
    if !file.is_file() {
        let remedy = "name a run that is finished, or its record.json";
        return Err(CliError::at(path, "there is no record here, and so no salience", remedy));
    }
    let bytes = fs::read(&file).map_err(|e| CliError::reading(&file, e))?;
    let record = Record::from_json(&bytes, &file.display().to_string())?;
    let point = record.searched_again(density)?;
    if json {
        let neurons: Vec<&[usize]> = point.kept_neurons.iter().map(UnitSet::list).collect();
        let units = json!({"heads": point.kept_heads, "neurons": neurons, "hidden": point.kept_hidden});
        print_stdout(&json!({"step": point.step, "density": point.density, "kept": units}).to_string());
        return Ok(());
    }
    print_stdout(&format!(
        "{}: what would be left at density {:.4}, by what units scored at step {}; nothing was computed by a model\n\n\
         {} of {} hidden dims\n{}",
        file.display(),
        point.density,
        point.step,
        point.hidden,
        record.shape.hidden,
        layer_picture(&record.shape, &point)
    ));
    Ok(())
}

fn checkpoint(bytes: &[u8], path: &Path) -> Result<(), CliError> {
    let contents = Snapshot::contents(bytes, &path.display().to_string())?;
    // The run's own settings have the path of its model from any folder.
    let written = run_of(path).and_then(|root| settings_of(&root).ok());
    let model = written.map_or_else(|| contents.knobs.model.clone(), |knobs| knobs.model.clone());
    let config = ModelLocation::from_knob(&model)?.config()?;
    let teacher = if contents.teacher { "with a teacher" } else { "without a teacher" };
    print_stdout(&format!(
        "checkpoint {} after step {}, {teacher}, {} bytes\n\n{}",
        path.display(),
        contents.step,
        bytes.len(),
        layer_picture(&blocks(&config), &point(&contents, &config))
    ));
    Ok(())
}

fn model(folder: &Path) -> Result<(), CliError> {
    let files = ModelLocation::Folder(folder.into()).files()?;
    let config = &files.source.config;
    let size = |name: &String| {
        let path = folder.join(name);
        fs::metadata(&path).map(|metadata| metadata.len()).map_err(|e| CliError::reading(&path, e))
    };
    let weights = files.read.files.iter().filter(|name| name.ends_with(".safetensors"));
    let bytes: u64 = weights.map(size).sum::<Result<_, _>>()?;
    let shape = config.shape();
    let head = match (config.head, config.label_names.join(", ")) {
        (None, _) => match &config.decoder {
            None => "no head".to_owned(),
            Some(decoder) if decoder.tied => "the table of words as its head".to_owned(),
            Some(_) => "a head of its own".to_owned(),
        },
        (Some(head), names) if names.is_empty() => format!("a head with {} outputs", head.labels),
        (Some(_), names) => format!("a head for the labels {names}"),
    };
    print_stdout(&format!(
        "model {}\n\n{}\n{}, a vocabulary of {}, inputs of at most {} tokens, {head}\n{} parameters in the layers, {} in embeddings, {} in the head, {bytes} bytes\n",
        folder.display(),
        files.read.line(),
        config.family.spec().name,
        config.vocab_size,
        config.max_length(),
        shape.parameters(),
        config.embedding_parameters(),
        config.head_parameters()
    ));
    let groups = match shape.wiring.queries_per_key {
        1 => String::new(),
        queries => format!(", heads are key-value heads with {queries} query heads each"),
    };
    print_stdout(&format!(
        "hidden dims {}, head size {}{groups}\nlayer  heads  neurons",
        config.hidden, config.head_size
    ));
    for (i, layer) in config.layers.iter().enumerate() {
        print_stdout(&format!("{i:>5}  {:>5}  {:>7}", layer.heads, layer.neurons));
    }
    Ok(())
}

fn blocks(config: &ModelConfig) -> ModelShape {
    ModelShape {
        heads: config.layers.iter().map(|l| l.heads).collect(),
        neurons: config.layers.iter().map(|l| l.neurons).collect(),
        hidden: config.hidden,
        head_size: config.head_size,
        wiring: config.decoder.is_some().then(|| config.wiring()),
    }
}

/// A checkpoint as if it were a pruning point: what is left of the dense model.
fn point(contents: &Contents, dense: &ModelConfig) -> PruningPoint {
    let Contents { step, knobs, kept, ranks, .. } = contents;
    let shape = dense.shape();
    PruningPoint {
        step: *step,
        target_density: knobs.density,
        density: kept.shape_after(&shape).parameters() as f64 / shape.parameters().max(1) as f64,
        heads: kept.heads.iter().map(Vec::len).collect(),
        kept_heads: kept.heads.clone(),
        neurons: kept.neurons.iter().map(Vec::len).collect(),
        hidden: kept.hidden.len(),
        kept_hidden: kept.hidden.clone(),
        kept_neurons: kept.neurons.iter().cloned().map(UnitSet::from).collect(),
        salience: None,
        outliers: None,
        exceptions: None,
        kind_weights: None,
        ranks: ranks.clone(),
        removed: true,
        seconds: 0.0,
    }
}
