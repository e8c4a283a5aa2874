//! What a model of the hub is called: `org/name`, at a revision where one is named.

use crate::error::HubError;
use std::fmt;
use std::path::{Component, Path};

/// What may stand before a name, so that no folder can be meant.
pub const PREFIX: &str = "hf:";
/// The revision of a name without one.
const MAIN: &str = "main";
/// How the cache's folders of models begin.
const FOLDER: &str = "models--";

/// A model of the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelName {
    /// `org/name`, or `name` alone for the hub's oldest models.
    pub repo: String,
    /// A branch, a tag or a commit.
    pub revision: Option<String>,
}

impl ModelName {
    /// `[hf:]org/name[@revision]`.
    ///
    /// # Errors
    /// A text that cannot be the name of a model of the hub.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let plain = text.strip_prefix(PREFIX).unwrap_or(text);
        let (repo, revision) = match plain.split_once('@') {
            Some((repo, revision)) => (repo, Some(revision)),
            None => (plain, None),
        };
        let parts: Vec<&str> = repo.split('/').collect();
        if repo.len() > 96 || parts.len() > 2 || !parts.iter().all(|part| is_part(part)) {
            return Err(HubError::no_name(text));
        }
        if revision.is_some_and(|revision| !is_revision(revision)) {
            return Err(HubError::no_revision_name(text));
        }
        Ok(Self { repo: repo.to_owned(), revision: revision.map(str::to_owned) })
    }

    /// The same model at `commit`, whatever its branches become.
    #[must_use]
    pub fn at(&self, commit: &str) -> Self {
        Self { repo: self.repo.clone(), revision: Some(commit.to_owned()) }
    }

    /// The revision that is meant.
    #[must_use]
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(MAIN)
    }

    /// Whether the revision is a commit, which never changes.
    #[must_use]
    pub fn is_commit(&self) -> bool {
        is_commit(self.revision())
    }

    /// The name of its folder in the cache.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("{FOLDER}{}", self.repo.replace('/', "--"))
    }

    /// The model and the commit whose files lie in `folder`, where that is a snapshot in a cache.
    #[must_use]
    pub fn of_snapshot(folder: &Path) -> Option<Self> {
        let mut parts = folder.components().rev().map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        });
        let (commit, snapshots, model) = (parts.next()??, parts.next()??, parts.next()??);
        let repo = model.strip_prefix(FOLDER)?.replace("--", "/");
        let name = Self { repo, revision: Some(commit.to_owned()) };
        (snapshots == "snapshots" && name.is_commit()).then_some(name)
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{PREFIX}{}", self.repo)?;
        self.revision.as_ref().map_or(Ok(()), |revision| write!(out, "@{revision}"))
    }
}

/// Whether this is the whole hash of a commit.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What the hub takes as the name of an account or a model.
fn is_part(part: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !part.is_empty()
        && part.chars().all(is_inner)
        && !part.starts_with(['-', '.'])
        && !part.ends_with(['-', '.'])
        && !part.contains("--")
        && !part.contains("..")
}

/// What git takes as a revision; it becomes the name of a file.
fn is_revision(text: &str) -> bool {
    let is_inner = |c: char| {
        c.is_ascii_graphic() && !matches!(c, '\\' | '?' | '*' | ':' | '~' | '^' | '[' | '@' | '"' | '<' | '>' | '|')
    };
    text.chars().all(is_inner) && text.split('/').all(|part| !part.is_empty() && !part.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_and_without_prefix_and_revision() {
        for (text, repo, revision) in [
            ("google-bert/bert-base-uncased", "google-bert/bert-base-uncased", None),
            ("hf:bert-base-uncased", "bert-base-uncased", None),
            ("hf:org/name@v1.0", "org/name", Some("v1.0")),
            ("org/name@refs/pr/3", "org/name", Some("refs/pr/3")),
        ] {
            let name = ModelName::parse(text).expect(text);
            assert_eq!((name.repo.as_str(), name.revision.as_deref()), (repo, revision), "{text}");
            assert_eq!(ModelName::parse(&name.to_string()).expect(text), name, "{text} reads back");
        }
    }

    #[test]
    fn paths_are_no_names() {
        for text in
            ["", "hf:", "/a/b", "./a", "../a", "a/b/c", "a//b", "a/", "a b/c", "a/b@", "a/b@../x", "a/b@x//y", "C:\\a"]
        {
            assert!(ModelName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_snapshot_in_a_cache_tells_the_model_and_its_commit() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let of = |path: &str| ModelName::of_snapshot(Path::new(path));
        let name = ModelName { repo: "org/name".into(), revision: Some(commit.into()) };
        assert_eq!(of(&format!("/home/me/hub/models--org--name/snapshots/{commit}")), Some(name));
        assert_eq!(of(&format!("/home/me/{commit}")), None);
        assert_eq!(of("models--org--name/snapshots/main"), None);
    }
}
