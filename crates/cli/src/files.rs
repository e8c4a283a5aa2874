//! Files and folders that appear under their name only when they are complete, whatever moment the machine stops at.

use crate::error::CliError;
use apt_experiment::CONFIG_FILE;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What a name ends in until what it names is complete. It is the same for every process: what one that was killed left
/// there, the next one writes over.
const UNFINISHED: &str = ".unfinished";

/// Checks that a new run may go to `path`: nothing is there, or an empty folder.
///
/// # Errors
/// Something is there, or it cannot be read.
pub(crate) fn ensure_empty(path: &Path) -> Result<(), CliError> {
    match fs::read_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
            Ok(target) => {
                let what = format!("this is a link to {}, which is not there", target.display());
                Err(CliError::at(path, what, "make that folder, or name another one with --out"))
            }
            Err(_) => Ok(()),
        },
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

/// Writes a folder of files, whose names may have folders in them. A new folder appears complete or not at all. An empty
/// one that is there, which may be a mount point, `.` or a link, is written into, [`CONFIG_FILE`] last.
///
/// # Errors
/// A path that cannot be written; what was written is removed then. [`CliError::Busy`] while another process writes it.
pub(crate) fn write_folder(path: &Path, files: &[(&str, &[u8])]) -> Result<(), CliError> {
    let meanwhile =
        || CliError::at(path, "something else was put here meanwhile", "name an empty or a new folder with --out");
    if path.is_dir() {
        let lock = lock(path)?;
        let mut others = fs::read_dir(path).map_err(|e| CliError::writing(path, e))?.flatten();
        if others.any(|entry| entry.file_name() != UNFINISHED) {
            unlock(path, lock)?;
            return Err(meanwhile());
        }
        return fill(path, files).and_then(|()| unlock(path, lock));
    }
    create_parent(path)?;
    let temporary = temporary_path(path);
    fs::create_dir_all(&temporary).map_err(|e| CliError::writing(&temporary, e))?;
    let lock = lock(&temporary)?;
    let written = clear(&temporary)
        .and_then(|()| fill(&temporary, files))
        .and_then(|()| unlock(&temporary, lock))
        .and_then(|()| {
            fs::rename(&temporary, path).map_err(|e| match fs::symlink_metadata(path) {
                Ok(_) => meanwhile(),
                Err(_) => CliError::writing(path, e),
            })
        });
    if written.is_err() {
        // What could not be written may not be removable either; the error already says why.
        let _ = fs::remove_dir_all(&temporary);
    }
    written
}

/// Writes a file so that it appears complete or not at all, and stays after a power cut. A link is followed; a pipe or a
/// device is written to.
///
/// # Errors
/// A path that cannot be written; whatever was there before is still there then.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() && !there.is_dir() => {
            let opened = File::options().write(true).open(path);
            return opened.and_then(|mut file| file.write_all(bytes)).map_err(|e| CliError::writing(path, e));
        }
        Ok(_) if path.is_symlink() => {
            let target = fs::canonicalize(path).map_err(|e| CliError::writing(path, e))?;
            return write_atomic(&target, bytes);
        }
        _ => {}
    }
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
    tracing::debug!("wrote {}, {} bytes", path.display(), bytes.len());
    // Makes the new name itself durable where folders can be synced.
    if let Some(folder) = path.parent().and_then(|p| File::open(p).ok()) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Removes what an interrupted run left of a folder, if it left anything.
///
/// # Errors
/// A folder that cannot be removed.
pub(crate) fn remove_folder(path: &Path) -> Result<(), CliError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(CliError::writing(path, e)),
        _ => Ok(()),
    }
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

