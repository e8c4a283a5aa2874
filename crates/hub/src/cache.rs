//! The cache that the hub's programs share, in their layout: `blobs` by content, `snapshots` by commit, whose files are
//! links to blobs, `refs` from branches to commits, `.no_exist` for files that a commit is known to lack.

use crate::error::HubError;
use crate::name::{ModelName, is_commit};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two looks at whether another process is done.
const LOOK: Duration = Duration::from_millis(50);

/// A cache of the hub's files.
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The folder of a model.
    pub(crate) fn model(&self, name: &ModelName) -> PathBuf {
        self.root.join(name.folder())
    }

    /// The folder of a model's files at a commit.
    pub(crate) fn snapshot(&self, name: &ModelName, commit: &str) -> PathBuf {
        self.model(name).join("snapshots").join(commit)
    }

    /// Where the bytes with this ETag lie.
    pub(crate) fn blob(&self, name: &ModelName, etag: &str) -> PathBuf {
        self.model(name).join("blobs").join(etag)
    }

    /// The commit that the name's revision stood for when it was last looked up.
    pub(crate) fn commit(&self, name: &ModelName) -> Option<String> {
        if name.is_commit() {
            return Some(name.revision().to_owned());
        }
        let commit = fs::read_to_string(self.reference(name)).ok()?.trim().to_owned();
        is_commit(&commit).then_some(commit)
    }

    fn reference(&self, name: &ModelName) -> PathBuf {
        self.model(name).join("refs").join(name.revision())
    }

    /// Remembers which commit the name's revision stands for, and which files that lacks. A cache that cannot be written
    /// still serves.
    pub(crate) fn remember(&self, name: &ModelName, commit: &str, absent: &[&str]) {
        let write = |path: &Path, text: &str| {
            let _ = path.parent().map(fs::create_dir_all);
            let _ = fs::write(path, text);
        };
        if !name.is_commit() && self.commit(name).as_deref() != Some(commit) {
            write(&self.reference(name), commit);
        }
        for file in absent {
            let path = self.absent(name, commit, file);
            if !path.exists() {
                write(&path, "");
            }
        }
    }

    /// Whether the commit is known to lack this file.
    pub(crate) fn lacks(&self, name: &ModelName, commit: &str, file: &str) -> bool {
        self.absent(name, commit, file).exists()
    }

    fn absent(&self, name: &ModelName, commit: &str, file: &str) -> PathBuf {
        self.model(name).join(".no_exist").join(commit).join(file)
    }

    /// Waits for the right to write the blob with this ETag, which other processes have at other times. `waiting` is called
    /// while another one has it, and ends the wait by an error.
    pub(crate) fn lock(
        &self,
        name: &ModelName,
        etag: &str,
        mut waiting: impl FnMut() -> Result<(), HubError>,
    ) -> Result<Option<File>, HubError> {
        let path = self.root.join(".locks").join(name.folder()).join(format!("{etag}.lock"));
        create_parent(&path)?;
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(|error| HubError::disk(&path, &error, 0))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) => {
                    waiting()?;
                    std::thread::sleep(LOOK);
                }
                // Some network folders have no locks; the digest at the end then finds what two have written at once.
                Err(TryLockError::Error(_)) => return Ok(None),
            }
        }
    }

    /// Makes `file` of the commit stand for a blob: a link, or a copy where there are none.
    pub(crate) fn link(&self, name: &ModelName, commit: &str, file: &str, blob: &Path) -> Result<PathBuf, HubError> {
        let path = self.snapshot(name, commit).join(file);
        if path.exists() {
            return Ok(path);
        }
        create_parent(&path)?;
        // A link whose blob was removed.
        let _ = fs::remove_file(&path);
        let target = Path::new("../../blobs").join(blob.file_name().unwrap_or_default());
        let made = symlink(&target, &path).or_else(|_| fs::hard_link(blob, &path));
        let made = made.or_else(|_| if path.exists() { Ok(()) } else { fs::copy(blob, &path).map(|_| ()) });
        made.map(|()| path.clone()).map_err(|error| HubError::disk(&path, &error, 0))
    }
}

/// The names of the files directly in `folder`, links that lead nowhere left out.
pub(crate) fn files_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.path().is_file());
    let mut names: Vec<String> = files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Makes the folder that `path` is to lie in.
pub(crate) fn create_parent(path: &Path) -> Result<(), HubError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    fs::create_dir_all(parent).map_err(|error| HubError::disk(parent, &error, 0))
}

#[cfg(unix)]
fn symlink(target: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
