//! From files to a task: which file is which split, and what to do where a split is missing.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use apt_experiment::{COMPRESSED_EXTENSIONS, DATA_EXTENSIONS, DataRead, FileRead};

use crate::class_numbers::{NamedTexts, settle};
use crate::error::DataError;
use crate::hold_out::hold_out;
use crate::label_sets::SetReader;
use crate::labels::{LabelReader, LabelSet};
use crate::metric::Metric;
use crate::numbering::Numbering;
use crate::objective::ObjectiveKind;
use crate::reading::Reading;
use crate::registry::{Files, Labels, Stems, TaskSpec};
use crate::split::Split;
use crate::table::blanked;
use crate::table::parquet::is_parquet;
use crate::task::{RawExample, RawTask};
use crate::unpack::{Unpacked, unpacked, without};

/// Which of the files at hand make up which split.
#[derive(Debug)]
pub(crate) struct Chosen {
    train: Vec<String>,
    validation: Vec<String>,
    test: Vec<String>,
}

impl Chosen {
    /// Those that lie together with a training file: beside it, or in the one folder that has one, as data sets of the hub
    /// have them in `data` or `default`.
    ///
    /// # Errors
    /// [`DataError::MissingPart`], [`DataError::SeveralFolders`].
    pub(crate) fn among(names: &[String], files: &Files) -> Result<Self, DataError> {
        let here = Self::within("", names, files)?;
        if here.has_train() {
            return Ok(here);
        }
        let folders = names.iter().flat_map(|name| name.match_indices('/').map(|(end, _)| &name[..=end]));
        let mut found = BTreeMap::new();
        for folder in folders.collect::<BTreeSet<&str>>() {
            let chosen = Self::within(folder, names, files)?;
            if chosen.has_train() {
                found.insert(folder.trim_end_matches('/'), chosen);
            }
        }
        if found.len() > 1 {
            return Err(DataError::SeveralFolders { folders: found.into_keys().map(str::to_owned).collect() });
        }
        Ok(found.into_values().next().unwrap_or(here))
    }

    /// Those in `folder`, which ends in `/` unless it is empty.
    fn within(folder: &str, names: &[String], files: &Files) -> Result<Self, DataError> {
        let names: Vec<String> = names.iter().filter_map(|name| name.strip_prefix(folder)).map(str::to_owned).collect();
        let of = |stems| -> Result<Vec<String>, DataError> {
            Ok(chosen_files(&names, stems)?.into_iter().map(|name| format!("{folder}{name}")).collect())
        };
        Ok(Self { train: of(files.train)?, validation: of(files.validation)?, test: of(files.test)? })
    }

    /// Whether there is anything to train on.
    pub(crate) fn has_train(&self) -> bool {
        !self.train.is_empty()
    }

    /// As the files at hand are to be used.
    ///
    /// # Errors
    /// [`DataError::MissingPart`], and [`DataError::MissingSplit`] where there is nothing to train on.
    pub(crate) fn used_as(
        used_as: Use,
        names: &[String],
        spec: &TaskSpec,
        files: &Files,
        place: &str,
    ) -> Result<Self, DataError> {
        let chosen = match used_as {
            Use::Single if files.may_hold_out => {
                Self { train: names.to_vec(), validation: Vec::new(), test: Vec::new() }
            }
            Use::Whole => Self { train: Vec::new(), validation: names.to_vec(), test: Vec::new() },
            Use::Single | Use::Splits => Self::among(names, files)?,
        };
        let missing = |split, stems| DataError::MissingSplit {
            task: spec.name.to_owned(),
            split,
            place: place.to_owned(),
            looked_for: file_names(stems, &DATA_EXTENSIONS[..3]),
            found: names.to_vec(),
        };
        if chosen.train.is_empty() && used_as != Use::Whole {
            return Err(missing("train", files.train));
        }
        if chosen.validation.is_empty() && !files.may_hold_out {
            return Err(missing("validation", files.validation));
        }
        Ok(chosen)
    }

    /// Files to train on.
    pub(crate) fn train(&self) -> &[String] {
        &self.train
    }

    /// Files to steer a run by.
    pub(crate) fn validation(&self) -> &[String] {
        &self.validation
    }

    /// Files to look at once.
    pub(crate) fn test(&self) -> &[String] {
        &self.test
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        [&self.train, &self.validation, &self.test].into_iter().flatten()
    }

