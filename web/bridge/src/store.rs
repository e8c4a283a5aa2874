//! The browser's database (IndexedDB): runs, what they said, their saves and records, studies, dropped files, and which
//! adapters have passed the self-test. Page and worker both use it; a save and the events up to it are written together or
//! not at all.

use crate::{FileSet, StoredRun, StoredStudy};
use apt_experiment::{Event, Record};
use js_sys::{Array, JsString, Uint8Array};
use rexie::{KeyRange, ObjectStore, Rexie, Store as Table, Transaction, TransactionMode, TransactionResult};
use wasm_bindgen::{JsCast, JsValue};

const DATABASE: &str = "apt-lab";
const VERSION: u32 = 2;
/// [`StoredRun`] as JSON, by name.
const RUNS: &str = "runs";
/// Lines of events, by `name/index of the first`.
const EVENTS: &str = "events";
/// The newest save of a run, by name.
const SAVES: &str = "saves";
/// Records as JSON, by name; also those of runs made elsewhere.
const RECORDS: &str = "records";
/// `[File, …]` as dropped, by the set's name.
const FILES: &str = "files";
/// Self-tests passed, by adapter.
const CHECKS: &str = "checks";
/// [`StoredStudy`] as JSON, by name.
const STUDIES: &str = "studies";
/// `[JSON, tokenizer, weights]` of finished runs, by name.
const MODELS: &str = "models";

/// The database would not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("the browser's storage: {doing} failed ({why}); free some space, or allow this site to store data")]
pub struct StoreError {
    doing: &'static str,
    why: String,
}

/// A handle on the database.
pub struct Store {
    database: Rexie,
}

