//! The parts and the rejects file of one attempt: opened when the first row comes, closed durably, named only by the receipt.

use std::io::{BufWriter, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use millrace_formats::reject::Reject;
use millrace_formats::write::rejects::{RejectContext, RejectsWriter};
use millrace_formats::write::{Cuts, Layout, OutputOptions, PartWriter, Recut, Sink, open_part};

use crate::error::Error;
use crate::exchange::{ExchangeWriter, GATHERED_BYTES};
use crate::folder_parts::{FolderLimits, FolderParts, Room, Spread};
use crate::io::{ChunkIo, PartSink, SinkEnd, Timer};
use crate::names::Author;
use crate::order::with_order;
use crate::partition::Partitioner;
use crate::process::ExchangeTo;
use crate::records::{ExchangeRecord, PartRecord, Spec};

/// Writers hand on what they have in pieces of any size; the sink sees pieces of this one.
const SINK_BUFFER_BYTES: usize = 256 << 10;
/// Of each of many open parts.
const SMALL_SINK_BUFFER_BYTES: usize = 32 << 10;

/// Everything an attempt has written.
#[derive(Debug, Default)]
pub struct Closed {
    pub parts: Vec<PartRecord>,
    pub rejects: Vec<PartRecord>,
    pub exchange: Option<ExchangeRecord>,
    /// The URI of the exchange object.
    exchange_uri: Option<String>,
}

impl Closed {
    pub fn rows(&self) -> u64 {
        let exchanged = self.exchange.iter().flat_map(|exchange| &exchange.runs).map(|run| run.rows);
        self.parts.iter().map(|part| part.rows).chain(exchanged).sum()
    }

    pub fn reject_rows(&self) -> u64 {
        self.rejects.iter().map(|file| file.rows).sum()
    }

    pub fn uris(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().chain(&self.rejects).map(|part| part.uri.as_str()).chain(self.exchange_uri.as_deref())
    }
}

pub struct Outputs<'a> {
    spec: &'a Spec,
    options: OutputOptions,
    author: &'a Author,
    /// Trials run the encoders and write nothing.
    discard: bool,
    cuts: Cuts,
    /// In place of parts.
    exchange: Option<OpenExchange>,
    part: Option<OpenPart>,
    /// In place of `part`, under `partitionBy`.
    by_folder: Option<FolderParts>,
    folder_limits: FolderLimits,
    /// Under `layout: perInput`.
    input: Option<PartOfInput>,
    rejects: Option<OpenRejects>,
    next_part: u32,
    closed: Closed,
    timer: Arc<dyn Timer + Send + Sync>,
    write_us: Arc<AtomicU64>,
}

/// A part that takes rows.
pub struct OpenPart {
    uri: String,
    folder: Option<String>,
    file: Option<u32>,
    pub writer: Box<dyn PartWriter>,
    sink: SharedSink,
}

/// The input file that rows come from now, and how its outputs are called.
struct PartOfInput {
    file: Option<u32>,
    name: String,
}

struct OpenExchange {
    schema: SchemaRef,
    folders: Vec<String>,
    recut: Recut,
    writer: ExchangeWriter,
    /// Opened by the first row.
    sink: Option<SharedSink>,
}

struct OpenRejects {
    uri: String,
    writer: RejectsWriter,
    sink: SharedSink,
}

