//! `Inspect` of kind `Preview`: a spec and pins that nothing in the journal holds. Without an input its queries are compiled over the pins, as planning
//! does; with one its first records are read.

use std::sync::Arc;

use millrace_engine::records::{JobRecord, PinsRecord};
use millrace_engine::watch::MemorySource;
use millrace_engine::{Error, sha256_hex};
use millrace_formats::batch::{Read, RecordReader};
use millrace_formats::pins::{FilePlan, InputPins};
use millrace_formats::probe::take_sample;
use millrace_formats::read::{ReadOptions, ReadRange, last_line_end, open_reader, open_rows, plan_file, plan_rows};
use millrace_formats::reject::Reject;
use millrace_formats::source::ByteSource;
use millrace_formats::write::text_rows;
use millrace_wire::message::{InputRef, Inspect};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::inspect::answer;
use super::{Answer, Work, stages};
use crate::journal::{Job, Pins};
use crate::local::open_source;
use crate::running::Running;

/// Records of a sample, whatever is asked for.
const MAX_RECORDS: u64 = 10_000;
/// Rows and rejects of an answer.
const MAX_SHOWN: usize = 100;
/// Characters of a value.
const MAX_VALUE_CHARACTERS: usize = 1_024;

/// What a preview is made over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    /// The resolved spec, as it stands.
    spec: Box<RawValue>,
    /// As planning would put them.
    pins: Box<RawValue>,
    /// When the job would be accepted.
    accepted_at: String,
    /// The number of the input that the file is of.
    #[serde(default)]
    input: usize,
    /// How many records are read, rows and rejects are shown, and how much of a value.
    #[serde(default)]
    records: u64,
    #[serde(default)]
    shown: usize,
    #[serde(default)]
    value_characters: usize,
}

pub fn preview(work: &mut Work, request: &Inspect, running: &Running) -> Answer {
    let text = request.spec.as_deref().ok_or_else(|| Error::new("SPEC_MISSING_FIELD", "a preview needs a spec and its pins"))?;
    let asked: Asked = serde_json::from_str(text).map_err(|error| unreadable("the preview", &error))?;
    let record: PinsRecord = serde_json::from_str(asked.pins.get()).map_err(|error| unreadable("the pins", &error))?;
    let pins = Pins { digest: sha256_hex(asked.pins.get().as_bytes()), record };
    match &request.input {
        None => compile(work, &asked, &pins),
        Some(file) => sample(work, file, &asked, &pins, running),
    }
}

fn unreadable(what: &str, error: &serde_json::Error) -> Error {
    Error::new("SPEC_WRONG_TYPE", format!("{what} cannot be read: {error}"))
}

/// What each stage would yield. The first mistake of a query is the failure.
fn compile(work: &mut Work, asked: &Asked, pins: &Pins) -> Answer {
    let text = asked.spec.get();
    let record = JobRecord {
        record: "job".to_owned(),
        job_id: "j00000000000000000000000000".to_owned(),
        accepted_at: asked.accepted_at.clone(),
        result_version: 1,
        spec_digest: sha256_hex(text.as_bytes()),
        spec: asked.spec.clone(),
        stage: String::new(),
        inputs: Vec::new(),
    };
    let spec = serde_json::from_str(text).map_err(|error| unreadable("the spec", &error))?;
    let job = Job { spec_digest: record.spec_digest.clone(), record, spec };
    let checked = stages::check_all(work, &job, pins).and_then(|()| stages::columns_of_all(work, &job, pins));
    // Compiled for this instant: the next preview of the same spec is of another.
    work.program = None;
    let stages: Vec<Value> =
        checked?.iter().map(|(stage, columns)| json!({ "stage": stage, "columns": stages::described(columns) })).collect();
    Ok(answer(&json!({ "stages": stages })))
}