    pub(crate) fn uses(&self, name: &str) -> bool {
        self.names().any(|used| used == name)
    }
}

/// The files of the first alternative that is there completely.
fn chosen_files(names: &[String], stems: Stems) -> Result<Vec<String>, DataError> {
    for group in stems {
        let files = group.iter().map(|stem| files_of(names, stem)).collect::<Result<Vec<_>, _>>()?;
        if files.iter().all(|files| !files.is_empty()) {
            return Ok(files.concat());
        }
    }
    Ok(Vec::new())
}

/// The file of this stem, compressed or not, or all its parts: `train-00000-of-00002.csv` and so on, `train/0000.csv`, or
/// `train.csv/part-00000-….csv`.
fn files_of(names: &[String], stem: &str) -> Result<Vec<String>, DataError> {
    for wanted in file_names_of(stem, &DATA_EXTENSIONS) {
        let unpacked = |name: &str| uncompressed(name).to_owned();
        let whole = |name: &&String| unpacked(name).eq_ignore_ascii_case(&wanted);
        if let Some(file) = names.iter().find(|name| name.eq_ignore_ascii_case(&wanted)).or(names.iter().find(whole)) {
            return Ok(vec![file.clone()]);
        }
        let mut parts: BTreeMap<usize, &String> = BTreeMap::new();
        let mut of = 0;
        for name in names {
            if let Some((number, count)) = part(&unpacked(name), &wanted) {
                parts.insert(number, name);
                of = count.unwrap_or(of.max(number + 1));
            }
        }
        if let Some(first) = parts.values().next() {
            let (file, found) = ((*first).clone(), parts.len());
            if found != of || parts.keys().enumerate().any(|(index, number)| index != *number) {
                return Err(DataError::MissingPart { file, parts: of, found });
            }
            return Ok(parts.into_values().cloned().collect());
        }
    }
    Ok(Vec::new())
}

/// A file's name without the ending of what it is compressed with.
fn uncompressed(name: &str) -> &str {
    COMPRESSED_EXTENSIONS.iter().fold(name, |name, ending| without(name, ending))
}

/// Which part of `wanted` a file is by its name, and of how many where that is said. A digest may follow.
fn part(name: &str, wanted: &str) -> Option<(usize, Option<usize>)> {
    let (name, wanted) = (name.to_lowercase(), wanted.to_lowercase());
    let (stem, extension) = wanted.rsplit_once('.')?;
    // As Spark writes them.
    if let Some(part) = name.strip_prefix(&wanted).and_then(|rest| rest.strip_prefix("/part-")) {
        let number = part.split(['-', '.']).next()?;
        return Some((number.parse().ok()?, None));
    }
    let rest = name.strip_prefix(stem)?.strip_suffix(extension)?.strip_suffix('.')?;
    if let Some(number) = rest.strip_prefix('/') {
        return Some((number.parse().ok()?, None));
    }
    let (number, of) = rest.strip_prefix('-')?.split_once("-of-")?;
    let (of, digest) = of.split_once('-').unwrap_or((of, ""));
    digest.chars().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
    Some((number.parse().ok()?, Some(of.parse().ok()?)))
}

pub(crate) fn file_names(stems: Stems, extensions: &[&str]) -> Vec<String> {
    stems.iter().flat_map(|group| group.iter()).flat_map(|stem| file_names_of(stem, extensions)).collect()
}

/// The names that `stem` stands for: itself, if it has an extension.
fn file_names_of(stem: &str, extensions: &[&str]) -> Vec<String> {
    if stem.contains('.') {
        return vec![stem.to_owned()];
    }
    extensions.iter().map(|extension| format!("{stem}.{extension}")).collect()
}

/// What the files at hand are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Splits by their names.
    Splits,
    /// One file, which is to be split where the task allows it.
    Single,
    /// One file, all of whose examples are to be evaluated.
    Whole,
}

/// Files given as `(name, bytes)`, which messages show in `folder`.
#[derive(Clone, Copy)]
pub(crate) struct Given<'c> {
    pub(crate) folder: Option<&'c str>,
    pub(crate) contents: &'c [(String, Vec<u8>)],
}

impl<'c> Given<'c> {
    pub(crate) fn names(self) -> Vec<String> {
        self.contents.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Where they are.
    pub(crate) fn place(self) -> &'c str {
        self.folder.unwrap_or(match self.contents {
            [(file, _)] => file,
            _ => "the given files",
        })
    }

