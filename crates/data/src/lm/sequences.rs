//! Texts, conversations and endings as sequences of tokens with the token that follows each. Nothing is lost in silence:
//! texts are joined and every token but the first of all is predicted once; what conversations lose is counted.

use apt_experiment::{Share, TokensRead};

use super::chat::Writer;
use crate::batch::{Example, TokenizedTask};
use crate::error::DataError;
use crate::mlm::IGNORED;
use crate::target::{Conversation, Endings, NextTokens, Spoken, Target};
use crate::task::{RawExample, RawTask};
use crate::tokenizer::{Encoded, Pieces, Tokenizer};

/// Tokenises every split: joined texts are cut into sequences of `length` tokens, conversations and endings are sequences of
/// their own of at most as many.
///
/// # Errors
/// Texts that cannot be tokenised, a conversation that the model's chat template does not render, and a tokenizer without
/// the token that ends a text, where one is needed.
pub(crate) fn tokenize(task: &RawTask, tokenizer: &Tokenizer, length: usize) -> Result<TokenizedTask, DataError> {
    let mut maker = Maker {
        tokenizer,
        length: length.max(1),
        writer: None,
        cut: Share::default(),
        notes: Vec::new(),
        special: 0,
        headless: 0,
    };
    let mut tokens = Vec::new();
    let mut split = |examples: &[RawExample], name: &str| -> Result<Vec<Example>, DataError> {
        let (examples, read) = maker.split(examples, name)?;
        tokens.extend((read.texts > 0).then_some(read));
        Ok(examples)
    };
    let (train, validation) = (split(&task.train, "training")?, split(&task.validation, "validation")?);
    let test = task.test.as_deref().map(|test| split(test, "test")).transpose()?;
    let Maker { cut, mut notes, special, headless, .. } = maker;
    if headless > 0 {
        notes.push(format!("{headless} questions are longer than {length} tokens: their beginning is cut off"));
    }
    if special > 0 {
        notes.push(format!(
            "{special} texts hold names of special tokens, such as those that end texts: they are read as these"
        ));
    }
    Ok(TokenizedTask { objective: task.objective.clone(), train, validation, test, cut, tokens, notes })
}

struct Maker<'t> {
    tokenizer: &'t Tokenizer,
    length: usize,
    writer: Option<Writer<'t>>,
    cut: Share,
    notes: Vec<String>,
    /// Texts that hold the name of a special token.
    special: usize,
    /// Questions that lose their beginning.
    headless: usize,
}

/// Tokens in a row, each with the bytes of text that it stands for and whether it is to be predicted.
#[derive(Default)]
struct Row {
    ids: Vec<u32>,
    bytes: Vec<usize>,
    predicted: Vec<bool>,
}

impl Row {
    fn push(&mut self, id: u32, bytes: usize, predicted: bool) {
        self.ids.push(id);
        self.bytes.push(bytes);
        self.predicted.push(predicted);
    }

    /// The tokens `range` with those that follow them; the row must go on one token further.
    fn example(&self, range: std::ops::Range<usize>) -> (Encoded, NextTokens) {
        let ids = self.ids[range.clone()].to_vec();
        let next = range.start + 1..range.end + 1;
        let wanted = |at: usize| if self.predicted[at] { self.ids[at] as i32 } else { IGNORED };
        let bytes = next.clone().filter(|&at| self.predicted[at]).map(|at| self.bytes[at]).sum();
        let type_ids = vec![0; ids.len()];
        (Encoded { ids, type_ids }, NextTokens { ids: next.map(wanted).collect(), bytes })
    }
}

