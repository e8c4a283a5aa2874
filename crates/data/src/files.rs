//! From files to examples: which file is which split, where in it the texts and the label stand, and
//! what to do where a split is missing.

use apt_experiment::DATA_EXTENSIONS;

use crate::error::DataError;
use crate::labels::{LabelCell, LabelReader, LabelSet};
use crate::objective::ObjectiveKind;
use crate::registry::{Files, Labels, Second, Stems, TaskSpec};
use crate::seeded::{Stream, generator, shuffle};
use crate::table::{Header, Row, Table};
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

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn uses(&self, name: &str) -> bool {
        [&self.train, &self.validation, &self.test].into_iter().flatten().any(|used| used == name)
    }
}

/// The files of the first alternative that is there completely.
fn chosen_files(names: &[String], stems: Stems) -> Vec<String> {
    let file = |stem: &str| {
        let candidates = DATA_EXTENSIONS.iter().map(move |extension| format!("{stem}.{extension}"));
        candidates.into_iter().find_map(|wanted| names.iter().find(|name| name.eq_ignore_ascii_case(&wanted))).cloned()
    };
    let complete = stems.iter().map(|group| group.iter().map(|stem| file(stem)).collect::<Option<Vec<_>>>());
    complete.flatten().next().unwrap_or_default()
}

pub(crate) fn file_names(stems: Stems, extensions: &[&str]) -> Vec<String> {
    let named = |stem: &str| extensions.iter().map(|extension| format!("{stem}.{extension}")).collect::<Vec<_>>();
    stems.iter().flat_map(|group| group.iter()).flat_map(|stem| named(stem)).collect()
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

    let tables = |used: &[String]| -> Result<Vec<Split<'_>>, DataError> {
        let content = |name: &String| contents.iter().find(|(candidate, _)| candidate == name);
        used.iter().filter_map(content).map(|(name, bytes)| Split::read(shown(name), bytes, files)).collect()
    };
    let train = tables(&chosen.train)?;
    let first = shown(&chosen.train[0]);
    let (labels, metrics) = match files.labels {
        Labels::Classes(names, metrics) => (LabelReader::Classes(LabelSet::of_task(spec.name, names)), metrics),
        Labels::Values => (LabelReader::Values, &[][..]),
        Labels::Own(_) if objective == Some(ObjectiveKind::Regression) => (LabelReader::Values, &[][..]),
        Labels::Own(metrics) => {
            let cells = label_cells(&train)?.into_iter();
            (LabelReader::Classes(LabelSet::of_training_file(&first, cells, objective.is_some())?), metrics)
        }
    };
    let mut train = examples(&train, &labels)?;
    let validation = match chosen.validation.as_slice() {
        [] => hold_out(&mut train, place)?,
        used => examples(&tables(used)?, &labels)?,
    };
    let test = tables(&chosen.test)?;
    let test =
        if test.is_empty() || !test.iter().all(Split::is_labelled) { None } else { Some(examples(&test, &labels)?) };
    Ok(RawTask::new(spec.name, labels.into_objective(metrics), train, validation, test))
}

/// One file, and where in it the texts and the label stand.
#[derive(Debug)]
struct Split<'a> {
    file: String,
    table: Table<'a>,
    a: usize,
    b: Option<usize>,
    label: Option<usize>,
    /// Names the label column could have had.
    label_names: &'static [&'static str],
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
        };
        let label = column(&file, &table.columns, layout.label, "label")?;
        Ok(Self { file, a, b, label, label_names: layout.label, table })
    }

    /// A test file as GLUE hands it out has no labels, or −1 in every row.
    fn is_labelled(&self) -> bool {
        let is_label = |cell: &str| cell.trim().parse() != Ok(-1.0);
        self.label.is_some_and(|label| self.table.rows.iter().any(|row| is_label(&row.cells[label])))
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
        let cell = |row: &'a Row<'_>| LabelCell { file: &split.file, line: row.line, text: &row.cells[label] };
        cells.extend(split.table.rows.iter().map(cell));
    }
    Ok(cells)
}

fn examples(splits: &[Split<'_>], labels: &LabelReader) -> Result<Vec<RawExample>, DataError> {
    let mut examples = Vec::new();
    let mut targets = label_cells(splits)?.into_iter().map(|cell| labels.target(cell));
    for split in splits {
        for row in &split.table.rows {
            let text = |at: usize| -> Result<String, DataError> {
                let text = row.cells[at].trim();
                if text.is_empty() {
                    let (file, line) = (split.file.clone(), row.line);
                    let what = format!("the column '{}' is empty", split.table.columns[at]);
                    return Err(DataError::BadRow { file, line, what, remedy: "give the row a text or remove it" });
                }
                Ok(text.to_owned())
            };
            let Some(target) = targets.next().transpose()? else {
                break;
            };
            examples.push(RawExample { a: text(split.a)?, b: split.b.map(text).transpose()?, target });
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
