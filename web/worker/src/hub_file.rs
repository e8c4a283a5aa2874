//! One file of the hub on its way into the browser: gone on with where the connection broke, and whole only when it has the
//! bytes that were announced. What has come is handed to the browser as parts of a file (`Blob`), so that WebAssembly's
//! memory holds no more than a few megabytes of it.

use crate::clock;
use crate::error::WorkerError;
use crate::fetch::{Stop, next_of};
use apt_hub::{Asked, Asker, Check, Refusal, megabytes};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, File, ReadableStreamDefaultReader, Response};

/// So often in a row a connection may break without a byte.
const TRIES: usize = 3;
/// Milliseconds before a connection that broke is made again.
const PAUSE: i32 = 1_000;
/// Bytes that are gathered before they become a part.
const PART: u64 = 4 << 20;

/// Where a file comes from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) commit: &'a str,
    pub(crate) asked: Asked<'a>,
    /// Ends it.
    pub(crate) stop: &'a Stop,
}

impl Source<'_> {
    /// Asks for `address`, from byte `from` on.
    ///
    /// # Errors
    /// No answer.
    pub(crate) async fn request(&self, address: &str, from: u64) -> Result<Response, WorkerError> {
        let answer = self.stop.request(address, from).await;
        answer.map_err(|_| {
            let what = format!("{} cannot be reached", self.endpoint);
            let remedy = "check the network; what has come is kept while this page is open";
            WorkerError::new(self.asked.place(), what, remedy)
        })
    }

    /// Why the hub does not give what was asked for.
    pub(crate) fn refused(&self, answer: &Response) -> WorkerError {
        let code = header(answer, "x-error-code").unwrap_or_default();
        let retry_after = header(answer, "retry-after");
        let refusal = Refusal { status: answer.status(), code: &code, retry_after: retry_after.as_deref() };
        self.asked.refused(self.endpoint, refusal, Asker::Page).into()
    }

    fn broken(&self, why: &str) -> WorkerError {
        WorkerError::new(self.asked.place(), format!("the connection broke ({why})"), "press Fetch to go on from there")
    }

    fn other(&self, what: String) -> WorkerError {
        WorkerError::new(
            self.asked.place(),
            what,
            "try again; if it stays so, something between here and there changes it",
        )
    }
}

/// Why a connection has not brought all.
enum Cut {
    /// Another one may.
    Again(WorkerError),
    /// None will.
    Ended(WorkerError),
}

/// What is there of a file.
pub(crate) struct Partial {
    parts: Array,
    gathered: Array,
    gathered_bytes: u64,
    check: Option<Check>,
    etag: Option<String>,
    size: u64,
    /// Bytes that are there.
    pub(crate) done: u64,
}

impl Partial {
    /// Of a file of `size` bytes, with their digest where it was announced, nothing.
    pub(crate) fn new(size: u64, etag: Option<String>) -> Self {
        let mut new =
            Self { parts: Array::new(), gathered: Array::new(), gathered_bytes: 0, check: None, etag, size, done: 0 };
        new.restart();
        new
    }

    fn restart(&mut self) {
        (self.parts, self.gathered) = (Array::new(), Array::new());
        (self.gathered_bytes, self.done) = (0, 0);
        self.check = self.etag.as_ref().map(|etag| Check::of(etag, self.size));
    }

    /// Fetches what is missing; `tell` is called with the bytes that are there.
    ///
    /// # Errors
    /// A host that cannot be reached or refuses; a file that is not what was announced.
    pub(crate) async fn complete(&mut self, source: Source<'_>, tell: impl Fn(u64)) -> Result<(), WorkerError> {
        let mut tries = 0;
        while self.done < self.size {
            let before = self.done;
            match self.attempt(source, &tell).await {
                Ok(()) => {}
                Err(Cut::Ended(error)) => return Err(error),
                Err(Cut::Again(error)) => {
                    tries = if self.done > before { 1 } else { tries + 1 };
                    if tries == TRIES || source.stop.is_stopped() {
                        return Err(error);
                    }
                    clock::sleep(PAUSE).await;
                }
            }
        }
        let Some(check) = self.check.take() else { return Ok(()) };
        let digest = check.finish().filter(|digest| self.etag.as_ref().is_some_and(|etag| etag != digest));
        let Some(digest) = digest else { return Ok(()) };
        self.restart();
        let announced = self.etag.as_deref().unwrap_or_default();
        Err(source.other(format!("its bytes are not those that were announced (digest {digest}, not {announced})")))
    }

