//! What processing a chunk needs from the outside: inputs at their pinned version, sinks, the verdict. `core` implements it over a store.

use std::sync::Arc;

use millrace_formats::source::ByteSource;

use crate::error::Error;

/// What a put-if-absent answers. Anything else is an error, after which nothing may be concluded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutEnd {
    Won,
    /// Another holds the name; its bytes.
    Lost(Vec<u8>),
}

/// A part that is durable under its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkEnd {
    pub bytes: u64,
    /// SHA-256 in lower-case hex.
    pub sha256: String,
}

/// An open part. Dropping it before `finish` removes it.
pub trait PartSink: Send {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error>;
    /// Durable under its final name, or an error.
    fn finish(self: Box<Self>) -> Result<SinkEnd, Error>;
}

/// A source that knows whether it still is the version that was pinned.
pub trait PinnedSource: ByteSource + Send {
    /// To be asked after the last read: `INPUT_CHANGED` if what was read may not be used.
    fn check_unchanged(&mut self) -> Result<(), Error>;
}

/// Pieces of a stream that planning put into the journal.
pub trait StagedPieces: Send {
    /// The bytes of a piece as stored; none if it is not there.
    fn read(&mut self, piece: u64) -> Result<Option<Vec<u8>>, Error>;
}

/// Opens objects of the journal's `work/` by key. They are written once, under a name that carries their attempt.
pub trait SourceOpener: Send + Sync {
    fn open_work(&self, key: &str) -> Result<Box<dyn PinnedSource>, Error>;
}

/// Places for what does not fit in memory. What is written is gone when the file is dropped, or with the process.
pub trait Scratch {
    fn open(&self) -> Result<Box<dyn ScratchFile>, Error>;
}

pub trait ScratchFile: std::io::Read + std::io::Write + std::io::Seek + Send {}

impl<T: std::io::Read + std::io::Write + std::io::Seek + Send> ScratchFile for T {}

/// The outside of one attempt at one chunk.
pub trait ChunkIo {
    /// The chunk's verdict as stored, if it is filled.
    fn read_verdict(&mut self) -> Result<Option<Vec<u8>>, Error>;
    /// Opens an input at its pinned version.
    fn open_source(&mut self, uri: &str, etag: &str) -> Result<Box<dyn PinnedSource>, Error>;
    /// The staged pieces of a file of this job.
    fn staged_pieces(&mut self, file: u32) -> Result<Box<dyn StagedPieces>, Error>;
    fn open_sink(&mut self, uri: &str) -> Result<Box<dyn PartSink>, Error>;
    /// For an object whose runs have checksums of their own: its SHA-256 need not be taken.
    fn open_work_sink(&mut self, uri: &str) -> Result<Box<dyn PartSink>, Error> {
        self.open_sink(uri)
    }
    /// The URI of a work object of the journal, for `open_sink` and `delete_own`.
    fn work_uri(&self, key: &str) -> Result<String, Error>;
    /// Opens work objects of the journal, also from within a stream that outlives a borrow of this.
    fn work_opener(&self) -> Result<Arc<dyn SourceOpener>, Error>;
    /// The last look before the put: `LEASE_LOST` or `CORE_TIME_LIMIT` when time has run out.
    fn check_lease(&mut self) -> Result<(), Error>;
    /// The commit point. `Won` also if the verdict that stands there is this attempt's own.
    fn put_verdict(&mut self, bytes: &[u8]) -> Result<PutEnd, Error>;
    /// Deletes a part of this attempt. Called only after another winner's verdict was read.
    fn delete_own(&mut self, uri: &str) -> Result<(), Error>;
    /// Called before each batch when the request asks for a trace: the place must be visible to the host before the batch is touched.
    fn trace(&mut self);
}

/// Microseconds from any fixed instant; only differences are used, and only for measurements.
pub trait Timer {
    fn now_us(&self) -> u64;
}

/// Meets each record before it is transformed. The product has none; a test build uses it to make records deadly.
pub trait RecordHook: Sync {
    /// Whether the record may be counted.
    fn meet(&self, raw: &[u8]) -> bool;
}
