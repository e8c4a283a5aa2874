//! One file as examples: where in it texts and labels stand, which rows are left out, and what is said of it.

use std::collections::BTreeMap;

use apt_experiment::{FileRead, LeftOut};

use crate::columns::{self, Columns, label_names};
use crate::error::{DataError, shortened};
use crate::label_sets::join_columns;
use crate::labels::{LabelCell, LabelReader, MINUS_ONE, plain};
use crate::numbering::Numbering;
use crate::objective::ObjectiveKind;
use crate::reading::Reading;
use crate::registry::{Classes, Files};
use crate::stream::ColumnsRead;
use crate::table::{Cell, Cut, Header, Row, Table};
use crate::task::RawExample;

/// One file, and where in it the texts and the label stand.
#[derive(Debug)]
pub(crate) struct Split<'a> {
    /// Its name in messages.
    file: String,
    table: Table<'a>,
    at: Columns,
    /// Names the label column could have had.
    label_names: Vec<String>,
    /// What numbers in the label column stand for, where that had to be found out.
    pub(crate) numbering: Option<Numbering>,
}

impl<'a> Split<'a> {
    /// `format` is the name that says how the bytes are laid out.
    ///
    /// # Errors
    /// What is wrong with the file or its columns.
    pub(crate) fn read(
        file: String,
        format: &str,
        bytes: &'a [u8],
        layout: &Files,
        reading: &Reading,
    ) -> Result<Self, DataError> {
        let mut names = match layout.headerless {
            [] => columns::known_names(layout),
            _ => layout.a.to_vec(),
        };
        if !reading.no_header {
            names.extend([&reading.text, &reading.pair, &reading.label].into_iter().flatten().map(String::as_str));
            names.extend(reading.label.iter().flat_map(|label| label.split(',')));
        }
        let header = Header { names: &names, layouts: layout.headerless, absent: reading.no_header };
        let table = Table::read(bytes, &file, format, header)?;
        Self::of(file, table, layout, reading)
    }

    /// Where in a table of this file texts and labels stand.
    ///
    /// # Errors
    /// What is wrong with its columns.
    pub(crate) fn of(file: String, mut table: Table<'a>, layout: &Files, reading: &Reading) -> Result<Self, DataError> {
        let joined = reading.label.as_ref().filter(|label| label.contains(',') && !table.columns.contains(label));
        if let Some(label) = joined.filter(|_| reading.objective == Some(ObjectiveKind::MultiLabel)) {
            join_columns(&mut table, &file, label)?;
        }
        let at = columns::find(&table, &file, layout, reading)?;
        for column in [Some(at.a), at.b].into_iter().flatten() {
            columns::refuse_lists(&table, &file, column)?;
        }
        Ok(Self { file, at, label_names: label_names(layout), numbering: None, table })
    }

    /// Leaves out rows that are the names of the columns again.
    pub(crate) fn leave_out_names(&mut self) {
        self.table.leave_out_names();
    }

