//! Data of which tokens are predicted: texts, conversations of which the answers are learned, and questions with several
//! endings.
//!
//! - A file of text (`.txt`, and whatever is no table) is one text, or several with `<|endoftext|>` between them, as the
//!   stories that llama2.c trains on have it. Blank lines are part of a text.
//! - A table (JSON, JSONL, CSV, TSV) has a text, a conversation or a question a row, told by its columns.
//!
//! Without a validation file a tenth of the texts is held out; of fewer than ten texts the last tenth of each, from the
//! beginning of a paragraph or line on, as nanoGPT holds out the end of its one text.

pub(crate) mod chat;
mod choices;
mod conversations;
mod documents;
mod rows;
mod sequences;

use apt_experiment::{DataRead, FileRead, LeftOut};

use crate::error::DataError;
use crate::files::{Chosen, Given, Use};
use crate::objective::{Objective, ObjectiveKind};
use crate::reading::Reading;
use crate::registry::{Files, TaskSpec};
use crate::task::{RawExample, RawTask};
use crate::unpack::{Unpacked, unpacked};
use documents::documents;
use rows::Rows;
pub(crate) use sequences::tokenize;

/// Puts a task together from files.
pub(crate) fn read_files(
    spec: &TaskSpec,
    files: &Files,
    reading: &Reading,
    given: Given<'_>,
    used_as: Use,
) -> Result<RawTask, DataError> {
    spec.check_objective(reading.objective)?;
    let (names, place) = (given.names(), given.place());
    let chosen = Chosen::used_as(used_as, &names, spec, files, place).map_err(|mut error| {
        // Of other objectives no file of text is a split.
        if let DataError::MissingSplit { split, looked_for, .. } = &mut error {
            looked_for.insert(0, format!("{split}.txt"));
        }
        error
    })?;
    let mut read = DataRead::default();
    let mut examples = |names: &[String], split: &str| -> Result<Vec<RawExample>, DataError> {
        let mut all = Vec::new();
        for (name, bytes) in given.contents.iter().filter(|(name, _)| names.contains(name)) {
            let (of_file, file, notes) = read_file(&given.shown(name), name, bytes, reading)?;
            read.files.push(FileRead { split: split.to_owned(), examples: of_file.len(), ..file });
            read.notes.extend(notes);
            all.extend(of_file);
        }
        Ok(all)
    };
    let mut train = examples(chosen.train(), "training")?;
    let whole = if used_as == Use::Whole { "evaluation" } else { "validation" };
    let mut validation = examples(chosen.validation(), whole)?;
    let test = match chosen.test() {
        [] => None,
        files => match examples(files, "test") {
            Ok(test) => Some(test),
            // As test files are handed out.
            Err(DataError::LabelSet { file, what, .. }) => {
                read.notes.push(format!("{file}: it is not used, {what}"));
                None
            }
            Err(error) => return Err(error),
        },
    };
    if chosen.validation().is_empty() {
        let held = documents::hold_out(&mut train, place)?;
        read.notes.push(held.note);
        validation = held.examples;
    }
    read.unread = names.iter().filter(|name| !chosen.uses(name) && crate::files::is_data_file(name)).cloned().collect();
    let objective = match reading.objective {
        Some(ObjectiveKind::MultipleChoice) => Objective::multiple_choice(),
        Some(_) | None => Objective::causal_lm(),
    };
    let task = RawTask::new(spec.name, objective, train, validation, test);
    Ok(RawTask { read, ..task }.described())
}

/// The examples of a file, what is to be said of it, and what was decided in reading it. `file` is its name in messages.
fn read_file(
    file: &str,
    name: &str,
    bytes: &[u8],
    reading: &Reading,
) -> Result<(Vec<RawExample>, FileRead, Vec<String>), DataError> {
    let Unpacked { name: format, bytes, note } = unpacked(name, bytes)?;
    let plain = FileRead { file: name.rsplit(['/', '\\']).next().unwrap_or(name).to_owned(), ..FileRead::default() };
    let written = note.map(|note| format!("{}: {note}", plain.file));
    let Some(rows) = Rows::read(&bytes, file, format, reading)? else {
        if reading.objective == Some(ObjectiveKind::MultipleChoice) {
            return Err(DataError::UnknownFormat { file: file.to_owned() });
        }
        let (texts, note) = documents(&bytes, file)?;
        let note = format!("{}: {note}", plain.file);
        let notes = written.into_iter().chain([note]).collect();
        return Ok((texts.into_iter().map(RawExample::of_text).collect(), plain, notes));
    };
    let Read { examples, left_out, used, notes } = match reading.objective {
        Some(ObjectiveKind::MultipleChoice) => choices::examples(&rows)?,
        Some(_) | None => conversations::examples(&rows, reading)?,
    };
    let unused = rows.columns.iter().filter(|column| !used.contains(&column.as_str())).cloned().collect();
    let [text, answer] = [0, 1].map(|at| used.get(at).map(|column| (*column).to_owned()));
    let more = used.get(2..).filter(|more| !more.is_empty()).map(|more| more.join(", "));
    let file = FileRead { text: text.unwrap_or_default(), text_pair: more, label: answer, unused, left_out, ..plain };
    let notes = rows.notes.iter().chain(&notes).map(|note| format!("{}: {note}", file.file));
    let notes = written.into_iter().chain(notes).collect();
    Ok((examples, file, notes))
}

/// What a table gives.
struct Read<'r> {
    examples: Vec<RawExample>,
    left_out: Vec<LeftOut>,
    /// The columns that are used: that of the text, that of the answer, then others.
    used: Vec<&'r str>,
    /// What was decided in reading it.
    notes: Vec<String>,
}
