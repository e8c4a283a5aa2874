//! One file from the hub into the cache: gone on with where it stopped, checked, and there under its name only when whole.

use crate::asked::Asked;
use crate::cache::{Cache, create_parent};
use crate::client::{Client, Metadata, header};
use crate::digest::Check;
use crate::error::{HubError, megabytes};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// So often in a row a connection may break without a byte.
const TRIES: usize = 3;
const BUFFER: usize = 1 << 17;

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Another process is fetching it; said again and again while it does.
    Waits {
        /// The file.
        file: &'a str,
    },
    /// It is fetched, or fetched on.
    Starts {
        /// The file.
        file: &'a str,
        /// Bytes that are there from before.
        done: u64,
        /// Bytes in all.
        size: u64,
    },
    /// So many more bytes are there.
    Received(u64),
    /// The connection broke and is made again.
    Again {
        /// Why it broke.
        why: &'a str,
    },
    /// It is there, whole and checked.
    Whole,
}

/// Called with what happens to a file; may break the download off.
pub type Watch<'w> = dyn FnMut(Progress<'_>) -> ControlFlow<()> + 'w;

/// A file that is to be fetched.
pub(crate) struct Download<'a> {
    pub client: &'a Client,
    pub cache: &'a Cache,
    pub asked: Asked<'a>,
    pub commit: &'a str,
    pub pause: Duration,
}

impl Download<'_> {
    /// Fetches it where it is not there yet, and gives its path in the commit's snapshot.
    pub(crate) fn run(&self, watch: &mut Watch<'_>) -> Result<PathBuf, HubError> {
        let Asked { name, file } = self.asked;
        let file = file.unwrap_or_default();
        let path = self.cache.snapshot(name, self.commit).join(file);
        if path.is_file() {
            return Ok(path);
        }
        let metadata = self.client.metadata(self.commit, self.asked)?;
        let blob = self.cache.blob(name, &metadata.etag);
        if !blob.is_file() {
            let _held = self.cache.lock(name, &metadata.etag, || self.tell(watch, Progress::Waits { file }))?;
            // Whoever held it before may have fetched the file.
            if !blob.is_file() {
                create_parent(&blob)?;
                self.fetch(&metadata, &blob, watch)?;
            }
        }
        self.cache.link(name, self.commit, file, &blob)
    }

    fn tell(&self, watch: &mut Watch<'_>, progress: Progress<'_>) -> Result<(), HubError> {
        match watch(progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(HubError::stopped(&self.asked.place())),
        }
    }

    fn fetch(&self, metadata: &Metadata, blob: &Path, watch: &mut Watch<'_>) -> Result<(), HubError> {
        let mut partial = Partial::open(blob, metadata)?;
        let (file, size) = (self.asked.file.unwrap_or_default(), metadata.size);
        self.tell(watch, Progress::Starts { file, done: partial.done, size })?;
        let mut tries = 0;
        while partial.done < size {
            let before = partial.done;
            let Err(broken) = self.attempt(&mut partial, watch)? else { break };
            tries = if partial.done > before { 1 } else { tries + 1 };
            if tries == TRIES {
                return Err(broken.and(&format!("{} of {} are there", megabytes(partial.done), megabytes(size))));
            }
            self.tell(watch, Progress::Again { why: &broken.to_string() })?;
            std::thread::sleep(self.pause);
        }
        partial.finish(blob, &self.asked.place())?;
        self.tell(watch, Progress::Whole)
    }

    /// One connection: as much as it gives. The inner error is one that another connection may not have.
    fn attempt(&self, partial: &mut Partial, watch: &mut Watch<'_>) -> Result<Result<(), HubError>, HubError> {
        let size = partial.size;
        let response = match self.client.file(self.commit, partial.done, self.asked) {
            Err(error) if error.leaves_the_cache() => return Ok(Err(error)),
            response => response?,
        };
        let status = response.status().as_u16();
        let announced = match status {
            200 => {
                if partial.done > 0 {
                    // It sends all of it, whatever part it is asked for.
                    partial.restart()?;
                    self.tell(watch, Progress::Starts { file: self.asked.file.unwrap_or_default(), done: 0, size })?;
                }
                header(&response, "content-length").and_then(|length| length.parse().ok())
            }
            206 => {
                let range = header(&response, "content-range").and_then(range);
                if range.is_some_and(|(from, _)| from != partial.done) {
                    let what = format!("byte {} was asked for, and another came", partial.done);
                    return Err(HubError::length(&self.asked.place(), what));
                }
                range.and_then(|(_, all)| all)
            }
            416 => {
                let what = format!("it ends after {} bytes, and {size} were announced", partial.done);
                partial.remove();
                return Err(HubError::length(&self.asked.place(), what));
            }
            _ => {
                let refused = self.client.refused(status, &response, self.asked);
                return if refused.leaves_the_cache() { Ok(Err(refused)) } else { Err(refused) };
            }
        };
        if let Some(other) = announced.filter(|announced| *announced != size) {
            let what = format!("{size} bytes were announced, and {other} are sent");
            return Err(HubError::length(&self.asked.place(), what));
        }
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; BUFFER];
        loop {
            let bytes = match body.read(&mut buffer) {
                Ok(0) if partial.done == size => return Ok(Ok(())),
                Ok(0) => return Ok(Err(self.broken("it ended too early"))),
                Ok(read) => buffer.get(..read).unwrap_or_default(),
                Err(_) if partial.done == size => return Ok(Ok(())),
                Err(error) => return Ok(Err(self.broken(&error.to_string()))),
            };
            if partial.done + bytes.len() as u64 > size {
                partial.remove();
                let what = format!("{size} bytes were announced, and more are sent");
                return Err(HubError::length(&self.asked.place(), what));
            }
            partial.write(bytes)?;
            self.tell(watch, Progress::Received(bytes.len() as u64))?;
        }
    }

    fn broken(&self, why: &str) -> HubError {
        let what = format!("the connection broke ({why})");
        let remedy = "the same command goes on from where it stopped";
        HubError::new(crate::Kind::Unreachable, self.asked.place(), what, remedy)
    }
}

