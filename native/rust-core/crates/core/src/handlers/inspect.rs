//! `Inspect`: looking at bytes, records, rejects and specs, for people and for checks. Changes nothing.

use std::borrow::Cow;
use std::sync::Arc;

use millrace_engine::Error;
use millrace_engine::io::{PinnedSource, StagedPieces};
use millrace_engine::names::job_folder;
use millrace_engine::program::StageKind;
use millrace_engine::records::{self, ChunkEntry, PinsOf, RangeChunk, RecordHead, RowsChunk, Segment};
use millrace_engine::streams::open_chunk_stream;
use millrace_formats::batch::{Read, RecordReader};
use millrace_formats::decompress::{Compression, DecodedSource, InflationLimit, Restart};
use millrace_formats::pins::{FilePlan, InputPins};
use millrace_formats::position::Place;
use millrace_formats::probe::check_lines;
use millrace_formats::read::{ReadOptions, ReadRange, cut_fields, open_reader, open_rows};
use millrace_formats::reject::Reject;
use millrace_formats::source::{ByteSource, read_full};
use millrace_formats::write::rejects::{RejectRow, read_rejects, read_rejects_bytes};
use millrace_store::Input;
use millrace_wire::Payload;
use millrace_wire::limits::MAX_PAYLOAD_BYTES;
use millrace_wire::message::{InputRef, Inspect, InspectDone, InspectKind, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::preview::preview;
use super::process::inputs_under;
use super::{Answer, Work, not_available, stages};
use crate::base64;
use crate::failure::of_store;
use crate::journal::{self, Pins};
use crate::local::{JournalPieces, open_source};
use crate::running::Running;

/// Largest window of raw bytes.
const MAX_WINDOW_BYTES: u64 = 64 << 10;
/// Of one record in an answer; twice its size in text and base64 stays below a payload.
const MAX_SHOWN_RAW_BYTES: usize = 1 << 20;
/// Largest file of rejects that is fetched to be looked into: a chunk's, so seldom above a few mebibytes.
const MAX_REJECTS_BYTES: u64 = 64 << 20;
/// Rejects of one page when the request does not say where it ends.
const DEFAULT_ROWS: u64 = 1_000;

pub fn inspect(work: &mut Work, request: &Inspect, running: &Running) -> Answer {
    match request.what {
        InspectKind::Bytes => bytes(work, request),
        InspectKind::Record => record(work, request, running),
        InspectKind::Cuts => cuts(work, request, running),
        InspectKind::Rows => rows(work, request),
        InspectKind::Check => check(work, request),
        InspectKind::SelfTest => self_test(work, request),
        InspectKind::Footer => Err(not_available("looking at the footer of a Parquet file")),
        InspectKind::Preview => preview(work, request, running),
    }
}

pub(super) fn answer(value: &Value) -> (Response, Payload) {
    (Response::done(InspectDone { truncated: false }), Payload::from(value.to_string().into_bytes()))
}

fn input_of(request: &Inspect) -> Result<&InputRef, Error> {
    request.input.as_ref().ok_or_else(|| Error::new("SPEC_MISSING_FIELD", "inspecting needs an input"))
}

/// `start` to `end` of a file, at most 64 KiB. With a job these are offsets of the stream that its records stand in, without one of the file as it
/// is stored.
fn bytes(work: &Work, request: &Inspect) -> Answer {
    let input = input_of(request)?;
    let start = request.start.unwrap_or(0);
    let wanted = request.end.unwrap_or(u64::MAX).max(start) - start;
    let mut window = vec![0; wanted.min(MAX_WINDOW_BYTES) as usize];
    let filled = match &request.job_key {
        Some(job_key) => read_full(open_stream_at(work, job_key, &input.uri, start)?.as_mut(), start, &mut window)?,
        None => {
            let mut source = open_source(&work.places, &input.uri, input.connection.as_deref(), &input.etag)?;
            let filled = read_full(&mut source, start, &mut window)?;
            source.check_unchanged()?;
            filled
        }
    };
    // Whether more follows behind a full window is not looked for: of a stream that would be decoding.
    let truncated = wanted > MAX_WINDOW_BYTES && filled == window.len();
    window.truncate(filled);
    Ok((Response::done(InspectDone { truncated }), Payload::from(window)))
}

/// The stream of a planned file, opened as near before `offset` as its chunks allow: what is compressed need not be decoded from its beginning.
fn open_stream_at(work: &Work, job_key: &str, uri: &str, offset: u64) -> Result<Box<dyn ByteSource>, Error> {
    let pins = work.journal.pins(&work.places, job_key)?;
    let mut plan: Option<FilePlan> = None;
    let mut nearest: Option<(RangeChunk, FilePlan)> = None;
    each_segment(work, job_key, |segment| {
        let Some(of_file) = segment.files.iter().find(|plan| plan.uri == uri) else { return Ok(true) };
        let ranges = segment.chunks.iter().flat_map(ChunkEntry::ranges);
        let before = ranges.filter(|range| range.file == of_file.file && range.start <= offset).max_by_key(|range| range.start);
        if let Some(chunk) = before.filter(|chunk| nearest.as_ref().is_none_or(|(found, _)| found.start < chunk.start)) {
            nearest = Some((chunk, of_file.clone()));
        }
        plan = Some(of_file.clone());
        Ok(true)
    })?;
    let plan = plan.ok_or_else(|| Error::new("INPUT_RANGE", format!("no planned chunk of {uri}")))?;
    let input = pins_of(&pins, &plan)?;
    if let Some((chunk, plan)) = nearest {
        return open_range(work, job_key, &input, &plan, &chunk);
    }
    // In front of all chunks stands the header; a file of columns has none of bytes.
    let source = open_source(&work.places, &plan.uri, None, &plan.etag)?;
    let Some(compression) = Compression::from_name(&input.compression) else { return Ok(Box::new(source)) };
    let limit = InflationLimit::of_ratio(input.max_inflation);
    Ok(Box::new(DecodedSource::open(Box::new(source), compression, Restart::default(), Some(limit))?))
}

/// The stream that a chunk is a range of.
fn open_range(work: &Work, job_key: &str, pins: &InputPins, plan: &FilePlan, chunk: &RangeChunk) -> Result<Box<dyn ByteSource>, Error> {
    let source = open_source(&work.places, &plan.uri, None, &plan.etag)?;
    open_chunk_stream(pins, plan, chunk, Box::new(source), &mut || {
        let pieces = JournalPieces { places: Arc::clone(&work.places), job_key: job_key.to_owned(), file: plan.file };
        Ok(Box::new(pieces) as Box<dyn StagedPieces>)
    })
}

/// What a chunk reads of the file that is looked into.
enum Share {
    Range(RangeChunk),
    Rows(RowsChunk),
}

impl Share {
    fn chunk(&self) -> u32 {
        match self {
            Share::Range(range) => range.chunk,
            Share::Rows(rows) => rows.chunk,
        }
    }
}

fn shares(chunk: &ChunkEntry, file: u32) -> Vec<Share> {
    match chunk {
        ChunkEntry::Rows(rows) if rows.file == file => vec![Share::Rows(rows.clone())],
        other => other.ranges().into_iter().filter(|range| range.file == file).map(Share::Range).collect(),
    }
}

/// A chunk of the plan that covers what is looked for.
struct Found {
    stage: String,
    plan: FilePlan,
    share: Share,
    pins: Arc<Pins>,
    job_key: String,
}

impl Found {
    fn input_pins(&self) -> Result<Cow<'_, InputPins>, Error> {
        pins_of(&self.pins, &self.plan)
    }
}