/// Reads the first records of a file as a chunk would.
fn sample(work: &Work, file: &InputRef, asked: &Asked, pins: &Pins, running: &Running) -> Answer {
    let input = pins
        .record
        .inputs
        .get(asked.input)
        .ok_or_else(|| Error::new("SPEC_OUT_OF_RANGE", format!("the pins hold no input {}", asked.input)))?;
    let head = open_head(work, file, input, asked.records.clamp(1, MAX_RECORDS))?;
    let mut seen = Seen { asked, records: 0, rejected: 0, rows: Vec::new(), rejects: Vec::new() };
    let mut reader = head.reader;
    while seen.records < asked.records.clamp(1, MAX_RECORDS) {
        if running.cancel.is_set() {
            return Err(Error::cancelled());
        }
        match reader.next() {
            Ok(Some(read)) => seen.take(&read, head.end)?,
            Ok(None) => break,
            // Behind what was fetched of a longer file nothing can be said.
            Err(_) if head.end.is_some() && seen.records > 0 => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(answer(&seen.value(input)))
}

/// The beginning of a file as a reader.
struct Head {
    reader: Box<dyn RecordReader>,
    /// Where what was fetched ends, when the stream goes on: a record that reaches it was cut.
    end: Option<u64>,
}

fn open_head(work: &Work, file: &InputRef, pins: &InputPins, records: u64) -> Result<Head, Error> {
    let options = ReadOptions { batch_records: records as usize, ..ReadOptions::default() };
    let mut source = open_source(&work.places, &file.uri, file.connection.as_deref(), &file.etag)?;
    if pins.format.has_rows() {
        let plan = plan_file(pins, 0, 0, &file.uri, &file.etag, &mut source)?;
        let (_, totals) = plan_rows(pins, &plan, &mut source, u64::MAX)?;
        let range = ReadRange { start: 0, end: totals.records.min(records), record: 1, line: 0 };
        return Ok(Head { reader: open_rows(pins, &plan, range, &[], Box::new(source), options)?, end: None });
    }
    let sample = take_sample(Box::new(source), &file.uri, &pins.compression)?;
    let mut stream = MemorySource::whole(Arc::from(sample.head));
    // A head without one whole line is read as it is.
    let whole_lines = if sample.complete { None } else { last_line_end(pins, &mut stream)? };
    let end = whole_lines.unwrap_or_else(|| stream.size());
    let plan: FilePlan = plan_file(pins, 0, 0, &file.uri, &file.etag, &mut stream)?;
    let range = ReadRange { start: plan.data_start, end: end.max(plan.data_start), record: 1, line: plan.first_line };
    let stream = MemorySource::whole(Arc::from(&stream.bytes()[..end as usize]));
    Ok(Head { reader: open_reader(pins, &plan, range, &[], Box::new(stream), options)?, end: (!sample.complete).then_some(end) })
}

struct Seen<'a> {
    asked: &'a Asked,
    records: u64,
    rejected: u64,
    rows: Vec<Vec<Option<String>>>,
    rejects: Vec<Value>,
}

impl Seen<'_> {
    fn take(&mut self, read: &Read, end: Option<u64>) -> Result<(), Error> {
        let (shown, characters) = (self.asked.shown.min(MAX_SHOWN), self.asked.value_characters.min(MAX_VALUE_CHARACTERS));
        let whole: Vec<&Reject> = read.rejects.iter().filter(|reject| end.is_none_or(|end| reject.place.byte_end < end)).collect();
        self.records += (read.batch.places.len() + whole.len()) as u64;
        self.rejected += whole.len() as u64;
        self.rows.extend(text_rows(&read.batch.rows, shown - self.rows.len(), characters)?);
        let room = shown - self.rejects.len();
        self.rejects.extend(whole.into_iter().take(room).map(|reject| reject_value(reject, characters)));
        Ok(())
    }

    fn value(&self, pins: &InputPins) -> Value {
        let lines = !pins.format.has_rows();
        let rejects: Vec<Value> = self.rejects.iter().cloned().map(|reject| if lines { reject } else { without_line(reject) }).collect();
        json!({ "records": self.records, "rejected": self.rejected, "rows": self.rows, "rejects": rejects })
    }
}

fn without_line(mut reject: Value) -> Value {
    reject["line"] = Value::Null;
    reject
}

fn reject_value(reject: &Reject, characters: usize) -> Value {
    let main = reject.errors.first();
    json!({
        "record": reject.place.record, "line": reject.place.line,
        "column": main.and_then(|error| error.column.as_deref()), "code": main.map(|error| error.code),
        "message": main.map(|error| error.message.as_str()), "expected": main.and_then(|error| error.expected.as_deref()),
        "value": main.and_then(|error| error.value.as_deref()).map(|value| value.chars().take(characters).collect::<String>()),
    })
}
