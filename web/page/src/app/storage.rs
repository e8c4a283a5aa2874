//! What the page does with the browser's database: lists, records, studies, dropped files.

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use apt_bridge::store::{Store, StoreError};
use apt_bridge::{MODEL_FILES, StoredStudy};
use apt_experiment::{BUILTIN_TASK, DATA_EXTENSIONS, Record, StudyFile, TEXT_TASK, run_name};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use super::state::Lab;

impl Lab {
    /// Does something with the database; what fails is shown.
    pub(crate) fn stored<F: Future<Output = Result<(), StoreError>>>(self, act: impl FnOnce(Store) -> F + 'static) {
        spawn_local(async move {
            let done = match Store::open().await {
                Ok(store) => act(store).await,
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                self.trouble("this browser's database", &error.to_string(), "Allow this site to store data.");
            }
        });
    }

    /// Reads the list of runs.
    pub(crate) fn load_runs(self) {
        self.stored(move |store| async move {
            self.runs.set(store.runs().await?);
            Ok(())
        });
    }

    /// Reads the stored records, if that has not been done.
    pub(crate) fn load_records(self) {
        if self.has_records.get_untracked() {
            return;
        }
        self.has_records.set(true);
        self.stored(move |store| async move {
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

    /// Reads the list of studies. One that a worker went through when it was written last was cut off.
    pub(crate) fn load_studies(self) {
        self.stored(move |store| async move {
            let studies = store.studies().await?;
            self.cut_off.set(studies.iter().find(|study| study.running).map(|study| study.name.clone()));
            self.studies.set(studies.into_iter().map(StoredStudy::at_rest).collect());
            Ok(())
        });
    }

    /// Reads the list of dropped files.
    pub(crate) fn load_sets(self) {
        self.stored(move |store| async move {
            self.sets.set(store.file_sets().await?);
            Ok(())
        });
    }

    /// Removes a run or record; a study that had it may make it again.
    pub(crate) fn remove_run(self, name: String) {
        self.stored(move |store| async move {
            store.remove_run(&name).await?;
            let mut studies = self.studies.get_untracked();
            for study in studies.iter_mut().filter_map(|study| study.lose(&name).then_some(study)) {
                store.put_study(study).await?;
            }
            self.studies.set(studies);
            self.runs.update(|runs| runs.retain(|run| run.name != name));
            self.records.update(|records| records.retain(|(of, _)| *of != name));
            Ok(())
        });
    }

    /// Removes dropped files.
    pub(crate) fn remove_set(self, name: String) {
        self.stored(move |store| async move {
            store.remove_files(&name).await?;
            self.sets.set(store.file_sets().await?);
            Ok(())
        });
    }

    /// Takes dropped files: those of a model, of a task, records and studies.
    pub(crate) fn take_files(self, files: Vec<File>) {
        let ending = |file: &File| file.name().rsplit_once('.').map_or_else(String::new, |(_, e)| e.to_lowercase());
        let is_model = |file: &File| MODEL_FILES.contains(&file.name().as_str());
        let (model, others): (Vec<_>, Vec<_>) = files.into_iter().partition(is_model);
        let (data, others): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|file| DATA_EXTENSIONS.contains(&ending(file).as_str()));
        let (records, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|file| ending(file) == "json");
        let (studies, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|file| ending(file) == "toml");
        if !model.is_empty() {
            self.take_model(model);
        }
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
            let remedy = "Drop config.json, tokenizer.json and model.safetensors together, a .csv, .tsv or .jsonl file, \
                          a record.json, or the file of a study.";
            self.trouble(&file.name(), "the lab has no use for this file", remedy);
        }
    }

    fn take_model(self, files: Vec<File>) {
        let missing: Vec<_> =
            MODEL_FILES.into_iter().filter(|name| files.iter().all(|file| file.name() != *name)).collect();
        if !missing.is_empty() {
            let place = files.iter().map(File::name).collect::<Vec<_>>().join(", ");
            let what = format!("a model needs {} too", missing.join(" and "));
            self.trouble(&place, &what, "Drop all three files at once.");
            return;
        }
        self.stored(move |store| async move {
            let sets = store.file_sets().await?;
            let fresh = (1..).map(|number| format!("my-model-{number}"));
            let name = fresh.into_iter().find(|name| sets.iter().all(|set| set.name != *name)).unwrap_or_default();
            store.put_files(&name, &files).await?;
            self.sets.set(store.file_sets().await?);
            self.settings.update(|settings| settings.knobs.model = name);
            Ok(())
        });
    }

    fn take_data(self, files: Vec<File>) {
        let name = match files.as_slice() {
            [file] => file.name(),
            files => format!("{} and {} more", files[0].name(), files.len() - 1),
        };
        self.stored(move |store| async move {
            store.put_files(&name, &files).await?;
            self.sets.set(store.file_sets().await?);
            self.settings.update(|settings| {
                settings.knobs.data = Some(name);
                if settings.knobs.task == BUILTIN_TASK {
                    settings.knobs.task = TEXT_TASK.into();
                }
            });
            Ok(())
        });
    }

    /// Queues studies.
    fn take_studies(self, files: Vec<File>) {
        spawn_local(async move {
            for file in files {
                let name = file.name();
                let Some(text) = JsFuture::from(file.text()).await.ok().and_then(|text| text.as_string()) else {
                    self.trouble(&name, "the file cannot be read", "Choose it again.");
                    continue;
                };
                let read = StudyFile::from_toml(&text, &name).map_err(|error| error.to_string());
                if let Err(why) = read.and_then(|read| self.take_study_file(&name, read)) {
                    self.trouble(&name, &why, "Correct the study.");
                }
            }
        });
    }

    fn take_study_file(self, name: &str, file: StudyFile) -> Result<(), String> {
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let called = file.name.clone().unwrap_or_else(|| stem.to_owned());
        let study = self.queue_study(StudyFile { name: Some(called), ..file })?;
        self.notice(format!("The study {} is queued in Compare.", study.name));
        Ok(())
    }

    /// Takes in records of runs made elsewhere, and studies.
    pub(crate) fn import(self, files: Vec<File>) {
        self.stored(move |store| async move {
            for file in files {
                let name = file.name();
                let Some(text) = JsFuture::from(file.text()).await.ok().and_then(|text| text.as_string()) else {
                    self.trouble(&name, "the file cannot be read", "Choose it again.");
                    continue;
                };
                if let Ok(study) = StudyFile::from_json(&text, &name) {
                    if let Err(why) = self.take_study_file(&name, study) {
                        self.trouble(&name, &why, "Correct the study.");
                    }
                    continue;
                }
                match Record::from_json(text.as_bytes(), &name) {
                    Ok(record) => {
                        let kept = store.records().await?;
                        let is_free = |run: &String| kept.iter().all(|(of, other)| of != run || *other == record);
                        // Another record of this name stays what it is.
                        let run = Some(name_of(&name, &text)).filter(is_free).unwrap_or_else(|| hashed(&text));
                        store.put_record(&run, &record).await?;
                        self.add_record(run.clone(), record);
                        self.notice(format!("{name} is here as {run}."));
                    }
                    Err(error) => self.trouble(&name, &error.to_string(), "Drop a record.json."),
                }
            }
            Ok(())
        });
    }
}

/// The name of a record from elsewhere: its file's, unless that is every record's.
fn name_of(file: &str, text: &str) -> String {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let stem = stem.strip_suffix("-record").unwrap_or(stem);
    if stem.starts_with("record") { hashed(text) } else { stem.to_owned() }
}

/// A name that follows from a record's text.
fn hashed(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    run_name(hasher.finish())
}