    /// A file's name in messages.
    pub(crate) fn shown(self, name: &str) -> String {
        self.folder.map_or(name.to_owned(), |folder| format!("{folder}/{name}"))
    }
}

/// Puts a task together from files.
pub(crate) fn read_files(
    spec: &TaskSpec,
    files: &Files,
    reading: &Reading,
    given: Given<'_>,
    used_as: Use,
) -> Result<RawTask, DataError> {
    if reading.objective.is_some_and(ObjectiveKind::predicts_tokens) {
        return crate::lm::read_files(spec, files, reading, given, used_as);
    }
    spec.check_objective(reading.objective)?;
    let (contents, names, place) = (given.contents, given.names(), given.place());
    let chosen = Chosen::used_as(used_as, &names, spec, files, place)?;

    let mut notes = Vec::new();
    let stand_in = |name: &String| files.stand_ins.iter().find(|(file, _)| name.eq_ignore_ascii_case(file));
    notes.extend(chosen.names().filter_map(stand_in).map(|(file, what)| format!("{file} {what}")));
    let mut sound: Vec<(&str, &str, Cow<'_, [u8]>)> = Vec::new();
    for (name, bytes) in contents.iter().filter(|(name, _)| chosen.uses(name)) {
        let Unpacked { name: format, bytes, note } = unpacked(name, bytes)?;
        notes.extend(note.map(|note| format!("{name}: {note}")));
        let stray = files.stray.filter(|_| !is_parquet(&bytes, format));
        let (bytes, count) = blanked(bytes, stray);
        if count > 0 {
            notes.push(format!("{name}: bytes that are no UTF-8 and are read as blanks: {count}"));
        }
        sound.push((name.as_str(), format, bytes));
    }
    let are_values = matches!(files.labels, Labels::Values) || reading.objective == Some(ObjectiveKind::Regression);
    let splits = |used: &[String]| {
        let mut splits = Vec::new();
        for name in used {
            if let Some((name, format, bytes)) = sound.iter().find(|(candidate, ..)| candidate == name) {
                let mut split = Split::read(given.shown(name), format, bytes, files, reading)?;
                if !reading.no_header {
                    split.leave_out_names();
                }
                split.name_classes(are_values)?;
                splits.push(split);
            }
        }
        Ok::<Vec<Split<'_>>, DataError>(splits)
    };
    let (mut train, mut validation, test) =
        (splits(&chosen.train)?, splits(&chosen.validation)?, splits(&chosen.test)?);
    notes.extend([&train, &validation, &test].into_iter().flatten().flat_map(Split::notes));
    let first = given.shown(&chosen.train.first().or(chosen.validation.first()).cloned().unwrap_or_default());
    let (labels, metrics) =
        label_reader(spec, files, reading, &first, if train.is_empty() { &validation } else { &train })?;
    notes.extend(match &labels {
        LabelReader::Sets(sets) => sets.note(),
        LabelReader::Classes(_) | LabelReader::Values => None,
    });
    let (mut test, unlabelled): (Vec<_>, Vec<_>) = test.into_iter().partition(|split| split.is_labelled(&labels));
    for split in &unlabelled {
        notes.push(format!("{}: it has no labels and is not used", split.name()));
    }
    if !unlabelled.is_empty() {
        test.clear();
    }
    settle_numberings([&mut train, &mut validation, &mut test], &files.labels, &labels, &mut notes)?;

    let mut read = DataRead::default();
    let mut examples = |splits: &[Split<'_>], name| -> Result<Vec<RawExample>, DataError> {
        let mut all = Vec::new();
        for split in splits {
            let (examples, file): (Vec<RawExample>, FileRead) = split.examples(&labels, name)?;
            all.extend(examples);
            read.files.push(file);
        }
        Ok(all)
    };
    let mut train = examples(&train, "training")?;
    let set_notes = set_note(&train);
    let validation = match validation.as_slice() {
        [] => {
            let rows = train.len();
            let held = hold_out(&mut train, place)?;
            notes.push(format!("no validation file: {} of {rows} training rows are held out for it", held.len()));
            held
        }
        used => examples(used, if used_as == Use::Whole { "evaluation" } else { "validation" })?,
    };
    let test = if test.is_empty() { None } else { Some(examples(&test, "test")?) };
    read.unread = names.iter().filter(|name| !chosen.uses(name) && is_data_file(name)).cloned().collect();
    notes.extend(set_notes);
    read.notes = notes;
    let task = RawTask::new(spec.name, labels.into_objective(metrics), train, validation, test);
    Ok(RawTask { read, ..task }.described())
}

/// How many classes apply to the examples, where it may be any number.
fn set_note(examples: &[RawExample]) -> Option<String> {
    let sets: Vec<usize> = examples.iter().filter_map(|of| of.target.set()).map(|set| set.classes().len()).collect();
    let (all, of) = (sets.iter().sum::<usize>(), sets.len());
    let none = sets.iter().filter(|classes| **classes == 0).count();
    let mean = all as f64 / of.max(1) as f64;
    (of > 0).then(|| format!("{mean:.2} classes apply to a training text on average, and none to {none} of {of}"))
}

/// Whether a file's name ends as data do.
pub(crate) fn is_data_file(name: &str) -> bool {
    let extension = uncompressed(name).rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    DATA_EXTENSIONS.contains(&extension.as_str())
}

/// How the labels are read, and by what classes are judged.
fn label_reader(
    spec: &TaskSpec,
    files: &Files,
    reading: &Reading,
    first: &str,
    splits: &[Split<'_>],
) -> Result<(LabelReader, &'static [Metric]), DataError> {
    let cells = || -> Result<Vec<_>, DataError> {
        let mut cells = Vec::new();
        for split in splits {
            cells.extend(split.label_cells()?);
        }
        Ok(cells)
    };
    let declared = splits.first().and_then(Split::declared);
    Ok(match files.labels {
        Labels::Classes(classes) => (LabelReader::Classes(LabelSet::of_task(spec.name, &classes)), classes.metrics),
        Labels::Values => (LabelReader::Values, &[]),
        Labels::Own(_) if reading.objective == Some(ObjectiveKind::Regression) => (LabelReader::Values, &[]),
        Labels::Own(_) if reading.objective == Some(ObjectiveKind::MultiLabel) => {
            let separator = reading.label_separator.as_deref();
            (LabelReader::Sets(SetReader::new(&cells()?, first, declared, &reading.classes, separator)?), &[])
        }
        Labels::Own(metrics) if !reading.classes.is_empty() => {
            let set = LabelSet::of_model(&reading.classes, cells()?.into_iter())?;
            (LabelReader::Classes(set), metrics)
        }
        Labels::Own(metrics) => {
            let asked = reading.objective.is_some();
            let set = LabelSet::of_training_file(first, cells()?.into_iter(), asked, declared)?;
            (LabelReader::Classes(set), metrics)
        }
    })
}

/// Finds out, and notes, what numbers stand for in label columns of which that is not known beforehand.
fn settle_numberings(
    splits: [&mut Vec<Split<'_>>; 3],
    task: &Labels,
    labels: &LabelReader,
    notes: &mut Vec<String>,
) -> Result<(), DataError> {
    let (Labels::Classes(classes), LabelReader::Classes(labels)) = (task, labels) else {
        return Ok(());
    };
    let mut splits: Vec<&mut Split<'_>> = splits.into_iter().flatten().collect();
    let named = OnceCell::new();
    let settled = splits.iter().map(|split| match split.numberings_in_use(classes) {
        [] => Ok(None),
        in_use => settle(in_use, &split.labelled_texts(), || named.get_or_init(|| named_texts(&splits, labels))),
    });
    let settled = settled.collect::<Result<Vec<Option<Numbering>>, _>>()?;
    for (split, numbering) in splits.iter_mut().zip(settled) {
        split.numbering = numbering;
        notes.extend(numbering.map(|numbering| format!("{}: the classes are numbered {numbering}", split.name())));
    }
    Ok(())
}

/// The texts of all files with the classes that they name.
fn named_texts<'a>(splits: &[&mut Split<'_>], labels: &'a LabelSet) -> NamedTexts<'a> {
    let mut named = NamedTexts::new();
    for (cell, text) in splits.iter().flat_map(|split| split.labelled_texts()) {
        let Some(class) = labels.named(cell) else { continue };
        let known = named.entry(text).or_insert(Some(class));
        if *known != Some(class) {
            *known = None;
        }
    }
    named
}
