//! The writing half of the browser's database. Only workers have it; two never write the same run, for whoever has one open
//! holds its lock ([`crate::run_lock`]). A save and the events up to it are written together or not at all.

use apt_bridge::step_times::StepTimes;
use apt_bridge::store::layout::{CHECKS, EVENTS, FILES, MODELS, RECORDS, RUNS, SAVES, STUDIES, event_key, events_from};
use apt_bridge::store::{Store, StoreError, StoredModel};
use apt_bridge::{StoredRun, StoredStudy};
use apt_experiment::{Event, Record};
use js_sys::{Array, JsString, Uint8Array};
use rexie::{Store as Table, Transaction, TransactionMode, TransactionResult};
use std::ops::Deref;
use wasm_bindgen::JsValue;

/// The database, to be read and written.
pub(crate) struct StoreWriter(Store);

impl Deref for StoreWriter {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.0
    }
}

impl StoreWriter {
    /// As [`Store::open`].
    ///
    /// # Errors
    /// When the browser allows no storage.
    pub(crate) async fn open() -> Result<Self, StoreError> {
        Ok(Self(Store::open().await?))
    }

    /// Writes the list's entry of a run.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub(crate) async fn put_run(&self, run: &StoredRun) -> Result<(), StoreError> {
        self.put(RUNS, &run.name, &json(run)?).await
    }

    /// Writes a save: the run's entry, its snapshot, and the `events` since the last save, of which the first is the
    /// run's `first`-th. With `first` 0 whatever an earlier run of this name left goes.
    ///
    /// # Errors
    /// When the database cannot be written; the save before is then still whole.
    pub(crate) async fn save(
        &self,
        run: &StoredRun,
        snapshot: Option<&[u8]>,
        events: &[Event],
        first: usize,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "saving a run";
        let lines = events.iter().map(Event::to_line).collect::<Result<Vec<_>, _>>();
        let lines = lines.map_err(|e| StoreError::new(OPERATION, e.to_string()))?.join("\n");
        let entry = json(run)?;
        let write = async {
            let tables = [RUNS, EVENTS, SAVES];
            let transaction = self.database().transaction(&tables, TransactionMode::ReadWrite)?;
            let table = transaction.store(EVENTS)?;
            // Events of an earlier attempt beyond this point are void.
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
        write.await.map_err(StoreError::refused(OPERATION))
    }

    /// Removes a run with everything it left, its record too.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub(crate) async fn remove_run(&self, name: &str) -> Result<(), StoreError> {
        let remove = async {
            let tables = [RUNS, EVENTS, SAVES, RECORDS, MODELS];
            let transaction = self.database().transaction(&tables, TransactionMode::ReadWrite)?;
            clear_from(&transaction.store(EVENTS)?, name, 0).await?;
            for table in [RUNS, SAVES, RECORDS, MODELS] {
                transaction.store(table)?.delete(name.into()).await?;
            }
            committed(transaction).await
        };
        remove.await.map_err(StoreError::refused("removing a run"))
    }

    /// Writes a study.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub(crate) async fn put_study(&self, study: &StoredStudy) -> Result<(), StoreError> {
        self.put(STUDIES, &study.name, &json(study)?).await
    }

    /// Removes a study; its runs stay.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub(crate) async fn remove_study(&self, name: &str) -> Result<(), StoreError> {
        self.remove(STUDIES, name, "removing a study").await
    }

    /// Writes the record of the run `name`.
    ///
    /// # Errors
    /// When the record holds what JSON cannot, or the database cannot be written.
    pub(crate) async fn put_record(&self, name: &str, record: &Record) -> Result<(), StoreError> {
        let text = record.to_json(name).map_err(|e| StoreError::new("saving a record", e.to_string()))?;
        self.put(RECORDS, name, &text.into()).await
    }

    /// Stores the model of the finished run `name`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub(crate) async fn put_model(&self, name: &str, model: &StoredModel) -> Result<(), StoreError> {
        let head = json(&(&model.config, &model.labels, model.step))?;
        let (tokenizer, weights) = (Uint8Array::from(&model.tokenizer[..]), Uint8Array::from(&model.weights[..]));
        self.put(MODELS, name, &Array::of3(&head, &tokenizer, &weights)).await
    }

    /// Stores dropped files (`File` objects, whose bytes are not read for that) under one name.
    ///
    /// # Errors
    /// When the database cannot be written, for instance because it would grow too large.
    pub(crate) async fn put_files(&self, name: &str, files: &[JsValue]) -> Result<(), StoreError> {
        let files: Array = files.iter().collect();
        self.put(FILES, name, &files).await
    }

    /// Removes a set of files.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub(crate) async fn remove_files(&self, name: &str) -> Result<(), StoreError> {
        self.remove(FILES, name, "removing files").await
    }

    /// Remembers a self-test that was passed.
    ///
    /// # Errors
    /// When the database cannot be written.
    #[cfg(feature = "gpu")]
    pub(crate) async fn put_checks(&self, adapter: &str, checks: &[apt_bridge::Check]) -> Result<(), StoreError> {
        self.put(CHECKS, adapter, &json(&checks)?).await
    }

    /// Remembers what was timed.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub(crate) async fn put_step_times(&self, key: &str, times: &[StepTimes]) -> Result<(), StoreError> {
        self.put(CHECKS, key, &json(&times)?).await
    }

    async fn put(&self, table: &str, key: &str, value: &JsValue) -> Result<(), StoreError> {
        let write = async {
            let transaction = self.database().transaction(&[table], TransactionMode::ReadWrite)?;
            transaction.store(table)?.put(value, Some(&key.into())).await?;
            committed(transaction).await
        };
        write.await.map_err(StoreError::refused("writing"))
    }

    async fn remove(&self, table: &str, key: &str, doing: &'static str) -> Result<(), StoreError> {
        let remove = async {
            let transaction = self.database().transaction(&[table], TransactionMode::ReadWrite)?;
            transaction.store(table)?.delete(key.into()).await?;
            committed(transaction).await
        };
        remove.await.map_err(StoreError::refused(doing))
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
    for key in events.get_all_keys(Some(events_from(name, first)?), None).await? {
        events.delete(key).await?;
    }
    Ok(())
}

fn json<T: serde::Serialize>(value: &T) -> Result<JsValue, StoreError> {
    let text = serde_json::to_string(value).map_err(|e| StoreError::new("writing", e.to_string()))?;
    Ok(JsString::from(text).into())
}
