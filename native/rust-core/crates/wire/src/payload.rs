//! The raw bytes behind a header, in a place where Arrow may borrow them.

use std::fmt;
use std::ops::Deref;

/// Bytes that begin at an address divisible by 64, in an allocation of their own.
pub struct Payload {
    bytes: Vec<u8>,
    start: usize,
}

const ALIGNMENT: usize = 64;

impl Payload {
    /// `length` zeroes to be read into. The caller has held `length` to the bound of the wire.
    pub(crate) fn zeroed(length: usize) -> Payload {
        if length == 0 {
            return Payload::empty();
        }
        let bytes = vec![0; length + ALIGNMENT - 1];
        let start = bytes.as_ptr().align_offset(ALIGNMENT);
        let mut payload = Payload { bytes, start };
        payload.bytes.truncate(start + length);
        payload
    }

    pub fn empty() -> Payload {
        Payload { bytes: Vec::new(), start: 0 }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }
}

impl Deref for Payload {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for Payload {
    /// Takes the bytes where they are; only payloads that were read from the wire are aligned.
    fn from(bytes: Vec<u8>) -> Payload {
        Payload { bytes, start: 0 }
    }
}

impl Clone for Payload {
    fn clone(&self) -> Payload {
        let mut copy = Payload::zeroed(self.len());
        copy.as_mut_slice().copy_from_slice(self);
        copy
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Payload) -> bool {
        **self == **other
    }
}

impl Eq for Payload {}

impl Default for Payload {
    fn default() -> Payload {
        Payload::empty()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.len())
    }
}
