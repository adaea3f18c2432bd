//! Bytes of an input, by range. The reader decides what to read, the caller how: nothing here knows files or networks.

/// A pinned input. Reading never goes past `size()`; every read is of the pinned version or an error.
pub trait ByteSource {
    /// Length of the whole stream in bytes.
    fn size(&self) -> u64;
    /// Fills `buffer` from `offset` on and says how many bytes it got: less than asked only at the end of the stream.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError>;
}

/// Why bytes could not be had; `code` is one of the closed list (`INPUT_CHANGED`, `INPUT_NOT_FOUND`, `STORAGE_*` …).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceError {
    pub code: &'static str,
    pub message: String,
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
