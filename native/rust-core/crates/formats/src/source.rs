//! Bytes of an input, by range. The reader decides what to read, the caller how: nothing here knows files or networks.

/// What `size` says of a stream whose end nobody has seen yet: compressed data, before they were decoded once.
pub const UNKNOWN_SIZE: u64 = u64::MAX;

/// A pinned input, or what comes out of a layer over one. Reading never goes past `size()`; every read is of the pinned version or an error.
pub trait ByteSource {
    /// Length of the whole stream in bytes, or `UNKNOWN_SIZE`. A size that is known stays the same.
    fn size(&self) -> u64;
    /// Fills `buffer` from `offset` on and says how many bytes it got: less than asked only near the end of the stream, 0 only behind it.
    /// A layer that decodes is quick where reads go forward; one that goes back starts over.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError>;
    /// `start..end` is about to be read in order: a source that is far away may fetch it ahead. Nothing has to come of it.
    fn announce(&mut self, _start: u64, _end: u64) {}
    /// The first offset that can be read: above 0 where decoding starts inside the stream.
    fn first_offset(&self) -> u64 {
        0
    }
}

/// Fills as much of `buffer` as there is; less only at the end of the stream.
pub fn read_full(source: &mut (impl ByteSource + ?Sized), offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read_at(offset + filled as u64, &mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// Why bytes could not be had; `code` is one of the closed list (`INPUT_CHANGED`, `INPUT_NOT_FOUND`, `STORAGE_*` …).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceError {
    pub code: &'static str,
    pub message: String,
}

impl<S: ByteSource + ?Sized> ByteSource for &mut S {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        (**self).read_at(offset, buffer)
    }

    fn first_offset(&self) -> u64 {
        (**self).first_offset()
    }

    fn announce(&mut self, start: u64, end: u64) {
        (**self).announce(start, end);
    }
}

impl ByteSource for Box<dyn ByteSource + '_> {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        (**self).read_at(offset, buffer)
    }

    fn first_offset(&self) -> u64 {
        (**self).first_offset()
    }

    fn announce(&mut self, start: u64, end: u64) {
        (**self).announce(start, end);
    }
}

impl ByteSource for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let rest = self.get(offset as usize..).unwrap_or(&[]);
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}
