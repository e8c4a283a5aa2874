//! The browser's database from the page's side: what it reads, and what it asks the worker to change.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use apt_bridge::store::{Store, StoreError};
use apt_bridge::{Command, StoredStudy};
use apt_experiment::{COMPRESSED_EXTENSIONS, DATA_EXTENSIONS, Explain, Problem, Record, StudyFile, is_model_file};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use super::state::Lab;
use crate::looking::holds_examples;
use crate::studies::listed;

impl Lab {
    /// Reads something from the database; an error is shown.
    fn read_store<F: Future<Output = Result<(), StoreError>>>(self, read: impl FnOnce(Store) -> F + 'static) {
        spawn_local(async move {
            let done = match Store::open().await {
                Ok(store) => read(store).await,
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                self.report(error.problem());
            }
        });
    }

    /// Reads the list of runs.
    pub(crate) fn load_runs(self) {
        self.read_store(move |store| async move {
            self.runs.set(store.runs().await?);
            Ok(())
        });
    }

    /// Reads which runs have left a model.
    pub(crate) fn load_model_names(self, names: RwSignal<BTreeSet<String>>) {
        self.read_store(move |store| async move {
            let kept = store.model_names().await?;
            // Whoever asked may be gone.
            let _ = names.try_set(kept);
            Ok(())
        });
    }

    /// Reads the stored records, if that has not been done.
    pub(crate) fn load_records(self) {
        if self.has_records.get_untracked() {
            return;
        }
        self.has_records.set(true);
        self.read_store(move |store| async move {
            for (name, record) in store.records().await? {
                self.add_record(name, record);
            }
            Ok(())
        });
    }

    /// Adds a record to those that are shown, in place of one of the same name.
    pub(crate) fn add_record(self, name: String, record: Record) {
        self.records.update(|records| {
            records.retain(|(of, _)| *of != name);
            records.push((name, Arc::new(record)));
        });
    }

    /// Reads the list of studies. One that was running when it was written last, and is not here, was cut off.
    pub(crate) fn load_studies(self) {
        self.read_store(move |store| async move {
            let studies = store.studies().await?;
            let here = untrack(|| self.running_study());
            let is_here = |study: &StoredStudy| here.as_ref().is_some_and(|here| here.name == study.name);
            let cut_off = studies.iter().find(|study| study.running && !is_here(study));
            self.cut_off.set(cut_off.map(|study| study.name.clone()));
            self.studies.set(listed(studies, here.as_ref()));
            Ok(())
        });
    }

    /// Reads the list of dropped files.
    pub(crate) fn load_sets(self) {
        self.read_store(move |store| async move {
            self.sets.set(store.file_sets().await?);
            Ok(())
        });
    }

    /// Takes dropped files: those of a model, of a task, records and studies.
    pub(crate) fn take_files(self, files: Vec<File>) {
        // What a .json holds is seen when it is read.
        let is_data = |ending: &str| {
            ending != "json" && (DATA_EXTENSIONS.contains(&ending) || COMPRESSED_EXTENSIONS.contains(&ending))
        };
        let ending = |file: &File| file.name().rsplit_once('.').map_or_else(String::new, |(_, e)| e.to_lowercase());
        let is_model = |file: &File| is_model_file(&file.name());
        let (model, others): (Vec<_>, Vec<_>) = files.into_iter().partition(is_model);
        let (data, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|file| is_data(&ending(file)));
        let (records, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|file| ending(file) == "json");
        let (studies, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|file| ending(file) == "toml");
        // What else lies in a model's folder is no record of a run.
        let (records, others) = match model.is_empty() {
            true => (records, others),
            false => {
                let beside = records.iter().chain(&others).map(File::name).collect::<Vec<_>>();
                if !beside.is_empty() {
                    self.notice(format!("Not read beside the model: {}.", beside.join(", ")));
                }
                self.keep_files(None, model);
                (Vec::new(), Vec::new())
            }
        };
        if !data.is_empty() {
            self.take_data(data);
        }
        if !records.is_empty() {
            self.import(records);
        }
        if !studies.is_empty() {
            self.take_studies(studies);
        }
        for file in others {
            let remedy = "Drop the files of a model's folder together, a .csv, .tsv, .json or .jsonl file \
                          with examples, a record.json, or the file of a study.";
            self.report(Problem::new(file.name(), "the lab has no use for this file", remedy));
        }
    }

    fn take_data(self, files: Vec<File>) {
        let name = match files.as_slice() {
            [file] => file.name(),
            files => format!("{} and {} more", files[0].name(), files.len() - 1),
        };
        self.keep_files(Some(name), files);
    }

    fn keep_files(self, name: Option<String>, files: Vec<File>) {
        self.keep(name, files.into_iter().map(JsValue::from).collect());
    }

    /// Has files kept, under `name` or as a new model.
    pub(crate) fn keep(self, name: Option<String>, files: Vec<JsValue>) {
        let knobs = Box::new(self.settings.with_untracked(|settings| settings.knobs.clone()));
        self.send_with(Command::KeepFiles { name, knobs }, files);
    }

    /// Queues studies.
    fn take_studies(self, files: Vec<File>) {
        spawn_local(async move {
            for file in files {
                let name = file.name();
                let Some(text) = self.text_of(&file).await else { continue };
                let read = StudyFile::from_toml(&text, &name).map_err(|error| error.problem());
                if let Err(problem) = read.and_then(|read| self.take_study_file(&name, read)) {
                    self.report(problem);
                }
            }
        });
    }

    fn take_study_file(self, name: &str, file: StudyFile) -> Result<(), Problem> {
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let called = file.name.clone().unwrap_or_else(|| stem.to_owned());
        let study = self.queue_study(StudyFile { name: Some(called), ..file })?;
        self.notice(format!("The study {} is queued in Compare.", study.name));
        Ok(())
    }

    /// Takes in records of runs made elsewhere, and studies.
    pub(crate) fn import(self, files: Vec<File>) {
        spawn_local(async move {
            for file in files {
                let name = file.name();
                let Some(text) = self.text_of(&file).await else { continue };
                if holds_examples(&text) {
                    self.take_data(vec![file]);
                    continue;
                }
                match StudyFile::from_json(&text, &name) {
                    Ok(study) => {
                        if let Err(problem) = self.take_study_file(&name, study) {
                            self.report(problem);
                        }
                    }
                    Err(_) => self.send(Command::ImportRecord { file: name, text }),
                }
            }
        });
    }

    /// The text of a file; that it cannot be read is shown.
    async fn text_of(self, file: &File) -> Option<String> {
        let text = JsFuture::from(file.text()).await.ok().and_then(|text| text.as_string());
        if text.is_none() {
            self.report(Problem::new(file.name(), "the file cannot be read", "Choose it again."));
        }
        text
    }
}
