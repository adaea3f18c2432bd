//! `Probe`: the first bytes of a few files to the pins of their input.

use millrace_engine::Error;
use millrace_formats::probe::{Declared, SAMPLE_BYTES, Sample, probe as decide};
use millrace_formats::source::ByteSource;
use millrace_wire::Payload;
use millrace_wire::message::{InputRef, Probe, ProbeDone, Response};

use super::{Answer, Work};
use crate::local::open_source;
use crate::places::Places;

pub fn probe(work: &Work, request: &Probe) -> Answer {
    let declared: Declared = serde_json::from_str(&request.declared)
        .map_err(|error| Error::new("SPEC_WRONG_TYPE", format!("what is declared of the input cannot be read: {error}")))?;
    let samples = request.input.iter().map(|input| sample(&work.places, input)).collect::<Result<Vec<_>, _>>()?;
    let bytes_read = samples.iter().map(|sample| sample.head.len() as u64).sum();
    let pins = decide(&samples, &declared)?;
    let json = serde_json::to_vec(&pins).map_err(|error| Error::new("CORE_PANIC", format!("pins cannot be written: {error}")))?;
    Ok((Response::done(ProbeDone { bytes_read }), Payload::from(json)))
}

fn sample(places: &Places, input: &InputRef) -> Result<Sample, Error> {
    let mut source = open_source(places, &input.uri, &input.etag)?;
    let size = source.size();
    let mut head = vec![0; size.min(SAMPLE_BYTES as u64) as usize];
    source.read_at(0, &mut head)?;
    source.0.check_unchanged().map_err(crate::failure::of_store)?;
    Ok(Sample { uri: input.uri.clone(), complete: head.len() as u64 == size, head, size })
}
