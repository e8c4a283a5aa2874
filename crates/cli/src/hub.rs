//! Models named instead of found: of the hub, or of the gallery, fetched into the hub's own cache where they are not there.
//! A folder of the name goes before; what `hf:` stands before is of the hub alone.

use crate::error::CliError;
use crate::interrupt;
use crate::reporter::print_stderr;
use apt_experiment::{Explain, in_gallery};
use apt_hub::{Hub, HubError, Kind, ModelName, PREFIX, Progress, Settings, Snapshot, is_cached, megabytes};
use apt_nn::NnError;
use apt_train::{ModelFolder, NamedFiles};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Files from this size on are told of where there is no terminal.
const TOLD: u64 = 5_000_000;

/// The file or folder that `source` names: itself, or the folder in the cache with the files of a model of the hub, which
/// are fetched where they are not there.
///
/// # Errors
/// A model that the hub does not give.
pub(crate) fn located(source: &Path) -> Result<PathBuf, CliError> {
    let Some(text) = source.to_str() else { return Ok(source.to_owned()) };
    if text.starts_with(PREFIX) {
        return fetched(&of_gallery(ModelName::parse(text)?), false);
    }
    let Some((name, org)) = meant(text) else { return Ok(source.to_owned()) };
    if source.exists() {
        if in_gallery(&name.repo).is_some() || is_cached(&Settings::from_env(), &name) {
            print_stderr(&format!("note: the folder {text} is read; {name} is the model of the hub"));
        }
        return Ok(source.to_owned());
    }
    // A path that leads into a folder that is there is a path.
    if org.is_some_and(|org| Path::new(&org).is_dir()) { Ok(source.to_owned()) } else { fetched(&name, true) }
}

/// The name of a model whose files lie in `folder`, with its commit, where `source` names a model of the hub.
pub(crate) fn pinned(source: &str, folder: &Path) -> Option<String> {
    let is_named = source.starts_with(PREFIX) || !Path::new(source).exists();
    ModelName::of_snapshot(folder).filter(|_| is_named).map(|name| name.to_string())
}

/// Which of these models of the hub the cache of this machine has something of.
pub(crate) fn cached<'n>(names: impl Iterator<Item = &'n str>) -> Vec<bool> {
    let settings = Settings::from_env();
    let is_there = |name: &str| ModelName::parse(name).is_ok_and(|name| is_cached(&settings, &name));
    names.map(is_there).collect()
}

/// The model of the hub that a text without `hf:` may mean, one of the gallery or `org/name`; and its `org` where a path
/// could lead into a folder of that name.
fn meant(text: &str) -> Option<(ModelName, Option<String>)> {
    let name = ModelName::parse(text).ok()?;
    let is_listed = in_gallery(&name.repo).is_some();
    let name = of_gallery(name);
    let (org, _) = name.repo.split_once('/')?;
    let org = (!is_listed).then(|| org.to_owned());
    Some((name, org))
}

/// The whole name where that is one of the gallery's without the organisation.
fn of_gallery(name: ModelName) -> ModelName {
    match in_gallery(&name.repo) {
        Some(model) => ModelName { repo: model.name.to_owned(), ..name },
        None => name,
    }
}

