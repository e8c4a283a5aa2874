//! From files to examples: which file is which split, where in it the texts and the label stand, and
//! what to do where a split is missing.

use std::borrow::Cow;
use std::cell::OnceCell;

use apt_experiment::DATA_EXTENSIONS;

use crate::class_numbers::{NamedTexts, settle};
use crate::error::DataError;
use crate::labels::{LabelCell, LabelReader, LabelSet};
use crate::numbering::Numbering;
use crate::objective::ObjectiveKind;
use crate::registry::{Files, Labels, Second, Stems, TaskSpec};
use crate::seeded::{Stream, generator, shuffle};
use crate::table::{Header, Row, Table, blanked};
use crate::task::{DATA_SEED, HOLD_OUT, RawExample, RawTask};

/// Which of the files at hand make up which split.
#[derive(Debug)]
pub(crate) struct Chosen {
    train: Vec<String>,
    validation: Vec<String>,
    test: Vec<String>,
}

impl Chosen {
    pub(crate) fn among(names: &[String], files: &Files) -> Self {
        let of = |stems| chosen_files(names, stems);
        Self { train: of(files.train), validation: of(files.validation), test: of(files.test) }
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        [&self.train, &self.validation, &self.test].into_iter().flatten()
    }

    pub(crate) fn uses(&self, name: &str) -> bool {
        self.names().any(|used| used == name)
    }
}

