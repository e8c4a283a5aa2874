//! Texts out of a file or standard input, read by a thread that is never far ahead of their use.

use crate::error::CliError;
use crate::reporter::print_stderr;
use apt_data::{ColumnsRead, DataError, Reading, TextFormat, TextRow, TextStream};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

/// Parts that may wait: the one that is read next while one is answered.
const AHEAD: usize = 1;

/// What texts are read from.
pub(super) struct Input {
    reader: Box<dyn Read + Send>,
    /// Its name in messages.
    name: String,
    format: Option<TextFormat>,
}

impl Input {
    /// A file, or standard input for `-`.
    ///
    /// # Errors
    /// A file that is not there or cannot be read.
    pub(super) fn open(name: &str, format: Option<TextFormat>) -> Result<Self, CliError> {
        if name == "-" {
            return Ok(Self { reader: Box::new(std::io::stdin()), name: "standard input".into(), format });
        }
        let path = Path::new(name);
        if !path.exists() {
            return Err(CliError::missing(path, "file", "name a file with texts, or - for standard input"));
        }
        let file = File::open(path).map_err(|e| CliError::reading(path, e))?;
        tracing::info!("reads {name}");
        Ok(Self { reader: Box::new(file), name: name.into(), format })
    }
}

/// What the reading thread tells.
enum Message {
    /// What it reads of a table.
    Columns(ColumnsRead),
    /// Texts.
    Rows(Vec<TextRow>),
    /// The end, or what is wrong with the row after the last; and how many lines had no text.
    End(Result<(), DataError>, u64),
}

/// Texts in the order of the input.
pub(super) struct Feed {
    name: String,
    messages: Receiver<Message>,
    waiting: VecDeque<TextRow>,
    end: Option<Result<(), CliError>>,
    /// Lines without a text, once the end is reached.
    pub(super) empty: u64,
}

impl Feed {
    /// Begins to read.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub(super) fn begin(input: Input, task: &str, reading: Reading) -> Result<Self, CliError> {
        let (sender, messages) = sync_channel(AHEAD);
        let (name, task) = (input.name.clone(), task.to_owned());
        let read = move || {
            let mut empty = 0;
            let end = read_all(input, &task, reading, &sender, &mut empty);
            // Whoever answers may have ended.
            let _ = sender.send(Message::End(end, empty));
        };
        thread::Builder::new().name("reader".into()).spawn(read).map_err(CliError::threads)?;
        Ok(Self { name, messages, waiting: VecDeque::new(), end: None, empty: 0 })
    }

    /// The next texts: at most so many, and no more than have been read when there is one at all; none at the end.
    ///
    /// # Errors
    /// A text that cannot be read, after all those before it.
    pub(super) fn next(&mut self, most: usize) -> Result<Vec<TextRow>, CliError> {
        while self.waiting.len() < most && self.end.is_none() {
            let message = if self.waiting.is_empty() {
                self.messages.recv().map_err(|_| TryRecvError::Disconnected)
            } else {
                self.messages.try_recv()
            };
            match message {
                Ok(Message::Rows(rows)) => self.waiting.extend(rows),
                Ok(Message::Columns(columns)) => self.tell(&columns),
                Ok(Message::End(end, empty)) => {
                    self.empty = empty;
                    self.end = Some(end.map_err(CliError::from));
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    let name = Path::new(&self.name);
                    self.end = Some(Err(CliError::at(name, "reading has stopped", "report this as a fault")));
                }
            }
        }
        if self.waiting.is_empty() {
            return self.end.take().unwrap_or(Ok(())).map(|()| Vec::new());
        }
        Ok(self.waiting.drain(..most.min(self.waiting.len())).collect())
    }

    fn tell(&self, columns: &ColumnsRead) {
        let ColumnsRead { text, pair, unused, notes } = columns;
        let pair = pair.as_ref().map_or_else(String::new, |pair| format!(", second text '{pair}'"));
        let unused = if unused.is_empty() { String::new() } else { format!("; unused: {}", unused.join(", ")) };
        print_stderr(&format!("data    {}: text '{text}'{pair}{unused}", self.name));
        notes.iter().for_each(|note| print_stderr(&format!("data    {}: {note}", self.name)));
    }
}

/// Sends all texts of `input`, and counts the lines without one.
fn read_all(
    input: Input,
    task: &str,
    reading: Reading,
    sender: &SyncSender<Message>,
    empty: &mut u64,
) -> Result<(), DataError> {
    let mut texts = TextStream::new(input.reader, &input.name, input.format, task, reading)?;
    let mut is_told = false;
    loop {
        let rows = texts.next_rows();
        *empty = texts.empty_lines();
        let Some(rows) = rows? else { return Ok(()) };
        let columns = texts.columns().filter(|_| !is_told);
        is_told |= columns.is_some();
        let mut messages = columns.map(Message::Columns).into_iter().chain([Message::Rows(rows)]);
        if messages.any(|message| sender.send(message).is_err()) {
            return Ok(());
        }
    }
}
