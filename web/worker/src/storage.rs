//! Changes of the database that the page asks for: removing runs, keeping studies, records and files.

use crate::error::WorkerError;
use crate::port;
use crate::run::Run;
use crate::run_lock::RunLock;
use crate::store_writer::StoreWriter;
use crate::worker::Worker;
use apt_bridge::{Message, StoredStudy, record_name};
use apt_experiment::{Knobs, Record};
use wasm_bindgen::JsValue;

impl Worker {
    fn writable(&self) -> Result<&StoreWriter, WorkerError> {
        self.store.as_ref().ok_or_else(|| {
            WorkerError::new(
                "the browser's storage",
                "this browser stores nothing for this page",
                "allow this site to store data, and reload the page",
            )
        })
    }

    /// Removes a run or a record, unless it is open. Cells of studies that had it are queued again.
    pub(crate) async fn remove_run(&mut self, name: String) -> Result<(), WorkerError> {
        let is_shown = self.run.as_ref().is_some_and(|run| run.entry.name == name);
        if is_shown && self.run.as_ref().is_some_and(Run::is_open) {
            return Err(WorkerError::new(name, "this run is open", "stop it first"));
        }
        let Some(_lock) = RunLock::of(&name).await else { return Err(WorkerError::Busy { run: name }) };
        let store = self.writable()?;
        store.remove_run(&name).await?;
        if is_shown {
            self.run = None;
        }
        port::post(&Message::RunRemoved { run: name.clone() });
        self.requeue(&name).await
    }

    async fn requeue(&mut self, run: &str) -> Result<(), WorkerError> {
        let current = self.study.as_ref().map(|queue| queue.stored.name.clone());
        if self.study.as_mut().is_some_and(|queue| queue.stored.requeue(run)) {
            self.publish_study().await;
        }
        let store = self.writable()?;
        for mut study in store.studies().await?.into_iter().filter(|study| Some(&study.name) != current.as_ref()) {
            if study.requeue(run) {
                store.put_study(&study).await?;
                // One that is running is so in another tab.
                port::post(&Message::Study(Box::new(study.stopped())));
            }
        }
        Ok(())
    }

    /// Keeps a study of which nothing has been run.
    pub(crate) async fn queue_study(&self, study: StoredStudy) -> Result<(), WorkerError> {
        self.writable()?.put_study(&study).await?;
        port::post(&Message::Study(Box::new(study)));
        Ok(())
    }

    /// Removes a study that is not running.
    pub(crate) async fn remove_study(&self, name: String) -> Result<(), WorkerError> {
        if self.study.as_ref().is_some_and(|queue| queue.stored.name == name) {
            return Err(WorkerError::new(format!("study {name}"), "this study is running", "stop it first"));
        }
        self.writable()?.remove_study(&name).await?;
        port::post(&Message::StudyRemoved { study: name });
        Ok(())
    }

    /// Keeps the record of a run that was made elsewhere.
    pub(crate) async fn import_record(&self, file: String, text: &str) -> Result<(), WorkerError> {
        let record = Record::from_json(text.as_bytes(), &file)?;
        let store = self.writable()?;
        let kept = store.records().await?;
        // Another record of this name stays what it is.
        let is_taken = |name: &str| kept.iter().any(|(of, other)| of == name && *other != record);
        let run = record_name(&file, text, is_taken);
        store.put_record(&run, &record).await?;
        port::post(&Message::Imported { file, run, record: Box::new(record) });
        Ok(())
    }

    /// Keeps dropped files under `name`, or as a new model, if they can be used with `knobs`.
    pub(crate) async fn keep_files(
        &mut self,
        name: Option<String>,
        knobs: &Knobs,
        files: &[JsValue],
    ) -> Result<(), WorkerError> {
        let store = self.writable()?;
        self.check_files(files, knobs).await?;
        let name = match name {
            Some(name) => name,
            None => {
                let sets = store.file_sets().await?;
                let mut numbered = (1..).map(|number| format!("my-model-{number}"));
                numbered.find(|name| sets.iter().all(|set| set.name != *name)).unwrap_or_default()
            }
        };
        store.put_files(&name, files).await?;
        self.hub.forget(&name);
        self.report_files(Some(name)).await
    }

    /// Removes dropped files.
    pub(crate) async fn remove_files(&mut self, name: &str) -> Result<(), WorkerError> {
        self.writable()?.remove_files(name).await?;
        self.report_files(None).await
    }

    async fn report_files(&mut self, added: Option<String>) -> Result<(), WorkerError> {
        // What a name stands for may have changed.
        self.output_count = None;
        let sets = self.writable()?.file_sets().await?;
        port::post(&Message::Files { sets, added });
        Ok(())
    }
}
