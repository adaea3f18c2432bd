//! `Probe`: the first bytes of a few files, or a payload that is sent along, to the pins of their input.

use std::sync::Arc;

use millrace_engine::Error;
use millrace_engine::io::PinnedSource;
use millrace_engine::watch::MemorySource;
use millrace_formats::pins::InputPins;
use millrace_formats::probe::{Declared, Sample, probe as decide, take_sample};
use millrace_wire::Payload;
use millrace_wire::limits::MAX_PAYLOAD_BYTES;
use millrace_wire::message::{InputRef, Probe, ProbeDone, Response};

use super::{Answer, Work};
use crate::local::open_source;
use crate::places::Places;

/// The pins of all inputs together stand in one record of the journal, beside what else it holds.
const MAX_PINS_BYTES: usize = MAX_PAYLOAD_BYTES as usize - 64 * 1024;

pub fn probe(work: &Work, request: &Probe, payload: &[u8]) -> Answer {
    let declared: Declared = serde_json::from_str(&request.declared)
        .map_err(|error| Error::new("SPEC_WRONG_TYPE", format!("what is declared of the input cannot be read: {error}")))?;
    let samples = match MemorySource::new(Arc::from(payload), 0, payload.len() as u64).filter(|_| !payload.is_empty()) {
        // The one input is only a name: its bytes lie in no store.
        Some(bytes) => vec![take_sample(Box::new(bytes), &request.input[0].uri, &declared.compression)?],
        None => request.input.iter().map(|input| sample(&work.places, input, &declared.compression)).collect::<Result<Vec<_>, _>>()?,
    };
    let bytes_read = samples.iter().map(|sample| sample.head.len() as u64).sum();
    let pins = decide(&samples, &declared)?;
    let json = serde_json::to_vec(&pins).map_err(|error| Error::new("CORE_PANIC", format!("pins cannot be written: {error}")))?;
    if json.len() > MAX_PINS_BYTES {
        return Err(Error::new("OVER_LIMIT", too_large(&pins, json.len())));
    }
    Ok((Response::done(ProbeDone { bytes_read }), Payload::from(json)))
}

fn too_large(pins: &InputPins, bytes: usize) -> String {
    let columns = pins.columns.len();
    format!(
        "input {}: what reading it needs to know takes {bytes} bytes for {columns} columns, more than {MAX_PINS_BYTES}: \
         give it fewer or shorter column names",
        pins.name
    )
}

fn sample(places: &Places, input: &InputRef, compression: &str) -> Result<Sample, Error> {
    let source = open_source(places, &input.uri, input.connection.as_deref(), &input.etag)?;
    let sample = take_sample(Box::new(source), &input.uri, compression)?;
    // The file is looked at once more by its etag: the sample took the source with it.
    open_source(places, &input.uri, input.connection.as_deref(), &input.etag)?.check_unchanged()?;
    Ok(sample)
}