/// The folder in the cache with all files of a model that are read. `may_be_folder` says that a folder could have been
/// meant.
fn fetched(name: &ModelName, may_be_folder: bool) -> Result<PathBuf, CliError> {
    let said = |error: HubError| if may_be_folder { error.without_folder() } else { error };
    let hub = Hub::new(&Settings::from_env())?;
    // A commit never changes: what is there and known to be all needs no question.
    let here = hub.cached(name);
    if let Some(here) = here.as_ref().filter(|here| name.is_commit() && is_known_whole(&hub, here)) {
        return Ok(here.folder.clone());
    }
    let there = match hub.list(name) {
        Ok(there) => there,
        Err(error) if error.leaves_the_cache() => {
            return match &here {
                Some(here) if opened(here).is_ok() => {
                    if error.kind() == Kind::Unreachable {
                        let (why, commit) = (error.problem().what, &here.commit);
                        print_stderr(&format!("note: {why}; commit {commit} is read from the cache"));
                    }
                    Ok(here.folder.clone())
                }
                Some(here) => {
                    let there = format!("of its files the cache has only {}", here.files.join(", "));
                    Err(said(error.and(&there)).into())
                }
                None => Err(said(error.and("the cache has nothing of it")).into()),
            };
        }
        Err(error) => return Err(said(error).into()),
    };
    let listing = ModelFolder::on_hub(&name.repo, &there.commit, there.files.clone());
    let mut bar = Bar::new(name);
    let mut fetch = |file: &String| -> Result<PathBuf, CliError> {
        let path = hub.fetch(&there, file, &mut |progress| bar.show(progress));
        bar.clear();
        Ok(path?)
    };
    let mut texts = NamedFiles::new();
    for file in listing.texts() {
        let path = fetch(&file)?;
        texts.push((listing.display(&file), std::fs::read(&path).map_err(|error| NnError::io(&path, error))?));
    }
    listing.open(&texts)?.weights.iter().try_for_each(|file| fetch(file).map(|_| ()))?;
    hub.remember(&there, &listing.absent());
    Ok(there.folder)
}

/// Whether all that is read of a snapshot is there, and what else would be read is known not to be.
fn is_known_whole(hub: &Hub, here: &Snapshot) -> bool {
    opened(here).is_ok_and(|listing| listing.absent().iter().all(|file| hub.lacks(here, file)))
}

/// The files of a snapshot in the cache, if they make a model: weights and all.
fn opened(here: &Snapshot) -> Result<ModelFolder, CliError> {
    let listing = ModelFolder::new(&here.folder.display().to_string(), here.files.clone());
    let mut texts = NamedFiles::new();
    for file in listing.texts() {
        let path = here.folder.join(&file);
        texts.push((listing.display(&file), std::fs::read(&path).map_err(|error| NnError::io(&path, error))?));
    }
    listing.open(&texts)?;
    Ok(listing)
}

/// What is told while files are fetched: a bar on a terminal, else a line for each large file.
struct Bar {
    model: String,
    bar: Option<ProgressBar>,
    has_told_of_waiting: bool,
}

impl Bar {
    fn new(name: &ModelName) -> Self {
        Self { model: name.repo.clone(), bar: None, has_told_of_waiting: false }
    }

    fn show(&mut self, progress: Progress<'_>) -> ControlFlow<()> {
        match progress {
            Progress::Waits { file } => {
                if !self.has_told_of_waiting {
                    print_stderr(&format!("waiting for another process that fetches {}/{file}", self.model));
                }
                self.has_told_of_waiting = true;
            }
            Progress::Starts { file, done, size } => self.start(file, done, size),
            Progress::Received(bytes) => {
                if let Some(bar) = &self.bar {
                    bar.inc(bytes);
                }
            }
            Progress::Again { why } => {
                let line = format!("{why}; trying again");
                match &self.bar {
                    Some(bar) => bar.suspend(|| print_stderr(&line)),
                    None => print_stderr(&line),
                }
            }
            Progress::Whole => self.clear(),
        }
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn start(&mut self, file: &str, done: u64, size: u64) {
        self.clear();
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{prefix} {wide_bar} {bytes}/{total_bytes}, {eta} left");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(format!("{}/{file}", self.model));
            bar.set_position(done);
            bar.reset_eta();
            self.bar = Some(bar);
        } else if size >= TOLD || done > 0 {
            let there = if done > 0 { format!(", {} are there", megabytes(done)) } else { String::new() };
            print_stderr(&format!("fetching {}/{file}, {}{there}", self.model, megabytes(size)));
        }
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