impl Maker<'_> {
    fn split(&mut self, examples: &[RawExample], name: &str) -> Result<(Vec<Example>, TokensRead), DataError> {
        let mut read =
            TokensRead { split: name.to_owned(), texts: examples.len(), length: self.length, ..TokensRead::default() };
        let mut made = Vec::new();
        let mut joined = Row::default();
        for example in examples {
            match &example.target {
                Target::Text(Spoken::Answers(conversation)) => match self.conversation(conversation, &mut read)? {
                    Some(example) => made.push(example),
                    None => read.unanswered += 1,
                },
                Target::Text(Spoken::Endings { endings, right }) => {
                    made.push(self.endings(&example.a, endings, *right, &mut read)?);
                }
                Target::Text(Spoken::Whole)
                | Target::Tokens(_)
                | Target::Endings(_)
                | Target::Class(_)
                | Target::Set(_)
                | Target::Value(_) => self.join(&example.a, &mut joined)?,
            }
        }
        read.joined = !joined.ids.is_empty();
        read.tokens += joined.ids.len();
        let last = joined.ids.len().saturating_sub(1);
        for start in (0..last).step_by(self.length) {
            let (tokens, next) = joined.example(start..(start + self.length).min(last));
            made.push(Example { tokens, target: Target::Tokens(next) });
        }
        read.sequences = made.len();
        read.predicted = made.iter().filter_map(|example| example.target.tokens()).map(NextTokens::count).sum();
        Ok((made, read))
    }

    /// The tokens of a text in which none is meant to be a special one.
    fn pieces(&mut self, text: &str) -> Result<Pieces, DataError> {
        let pieces = self.tokenizer.pieces(text)?;
        let is_special = |id: &u32| self.tokenizer.special_ids().binary_search(id).is_ok();
        // The unknown token stands for characters, too: a name of it is in the text.
        let is_named = |id: &u32| self.tokenizer.token(*id).is_some_and(|name| text.contains(&name));
        self.special += usize::from(pieces.ids.iter().any(|id| is_special(id) && is_named(id)));
        Ok(pieces)
    }

    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Appends a text with what the model's tokenizer puts around it; where that is nothing, the token that ends texts.
    fn join(&mut self, text: &str, row: &mut Row) -> Result<(), DataError> {
        let ends = self.tokenizer.ends();
        let first = ends.bos.filter(|_| ends.adds_bos);
        let last = if ends.adds_eos || first.is_none() { Some(self.tokenizer.end_of_text()?) } else { None };
        let name = |id: u32| self.tokenizer.token(id).unwrap_or_else(|| id.to_string());
        let around =
            [first.map(|id| format!("begins with {}", name(id))), last.map(|id| format!("ends with {}", name(id)))];
        let note = around.into_iter().flatten().collect::<Vec<_>>().join(" and ");
        self.note(format!("every text {note}; attention goes on across texts in a sequence"));
        row.ids.extend(first);
        row.bytes.extend(first.map(|_| 0));
        let pieces = self.pieces(text)?;
        row.bytes.extend(bytes_of(&pieces, text.len()));
        row.ids.extend(pieces.ids);
        row.ids.extend(last);
        row.bytes.extend(last.map(|_| 0));
        row.predicted.resize(row.ids.len(), true);
        Ok(())
    }

    /// A conversation of which the answers are predicted; `None` if none is left when it is cut.
    fn conversation(&mut self, of: &Conversation, read: &mut TokensRead) -> Result<Option<Example>, DataError> {
        if self.writer.is_none() {
            let (writer, note) = Writer::of(self.tokenizer)?;
            self.writer = Some(writer);
            self.note(note);
        }
        let Some(writer) = &self.writer else { return Ok(None) };
        let written = writer.written(of)?;
        let is_ours = written.needs_ends;
        let pieces = if is_ours { self.pieces(&written.text)? } else { self.tokenizer.pieces(&written.text)? };
        let bytes = bytes_of(&pieces, written.text.len());
        let ends = self.tokenizer.ends();
        let mut row = Row::default();
        if let Some(bos) = ends.bos.filter(|_| ends.adds_bos && written.needs_ends) {
            row.push(bos, 0, false);
        }
        let end = if written.needs_ends { Some(self.tokenizer.end_of_text()?) } else { None };
        let mut answers = written.answers.iter().peekable();
        for ((&id, &(start, _)), &bytes) in pieces.ids.iter().zip(&pieces.spans).zip(&bytes) {
            // The token that ends an answer stands before the first that does not belong to it.
            while answers.next_if(|(_, until)| *until <= start).is_some() {
                end.iter().for_each(|&end| row.push(end, 0, true));
            }
            row.push(id, bytes, answers.peek().is_some_and(|(from, _)| *from <= start));
        }
        answers.for_each(|_| end.iter().for_each(|&end| row.push(end, 0, true)));
        let (all, most) = (row.ids.len(), self.length + 1);
        read.tokens += all;
        self.cut.of += 1;
        self.cut.some += usize::from(all > most);
        let (tokens, next) = row.example(0..all.min(most).saturating_sub(1));
        Ok((next.count() > 0).then_some(Example { tokens, target: Target::Tokens(next) }))
    }

    /// A text with each of its endings behind a blank. What is too long loses its beginning, as in lm-evaluation-harness.
    fn endings(
        &mut self,
        text: &str,
        endings: &[String],
        right: usize,
        read: &mut TokensRead,
    ) -> Result<Example, DataError> {
        let ends = self.tokenizer.ends();
        let mut all = Vec::with_capacity(endings.len());
        let mut is_cut = false;
        for ending in endings {
            let pieces = self.tokenizer.pieces(&format!("{text} {ending}"))?;
            let mut row = Row::default();
            if let Some(bos) = ends.bos.filter(|_| ends.adds_bos) {
                row.push(bos, 0, false);
            }
            pieces.ids.iter().zip(&pieces.spans).for_each(|(&id, &(_, end))| row.push(id, 0, end > text.len()));
            let last = row.ids.len().saturating_sub(1);
            let start = last.saturating_sub(self.length);
            is_cut |= start > 0;
            read.tokens += row.ids.len();
            let (tokens, next) = row.example(start..last);
            all.push((tokens, NextTokens { bytes: ending.len(), ..next }));
        }
        self.cut.of += 1;
        self.cut.some += usize::from(is_cut);
        self.headless += usize::from(is_cut);
        let tokens = all.get(right).map(|(tokens, _)| tokens.clone());
        let tokens = tokens.unwrap_or(Encoded { ids: Vec::new(), type_ids: Vec::new() });
        Ok(Example { tokens, target: Target::Endings(Endings { all, right }) })
    }
}

/// The bytes of a text of `length` bytes that each piece stands for. What no piece covers, such as blanks that a normaliser
/// removes, belongs to the next one; all of them together are the text.
fn bytes_of(pieces: &Pieces, length: usize) -> Vec<usize> {
    let mut covered = 0;
    let last = pieces.spans.len().saturating_sub(1);
    let bytes = |(at, &(_, end)): (usize, &(usize, usize))| {
        let end = if at == last { length } else { end.clamp(covered, length) };
        let bytes = end - covered;
        covered = end;
        bytes
    };
    pieces.spans.iter().enumerate().map(bytes).collect()
}