/// The files of the first alternative that is there completely.
fn chosen_files(names: &[String], stems: Stems) -> Vec<String> {
    let file = |stem: &str| {
        let wanted = file_names_of(stem, &DATA_EXTENSIONS);
        wanted.iter().find_map(|wanted| names.iter().find(|name| name.eq_ignore_ascii_case(wanted))).cloned()
    };
    let complete = stems.iter().map(|group| group.iter().map(|stem| file(stem)).collect::<Option<Vec<_>>>());
    complete.flatten().next().unwrap_or_default()
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

/// Puts a task together from files given as `(name, bytes)`; messages show them in `folder`, and
/// `single` says that they are one file, which is to be split.
pub(crate) fn read_files(
    spec: &TaskSpec,
    files: &Files,
    objective: Option<ObjectiveKind>,
    folder: Option<&str>,
    contents: &[(String, Vec<u8>)],
    single: bool,
) -> Result<RawTask, DataError> {
    spec.check_objective(objective)?;
    let names: Vec<String> = contents.iter().map(|(name, _)| name.clone()).collect();
    let place = folder.unwrap_or("the given files");
    let shown = |name: &str| folder.map_or(name.to_owned(), |folder| format!("{folder}/{name}"));
    let mut chosen = Chosen::among(&names, files);
    if single && files.may_hold_out {
        chosen = Chosen { train: names.clone(), validation: Vec::new(), test: Vec::new() };
    }
    let missing = |split, stems| DataError::MissingSplit {
        task: spec.name.to_owned(),
        split,
        place: place.to_owned(),
        looked_for: file_names(stems, &DATA_EXTENSIONS[..3]),
        found: names.clone(),
    };
    if chosen.train.is_empty() {
        return Err(missing("train", files.train));
    }
    if chosen.validation.is_empty() && !files.may_hold_out {
        return Err(missing("validation", files.validation));
    }

    let mut notes = Vec::new();
    let stand_in = |name: &String| files.stand_ins.iter().find(|(file, _)| name.eq_ignore_ascii_case(file));
    notes.extend(chosen.names().filter_map(stand_in).map(|(file, what)| format!("{file} {what}")));
    let mut sound: Vec<(&str, Cow<'_, [u8]>)> = Vec::new();
    for (name, bytes) in contents.iter().filter(|(name, _)| chosen.uses(name)) {
        let (bytes, count) = blanked(bytes, files.stray);
        if count > 0 {
            notes.push(format!("{name}: bytes that are no UTF-8 and are read as blanks: {count}"));
        }
        sound.push((name.as_str(), bytes));
    }
    let tables = |used: &[String]| -> Result<Vec<Split<'_>>, DataError> {
        let content = |name: &String| sound.iter().find(|(candidate, _)| candidate == name);
        used.iter().filter_map(content).map(|(name, bytes)| Split::read(shown(name), bytes, files)).collect()
    };
    let (mut train, mut validation, mut test) =
        (tables(&chosen.train)?, tables(&chosen.validation)?, tables(&chosen.test)?);
    if !test.iter().all(Split::is_labelled) {
        test.clear();
    }
    let first = shown(&chosen.train[0]);
    let (labels, metrics) = match files.labels {
        Labels::Classes(classes) => (LabelReader::Classes(LabelSet::of_task(spec.name, &classes)), classes.metrics),
        Labels::Values => (LabelReader::Values, &[][..]),
        Labels::Own(_) if objective == Some(ObjectiveKind::Regression) => (LabelReader::Values, &[][..]),
        Labels::Own(metrics) => {
            let cells = label_cells(&train)?.into_iter();
            (LabelReader::Classes(LabelSet::of_training_file(&first, cells, objective.is_some())?), metrics)
        }
    };
    settle_numberings([&mut train, &mut validation, &mut test], &files.labels, &labels, &mut notes)?;
    let mut train = examples(&train, &labels)?;
    let validation = match validation.as_slice() {
        [] => {
            let rows = train.len();
            let held = hold_out(&mut train, place)?;
            notes.push(format!("no validation file: {} of {rows} training rows are held out for it", held.len()));
            held
        }
        used => examples(used, &labels)?,
    };
    let test = if test.is_empty() { None } else { Some(examples(&test, &labels)?) };
    let task = RawTask::new(spec.name, labels.into_objective(metrics), train, validation, test);
    Ok(RawTask { notes, ..task })
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
    let settled = splits.iter().map(|split| {
        let in_use = split.label.map_or(&[][..], |label| classes.numberings_of(&split.table.columns[label]));
        match in_use {
            [] => Ok(None),
            in_use => settle(in_use, &split.labelled_texts(), || named.get_or_init(|| named_texts(&splits, labels))),
        }
    });
    let settled = settled.collect::<Result<Vec<Option<Numbering>>, _>>()?;
    for (split, numbering) in splits.iter_mut().zip(settled) {
        split.numbering = numbering;
        notes.extend(numbering.map(|numbering| format!("{}: the classes are numbered {numbering}", split.file)));
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

/// One file, and where in it the texts and the label stand.
#[derive(Debug)]
struct Split<'a> {
    file: String,
    table: Table<'a>,
    a: usize,
    b: Option<usize>,
    /// Whether `b` is the rest of the text of `a`.
    continued: bool,
    label: Option<usize>,
    /// Names the label column could have had.
    label_names: &'static [&'static str],
    /// What numbers in the label column stand for, where that had to be found out.
    numbering: Option<Numbering>,
}

impl<'a> Split<'a> {
    fn read(file: String, bytes: &'a [u8], layout: &Files) -> Result<Self, DataError> {
        let header = match layout.headerless {
            [] => Header::FirstLine,
            layouts => Header::Perhaps { layouts, text: layout.a },
        };
        let table = Table::read(bytes, &file, header)?;
        let needed = |names, at: Option<usize>| at.ok_or_else(|| missing_column(&file, &table.columns, names));
        let a = needed(layout.a, column(&file, &table.columns, layout.a, "text")?)?;
        let b = match layout.b {
            Second::Never => None,
            Second::Optional(names) => column(&file, &table.columns, names, "second text")?,
            Second::Always(names) => Some(needed(names, column(&file, &table.columns, names, "second text")?)?),
            Second::Continued { first, by } if table.columns[a].eq_ignore_ascii_case(first) => {
                Some(needed(by, column(&file, &table.columns, by, "rest of the text")?)?)
            }
            Second::Continued { .. } => None,
        };
        let continued = matches!(layout.b, Second::Continued { .. });
        let label = column(&file, &table.columns, layout.label, "label")?;
        Ok(Self { file, a, b, continued, label, label_names: layout.label, numbering: None, table })
    }

    /// A test file as GLUE hands it out has no labels, or −1 in every row.
    fn is_labelled(&self) -> bool {
        let is_label = |cell: &str| cell.trim().parse() != Ok(-1.0);
        self.label.is_some_and(|label| self.table.rows.iter().any(|row| is_label(&row.cells[label])))
    }

    /// The text of a row and the second one.
    fn texts(&self, row: &Row<'_>) -> Result<(String, Option<String>), DataError> {
        let cell = |at: usize| row.cells[at].trim();
        let text = |at: usize| match cell(at) {
            "" => {
                let (file, line) = (self.file.clone(), row.line);
                let what = format!("the column '{}' is empty", self.table.columns[at]);
                Err(DataError::BadRow { file, line, what, remedy: "give the row a text or remove it" })
            }
            text => Ok(text.to_owned()),
        };
        match self.b.filter(|_| self.continued) {
            Some(rest) if cell(self.a).is_empty() => Ok((text(rest)?, None)),
            Some(rest) => Ok((format!("{} {}", cell(self.a), cell(rest)).trim_end().to_owned(), None)),
            None => Ok((text(self.a)?, self.b.map(text).transpose()?)),
        }
    }

    /// Label cells with the texts beside them. What cannot be read is left to whoever reads it in earnest.
    fn labelled_texts(&self) -> Vec<(LabelCell<'_>, String)> {
        let row = |row| Some((self.label_cell(row, self.label?), self.texts(row).ok()?.0));
        self.table.rows.iter().filter_map(row).collect()
    }

    fn label_cell<'s>(&'s self, row: &'s Row<'_>, label: usize) -> LabelCell<'s> {
        LabelCell { file: &self.file, line: row.line, text: &row.cells[label], numbering: self.numbering }
    }

    fn label_column(&self) -> Result<usize, DataError> {
        self.label.ok_or_else(|| missing_column(&self.file, &self.table.columns, self.label_names))
    }
}

