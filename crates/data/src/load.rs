//! Reading a task by its name. A folder on disk and files dropped into a browser go the same way: names and bytes in, a
//! [`RawTask`] out.

#[cfg(not(target_family = "wasm"))]
use std::path::Path;

#[cfg(not(target_family = "wasm"))]
use apt_experiment::DATA_EXTENSIONS;

use crate::builtin;
use crate::error::DataError;
#[cfg(not(target_family = "wasm"))]
use crate::files::{Chosen, file_names};
use crate::files::{Given, Use, read_files};
use crate::objective::ObjectiveKind;
use crate::reading::Reading;
use crate::registry::TaskSpec;
use crate::task::{DATA_SEED, RawTask};

/// Reads a task from `dir` (where validation rows may be held out also a single file, whose rows are then split). The
/// built-in task takes no folder and ignores one.
///
/// # Errors
/// Every reader's [`DataError`], and those about missing folders and files.
#[cfg(not(target_family = "wasm"))]
pub fn load_task(name: &str, dir: Option<&Path>, reading: &Reading) -> Result<RawTask, DataError> {
    let spec = TaskSpec::named(name)?;
    let Some(files) = spec.files else {
        return parse_task(name, &[], reading);
    };
    let Some(dir) = dir else {
        return Err(DataError::NoFolder {
            task: spec.name.to_owned(),
            expected: file_names(files.train, &DATA_EXTENSIONS[..3]),
        });
    };
    if dir.is_file() {
        let content = (dir.display().to_string(), std::fs::read(dir).map_err(unreadable(dir))?);
        return read_files(spec, &files, reading, Given { folder: None, contents: &[content] }, Use::Single);
    }
    let mut names = names_in(dir, "", 0)?;
    let mut wanted = Chosen::among(&names, &files)?;
    if !wanted.has_train() {
        let below = names_in(dir, "", DEEPEST)?;
        let found = Chosen::among(&below, &files)?;
        if found.has_train() {
            (names, wanted) = (below, found);
        }
    }
    let mut contents = Vec::with_capacity(names.len());
    for name in names {
        let path = dir.join(&name);
        // Files that no split uses are named in messages but not read.
        let bytes = if wanted.uses(&name) { std::fs::read(&path).map_err(unreadable(&path))? } else { Vec::new() };
        contents.push((name, bytes));
    }
    let given = Given { folder: Some(&dir.display().to_string()), contents: &contents };
    read_files(spec, &files, reading, given, Use::Splits)
}

/// Folders that may be above a file in the folder of the data: data sets of the hub have `default/train/0000.parquet`.
#[cfg(not(target_family = "wasm"))]
const DEEPEST: usize = 2;

/// What is in `dir`, its names after `before`, in order, those of folders with `/` behind; with what is in
/// its folders down to `depth`, but for hidden ones.
#[cfg(not(target_family = "wasm"))]
fn names_in(dir: &Path, before: &str, depth: usize) -> Result<Vec<String>, DataError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable(dir))? {
        let entry = entry.map_err(unreadable(dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        match path.is_dir() {
            true if depth > 0 && !name.starts_with('.') => {
                names.extend(names_in(&path, &format!("{before}{name}/"), depth - 1)?);
            }
            true => names.push(format!("{before}{name}/")),
            false => names.push(format!("{before}{name}")),
        }
    }
    names.sort();
    Ok(names)
}

/// Reads the examples of one file, all of them, as a task's validation split: to be evaluated.
///
/// # Errors
/// As [`load_task`].
#[cfg(not(target_family = "wasm"))]
pub fn load_whole(name: &str, file: &Path, reading: &Reading) -> Result<RawTask, DataError> {
    let bytes = std::fs::read(file).map_err(unreadable(file))?;
    parse_whole(name, (file.display().to_string(), bytes), reading)
}

/// As `load_whole`, of a file given as `(name, bytes)`.
///
/// # Errors
/// As [`parse_task`].
pub fn parse_whole(name: &str, file: (String, Vec<u8>), reading: &Reading) -> Result<RawTask, DataError> {
    let spec = TaskSpec::named(name)?;
    match spec.files {
        None => parse_task(name, &[], reading),
        Some(files) => read_files(spec, &files, reading, Given { folder: None, contents: &[file] }, Use::Whole),
    }
}

#[cfg(not(target_family = "wasm"))]
fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> DataError + use<> {
    let path = path.display().to_string();
    move |source| DataError::Unreadable { path: path.clone(), source }
}

/// Reads a task from files given as `(name, bytes)`: the browser's form of `load_task`. One single
/// file of a task of which validation rows may be held out may have any name.
///
/// # Errors
/// Every reader's [`DataError`], and those about missing files.
pub fn parse_task(name: &str, files: &[(String, Vec<u8>)], reading: &Reading) -> Result<RawTask, DataError> {
    let spec = TaskSpec::named(name)?;
    match spec.files {
        None => {
            spec.check_objective(reading.objective)?;
            let task = match reading.objective {
                Some(ObjectiveKind::CausalLm) => {
                    builtin::texts(DATA_SEED, builtin::TRAIN_TEXTS, builtin::VALIDATION, builtin::TEST)
                }
                Some(_) | None => builtin::task(DATA_SEED, builtin::TRAIN, builtin::VALIDATION, builtin::TEST),
            };
            Ok(task?.described())
        }
        Some(layout) => {
            let used_as = if files.len() == 1 { Use::Single } else { Use::Splits };
            read_files(spec, &layout, reading, Given { folder: None, contents: files }, used_as)
        }
    }
}