fn pins_of<'a>(pins: &'a Pins, plan: &FilePlan) -> Result<Cow<'a, InputPins>, Error> {
    PinsOf { inputs: &pins.record.inputs, files: &pins.record.files }.file(plan.file, plan.input)
}

/// The segments of a job's plans, the newest first, until `each` says no.
fn each_segment(work: &Work, job_key: &str, mut each: impl FnMut(Segment) -> Result<bool, Error>) -> Result<(), Error> {
    let mut keys = journal::list(&work.places, &format!("{}plan/", job_folder(job_key)))?;
    keys.reverse();
    for key in keys {
        let bytes = journal::read(&work.places, &key)?;
        let head: RecordHead = records::parse(&key, &bytes)?;
        if head.record == "segment" && !each(records::parse(&key, &bytes)?)? {
            break;
        }
    }
    Ok(())
}

/// The newest plan's chunk of `uri` that `fits`.
fn find_chunk(work: &Work, job_key: &str, uri: &str, fits: impl Fn(&Share) -> bool) -> Result<Found, Error> {
    let mut found = None;
    each_segment(work, job_key, |segment| {
        let Some(plan) = segment.files.iter().find(|plan| plan.uri == uri) else { return Ok(true) };
        if let Some(share) = segment.chunks.iter().flat_map(|chunk| shares(chunk, plan.file)).find(|share| fits(share)) {
            found = Some((segment.stage.clone(), plan.clone(), share));
        }
        Ok(found.is_none())
    })?;
    let Some((stage, plan, share)) = found else {
        return Err(Error::new("INPUT_RANGE", format!("no planned chunk of {uri} holds that place")));
    };
    Ok(Found { stage, plan, share, pins: work.journal.pins(&work.places, job_key)?, job_key: job_key.to_owned() })
}