    /// Further rows of the same file, from `bytes` that begin with a row.
    ///
    /// # Errors
    /// What is wrong with the rows.
    pub(crate) fn read_more<'b>(&self, bytes: &'b [u8], layout: &Files) -> Result<Split<'b>, DataError> {
        let more = Table::read_more(bytes, &self.file, &self.table.columns, self.table.cut, layout.headerless)?;
        Ok(self.with_rows(more))
    }

    /// The same with these rows of the same file.
    pub(crate) fn with_rows<'b>(&self, table: Table<'b>) -> Split<'b> {
        let Self { file, at, label_names, numbering, .. } = self;
        Split { file: file.clone(), table, at: *at, label_names: label_names.clone(), numbering: *numbering }
    }

    /// Puts the names of classes in the place of their numbers in the label column, if the file has such names; not where
    /// the numbers are learned as values. Where there is -1 there is no label.
    ///
    /// # Errors
    /// [`DataError::BadRow`] for a number that has none.
    pub(crate) fn name_classes(&mut self, are_values: bool) -> Result<(), DataError> {
        let Some(column) = self.at.label else { return Ok(()) };
        let name = &self.table.columns[column];
        let Some(names) = self.table.numbered.remove(name) else { return Ok(()) };
        let named = |text: &str, line| match plain(text).parse::<i64>() {
            Ok(number) => {
                let name = usize::try_from(number).ok().and_then(|number| names.get(number));
                name.cloned().ok_or_else(|| DataError::BadRow {
                    file: self.file.clone(),
                    line,
                    what: format!("the label is {number}, and the file names {} classes, from 0", names.len()),
                    remedy: "correct the label, or the names of the file's ClassLabel",
                })
            }
            Err(_) => Ok(text.to_owned()),
        };
        for Row { line, cells } in &mut self.table.rows {
            let cell = &mut cells[column];
            match cell {
                Cell::Text(text) if plain(text) == MINUS_ONE => *cell = Cell::None,
                _ if are_values => {}
                Cell::Text(text) => *text = named(text, *line)?.into(),
                Cell::List(items) => {
                    items.iter_mut().try_for_each(|item| named(item, *line).map(|name| *item = name))?
                }
                Cell::None | Cell::Nested(_) => {}
            }
        }
        if are_values {
            return Ok(());
        }
        self.table.notes.push(format!("numbers in '{name}' are classes, and the file has their names"));
        self.table.classes.insert(name.clone(), names);
        Ok(())
    }

    /// The same, without its rows.
    pub(crate) fn without_rows(self) -> Split<'static> {
        let Table { columns, notes, classes, numbered, cut, .. } = self.table;
        let table = Table { columns, rows: Vec::new(), notes, classes, numbered, cut };
        Split { file: self.file, table, at: self.at, label_names: self.label_names, numbering: self.numbering }
    }

    /// The texts of every row, with the line it begins on.
    pub(crate) fn all_texts(&self) -> impl Iterator<Item = Result<(u64, String, Option<String>), DataError>> {
        self.table.rows.iter().map(|row| self.texts(row).map(|(a, b)| (row.line, a, b)))
    }

    /// How its text is cut into rows.
    pub(crate) fn cut(&self) -> Cut {
        self.table.cut
    }

    /// Its text is cut so from now on.
    pub(crate) fn set_cut(&mut self, cut: Cut) {
        self.table.cut = cut;
    }

    /// What is read of it where labels are not.
    pub(crate) fn columns_read(&self) -> ColumnsRead {
        let column = |at: usize| self.table.columns[at].clone();
        let used = [Some(self.at.a), self.at.b];
        let unused = (0..self.table.columns.len()).filter(|&at| !used.contains(&Some(at)));
        ColumnsRead {
            text: column(self.at.a),
            pair: self.at.b.map(column),
            unused: unused.map(column).collect(),
            notes: self.table.notes.clone(),
        }
    }

    /// Its name without folders, but for the one without which it would be a number.
    pub(crate) fn name(&self) -> &str {
        let mut begins = self.file.rmatch_indices(['/', '\\']).map(|(at, _)| at + 1);
        let name = begins.next().map_or("", |at| &self.file[at..]);
        let is_number = name.split('.').next().is_some_and(|stem| stem.bytes().all(|digit| digit.is_ascii_digit()));
        if is_number { begins.next().map_or(&self.file, |at| &self.file[at..]) } else { name }
    }

    /// What was decided in reading it.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
        self.table.notes.iter().map(|note| format!("{}: {note}", self.name()))
    }

    /// Whether it has labels, as `labels` reads them.
    pub(crate) fn is_labelled(&self, labels: &LabelReader) -> bool {
        self.at.label.is_some_and(|label| labels.are_labels(self.cells(label)))
    }

    /// The classes of its label column in the order in which the file gives their names.
    pub(crate) fn declared(&self) -> Option<&[String]> {
        self.table.classes.get(&self.table.columns[self.at.label?]).map(Vec::as_slice)
    }

    /// The numberings of classes that are in use in its label column.
    pub(crate) fn numberings_in_use(&self, classes: &Classes) -> &'static [Numbering] {
        self.at.label.map_or(&[], |label| classes.numberings_of(&self.table.columns[label]))
    }

    /// # Errors
    /// [`DataError::MissingColumn`] if there is no label column.
    pub(crate) fn label_cells(&self) -> Result<impl Iterator<Item = LabelCell<'_>>, DataError> {
        let label = self.at.label.ok_or_else(|| DataError::MissingColumn {
            file: self.file.clone(),
            role: "label",
            wanted: self.label_names.clone(),
            found: self.table.columns.clone(),
            first: self.table.first_row(),
        })?;
        Ok(self.cells(label))
    }

    fn cells(&self, label: usize) -> impl Iterator<Item = LabelCell<'_>> {
        self.table.rows.iter().map(move |row| self.label_cell(row, label))
    }

    fn label_cell<'s>(&'s self, row: &'s Row<'_>, label: usize) -> LabelCell<'s> {
        LabelCell { file: &self.file, line: row.line, cell: &row.cells[label], numbering: self.numbering }
    }

    /// The text of a row and the second one.
    fn texts(&self, row: &Row<'_>) -> Result<(String, Option<String>), DataError> {
        let Columns { a, b, continued, .. } = self.at;
        let cell = |at: usize| row.cells[at].text();
        let text = |at: usize| match cell(at) {
            "" => {
                let (file, line) = (self.file.clone(), row.line);
                let what = match row.cells[at] {
                    Cell::Nested(what) => format!("the column '{}' holds {what} and no text", self.table.columns[at]),
                    Cell::List(_) => format!("the column '{}' holds a list and no text", self.table.columns[at]),
                    Cell::Text(_) | Cell::None => format!("the column '{}' is empty", self.table.columns[at]),
                };
                Err(DataError::BadRow { file, line, what, remedy: "give the row a text or remove it" })
            }
            text => Ok(text.to_owned()),
        };
        match b.filter(|_| continued) {
            Some(rest) if cell(a).is_empty() => Ok((text(rest)?, None)),
            Some(rest) => Ok((format!("{} {}", cell(a), cell(rest)).trim_end().to_owned(), None)),
            None => Ok((text(a)?, b.map(text).transpose()?)),
        }
    }

    /// Label cells with the texts beside them. What cannot be read is left to whoever reads it in earnest.
    pub(crate) fn labelled_texts(&self) -> Vec<(LabelCell<'_>, String)> {
        let row = |row| Some((self.label_cell(row, self.at.label?), self.texts(row).ok()?.0));
        self.table.rows.iter().filter_map(row).collect()
    }

    /// Its examples, without the rows that have no label, and what is to be said of the file as `split`.
    ///
    /// # Errors
    /// A row that cannot be read, and [`DataError::LabelSet`] if none has a label.
    pub(crate) fn examples(&self, labels: &LabelReader, split: &str) -> Result<(Vec<RawExample>, FileRead), DataError> {
        let mut examples = Vec::new();
        let mut left_out: BTreeMap<&str, LeftOut> = BTreeMap::new();
        for (row, cell) in self.table.rows.iter().zip(self.label_cells()?) {
            match labels.target(cell)? {
                Some(target) => {
                    let (a, b) = self.texts(row)?;
                    examples.push(RawExample { a, b, target });
                }
                None => {
                    let label = cell.cell.text();
                    let why = match label {
                        "" => "without a label".to_owned(),
                        label => format!("without a label ('{}')", shortened(label)),
                    };
                    left_out.entry(label).or_insert(LeftOut { why, rows: 0, line: row.line }).rows += 1;
                }
            }
        }
        if examples.is_empty() {
            let what = "not one row has a label".to_owned();
            return Err(DataError::LabelSet { file: self.file.clone(), what, remedy: "give the rows labels" });
        }
        let column = |at: usize| self.table.columns[at].clone();
        let used = [Some(self.at.a), self.at.b, self.at.label];
        let unused = (0..self.table.columns.len()).filter(|&at| !used.contains(&Some(at))).map(|at| match column(at) {
            name if name.is_empty() => format!("column {} (no name)", at + 1),
            name => name,
        });
        let read = FileRead {
            file: self.name().to_owned(),
            split: split.to_owned(),
            examples: examples.len(),
            text: column(self.at.a),
            text_pair: self.at.b.map(column),
            label: self.at.label.map(column),
            unused: unused.collect(),
            left_out: left_out.into_values().collect(),
        };
        Ok((examples, read))
    }
}
