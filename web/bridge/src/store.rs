//! The browser's database (IndexedDB): runs, their events, saves and records, studies, dropped files, and what is
//! known of adapters. Here is how it is read. Only the worker writes it (`store_writer` in `web/worker`): the page
//! sends commands for that, and does not link the library that could.

pub mod layout;

use crate::step_times::StepTimes;
use crate::{FileSet, StoredRun, StoredStudy};
use apt_experiment::{Event, Explain, Problem, Record};
use js_sys::{Array, Uint8Array};
use layout::{CHECKS, EVENTS, FILES, MODELS, RECORDS, RUNS, SAVES, STUDIES, TABLES, events_from};
use rexie::{ObjectStore, Rexie, TransactionMode};
use std::collections::BTreeSet;
use wasm_bindgen::{JsCast, JsValue};

const DATABASE: &str = "apt-lab";
const VERSION: u32 = 2;

/// An operation of the database failed.
#[derive(Debug, thiserror::Error)]
pub struct StoreError {
    operation: &'static str,
    cause: String,
}

apt_experiment::display_problem!(StoreError);

impl Explain for StoreError {
    fn problem(&self) -> Problem {
        let what = format!("{} failed ({})", self.operation, self.cause);
        Problem::new("the browser's storage", what, "free some space, or allow this site to store data")
    }
}

impl StoreError {
    /// That `operation` (`saving a run`) failed.
    pub fn new(operation: &'static str, cause: impl Into<String>) -> Self {
        Self { operation, cause: cause.into() }
    }

    /// That the database refused `operation`.
    pub fn refused(operation: &'static str) -> impl Fn(rexie::Error) -> Self {
        move |error| {
            let cause = match &error {
                rexie::Error::IdbError(inner) => inner.to_string(),
                rexie::Error::TransactioncommitFailed => {
                    "the browser took it back, as it does when there is no room".into()
                }
                other => other.to_string(),
            };
            Self { operation, cause }
        }
    }
}

/// The database, to be read.
pub struct Store {
    database: Rexie,
}

/// A save with all events up to it.
pub struct Save {
    /// The session's snapshot.
    pub snapshot: Vec<u8>,
    /// The events.
    pub events: Vec<Event>,
}

/// A finished run's model: compacted, adapters merged.
pub struct StoredModel {
    /// `config.json`.
    pub config: String,
    /// Names of its classes.
    pub labels: Vec<String>,
    /// Training steps behind it.
    pub step: usize,
    /// `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// `model.safetensors`.
    pub weights: Vec<u8>,
}

impl Store {
    /// Opens the database, with empty tables if it is not there.
    ///
    /// # Errors
    /// When the browser allows no storage (some do so in private windows).
    pub async fn open() -> Result<Self, StoreError> {
        let builder = Rexie::builder(DATABASE).version(VERSION);
        let builder = TABLES.iter().fold(builder, |builder, table| builder.add_object_store(ObjectStore::new(table)));
        let database = builder.build().await.map_err(StoreError::refused("opening"))?;
        Ok(Self { database })
    }

    /// The database itself, for whoever writes.
    #[must_use]
    pub fn database(&self) -> &Rexie {
        &self.database
    }

    /// Every run, newest first.
    ///
    /// # Errors
    /// When the database cannot be read; entries of other versions are left out.
    pub async fn runs(&self) -> Result<Vec<StoredRun>, StoreError> {
        let rows = self.all(RUNS).await?;
        let mut runs: Vec<StoredRun> = rows.iter().filter_map(|(_, value)| from_json(value)).collect();
        runs.sort_by(|a, b| b.began.total_cmp(&a.began));
        Ok(runs)
    }

