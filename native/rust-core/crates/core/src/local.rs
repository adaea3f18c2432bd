//! The engine's outside over the store: pinned sources, sinks, the verdict.

use std::sync::Arc;
use std::time::Instant;

use millrace_engine::Error;
use millrace_engine::io::{ChunkIo, PartSink, PinnedSource, PutEnd, SinkEnd, SourceOpener, StagedPieces, Timer};
use millrace_engine::names::staged_key;
use millrace_engine::records::{Segment, Spec};
use millrace_formats::source::{ByteSource, SourceError};
use millrace_store::{Input, Place, PutOutcome};
use millrace_wire::message::Event;

use crate::failure::of_store;
use crate::outbox::Outbox;
use crate::places::Places;
use crate::running::Running;

/// An input file at its pinned version.
pub struct LocalSource(pub Input);

impl ByteSource for LocalSource {
    fn size(&self) -> u64 {
        self.0.stat().size
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        self.0.read_at(offset, buffer).map_err(|error| SourceError { code: error.code, message: error.to_string() })
    }

    fn announce(&mut self, start: u64, end: u64) {
        self.0.announce(start, end);
    }
}

impl PinnedSource for LocalSource {
    fn check_unchanged(&mut self) -> Result<(), Error> {
        self.0.check_unchanged().map_err(of_store)
    }
}

/// Opens an input by its URI and the connection its spec names. An empty `etag` takes the version that is there.
pub fn open_source(places: &Places, uri: &str, connection: Option<&str>, etag: &str) -> Result<LocalSource, Error> {
    let pinned = (!etag.is_empty()).then_some(etag);
    places.store.open_input(&places.input(uri, connection)?, pinned).map(LocalSource).map_err(of_store)
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
        check_work_key(key)?;
        Ok(Box::new(self.0.store.open_input(&self.0.journal_path(key)?, None).map(LocalSource).map_err(of_store)?))
    }
}

fn check_work_key(key: &str) -> Result<(), Error> {
    if key.starts_with("jobs/") && key.contains("/work/") {
        return Ok(());
    }
    Err(Error::new("STORAGE_FORBIDDEN", format!("{key} is no work object of a job")))
}

/// One attempt's outside.
pub struct LocalChunkIo<'a> {
    pub places: &'a Arc<Places>,
    pub job_key: &'a str,
    pub verdict: Place,
    pub attempt_id: &'a str,
    pub spec: &'a Spec,
    pub segment: &'a Segment,
    pub running: &'a Running,
    pub outbox: &'a Outbox,
}

impl LocalChunkIo<'_> {
    /// A part goes through the connection of the output, a work object through that of the journal, wherever that lies.
    fn place_to_write(&self, uri: &str) -> Result<Place, Error> {
        match self.places.in_journal(uri)? {
            Some(place) => Ok(place),
            None => self.places.output(uri, self.spec.output_connection(uri)),
        }
    }
}

impl ChunkIo for LocalChunkIo<'_> {
    fn read_verdict(&mut self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.places.store.get(&self.verdict, None).map_err(of_store)?.map(|object| object.bytes))
    }

    fn open_source(&mut self, uri: &str, etag: &str) -> Result<Box<dyn PinnedSource>, Error> {
        // Objects that a producer named are those of the one input that a stream has.
        let input = self.segment.files.iter().find(|file| file.uri == uri).map_or(0, |file| file.input);
        let connection = Some(input).and_then(|input| self.spec.input_connection(input));
        Ok(Box::new(open_source(self.places, uri, connection, etag)?))
    }

    fn staged_pieces(&mut self, file: u32) -> Result<Box<dyn StagedPieces>, Error> {
        Ok(Box::new(JournalPieces { places: Arc::clone(self.places), job_key: self.job_key.to_owned(), file }))
    }

    fn open_sink(&mut self, uri: &str) -> Result<Box<dyn PartSink>, Error> {
        let sink = self.places.store.open_part(&self.place_to_write(uri)?).map_err(of_store)?;
        Ok(Box::new(LocalSink(sink)))
    }

    fn open_work_sink(&mut self, uri: &str) -> Result<Box<dyn PartSink>, Error> {
        let sink = self.places.store.open_part(&self.place_to_write(uri)?).map_err(of_store)?;
        Ok(Box::new(LocalSink(sink.without_digest())))
    }

    fn work_uri(&self, key: &str) -> Result<String, Error> {
        check_work_key(key)?;
        Ok(self.places.store.uri_of(&self.places.journal_path(key)?))
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
        self.places.store.delete(&self.place_to_write(uri)?).map(|_| ()).map_err(of_store)
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
