//! What a stage's query sees beside its input: lookups, and the key of keyed functions.

use std::sync::Arc;

use millrace_engine::Error;
use millrace_engine::lookups::read_lookup;
use millrace_engine::program::LookupTable;
use millrace_engine::records::{LookupPins, Spec};

use crate::handlers::Work;
use crate::journal::Pins;
use crate::local::{Stopwatch, open_source};

/// The lookups of a stage at the versions that were pinned, read whole.
pub fn lookups_of(work: &Work, stage: &str, pins: &Pins) -> Result<Vec<LookupTable>, Error> {
    let of_stage = pins.record.lookups.iter().filter(|lookup| lookup.stage == stage);
    let read = |lookup: &LookupPins| {
        let source = open_source(&work.places, &lookup.uri, None, &lookup.etag)?;
        read_lookup(lookup, Box::new(source), &work.cancel, Arc::new(Stopwatch(work.started)))
    };
    of_stage.map(read).collect()
}

/// The secret that the spec names for keyed functions, as the request in hand brought it; none if the spec names none.
pub fn privacy_key<'a>(work: &'a Work, spec: &Spec) -> Result<Option<&'a [u8]>, Error> {
    let Some(privacy) = &spec.privacy else { return Ok(None) };
    let found = work.secrets.iter().find(|secret| secret.name == privacy.key);
    let missing = || Error::new("SPEC_KEY_MISSING", format!("the request brings no {}", privacy.key));
    found.map(|secret| Some(secret.bytes.as_slice())).ok_or_else(missing)
}
