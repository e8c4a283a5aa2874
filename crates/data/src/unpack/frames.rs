//! zstd as files have it: frame after frame, as parts that were compressed on their own and put together, among them frames
//! to be skipped. The library reads one.

use std::io::{BufRead, Error, Read, Result};

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

/// A frame to be skipped begins with a byte from 0x50 to 0x5F and these.
const SKIPPED: [u8; 3] = [0x2A, 0x4D, 0x18];

/// What all frames of a file hold, one after the other.
pub(super) struct Frames<R: BufRead> {
    state: State<R>,
}

enum State<R: BufRead> {
    Between(R),
    Within(Box<StreamingDecoder<R, FrameDecoder>>),
    Ended,
}

impl<R: BufRead> Frames<R> {
    pub(super) fn new(input: R) -> Self {
        Self { state: State::Between(input) }
    }

    /// Before the next frame that holds something.
    fn begun(mut input: R) -> Result<State<R>> {
        loop {
            let start = input.fill_buf()?;
            if start.is_empty() {
                return Ok(State::Ended);
            }
            if start[0] & 0xF0 != 0x50 {
                let decoder = StreamingDecoder::new(input).map_err(Error::other)?;
                return Ok(State::Within(Box::new(decoder)));
            }
            let mut header = [0; 8];
            input.read_exact(&mut header)?;
            if header[1..4] != SKIPPED {
                return Err(Error::other("a frame begins as none does"));
            }
            let length = u64::from(u32::from_le_bytes([header[4], header[5], header[6], header[7]]));
            if std::io::copy(&mut (&mut input).take(length), &mut std::io::sink())? < length {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Between(input) => self.state = Self::begun(input)?,
                State::Within(mut decoder) => match decoder.read(into)? {
                    0 if !into.is_empty() => self.state = State::Between(decoder.into_inner()),
                    count => {
                        self.state = State::Within(decoder);
                        return Ok(count);
                    }
                },
                State::Ended => return Ok(0),
            }
        }
    }
}