/// A save with everything said up to it.
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
    /// Opens the database, making it if it is not there.
    ///
    /// # Errors
    /// When the browser allows no storage (some do so in private windows).
    pub async fn open() -> Result<Self, StoreError> {
        let tables = [RUNS, EVENTS, SAVES, RECORDS, FILES, CHECKS, STUDIES, MODELS];
        let builder = Rexie::builder(DATABASE).version(VERSION);
        let builder = tables.iter().fold(builder, |builder, table| builder.add_object_store(ObjectStore::new(table)));
        let database = builder.build().await.map_err(failed("opening"))?;
        Ok(Self { database })
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

    /// Writes the list's entry of a run.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn put_run(&self, run: &StoredRun) -> Result<(), StoreError> {
        self.put(RUNS, &run.name, &json(run)?).await
    }

    /// Writes a save: the run's entry, its snapshot, and the `events` said since the last save, of which the first is the
    /// run's `first`-th. With `first` 0 whatever an earlier run of this name left goes.
    ///
    /// # Errors
    /// When the database cannot be written; the save before is then still whole.
    pub async fn save(
        &self,
        run: &StoredRun,
        snapshot: Option<&[u8]>,
        events: &[Event],
        first: usize,
    ) -> Result<(), StoreError> {
        const DOING: &str = "saving a run";
        let lines = events.iter().map(Event::to_line).collect::<Result<Vec<_>, _>>();
        let lines = lines.map_err(|e| StoreError { doing: DOING, why: e.to_string() })?.join("\n");
        let entry = json(run)?;
        let write = async {
            let tables = [RUNS, EVENTS, SAVES];
            let transaction = self.database.transaction(&tables, TransactionMode::ReadWrite)?;
            let table = transaction.store(EVENTS)?;
            // What an earlier attempt said beyond this point is void.
            clear_from(&table, &run.name, first).await?;
            if !lines.is_empty() {
                table.put(&lines.into(), Some(&event_key(&run.name, first))).await?;
            }
            let saves = transaction.store(SAVES)?;
            match snapshot {
                Some(bytes) => drop(saves.put(&Uint8Array::from(bytes), Some(&run.name.as_str().into())).await?),
                None => saves.delete(run.name.as_str().into()).await?,
            }
            transaction.store(RUNS)?.put(&entry, Some(&run.name.as_str().into())).await?;
            committed(transaction).await
        };
        write.await.map_err(failed(DOING))
    }

    /// The newest save of the run `name`.
    ///
    /// # Errors
    /// When the database cannot be read, or what it holds is damaged.
    pub async fn saved(&self, name: &str) -> Result<Option<Save>, StoreError> {
        const DOING: &str = "reading a run";
        let Some(snapshot) = self.get(SAVES, name).await? else { return Ok(None) };
        let events = self.events(name).await?;
        let snapshot = snapshot
            .dyn_into::<Uint8Array>()
            .map_err(|_| StoreError { doing: DOING, why: "a save is not made of bytes".into() })?;
        Ok(Some(Save { snapshot: snapshot.to_vec(), events }))
    }

    /// What the run `name` has said up to its newest save.
    ///
    /// # Errors
    /// As [`Self::saved`].
    pub async fn events(&self, name: &str) -> Result<Vec<Event>, StoreError> {
        const DOING: &str = "reading a run";
        let read = async {
            let transaction = self.database.transaction(&[EVENTS], TransactionMode::ReadOnly)?;
            transaction.store(EVENTS)?.get_all(Some(events_of(name, 0)?), None).await
        };
        let chunks = read.await.map_err(failed(DOING))?;
        let text = chunks.iter().filter_map(JsValue::as_string).collect::<Vec<_>>().join("\n");
        let events = text.lines().map(Event::from_line).collect::<Result<_, _>>();
        events.map_err(|e| StoreError { doing: DOING, why: e.to_string() })
    }

    /// Removes a run with everything it left, its record too.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn remove_run(&self, name: &str) -> Result<(), StoreError> {
        let remove = async {
            let tables = [RUNS, EVENTS, SAVES, RECORDS, MODELS];
            let transaction = self.database.transaction(&tables, TransactionMode::ReadWrite)?;
            clear_from(&transaction.store(EVENTS)?, name, 0).await?;
            for table in [RUNS, SAVES, RECORDS, MODELS] {
                transaction.store(table)?.delete(name.into()).await?;
            }
            committed(transaction).await
        };
        remove.await.map_err(failed("removing a run"))
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

    /// Writes a study.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn put_study(&self, study: &StoredStudy) -> Result<(), StoreError> {
        self.put(STUDIES, &study.name, &json(study)?).await
    }

    /// Removes a study; its runs stay.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn remove_study(&self, name: &str) -> Result<(), StoreError> {
        self.remove(STUDIES, name, "removing a study").await
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

    /// Writes the record of the run `name`.
    ///
    /// # Errors
    /// When the record holds what JSON cannot, or the database cannot be written.
    pub async fn put_record(&self, name: &str, record: &Record) -> Result<(), StoreError> {
        let text = record.to_json(name).map_err(|e| StoreError { doing: "saving a record", why: e.to_string() })?;
        self.put(RECORDS, name, &text.into()).await
    }

    /// Keeps the model of the finished run `name`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn put_model(&self, name: &str, model: &StoredModel) -> Result<(), StoreError> {
        let head = json(&(&model.config, &model.labels, model.step))?;
        let (tokenizer, weights) = (Uint8Array::from(&model.tokenizer[..]), Uint8Array::from(&model.weights[..]));
        self.put(MODELS, name, &Array::of3(&head, &tokenizer, &weights)).await
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

    /// The sets of files that were dropped.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn file_sets(&self) -> Result<Vec<FileSet>, StoreError> {
        let rows = self.all(FILES).await?;
        Ok(rows.iter().map(|(name, files)| FileSet { name: name.clone(), files: listed(files) }).collect())
    }

    /// Keeps dropped files (`File` objects, whose bytes are not read for that) under one name.
    ///
    /// # Errors
    /// When the database cannot be written, for instance because it would grow too large.
    pub async fn put_files(&self, name: &str, files: &[web_sys::File]) -> Result<(), StoreError> {
        let files: Array = files.iter().collect();
        self.put(FILES, name, &files).await
    }

    /// The files of a set.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn files(&self, name: &str) -> Result<Option<Vec<web_sys::File>>, StoreError> {
        let files = self.get(FILES, name).await?.and_then(|files| files.dyn_into::<Array>().ok());
        Ok(files.map(|files| files.iter().filter_map(|file| file.dyn_into().ok()).collect()))
    }

    /// Removes a set of files.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn remove_files(&self, name: &str) -> Result<(), StoreError> {
        self.remove(FILES, name, "removing files").await
    }

    /// The self-test that the adapter of this description passed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn checks(&self, adapter: &str) -> Result<Option<Vec<crate::Check>>, StoreError> {
        Ok(self.get(CHECKS, adapter).await?.and_then(|value| from_json(&value)))
    }

    /// Remembers a self-test that was passed.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn put_checks(&self, adapter: &str, checks: &[crate::Check]) -> Result<(), StoreError> {
        self.put(CHECKS, adapter, &json(&checks)?).await
    }

    async fn get(&self, table: &str, key: &str) -> Result<Option<JsValue>, StoreError> {
        let read = async {
            let transaction = self.database.transaction(&[table], TransactionMode::ReadOnly)?;
            transaction.store(table)?.get(key.into()).await
        };
        Ok(read.await.map_err(failed("reading"))?.filter(|value| !value.is_undefined()))
    }

    async fn put(&self, table: &str, key: &str, value: &JsValue) -> Result<(), StoreError> {
        let write = async {
            let transaction = self.database.transaction(&[table], TransactionMode::ReadWrite)?;
            transaction.store(table)?.put(value, Some(&key.into())).await?;
            committed(transaction).await
        };
        write.await.map_err(failed("writing"))
    }

    async fn remove(&self, table: &str, key: &str, doing: &'static str) -> Result<(), StoreError> {
        let remove = async {
            let transaction = self.database.transaction(&[table], TransactionMode::ReadWrite)?;
            transaction.store(table)?.delete(key.into()).await?;
            committed(transaction).await
        };
        remove.await.map_err(failed(doing))
    }

    async fn all(&self, table: &str) -> Result<Vec<(String, JsValue)>, StoreError> {
        let read = async {
            let transaction = self.database.transaction(&[table], TransactionMode::ReadOnly)?;
            let table = transaction.store(table)?;
            Ok((table.get_all_keys(None, None).await?, table.get_all(None, None).await?))
        };
        let (keys, values) = read.await.map_err(failed("reading"))?;
        Ok(keys.iter().filter_map(JsValue::as_string).zip(values).collect())
    }
}

