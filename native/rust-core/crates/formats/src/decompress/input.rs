//! The compressed bytes of a source as a window that moves forward.

use super::codec::Fault;
use crate::source::{ByteSource, UNKNOWN_SIZE, read_full};

const BLOCK_BYTES: usize = 256 << 10;
/// No header that is read whole is longer.
const MAX_WINDOW_BYTES: usize = 8 << 20;

pub(super) struct Input {
    source: Box<dyn ByteSource>,
    buffer: Vec<u8>,
    /// Bytes of the buffer already used.
    at: usize,
    /// Offset in the file of the buffer's first byte.
    start: u64,
    end: u64,
}

impl Input {
    pub(super) fn new(source: Box<dyn ByteSource>, offset: u64) -> Input {
        let end = source.size();
        Input { source, buffer: Vec::new(), at: 0, start: offset, end }
    }

    pub(super) fn size(&self) -> u64 {
        self.source.size()
    }

    /// Offset in the file of the next byte.
    pub(super) fn offset(&self) -> u64 {
        self.start + self.at as u64
    }

    /// All that is left is about to be read: how far decoding some bytes of the stream goes is not known before.
    pub(super) fn announce_rest(&mut self) {
        let next = self.start + self.buffer.len() as u64;
        if next < self.end {
            self.source.announce(next, self.end);
        }
    }

    pub(super) fn seek(&mut self, offset: u64) {
        (self.start, self.at) = (offset, 0);
        self.buffer.clear();
    }

    /// What is used ends here: data of a zip are followed by its directory.
    pub(super) fn limit(&mut self, end: u64) {
        self.end = end;
    }

    /// Bytes from the next one on, at least one unless the file ends, and whether it ends behind them.
    pub(super) fn window(&mut self) -> Result<(&[u8], bool), Fault> {
        if self.at == self.buffer.len() {
            self.start += self.at as u64;
            self.at = 0;
            self.buffer.clear();
            self.fill(BLOCK_BYTES)?;
        }
        let at_end = self.start + self.buffer.len() as u64 >= self.end;
        Ok((&self.buffer[self.at..], at_end))
    }

    /// Makes the window longer, where what stands in it is too little to go on.
    pub(super) fn widen(&mut self) -> Result<(), Fault> {
        if self.buffer.len() - self.at >= MAX_WINDOW_BYTES {
            return Err(Fault::Corrupt("a header does not end".into()));
        }
        self.buffer.drain(..self.at);
        self.start += self.at as u64;
        self.at = 0;
        self.fill(BLOCK_BYTES)
    }

    fn fill(&mut self, wanted: usize) -> Result<(), Fault> {
        let held = self.buffer.len();
        let left = self.end.saturating_sub(self.start + held as u64);
        self.buffer.resize(held + left.min(wanted as u64) as usize, 0);
        let filled = read_full(self.source.as_mut(), self.start + held as u64, &mut self.buffer[held..])?;
        self.buffer.truncate(held + filled);
        if held + filled == 0 || filled < wanted {
            self.end = self.end.min(self.start + self.buffer.len() as u64);
        }
        debug_assert!(self.end != UNKNOWN_SIZE || filled > 0);
        Ok(())
    }

    pub(super) fn consume(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Passes bytes without reading them.
    pub(super) fn skip(&mut self, bytes: u64) -> Result<(), Fault> {
        let target = self.offset().saturating_add(bytes);
        if target > self.end {
            return Err(Fault::Truncated("the file ends inside a frame that is skipped".into()));
        }
        let held = (self.buffer.len() - self.at) as u64;
        if bytes <= held {
            self.at += bytes as usize;
        } else {
            self.seek(target);
        }
        Ok(())
    }

    /// Some bytes of the file, wherever they stand; fewer only at its end.
    pub(super) fn peek(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; length];
        let filled = read_full(self.source.as_mut(), offset, &mut bytes)?;
        bytes.truncate(filled);
        Ok(bytes)
    }
}