fn job_key_of(request: &Inspect) -> Result<&str, Error> {
    request
        .job_key
        .as_deref()
        .ok_or_else(|| Error::new("SPEC_MISSING_FIELD", "reading records needs the job whose pins they are read with"))
}

/// The record with number `record`, or the one that byte `start` lies in.
fn record(work: &Work, request: &Inspect, running: &Running) -> Answer {
    let input = input_of(request)?;
    let wanted = match (request.record, request.start) {
        (Some(number), _) => Wanted::Number(number),
        (None, Some(byte)) => Wanted::Byte(byte),
        (None, None) => return Err(Error::new("SPEC_MISSING_FIELD", "looking at a record needs its number or a byte of it")),
    };
    let found = find_chunk(work, job_key_of(request)?, &input.uri, |share| wanted.is_in(share))?;
    let mut answer_value = None;
    read_share(work, &found, wanted, running, |read| {
        answer_value = answer_value.take().or_else(|| describe(&found, &read, wanted));
        answer_value.is_none()
    })?;
    let value = answer_value.ok_or_else(|| Error::new("INPUT_RANGE", format!("no record of {} stands there", input.uri)))?;
    Ok(answer(&value))
}

#[derive(Clone, Copy)]
enum Wanted {
    Number(u64),
    Byte(u64),
}

impl Wanted {
    /// A row of a file of columns stands at no byte.
    fn is_in(self, share: &Share) -> bool {
        match (self, share) {
            (Wanted::Number(number), Share::Range(range)) => (range.record..range.record + range.records).contains(&number),
            (Wanted::Byte(byte), Share::Range(range)) => (range.start..range.end).contains(&byte),
            (Wanted::Number(number), Share::Rows(rows)) => number > rows.start && number <= rows.end,
            (Wanted::Byte(_), Share::Rows(_)) => false,
        }
    }

    fn is_at(self, place: &Place) -> bool {
        match self {
            Wanted::Number(number) => place.record == number,
            Wanted::Byte(byte) => (place.byte..place.byte_end).contains(&byte),
        }
    }
}

/// Reads a chunk turn by turn until `each` has seen enough; of rows only the one that is wanted.
fn read_share(work: &Work, found: &Found, wanted: Wanted, running: &Running, mut each: impl FnMut(Read) -> bool) -> Result<(), Error> {
    let mut reader = match (&found.share, wanted) {
        (Share::Range(chunk), _) => open_records(work, found, chunk)?,
        (Share::Rows(_), Wanted::Number(number)) => open_row(work, found, number)?,
        (Share::Rows(_), Wanted::Byte(_)) => return Err(Error::new("INPUT_RANGE", "a row of a file of columns stands at no byte")),
    };
    while let Some(read) = reader.next()? {
        if running.cancel.is_set() {
            return Err(Error::cancelled());
        }
        if !each(read) {
            break;
        }
    }
    Ok(())
}

fn open_records(work: &Work, found: &Found, chunk: &RangeChunk) -> Result<Box<dyn RecordReader>, Error> {
    let pins = &*found.input_pins()?;
    let stream = open_range(work, &found.job_key, pins, &found.plan, chunk)?;
    let range = ReadRange { start: chunk.start, end: chunk.end, record: chunk.record, line: chunk.line };
    Ok(open_reader(pins, &found.plan, range, &[], stream, ReadOptions::default())?)
}

fn open_row(work: &Work, found: &Found, number: u64) -> Result<Box<dyn RecordReader>, Error> {
    let source = open_source(&work.places, &found.plan.uri, None, &found.plan.etag)?;
    let range = ReadRange { start: number - 1, end: number, record: number, line: 0 };
    Ok(open_rows(&*found.input_pins()?, &found.plan, range, &[], Box::new(source), ReadOptions::default())?)
}