fn missing_column(file: &str, columns: &[String], wanted: &[&str]) -> DataError {
    let wanted = wanted.iter().map(|&name| name.to_owned()).collect();
    DataError::MissingColumn { file: file.to_owned(), wanted, found: columns.to_vec() }
}

/// The one column with one of these names, if there is one.
fn column(file: &str, columns: &[String], names: &[&str], role: &'static str) -> Result<Option<usize>, DataError> {
    let fits = |column: &String| names.iter().any(|name| name.eq_ignore_ascii_case(column));
    let mut fitting = columns.iter().enumerate().filter(|(_, column)| fits(column));
    let first = fitting.next();
    match (first, fitting.next()) {
        (Some((_, first)), Some((_, second))) => Err(DataError::AmbiguousColumn {
            file: file.to_owned(),
            role,
            first: first.clone(),
            second: second.clone(),
        }),
        (first, _) => Ok(first.map(|(index, _)| index)),
    }
}

fn label_cells<'a>(splits: &'a [Split<'_>]) -> Result<Vec<LabelCell<'a>>, DataError> {
    let mut cells = Vec::new();
    for split in splits {
        let label = split.label_column()?;
        cells.extend(split.table.rows.iter().map(|row| split.label_cell(row, label)));
    }
    Ok(cells)
}

fn examples(splits: &[Split<'_>], labels: &LabelReader) -> Result<Vec<RawExample>, DataError> {
    let mut examples = Vec::new();
    let mut targets = label_cells(splits)?.into_iter().map(|cell| labels.target(cell));
    for split in splits {
        for row in &split.table.rows {
            let Some(target) = targets.next().transpose()? else {
                break;
            };
            let (a, b) = split.texts(row)?;
            examples.push(RawExample { a, b, target });
        }
    }
    Ok(examples)
}

/// Moves one row in [`HOLD_OUT`] from `train` into the validation split, by [`DATA_SEED`].
fn hold_out(train: &mut Vec<RawExample>, place: &str) -> Result<Vec<RawExample>, DataError> {
    let held = train.len() / HOLD_OUT;
    if held == 0 {
        return Err(DataError::TooFewRows { place: place.to_owned(), rows: train.len() });
    }
    let mut order: Vec<usize> = (0..train.len()).collect();
    shuffle(&mut generator(DATA_SEED, Stream::HoldOut, 0), &mut order);
    let mut chosen = vec![false; train.len()];
    for index in &order[..held] {
        chosen[*index] = true;
    }
    let (held, kept): (Vec<_>, Vec<_>) = std::mem::take(train).into_iter().zip(chosen).partition(|(_, held)| *held);
    *train = kept.into_iter().map(|(example, _)| example).collect();
    Ok(held.into_iter().map(|(example, _)| example).collect())
}
