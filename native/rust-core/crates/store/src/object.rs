//! What the verbs answer with, the same for every kind of store.

use sha2::{Digest, Sha256};

/// Names that begin so are local writes that never finished. Listings show them only to who asks for the prefix.
pub const TEMPORARY_PREFIX: &str = ".tmp-";
/// Largest object that is read or written in one piece.
pub const MAX_OBJECT_BYTES: u64 = 8 << 20;

/// What identifies one version of an object. Two equal etags mean that no byte was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Of a file `<device>-<inode>-<size>-<mtime in ns>`, each in lower-case hex; of others the store's own, without quotes.
    pub etag: String,
    pub size: u64,
    /// Nanoseconds since 1970; 0 where the store did not say.
    pub modified_at_ns: i128,
}

/// A small object and the version it was read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub stat: Stat,
    pub bytes: Vec<u8>,
}

/// What to list below a folder. Keys are relative to it.
#[derive(Clone, Debug, Default)]
pub struct ListQuery<'a> {
    /// Keys begin with it; it may end inside a name.
    pub prefix: &'a str,
    /// Keys that are greater, by bytes. Empty: from the first.
    pub start_after: &'a str,
    pub limit: usize,
    /// Stop at the next `/` behind the prefix: a directory then is one entry, its key ending in `/`.
    pub delimiter: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    /// `None` for a directory.
    pub stat: Option<Stat>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub entries: Vec<Entry>,
    /// There are keys behind the last entry.
    pub more: bool,
}

/// A part that is durable under its final name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartDone {
    pub bytes: u64,
    /// Lower-case hex; empty if it was written without a digest.
    pub sha256: String,
}

impl Object {
    /// SHA-256 of the bytes in lower-case hex.
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(&self.bytes))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// S3 does not tell an absent object from one that it deleted.
    Deleted,
    Absent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    Won,
    /// Another holds the name; these are its bytes.
    Lost(Vec<u8>),
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