fn describe(found: &Found, read: &Read, wanted: Wanted) -> Option<Value> {
    if let Some(reject) = read.rejects.iter().find(|reject| wanted.is_at(&reject.place)) {
        return Some(record_value(found, &reject.place, &reject.raw, Some(reject)));
    }
    let row = read.batch.places.iter().position(|place| wanted.is_at(place))?;
    let raw = read.batch.raw(row).ok()?;
    Some(record_value(found, &read.batch.places[row], &raw, None))
}

fn record_value(found: &Found, place: &Place, raw: &[u8], reject: Option<&Reject>) -> Value {
    let Ok(pins) = found.input_pins() else { return Value::Null };
    let plan = &found.plan;
    // A row of a file of columns stands at no line and no byte, and its text is its JSON.
    let of_text = |number: u64| if pins.format.has_rows() { Value::Null } else { Value::from(number) };
    json!({
        "uri": plan.uri, "file": place.file, "record": place.record,
        "line": of_text(place.line), "byte": of_text(place.byte), "byteEnd": of_text(place.byte_end),
        "chunk": format!("{}.{}", found.stage, found.share.chunk()),
        "header": plan.header, "fields": cut_fields(&pins, plan, raw),
        "raw": String::from_utf8_lossy(raw), "rawBase64": base64::encode(raw),
        "reject": reject.map(reject_value),
    })
}

fn reject_value(reject: &Reject) -> Value {
    let errors: Vec<Value> = reject
        .errors
        .iter()
        .map(|error| {
            json!({
                "code": error.code, "column": error.column, "columnIndex": error.column_index, "byte": error.byte, "line": error.line,
                "message": error.message, "expected": error.expected, "value": error.value,
            })
        })
        .collect();
    json!({ "code": reject.errors.first().map(|error| error.code), "rawTruncated": reject.raw_truncated, "errors": errors })
}

/// Splits `[start, end)` of a file, both extent starts, into at most `parts` ranges of about equal bytes at starts of records.
fn cuts(work: &Work, request: &Inspect, running: &Running) -> Answer {
    let input = input_of(request)?;
    let (Some(start), Some(end)) = (request.start, request.end) else {
        return Err(Error::new("SPEC_MISSING_FIELD", "cutting needs the start and end of a range"));
    };
    let parts = u64::from(request.parts.unwrap_or(2).max(1));
    let wanted = Wanted::Byte(start);
    let found = find_chunk(work, job_key_of(request)?, &input.uri, |share| wanted.is_in(share))?;
    if end < start || matches!(&found.share, Share::Range(range) if end > range.end) {
        return Err(Error::new("INPUT_RANGE", format!("bytes {start} to {end} do not lie in one chunk")));
    }
    let mut cutter = Cutter { start, end, parts, found: Vec::new() };
    read_share(work, &found, wanted, running, |read| {
        let mut places: Vec<Place> = read.batch.places.iter().copied().chain(read.rejects.iter().map(|reject| reject.place)).collect();
        places.sort_by_key(|place| place.byte);
        places.iter().for_each(|place| cutter.meet(place));
        places.last().is_none_or(|place| place.byte < end)
    })?;
    Ok(answer(&cutter.answer()))
}

/// Takes the first record at or behind each target.
struct Cutter {
    start: u64,
    end: u64,
    parts: u64,
    found: Vec<Place>,
}

impl Cutter {
    fn meet(&mut self, place: &Place) {
        if place.byte < self.start || place.byte >= self.end {
            return;
        }
        let span = u128::from(self.end - self.start);
        let target = self.start + (span * self.found.len() as u128 / u128::from(self.parts)) as u64;
        if (self.found.len() as u64) < self.parts && place.byte >= target {
            self.found.push(*place);
        }
    }

    fn answer(&self) -> Value {
        let range = |(index, place): (usize, &Place)| {
            // What stands before the first record, blank lines and comments, goes with it.
            let start = if index == 0 { self.start } else { place.byte };
            let end = self.found.get(index + 1).map_or(self.end, |next| next.byte);
            json!({ "start": start, "end": end, "record": place.record, "line": place.line })
        };
        Value::Array(self.found.iter().enumerate().map(range).collect())
    }
}

/// A reject with its bytes beside their text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RejectLine {
    #[serde(flatten)]
    row: RejectRow,
    raw_base64: String,
}

