//! Files and folders that appear under their name only when they are complete, whatever moment the machine stops at.

use crate::error::CliError;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Checks that a new run may go to `path`: nothing is there, or an empty folder.
///
/// # Errors
/// Something is there, or it cannot be read.
pub(crate) fn ensure_empty(path: &Path) -> Result<(), CliError> {
    match fs::read_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(CliError::writing(path, e)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(CliError::at(
                path,
                "this folder is not empty",
                "name an empty or a new one with --out, or continue the run in it with `apt-lab run --resume`",
            )),
        },
    }
}

/// Writes a folder of files, whose names may have folders in them, so that it appears complete or not at all. An empty folder, or what an interrupted run left
/// there, is replaced.
///
/// # Errors
/// A path that cannot be written; nothing is left there then.
pub(crate) fn write_folder(path: &Path, files: &[(&str, &[u8])]) -> Result<(), CliError> {
    create_parent(path)?;
    let temporary = temporary_path(path);
    let written = fill(&temporary, files).and_then(|()| replace(&temporary, path));
    if written.is_err() {
        // What could not be written may not be removable either; the error already says why.
        let _ = fs::remove_dir_all(&temporary);
    }
    written
}

/// Writes a file so that it appears complete or not at all, and stays after a power cut.
///
/// # Errors
/// A path that cannot be written; whatever was there before is still there then.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let temporary = temporary_path(path);
    let write = || -> io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|e| {
        // The disk is full or the folder is gone: the error already says why.
        let _ = fs::remove_file(&temporary);
        CliError::writing(path, e)
    })?;
    // Makes the new name itself durable where folders can be synced.
    if let Some(folder) = path.parent().and_then(|p| File::open(p).ok()) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Makes the folder that `path` is to lie in.
///
/// # Errors
/// A folder that cannot be written.
pub(crate) fn create_parent(path: &Path) -> Result<(), CliError> {
    match path.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(parent) => fs::create_dir_all(parent).map_err(|e| CliError::writing(parent, e)),
        None => Ok(()),
    }
}

fn fill(folder: &Path, files: &[(&str, &[u8])]) -> Result<(), CliError> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|e| CliError::writing(folder, e))?;
    }
    fs::create_dir(folder).map_err(|e| CliError::writing(folder, e))?;
    files.iter().try_for_each(|(name, bytes)| {
        let path = folder.join(name);
        create_parent(&path)?;
        write_atomic(&path, bytes)
    })
}

fn replace(new: &Path, path: &Path) -> Result<(), CliError> {
    if path.exists() {
        fs::remove_dir_all(path).map_err(|e| CliError::writing(path, e))?;
    }
    fs::rename(new, path).map_err(|e| CliError::writing(path, e))
}

/// Where a file or folder is written before it is complete. The name is the same for every process: what one that was
/// killed left there, the next one writes over.
fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".unfinished");
    path.with_file_name(name)
}