    /// One connection: as much as it gives.
    async fn attempt(&mut self, source: Source<'_>, tell: &impl Fn(u64)) -> Result<(), Cut> {
        let address = source.asked.address(source.endpoint, source.commit);
        let answer = source.request(&address, self.done).await.map_err(Cut::Again)?;
        match answer.status() {
            // It sends all of it, whatever part it is asked for.
            200 => self.restart(),
            206 if header(&answer, "content-range").is_none_or(|range| begins_at(&range, self.done)) => {}
            206 => return Err(self.lied(source, format!("byte {} was asked for, and another came", self.done))),
            416 => {
                let what = format!("it ends after {} bytes, and {} were announced", self.done, self.size);
                return Err(self.lied(source, what));
            }
            500.. => return Err(Cut::Again(source.refused(&answer))),
            _ => return Err(Cut::Ended(source.refused(&answer))),
        }
        let Some(body) = answer.body() else { return Err(Cut::Again(source.broken("nothing came"))) };
        let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
        loop {
            match next_of(&reader).await {
                Ok(Some(bytes)) if self.done + u64::from(bytes.length()) > self.size => {
                    drop(reader.cancel());
                    let what = format!("{} were announced, and more is sent", megabytes(self.size));
                    return Err(self.lied(source, what));
                }
                Ok(Some(bytes)) => self.take(&bytes).map_err(|_| Cut::Ended(no_memory(source)))?,
                Ok(None) if self.done == self.size => return Ok(()),
                Ok(None) => return Err(Cut::Again(source.broken("it ended too early"))),
                Err(_) => return Err(Cut::Again(source.broken("in the middle"))),
            }
            tell(self.done);
        }
    }

    /// The host does not send what it announced: what has come is no part of the file.
    fn lied(&mut self, source: Source<'_>, what: String) -> Cut {
        self.restart();
        Cut::Ended(source.other(what))
    }

    fn take(&mut self, bytes: &Uint8Array) -> Result<(), JsValue> {
        if let Some(check) = &mut self.check {
            check.update(&bytes.to_vec());
        }
        self.gathered.push(bytes);
        let count = u64::from(bytes.length());
        (self.done, self.gathered_bytes) = (self.done + count, self.gathered_bytes + count);
        if self.gathered_bytes >= PART {
            self.gather()?;
        }
        Ok(())
    }

    fn gather(&mut self) -> Result<(), JsValue> {
        self.parts.push(&Blob::new_with_u8_array_sequence(&self.gathered)?.into());
        (self.gathered, self.gathered_bytes) = (Array::new(), 0);
        Ok(())
    }

    /// The whole file.
    ///
    /// # Errors
    /// A browser that has no room for it.
    pub(crate) fn file(&mut self, source: Source<'_>) -> Result<File, WorkerError> {
        let name = source.asked.file.unwrap_or_default();
        let made = self.gather().and_then(|()| File::new_with_blob_sequence(&self.parts, name));
        made.map_err(|_| no_memory(source))
    }
}

fn no_memory(source: Source<'_>) -> WorkerError {
    let remedy = "close other tabs, free some space on the disk, or take a smaller model";
    WorkerError::new(source.asked.place(), "the browser has no room for it", remedy)
}

/// Whether `bytes 5-9/10` begins at byte 5.
fn begins_at(range: &str, byte: u64) -> bool {
    let first = range.strip_prefix("bytes ").and_then(|range| range.split_once('-'));
    first.is_some_and(|(first, _)| first.parse() == Ok(byte))
}

fn header(answer: &Response, name: &str) -> Option<String> {
    answer.headers().get(name).ok().flatten()
}