/// Waits until everything is written. That a disk is full is found out only then, and takes all of it back.
async fn committed(transaction: Transaction) -> Result<(), rexie::Error> {
    match transaction.done().await? {
        TransactionResult::Committed => Ok(()),
        TransactionResult::Aborted => Err(rexie::Error::TransactioncommitFailed),
    }
}

async fn clear_from(events: &Table, name: &str, first: usize) -> Result<(), rexie::Error> {
    for key in events.get_all_keys(Some(events_of(name, first)?), None).await? {
        events.delete(key).await?;
    }
    Ok(())
}

/// Keys of the events of a run from the `first` on.
fn events_of(name: &str, first: usize) -> Result<KeyRange, rexie::Error> {
    // `0` is the character after `/`.
    Ok(KeyRange::bound(&event_key(name, first), &format!("{name}0").into(), None, Some(true))?)
}

fn event_key(name: &str, first: usize) -> JsValue {
    format!("{name}/{first:012}").into()
}

fn listed(files: &JsValue) -> Vec<(String, u64)> {
    let files = files.dyn_ref::<Array>().map(|files| files.to_vec()).unwrap_or_default();
    let files = files.into_iter().filter_map(|file| file.dyn_into::<web_sys::File>().ok());
    files.map(|file| (file.name(), file.size() as u64)).collect()
}

fn json<T: serde::Serialize>(value: &T) -> Result<JsValue, StoreError> {
    let text = serde_json::to_string(value).map_err(|e| StoreError { doing: "writing", why: e.to_string() })?;
    Ok(JsString::from(text).into())
}

fn from_json<T: serde::de::DeserializeOwned>(value: &JsValue) -> Option<T> {
    serde_json::from_str(&value.as_string()?).ok()
}

fn failed(doing: &'static str) -> impl Fn(rexie::Error) -> StoreError {
    move |error| {
        let why = match &error {
            rexie::Error::IdbError(inner) => inner.to_string(),
            rexie::Error::TransactioncommitFailed => {
                "the browser took it back, as it does when there is no room".into()
            }
            other => other.to_string(),
        };
        StoreError { doing, why }
    }
}