/// Writes files into a folder, or none of them.
fn fill(folder: &Path, files: &[(&str, &[u8])]) -> Result<(), CliError> {
    let (last, first): (Vec<_>, Vec<_>) = files.iter().partition(|(name, _)| *name == CONFIG_FILE);
    let mut written = Vec::new();
    for (name, bytes) in first.into_iter().chain(last) {
        let path = folder.join(name);
        create_parent(&path).and_then(|()| write_atomic(&path, bytes)).inspect_err(|_| {
            // The error already says what is wrong with this folder.
            let _ = fs::remove_file(folder.join(UNFINISHED));
            for path in written.iter().rev() {
                let _ = fs::remove_file(path);
            }
            for path in files.iter().map(|(name, _)| folder.join(name)) {
                let own = path.ancestors().skip(1).take_while(|parent| *parent != folder);
                own.for_each(|empty| drop(fs::remove_dir(empty)));
            }
        })?;
        written.push(path);
    }
    Ok(())
}

/// Removes what a process that was killed left in a folder.
fn clear(folder: &Path) -> Result<(), CliError> {
    let failed = |e| CliError::writing(folder, e);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        match entry.file_type().map_err(failed)? {
            _ if entry.file_name() == UNFINISHED => Ok(()),
            kind if kind.is_dir() => fs::remove_dir_all(entry.path()),
            _ => fs::remove_file(entry.path()),
        }
        .map_err(failed)?;
    }
    Ok(())
}

/// Locks a folder for this process. Some network folders have no locks; two processes that write one are then the user's
/// to avoid.
fn lock(folder: &Path) -> Result<File, CliError> {
    let path = folder.join(UNFINISHED);
    let busy = || CliError::Busy { folder: folder.display().to_string() };
    let file = File::create(&path).map_err(|e| CliError::writing(folder, e))?;
    match file.try_lock() {
        Err(fs::TryLockError::WouldBlock) => Err(busy()),
        // Another process has just finished with it, and with its lock.
        _ if !path.exists() => Err(busy()),
        _ => Ok(file),
    }
}

/// Ends [`lock`].
fn unlock(folder: &Path, lock: File) -> Result<(), CliError> {
    let path = folder.join(UNFINISHED);
    // First the name: whoever finds it meanwhile finds it locked.
    fs::remove_file(&path).map_err(|e| CliError::writing(&path, e))?;
    drop(lock);
    Ok(())
}

/// Where a file or folder is written before it is complete.
fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(UNFINISHED);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [(&str, &[u8]); 2] = [("config.json", b"{}"), ("onnx/weights", b"1 2 3")];

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").flatten();
        let mut names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_that_another_process_writes_is_left_to_it() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (new, there) = (dir.path().join("new"), dir.path().join("there"));
        fs::create_dir(&there).expect("a folder");
        fs::create_dir(temporary_path(&new)).expect("a folder");
        fs::write(temporary_path(&new).join("weights.unfinished"), b"1").expect("a file");
        for (path, locked) in [(&new, &temporary_path(&new)), (&there, &there)] {
            let other = lock(locked).expect("nobody else writes it");
            let refused = write_folder(path, &FILES).expect_err("it is locked");
            assert!(matches!(refused, CliError::Busy { .. }), "{refused}");
            unlock(locked, other).expect("it can be removed");
            // What the other process left is written over.
            write_folder(path, &FILES).expect("nobody else writes it");
            assert_eq!(names(path), ["config.json", "onnx"]);
        }
        assert_eq!(names(dir.path()), ["new", "there"]);
        for path in [&new, &there] {
            let refused = write_folder(path, &FILES).expect_err("what is there stays");
            assert!(refused.to_string().contains("meanwhile"), "{refused}");
        }
    }

    #[test]
    fn what_could_not_be_written_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (new, there) = (dir.path().join("new"), dir.path().join("there"));
        fs::create_dir(&there).expect("a folder");
        let files = [FILES[1], FILES[0], ("config.json/x", &b""[..])];
        for path in [&new, &there] {
            assert!(write_folder(path, &files).is_err());
        }
        assert_eq!((names(dir.path()), names(&there).len()), (vec!["there".to_owned()], 0));
    }
}
