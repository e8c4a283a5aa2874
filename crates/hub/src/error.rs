//! What can go wrong between a name and the files of a model, in words.

#[cfg(not(target_family = "wasm"))]
use crate::name::ModelName;
use apt_core::display_problem;
use apt_core::problem::{Explain, Problem};
#[cfg(not(target_family = "wasm"))]
use std::path::Path;

/// Which of them it is, as far as others act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The hub cannot be reached, or does not answer as it should: what is in the cache may do.
    Unreachable,
    /// It may not be asked (`HF_HUB_OFFLINE`): what is in the cache may do.
    Offline,
    /// It has no such model, or does not show it.
    Missing,
    /// The caller stopped it.
    Stopped,
    /// Any other.
    Other,
}

/// An error of this crate: what was wrong, where, and what to do.
#[derive(Debug)]
pub struct HubError {
    kind: Kind,
    problem: Box<Problem>,
}

display_problem!(HubError);

impl std::error::Error for HubError {}

impl Explain for HubError {
    fn problem(&self) -> Problem {
        (*self.problem).clone()
    }
}

impl HubError {
    pub(crate) fn new(
        kind: Kind,
        place: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { kind, problem: Box::new(Problem::new(place, what, remedy)) }
    }

    pub(crate) fn other(place: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Kind::Other, place, what, remedy)
    }

    /// Which it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the hub could not be asked, so that what is in the cache may do.
    #[must_use]
    pub fn leaves_the_cache(&self) -> bool {
        matches!(self.kind, Kind::Unreachable | Kind::Offline)
    }

    pub(crate) fn no_name(text: &str) -> Self {
        let what = "this is no name of a model of the hub";
        Self::other(text, what, "names are org/name or org/name@revision, of letters, digits, `-`, `_` and `.`")
    }

    pub(crate) fn no_revision_name(text: &str) -> Self {
        let what = "what follows the @ is no name of a revision";
        Self::other(text, what, "give a branch, a tag or a commit, or leave it out for `main`")
    }

    /// The address does not behave as a hub does.
    pub(crate) fn no_hub(place: &str, what: impl Into<String>) -> Self {
        let remedy = "check HF_ENDPOINT, and what proxies stand between";
        Self::new(Kind::Unreachable, place, what, remedy)
    }
}

/// Of a program with a cache on disk.
#[cfg(not(target_family = "wasm"))]
impl HubError {
    pub(crate) fn offline(name: &ModelName, variable: &str) -> Self {
        let what = format!("{variable} is set, so that only the cache may be read");
        let remedy = format!("unset it, or fetch the model where there is a network: hf download {}", name.repo);
        Self::new(Kind::Offline, name.to_string(), what, remedy)
    }

    pub(crate) fn stopped(file: &str) -> Self {
        let what = "stopped while it was fetched; what is there is kept";
        Self::new(Kind::Stopped, file, what, "the same command goes on from it")
    }

    /// The file is not as long as it was announced.
    pub(crate) fn length(file: &str, what: String) -> Self {
        let remedy = "run it again; if it stays so, a proxy or a mirror (HF_ENDPOINT) changes the file";
        Self::other(file, what, remedy)
    }

    /// A file or folder of the cache that cannot be read or written. `left` bytes are still to come.
    pub(crate) fn disk(path: &Path, source: &std::io::Error, left: u64) -> Self {
        let place = path.display().to_string();
        if source.kind() == std::io::ErrorKind::StorageFull {
            let what = format!("the disk is full, and {} are still to come", megabytes(left));
            let remedy = "make room, or move the cache with HF_HOME; what was fetched is kept";
            return Self::other(place, what, remedy);
        }
        let remedy = "check that the cache may be written, or name another place with HF_HOME";
        Self::other(place, format!("the cache cannot be written ({source})"), remedy)
    }

    /// The same error, with what there is in spite of it.
    #[must_use]
    pub fn and(self, there: &str) -> Self {
        let Problem { what, place, remedy } = *self.problem;
        Self::new(self.kind, place, format!("{what}, and {there}"), remedy)
    }

    /// The same error of a name that might have been a folder.
    #[must_use]
    pub fn without_folder(self) -> Self {
        let Problem { what, place, remedy } = *self.problem;
        let here = std::env::current_dir().map_or_else(|_| "here".into(), |here| format!("in {}", here.display()));
        Self::new(self.kind, place, format!("there is no such folder {here}, and {what}"), remedy)
    }
}

/// A size for people, in units of 1,000,000 bytes.
#[must_use]
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