/// A line of the answer. A record so large that it would not fit alone is cut: its place is known, and the input holds the rest.
fn line_of(mut row: RejectRow) -> Vec<u8> {
    if row.raw.len() > MAX_SHOWN_RAW_BYTES {
        row.raw.truncate(MAX_SHOWN_RAW_BYTES);
        row.raw_truncated = true;
    }
    let mut line =
        serde_json::to_vec(&RejectLine { raw_base64: base64::encode(&row.raw), row }).expect("a reject holds nothing that JSON cannot");
    line.push(b'\n');
    line
}

/// Rows `start` to `end` (exclusive) of a file of rejects as NDJSON, as many as an answer holds.
fn rows(work: &Work, request: &Inspect) -> Answer {
    let input = input_of(request)?;
    let pinned = (!input.etag.is_empty()).then_some(input.etag.as_str());
    let mut file = work.places.store.open_input(&work.places.input(&input.uri, input.connection.as_deref())?, pinned).map_err(of_store)?;
    let first = request.start.unwrap_or(0);
    let end = request.end.unwrap_or(first.saturating_add(DEFAULT_ROWS));
    let (mut lines, mut number, mut truncated) = (Vec::new(), 0, false);
    let each = |row: RejectRow| {
        number += 1;
        if number <= first || number > end {
            return number <= first;
        }
        let line = line_of(row);
        truncated = lines.len() + line.len() > MAX_PAYLOAD_BYTES as usize;
        if !truncated {
            lines.extend_from_slice(&line);
        }
        !truncated && number < end
    };
    match file.take_file() {
        Some(file) => read_rejects(file, each)?,
        None => read_rejects_bytes(whole_file(&mut file)?, each)?,
    }
    Ok((Response::done(InspectDone { truncated }), Payload::from(lines)))
}

/// A file of rejects that lies in a bucket.
fn whole_file(file: &mut Input) -> Result<Vec<u8>, Error> {
    let size = file.stat().size;
    if size > MAX_REJECTS_BYTES {
        return Err(Error::new("OVER_LIMIT", format!("expected a file of rejects of at most {MAX_REJECTS_BYTES} bytes, got {size}")));
    }
    let mut bytes = vec![0; size as usize];
    file.announce(0, size);
    file.read_at(0, &mut bytes).map_err(of_store)?;
    Ok(bytes)
}

/// Syntax and rules of the stages of a spec and of its patterns for lines, without opening an input. The first thing that is wrong is the failure.
fn check(work: &mut Work, request: &Inspect) -> Answer {
    let text = request.spec.as_deref().ok_or_else(|| Error::new("SPEC_MISSING_FIELD", "checking needs a spec"))?;
    let spec: Value = serde_json::from_str(text).map_err(|error| Error::new("SPEC_WRONG_TYPE", format!("the spec is no JSON: {error}")))?;
    let stages = spec.get("pipeline").and_then(Value::as_array).into_iter().flatten();
    for stage in stages {
        let kind = if stage.get("exchange").is_some_and(Value::is_object) { StageKind::Reduce } else { StageKind::Map };
        if let Some(sql) = stage.get("sql").and_then(Value::as_str) {
            work.compiler.check(sql, kind)?;
        }
        if let Some(order_by) = stage.pointer("/dedupe/orderBy").and_then(Value::as_str) {
            work.compiler.check_order(order_by)?;
        }
    }
    let inputs = spec.get("inputs").and_then(Value::as_array).into_iter().flatten();
    for lines in inputs.filter_map(|input| input.get("lines")) {
        check_lines(lines)?;
    }
    match request.job_key.as_deref() {
        None => Ok(answer(&json!({ "ok": true }))),
        Some(job_key) => columns(work, job_key, text),
    }
}

/// The columns of every stage of a job as another spec would have them, over the pins that stand.
fn columns(work: &mut Work, job_key: &str, spec: &str) -> Answer {
    let job = journal::job_under(&work.places, job_key, spec)?;
    let pins = work.journal.pins(&work.places, job_key)?;
    inputs_under(&job, &pins)?;
    let stages = stages::columns_of_all(work, &job, &pins)?;
    let described = stages.iter().map(|(stage, columns)| json!({ "stage": stage, "columns": stages::described(columns) }));
    Ok(answer(&json!({ "ok": true, "stages": described.collect::<Vec<Value>>() })))
}

/// Whether a store keeps the promises commits rest on.
fn self_test(work: &Work, request: &Inspect) -> Answer {
    let name = request.connection.as_deref().unwrap_or(crate::places::JOURNAL);
    work.places.store.self_test(&work.places.folder_of(name)?).map_err(of_store)?;
    Ok(answer(&json!({ "ok": true })))
}