impl<'a> Outputs<'a> {
    pub fn new(
        spec: &'a Spec,
        options: OutputOptions,
        author: &'a Author,
        discard: bool,
        timer: Arc<dyn Timer + Send + Sync>,
    ) -> Outputs<'a> {
        let is_zstd_text = matches!(options.extension(), "csv.zst" | "ndjson.zst");
        Outputs {
            by_folder: None,
            folder_limits: FolderLimits::new(is_zstd_text, false, options.max_partitions),
            input: None,
            spec,
            options,
            author,
            discard,
            cuts: Cuts::default(),
            exchange: None,
            part: None,
            rejects: None,
            next_part: 0,
            closed: Closed::default(),
            timer,
            write_us: Arc::default(),
        }
    }

    /// With a quarter of the memory.
    pub fn less(mut self, less_memory: bool) -> Outputs<'a> {
        let is_zstd_text = matches!(self.options.extension(), "csv.zst" | "ndjson.zst");
        self.folder_limits = FolderLimits::new(is_zstd_text, less_memory, self.options.max_partitions);
        self
    }

    /// Rows go to another stage, if there is one. They then come with their order columns.
    pub fn exchange(mut self, to: Option<&ExchangeTo>, less_memory: bool) -> Result<Outputs<'a>, Error> {
        let Some(to) = to else { return Ok(self) };
        let schema = with_order(&to.columns);
        let partitioner = Partitioner::new(&to.columns, &to.keys, to.partitions)?;
        let gathered_limit = if less_memory { GATHERED_BYTES / 4 } else { GATHERED_BYTES };
        let writer = ExchangeWriter::new(Arc::clone(&schema), partitioner, gathered_limit);
        let folders = to.folders.clone();
        self.exchange = Some(OpenExchange { recut: Recut::new(Arc::clone(&schema)), schema, folders, writer, sink: None });
        Ok(self)
    }

    /// Columns of exchanged rows, the order columns last.
    pub fn exchanged_schema(&self) -> Option<SchemaRef> {
        self.exchange.as_ref().map(|exchange| Arc::clone(&exchange.schema))
    }

    /// Columns whose values name folders, here or in the stage behind.
    pub fn partition_by(&self) -> &[String] {
        self.exchange.as_ref().map_or(&self.options.partition_by, |exchange| &exchange.folders)
    }

    /// Microseconds spent in sinks so far.
    pub fn write_us(&self) -> u64 {
        self.write_us.load(Ordering::Relaxed)
    }

    /// The same counter, to be read after the outputs are closed.
    pub fn write_counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.write_us)
    }

    /// Takes rows. Parts are cut at multiples of 8,192 rows (fewer where rows are large), so that they do not depend on how batches came.
    pub fn write_rows(&mut self, rows: &RecordBatch, io: &mut dyn ChunkIo) -> Result<(), Error> {
        if self.exchange.is_some() {
            return self.exchange_rows(rows.clone(), io);
        }
        if !self.options.partition_by.is_empty() {
            return self.spread_rows(rows, io);
        }
        let mut from = 0;
        while from < rows.num_rows() {
            let (count, is_cut) = self.cuts.next(&rows.slice(from, rows.num_rows() - from));
            self.write_cut(&rows.slice(from, count), is_cut, io)?;
            from += count;
        }
        Ok(())
    }

    fn write_cut(&mut self, rows: &RecordBatch, is_cut: bool, io: &mut dyn ChunkIo) -> Result<(), Error> {
        if self.part.is_none() {
            self.part = Some(self.open_part(rows.schema(), None, io)?);
        }
        let part = self.part.as_mut().expect("it was opened above");
        part.writer.write(rows)?;
        if is_cut && part.writer.written_bytes() >= self.options.part_size {
            self.close_part()?;
        }
        Ok(())
    }

    fn open_part(&mut self, schema: SchemaRef, folder: Option<String>, io: &mut dyn ChunkIo) -> Result<OpenPart, Error> {
        let name = self.input.as_ref().map(|input| input.name.as_str());
        let uri = self.author.part_uri(self.spec, folder.as_deref(), name, self.next_part);
        self.next_part += 1;
        let sink = self.open_sink(&uri, io)?;
        let buffer_bytes = if folder.is_some() { SMALL_SINK_BUFFER_BYTES } else { SINK_BUFFER_BYTES };
        let writer = open_part(&self.options, schema, sink.buffered(buffer_bytes))?;
        Ok(OpenPart { uri, folder, file: self.input.as_ref().and_then(|input| input.file), writer, sink })
    }

    /// All further rows come from this file; under `layout: perInput` they get parts of their own.
    pub fn begin_input(&mut self, file: Option<u32>, name: impl FnOnce() -> String) -> Result<(), Error> {
        if self.options.layout != Layout::PerInput || self.exchange.is_some() {
            return Ok(());
        }
        self.close_part()?;
        self.cuts = Cuts::default();
        self.input = Some(PartOfInput { file, name: name() });
        Ok(())
    }

    fn spread_rows(&mut self, rows: &RecordBatch, io: &mut dyn ChunkIo) -> Result<(), Error> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let mut parts = match self.by_folder.take() {
            Some(parts) => parts,
            None => FolderParts::new(rows, &self.options.partition_by, self.folder_limits)?,
        };
        parts.push(rows.clone())?;
        while let Some(spread) = parts.next()? {
            self.write_spread(&mut parts, &spread, io)?;
        }
        self.by_folder = Some(parts);
        Ok(())
    }

    fn write_spread(&mut self, parts: &mut FolderParts, spread: &Spread, io: &mut dyn ChunkIo) -> Result<(), Error> {
        for piece in &spread.pieces {
            let rows = spread.rows(piece)?;
            match parts.make_room(piece.folder) {
                Room::Open => {}
                room => {
                    if let Room::Instead(oldest) = room {
                        self.finish_part(oldest)?;
                    }
                    let folder = parts.name(piece.folder).to_owned();
                    parts.insert(piece.folder, self.open_part(rows.schema(), Some(folder), io)?);
                }
            }
            if let Some(full) = parts.write(piece, &rows, self.options.part_size)? {
                self.finish_part(full)?;
            }
            parts.flush_largest()?;
        }
        Ok(())
    }

    fn close_folders(&mut self, io: &mut dyn ChunkIo) -> Result<(), Error> {
        let Some(mut parts) = self.by_folder.take() else { return Ok(()) };
        while let Some(spread) = parts.rest()? {
            self.write_spread(&mut parts, &spread, io)?;
        }
        parts.into_open().try_for_each(|part| self.finish_part(part))
    }

    fn open_sink(&self, uri: &str, io: &mut dyn ChunkIo) -> Result<SharedSink, Error> {
        let inner: Box<dyn PartSink> = if self.discard { Box::new(Nowhere(0)) } else { io.open_sink(uri)? };
        Ok(self.shared(inner))
    }

    fn shared(&self, inner: Box<dyn PartSink>) -> SharedSink {
        SharedSink { inner: Arc::new(Mutex::new(inner)), timer: Arc::clone(&self.timer), write_us: Arc::clone(&self.write_us) }
    }

    /// Rows are copied into batches of their own first: those that wait must not hold what they came from.
    fn exchange_rows(&mut self, rows: RecordBatch, io: &mut dyn ChunkIo) -> Result<(), Error> {
        let Some(exchange) = &mut self.exchange else { return Ok(()) };
        exchange.recut.push(rows)?;
        while let Some(full) = self.exchange.as_mut().and_then(|exchange| exchange.recut.next()) {
            self.gather(full, io)?;
        }
        Ok(())
    }

    fn gather(&mut self, rows: RecordBatch, io: &mut dyn ChunkIo) -> Result<(), Error> {
        let Some(exchange) = &mut self.exchange else { return Ok(()) };
        if exchange.writer.push(rows)? { self.flush_exchange(io) } else { Ok(()) }
    }

    fn flush_exchange(&mut self, io: &mut dyn ChunkIo) -> Result<(), Error> {
        if self.exchange.as_ref().is_some_and(|exchange| exchange.sink.is_none()) {
            let uri = io.work_uri(&self.author.exchange_key())?;
            let inner: Box<dyn PartSink> = if self.discard { Box::new(Nowhere(0)) } else { io.open_work_sink(&uri)? };
            let sink = self.shared(inner);
            self.closed.exchange_uri = (!self.discard).then_some(uri);
            self.exchange.as_mut().expect("it was looked at").sink = Some(sink);
        }
        let Some(OpenExchange { writer, sink: Some(sink), .. }) = &mut self.exchange else { return Ok(()) };
        let mut buffered = sink.buffered(SINK_BUFFER_BYTES);
        writer.flush(&mut buffered)?;
        buffered.flush().map_err(|error| sink_fault(&error))
    }

    fn close_exchange(&mut self, io: &mut dyn ChunkIo) -> Result<(), Error> {
        if let Some(rest) = self.exchange.as_mut().map(|exchange| exchange.recut.rest()).transpose()?.flatten() {
            self.gather(rest, io)?;
        }
        if self.exchange.as_ref().is_some_and(|exchange| !exchange.writer.is_empty()) {
            self.flush_exchange(io)?;
        }
        let Some(OpenExchange { writer, sink: Some(sink), .. }) = self.exchange.take() else { return Ok(()) };
        let end = sink.finish()?;
        self.closed.exchange = Some(ExchangeRecord { object: self.author.exchange_key(), bytes: end.bytes, runs: writer.into_runs() });
        Ok(())
    }

    fn close_part(&mut self) -> Result<(), Error> {
        self.part.take().map_or(Ok(()), |part| self.finish_part(part))
    }

    fn finish_part(&mut self, part: OpenPart) -> Result<(), Error> {
        let rows = part.writer.rows();
        part.writer.finish()?;
        let SinkEnd { bytes, sha256 } = part.sink.finish()?;
        self.closed.parts.push(PartRecord { uri: part.uri, rows, bytes, sha256, partition: part.folder, file: part.file });
        Ok(())
    }

    /// Takes rejects in record order; `file_uri` and `etag` say where they stand.
    pub fn write_rejects(&mut self, rejects: &[Reject], file_uri: &str, etag: &str, io: &mut dyn ChunkIo) -> Result<(), Error> {
        if rejects.is_empty() {
            return Ok(());
        }
        if self.rejects.is_none() {
            let uri = self.author.rejects_uri(self.spec);
            let sink = self.open_sink(&uri, io)?;
            self.rejects = Some(OpenRejects { uri, writer: RejectsWriter::open(sink.buffered(SINK_BUFFER_BYTES))?, sink });
        }
        let context = RejectContext {
            job_id: self.author.job_id.clone(),
            generation: self.author.generation,
            stage: self.author.stage.clone(),
            chunk: self.author.chunk,
            attempt_id: self.author.attempt_id.clone(),
            file_uri: file_uri.to_owned(),
            etag: etag.to_owned(),
        };
        self.rejects.as_mut().expect("it was opened above").writer.write(&context, rejects)?;
        Ok(())
    }

    /// Closes what is open; every part is durable then, with size and digest.
    pub fn close(mut self, io: &mut dyn ChunkIo) -> Result<Closed, Error> {
        self.close_part()?;
        self.close_folders(io)?;
        self.close_exchange(io)?;
        if let Some(rejects) = self.rejects.take() {
            let rows = rejects.writer.rows();
            rejects.writer.finish()?;
            let end = rejects.sink.finish()?;
            let SinkEnd { bytes, sha256 } = end;
            self.closed.rejects.push(PartRecord { uri: rejects.uri, rows, bytes, sha256, partition: None, file: None });
        }
        Ok(self.closed)
    }
}