/// `bytes 5-9/10`: the first byte, and the size of the whole file if it is given.
fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let (part, all) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((part.split_once('-')?.0.trim().parse().ok()?, all.trim().parse().ok()))
}

/// The part of a file that is there, under a name of its own.
struct Partial {
    path: PathBuf,
    file: File,
    check: Check,
    etag: String,
    done: u64,
    size: u64,
}

impl Partial {
    fn open(blob: &Path, metadata: &Metadata) -> Result<Self, HubError> {
        let Metadata { etag, size } = metadata;
        let path = blob.with_file_name(format!("{etag}.incomplete"));
        let unread = |error: std::io::Error| HubError::disk(&path, &error, *size);
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(unread)?;
        let mut left = file.metadata().map_err(unread)?.len();
        if left > *size {
            file.set_len(0).map_err(unread)?;
            left = 0;
        }
        let (mut check, mut done, mut buffer) = (Check::of(etag, *size), 0, vec![0; BUFFER]);
        let mut there = (&file).take(left);
        loop {
            match there.read(&mut buffer).map_err(unread)? {
                0 => break,
                read => {
                    check.update(buffer.get(..read).unwrap_or_default());
                    done += read as u64;
                }
            }
        }
        Ok(Self { file, check, etag: etag.clone(), done, size: *size, path })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), HubError> {
        self.file.write_all(bytes).map_err(|error| HubError::disk(&self.path, &error, self.size - self.done))?;
        self.check.update(bytes);
        self.done += bytes.len() as u64;
        Ok(())
    }

    fn restart(&mut self) -> Result<(), HubError> {
        self.file.set_len(0).map_err(|error| HubError::disk(&self.path, &error, self.size))?;
        (self.check, self.done) = (Check::of(&self.etag, self.size), 0);
        Ok(())
    }

    /// Throws away what is no part of the file.
    fn remove(&self) {
        // What cannot be removed is found out again by its digest.
        let _ = fs::remove_file(&self.path);
    }

    /// Gives the whole file its name, if it is what was announced.
    fn finish(self, blob: &Path, place: &str) -> Result<(), HubError> {
        let is_other = |digest: &String| !digest.eq_ignore_ascii_case(&self.etag);
        let digest = self.check.finish();
        if let Some(digest) = digest.filter(is_other) {
            let _ = fs::remove_file(&self.path);
            let what = format!("its bytes are not those that were announced (digest {digest}, not {})", self.etag);
            let remedy = "run it again; if it stays so, a proxy or a mirror (HF_ENDPOINT) changes the file";
            return Err(HubError::other(place, what, remedy));
        }
        let done = self.file.sync_all().and_then(|()| fs::rename(&self.path, blob));
        done.map_err(|error| HubError::disk(blob, &error, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn ranges_are_read_as_servers_write_them() {
        assert_eq!(range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(range("bytes 5-9/*"), Some((5, None)));
        assert_eq!(range("items 5-9/10"), None);
    }
}