    /// The run of this name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn run(&self, name: &str) -> Result<Option<StoredRun>, StoreError> {
        Ok(self.get(RUNS, name).await?.and_then(|value| from_json(&value)))
    }

    /// The newest save of the run `name`.
    ///
    /// # Errors
    /// When the database cannot be read, or what it holds is damaged.
    pub async fn saved(&self, name: &str) -> Result<Option<Save>, StoreError> {
        const OPERATION: &str = "reading a run";
        let Some(snapshot) = self.get(SAVES, name).await? else { return Ok(None) };
        let events = self.events(name).await?;
        let snapshot =
            snapshot.dyn_into::<Uint8Array>().map_err(|_| StoreError::new(OPERATION, "a save is not made of bytes"))?;
        Ok(Some(Save { snapshot: snapshot.to_vec(), events }))
    }

    /// The events of the run `name` up to its newest save.
    ///
    /// # Errors
    /// As [`Self::saved`].
    pub async fn events(&self, name: &str) -> Result<Vec<Event>, StoreError> {
        const OPERATION: &str = "reading a run";
        let read = async {
            let transaction = self.database.transaction(&[EVENTS], TransactionMode::ReadOnly)?;
            transaction.store(EVENTS)?.get_all(Some(events_from(name, 0)?), None).await
        };
        let chunks = read.await.map_err(StoreError::refused(OPERATION))?;
        let text = chunks.iter().filter_map(JsValue::as_string).collect::<Vec<_>>().join("\n");
        let events = text.lines().map(Event::from_line).collect::<Result<_, _>>();
        events.map_err(|e| StoreError::new(OPERATION, e.to_string()))
    }

    /// Every study, newest first, as it was written last.
    ///
    /// # Errors
    /// When the database cannot be read; entries of other versions are left out.
    pub async fn studies(&self) -> Result<Vec<StoredStudy>, StoreError> {
        let rows = self.all(STUDIES).await?;
        let read = |(_, value): &(String, JsValue)| from_json(value);
        let mut studies: Vec<StoredStudy> = rows.iter().filter_map(read).collect();
        studies.sort_by(|a, b| b.began.total_cmp(&a.began));
        Ok(studies)
    }

    /// The study of this name, as it was written last.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn study(&self, name: &str) -> Result<Option<StoredStudy>, StoreError> {
        Ok(self.get(STUDIES, name).await?.and_then(|value| from_json(&value)))
    }

    /// Every record with its name, of runs made here and elsewhere. Those of other versions are left out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn records(&self) -> Result<Vec<(String, Record)>, StoreError> {
        let rows = self.all(RECORDS).await?;
        let read = |(name, value): (String, JsValue)| {
            let text = value.as_string()?;
            let record = Record::from_json(text.as_bytes(), &name).ok()?;
            Some((name, record))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// The record of the run `name`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn record(&self, name: &str) -> Result<Option<Record>, StoreError> {
        let text = self.get(RECORDS, name).await?.and_then(|value| value.as_string());
        Ok(text.and_then(|text| Record::from_json(text.as_bytes(), name).ok()))
    }

    /// The model of the finished run `name`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn model(&self, name: &str) -> Result<Option<StoredModel>, StoreError> {
        let Some(parts) = self.get(MODELS, name).await?.and_then(|value| value.dyn_into::<Array>().ok()) else {
            return Ok(None);
        };
        let bytes = |index| parts.get(index).dyn_into::<Uint8Array>().ok().map(|bytes| bytes.to_vec());
        let Some((config, labels, step)) = from_json(&parts.get(0)) else { return Ok(None) };
        let (Some(tokenizer), Some(weights)) = (bytes(1), bytes(2)) else { return Ok(None) };
        Ok(Some(StoredModel { config, labels, step, tokenizer, weights }))
    }

    /// The runs that have left a model.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn model_names(&self) -> Result<BTreeSet<String>, StoreError> {
        let read = async {
            let transaction = self.database.transaction(&[MODELS], TransactionMode::ReadOnly)?;
            transaction.store(MODELS)?.get_all_keys(None, None).await
        };
        let keys = read.await.map_err(StoreError::refused("reading"))?;
        Ok(keys.iter().filter_map(JsValue::as_string).collect())
    }

    /// The sets of files that were dropped.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn file_sets(&self) -> Result<Vec<FileSet>, StoreError> {
        let rows = self.all(FILES).await?;
        Ok(rows.iter().map(|(name, files)| FileSet { name: name.clone(), files: listed(files) }).collect())
    }

    /// The files of a set.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn files(&self, name: &str) -> Result<Option<Vec<web_sys::File>>, StoreError> {
        let files = self.get(FILES, name).await?.and_then(|files| files.dyn_into::<Array>().ok());
        Ok(files.map(|files| files.iter().filter_map(|file| file.dyn_into().ok()).collect()))
    }

    /// The self-test that the adapter of this description passed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn checks(&self, adapter: &str) -> Result<Option<Vec<crate::Check>>, StoreError> {
        Ok(self.get(CHECKS, adapter).await?.and_then(|value| from_json(&value)))
    }

    /// What was timed and kept under this key, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn step_times(&self, key: &str) -> Result<Vec<StepTimes>, StoreError> {
        Ok(self.get(CHECKS, key).await?.and_then(|value| from_json(&value)).unwrap_or_default())
    }

    async fn get(&self, table: &str, key: &str) -> Result<Option<JsValue>, StoreError> {
        let read = async {
            let transaction = self.database.transaction(&[table], TransactionMode::ReadOnly)?;
            transaction.store(table)?.get(key.into()).await
        };
        Ok(read.await.map_err(StoreError::refused("reading"))?.filter(|value| !value.is_undefined()))
    }

    async fn all(&self, table: &str) -> Result<Vec<(String, JsValue)>, StoreError> {
        let read = async {
            let transaction = self.database.transaction(&[table], TransactionMode::ReadOnly)?;
            let table = transaction.store(table)?;
            Ok((table.get_all_keys(None, None).await?, table.get_all(None, None).await?))
        };
        let (keys, values) = read.await.map_err(StoreError::refused("reading"))?;
        Ok(keys.iter().filter_map(JsValue::as_string).zip(values).collect())
    }
}

fn listed(files: &JsValue) -> Vec<(String, u64)> {
    let files = files.dyn_ref::<Array>().map(|files| files.to_vec()).unwrap_or_default();
    let files = files.into_iter().filter_map(|file| file.dyn_into::<web_sys::File>().ok());
    files.map(|file| (file.name(), file.size() as u64)).collect()
}

fn from_json<T: serde::de::DeserializeOwned>(value: &JsValue) -> Option<T> {
    serde_json::from_str(&value.as_string()?).ok()
}
