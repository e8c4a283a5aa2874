//! Files are looked at when they are dropped, by the readers that a run uses: what cannot be used is refused at once, and
//! of data is shown what they hold.

use crate::error::WorkerError;
use crate::sources;
use crate::worker::Worker;
use crate::{fetch, model_files, port};
use apt_bridge::{DataLook, LookedRow, Message};
use apt_data::{RawExample, RawTask, Tokenizer};
use apt_experiment::{BUILTIN_TASK, DataRead, Explain, Knobs, Problem, Share, TEXT_TASK, is_model_file};
use apt_train::{ModelFiles, TrainError};
use burn::tensor::Device;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::File;

/// Examples that are shown.
const SHOWN: usize = 3;
/// Characters of a text that the page may show.
const LONGEST: usize = 200;
/// Texts whose length is looked at.
const MEASURED: usize = 2_000;

impl Worker {
    /// Whether dropped files can be used with `knobs`.
    ///
    /// # Errors
    /// What is wrong with them: what a run would end with.
    pub(crate) async fn check_files(&self, files: &[JsValue], knobs: &Knobs) -> Result<(), WorkerError> {
        let files: Vec<File> = files.iter().filter_map(|file| file.dyn_ref::<File>().cloned()).collect();
        let what = format!("looking at {}", files.iter().map(File::name).collect::<Vec<_>>().join(", "));
        port::post(&Message::Progress { what: what.clone(), done: 0, total: None });
        if files.iter().any(|file| is_model_file(&file.name())) {
            let ModelFiles { source, read, .. } = model_files::given_model(&files).await?;
            // A run that is open needs the memory more; its model is then checked when it starts.
            if !self.run.as_ref().is_some_and(|run| run.is_open()) {
                source.model(&Device::flex())?;
            }
            port::post(&Message::Notice { text: format!("Model: {}", read.line()) });
        } else {
            let mut read = Vec::new();
            for file in &files {
                read.push((file.name(), fetch::read(file).await?));
            }
            // Columns are chosen once the files are kept.
            match sources::parse(&for_data(knobs), &read) {
                Err(error) if columns_of(&error).is_none() => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        port::post(&Message::Progress { what, done: 1, total: Some(1) });
        Ok(())
    }

    /// Reads the data that `knobs` name and says what they hold.
    pub(crate) async fn look(&self, knobs: &Knobs) -> Result<(), WorkerError> {
        let Some(data) = knobs.data.clone() else { return Ok(()) };
        let store = self.store.as_deref();
        let mut task = match sources::task(knobs, store).await {
            Ok(task) => task,
            Err(error) => {
                let Some(columns) = columns_of(&error) else { return Err(error) };
                port::post(&Message::Look(Box::new(unread(data, knobs, columns, error.problem()))));
                return Ok(());
            }
        };
        if let Some((tokenizer, positions)) = model_files::near_tokenizer(&knobs.model, store).await? {
            let length = knobs.max_length.min(positions);
            (task.read.cut, task.read.cut_at) = (cut(&task, &tokenizer, length)?, Some(length));
        }
        port::post(&Message::Look(Box::new(look(data, task))));
        Ok(())
    }
}

/// The columns to choose from, if choosing some would mend the error.
pub(crate) fn columns_of(error: &WorkerError) -> Option<Vec<(String, String)>> {
    match error {
        WorkerError::Train(TrainError::Data(error)) => error.columns(),
        WorkerError::Train(_)
        | WorkerError::Record(_)
        | WorkerError::Store(_)
        | WorkerError::Study(_)
        | WorkerError::Export(_)
        | WorkerError::Busy { .. }
        | WorkerError::Problem(_) => None,
    }
}

/// What is shown of data before it is known which columns are read.
fn unread(data: String, knobs: &Knobs, columns: Vec<(String, String)>, problem: Problem) -> DataLook {
    DataLook {
        data,
        task: knobs.task.to_string(),
        splits: Vec::new(),
        values: None,
        first: Vec::new(),
        read: DataRead::default(),
        columns,
        problem: Some(problem),
    }
}

/// The settings that dropped data make of `knobs`.
fn for_data(knobs: &Knobs) -> Knobs {
    let mut knobs = knobs.clone();
    if knobs.task == BUILTIN_TASK {
        knobs.task = TEXT_TASK.into();
    }
    knobs
}

fn look(data: String, task: RawTask) -> DataLook {
    let examples = || task.train.iter().chain(&task.validation);
    let values = examples().filter_map(|example| example.target.value()).map(f64::from);
    let values = values.fold(None, |ends: Option<(f64, f64)>, value| {
        let (low, high) = ends.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    });
    let row = |example: &RawExample| LookedRow {
        text: example.a.chars().take(LONGEST).collect(),
        pair: example.b.clone(),
        label: task.objective.text(&example.target),
    };
    let splits =
        [("training", Some(&task.train)), ("validation", Some(&task.validation)), ("test", task.test.as_ref())];
    DataLook {
        data,
        task: task.name.clone(),
        splits: splits.into_iter().filter_map(|(name, of)| Some((name.to_owned(), of?.len()))).collect(),
        values,
        first: task.train.iter().take(SHOWN).map(row).collect(),
        columns: columns(&task.read),
        read: task.read,
        problem: None,
    }
}

/// The columns of the first file: those that are used, then the others.
fn columns(read: &DataRead) -> Vec<(String, String)> {
    let Some(file) = read.files.first() else { return Vec::new() };
    let used = [Some(&file.text), file.text_pair.as_ref(), file.label.as_ref()];
    let all = used.into_iter().flatten().chain(&file.unused).filter(|name| !name.is_empty());
    all.map(|name| (name.clone(), String::new())).collect()
}

/// How many of the first texts are longer than what is read of them.
fn cut(task: &RawTask, tokenizer: &Tokenizer, length: usize) -> Result<Share, WorkerError> {
    let mut cut = Share::default();
    for example in task.train.iter().chain(&task.validation).take(MEASURED) {
        let (_, is_cut) = tokenizer.encode_and_tell(&example.a, example.b.as_deref(), length)?;
        cut.of += 1;
        cut.some += usize::from(is_cut);
    }
    Ok(cut)
}