/// The error of a sink as it travels inside an `io::Error`.
fn sink_fault(error: &std::io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<millrace_formats::error::Error>()) {
        Some(inner) => inner.clone().into(),
        None => Error::new("STORAGE_UNAVAILABLE", format!("cannot write exchanged rows: {error}")),
    }
}

/// One sink held twice: by the writer that fills it and by us, who finish it when the writer is done.
#[derive(Clone)]
struct SharedSink {
    inner: Arc<Mutex<Box<dyn PartSink>>>,
    timer: Arc<dyn Timer + Send + Sync>,
    write_us: Arc<AtomicU64>,
}

impl SharedSink {
    fn buffered(&self, bytes: usize) -> Sink {
        Box::new(BufWriter::with_capacity(bytes, self.clone()))
    }

    fn finish(self) -> Result<SinkEnd, Error> {
        let inner =
            Arc::into_inner(self.inner).ok_or_else(|| Error::new("CORE_PANIC", "a writer that was finished still holds its sink"))?;
        let started = self.timer.now_us();
        let end = inner.into_inner().expect("a sink does not panic").finish();
        self.write_us.fetch_add(self.timer.now_us().saturating_sub(started), Ordering::Relaxed);
        end
    }
}

impl Write for SharedSink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let started = self.timer.now_us();
        let answer = self.inner.lock().expect("a sink does not panic").write(bytes);
        self.write_us.fetch_add(self.timer.now_us().saturating_sub(started), Ordering::Relaxed);
        // The error travels through the writer inside the `io::Error` and comes out with its code.
        answer.map_err(|error| std::io::Error::other(millrace_formats::error::Error::new(error.code, error.message)))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Where the bytes of a trial go.
struct Nowhere(u64);

impl PartSink for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.0 += bytes.len() as u64;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<SinkEnd, Error> {
        Ok(SinkEnd { bytes: self.0, sha256: String::new() })
    }
}
