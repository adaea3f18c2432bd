//! The engine's outside over the local store: pinned sources, sinks, the verdict.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use millrace_engine::Error;
use millrace_engine::io::{ChunkIo, PartSink, PinnedSource, PutEnd, SinkEnd, SourceOpener, StagedPieces, Timer};
use millrace_engine::names::staged_key;
use millrace_formats::source::{ByteSource, SourceError};
use millrace_store::{PinnedFile, PutOutcome, uri_of_path};
use millrace_wire::message::Event;

use crate::failure::of_store;
use crate::outbox::Outbox;
use crate::places::{Places, local_path};
use crate::running::Running;

/// An input file at its pinned version.
pub struct LocalSource(pub PinnedFile);

impl ByteSource for LocalSource {
    fn size(&self) -> u64 {
        self.0.stat().size
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        self.0.read_at(offset, buffer).map_err(|error| SourceError { code: error.code, message: error.to_string() })
    }
}

impl PinnedSource for LocalSource {
    fn check_unchanged(&mut self) -> Result<(), Error> {
        self.0.check_unchanged().map_err(of_store)
    }
}

/// Opens an input by its URI. An empty `etag` takes the version that is there.
pub fn open_source(places: &Places, uri: &str, etag: &str) -> Result<LocalSource, Error> {
    let pinned = (!etag.is_empty()).then_some(etag);
    places.store.open_input(&local_path(uri)?, pinned).map(LocalSource).map_err(of_store)
}

/// The staged pieces of one file of a job, as they lie in the journal.
pub struct JournalPieces {
    pub places: Arc<Places>,
    pub job_key: String,
    pub file: u32,
}

impl StagedPieces for JournalPieces {
    fn read(&mut self, piece: u64) -> Result<Option<Vec<u8>>, Error> {
        let path = self.places.journal_path(&staged_key(&self.job_key, self.file, piece))?;
        Ok(self.places.store.get(&path, None).map_err(of_store)?.map(|object| object.bytes))
    }
}

struct LocalSink(millrace_store::PartSink);

impl PartSink for LocalSink {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.0.write(bytes).map_err(of_store)
    }

    fn finish(self: Box<Self>) -> Result<SinkEnd, Error> {
        let done = self.0.finish().map_err(of_store)?;
        Ok(SinkEnd { bytes: done.bytes, sha256: done.sha256 })
    }
}

pub fn put_end(outcome: PutOutcome) -> PutEnd {
    match outcome {
        PutOutcome::Won => PutEnd::Won,
        PutOutcome::Lost(existing) => PutEnd::Lost(existing),
    }
}

/// Opens what attempts have left in the journal for the stages behind them.
struct WorkObjects(Arc<Places>);

impl SourceOpener for WorkObjects {
    fn open_work(&self, key: &str) -> Result<Box<dyn PinnedSource>, Error> {
        Ok(Box::new(open_source(&self.0, &work_uri(&self.0, key)?, "")?))
    }
}

fn work_uri(places: &Places, key: &str) -> Result<String, Error> {
    if !key.starts_with("jobs/") || !key.contains("/work/") {
        return Err(Error::new("STORAGE_FORBIDDEN", format!("{key} is no work object of a job")));
    }
    Ok(uri_of_path(&places.journal_path(key)?))
}

/// One attempt's outside.
pub struct LocalChunkIo<'a> {
    pub places: &'a Arc<Places>,
    pub job_key: &'a str,
    pub verdict: PathBuf,
    pub attempt_id: &'a str,
    pub running: &'a Running,
    pub outbox: &'a Outbox,
}

impl ChunkIo for LocalChunkIo<'_> {
    fn read_verdict(&mut self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.places.store.get(&self.verdict, None).map_err(of_store)?.map(|object| object.bytes))
    }

    fn open_source(&mut self, uri: &str, etag: &str) -> Result<Box<dyn PinnedSource>, Error> {
        Ok(Box::new(open_source(self.places, uri, etag)?))
    }

    fn staged_pieces(&mut self, file: u32) -> Result<Box<dyn StagedPieces>, Error> {
        Ok(Box::new(JournalPieces { places: Arc::clone(self.places), job_key: self.job_key.to_owned(), file }))
    }

    fn open_sink(&mut self, uri: &str) -> Result<Box<dyn PartSink>, Error> {
        let sink = self.places.store.open_part(&local_path(uri)?).map_err(of_store)?;
        Ok(Box::new(LocalSink(sink)))
    }

    fn work_uri(&self, key: &str) -> Result<String, Error> {
        work_uri(self.places, key)
    }

    fn work_opener(&self) -> Result<Arc<dyn SourceOpener>, Error> {
        Ok(Arc::new(WorkObjects(Arc::clone(self.places))))
    }

    fn check_lease(&mut self) -> Result<(), Error> {
        self.running.lease.check()
    }

    fn put_verdict(&mut self, bytes: &[u8]) -> Result<PutEnd, Error> {
        self.places.store.put_if_absent(&self.verdict, bytes, Some(self.attempt_id)).map(put_end).map_err(of_store)
    }

    fn delete_own(&mut self, uri: &str) -> Result<(), Error> {
        self.places.store.delete(&local_path(uri)?).map(|_| ()).map_err(of_store)
    }

    fn trace(&mut self) {
        self.outbox.tell(self.running.request_id, Event::Progress(self.running.event()));
    }
}

/// Measures with the monotonic clock. Nothing it says reaches a result.
pub struct Stopwatch(pub Instant);

impl Timer for Stopwatch {
    fn now_us(&self) -> u64 {
        self.0.elapsed().as_micros() as u64
    }
}
