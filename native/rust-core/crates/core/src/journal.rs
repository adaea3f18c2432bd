//! Reading the journal's records for work: by key, checked against the digest that was asked for, kept for the next chunk.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millrace_engine::Error;
use millrace_engine::names::{job_folder, pins_key};
use millrace_engine::records::{self, CommandRecord, InputsRecord, JobRecord, PinsRecord, Segment, Spec};
use millrace_store::ListQuery;

use crate::cache::Cache;
use crate::failure::of_store;
use crate::places::{JOURNAL, Places};

const KEPT_JOBS: usize = 16;
const KEPT_SEGMENTS: usize = 16;
/// Names of one page of a listing.
const PAGE: usize = 1_000;

/// A job with the spec that a request asked for.
#[derive(Debug)]
pub struct Job {
    pub record: JobRecord,
    pub spec: Spec,
    pub spec_digest: String,
}

/// Pins and their digest as stored.
#[derive(Debug)]
pub struct Pins {
    pub record: PinsRecord,
    pub digest: String,
}

/// The journal as one process reads it.
pub struct Journal {
    jobs: Mutex<Cache<(String, String), Job>>,
    pins: Mutex<Cache<String, Pins>>,
    segments: Mutex<Cache<(String, String), Segment>>,
}

impl Default for Journal {
    fn default() -> Journal {
        Journal {
            jobs: Mutex::new(Cache::new(KEPT_JOBS)),
            pins: Mutex::new(Cache::new(KEPT_JOBS)),
            segments: Mutex::new(Cache::new(KEPT_SEGMENTS)),
        }
    }
}

impl Journal {
    /// The job at `job_key` under the spec with this digest: its own, or that of a command that redrove it.
    pub fn job(&self, places: &Places, job_key: &str, spec_digest: &str) -> Result<Arc<Job>, Error> {
        lock(&self.jobs).get_or_try((job_key.to_owned(), spec_digest.to_owned()), |_| {
            let record: JobRecord = records::parse(job_key, &read(places, job_key)?)?;
            if record.record != "job" {
                return Err(Error::new("PLAN_CONFLICT", format!("{job_key} holds no job but a record of kind {}", record.record)));
            }
            let spec = match records::spec_of(&record.spec, spec_digest)? {
                Some(spec) => spec,
                None => spec_of_command(places, job_key, spec_digest)?,
            };
            Ok(Job { record, spec, spec_digest: spec_digest.to_owned() })
        })
    }

    pub fn pins(&self, places: &Places, job_key: &str) -> Result<Arc<Pins>, Error> {
        lock(&self.pins).get_or_try(pins_key(job_key), |key| {
            let bytes = read(places, key)?;
            let record: PinsRecord = records::parse(key, &bytes)?;
            Ok(Pins { record, digest: millrace_engine::sha256_hex(&bytes) })
        })
    }

    pub fn segment(&self, places: &Places, key: &str, digest: &str) -> Result<Arc<Segment>, Error> {
        lock(&self.segments).get_or_try((key.to_owned(), digest.to_owned()), |_| records::parse_checked(key, &read(places, key)?, digest))
    }

    /// Files of the job from `first` on, at most `count` of them.
    pub fn inputs(&self, places: &Places, job: &Job, first: u32, count: u32) -> Result<Vec<records::InputFile>, Error> {
        let end = first.saturating_add(count);
        let mut files = Vec::new();
        for part in &job.record.inputs {
            if part.first >= end || part.first + part.count <= first {
                continue;
            }
            let record: InputsRecord = records::parse_checked(&part.key, &read(places, &part.key)?, &part.digest)?;
            files.extend(record.files.into_iter().filter(|file| (first..end).contains(&file.file)));
        }
        Ok(files)
    }
}

/// A record that must be there: the host read it a moment ago.
pub fn read(places: &Places, key: &str) -> Result<Vec<u8>, Error> {
    let path = places.journal_path(key)?;
    let object = places.store.get(&path, None).map_err(of_store)?;
    object.map(|object| object.bytes).ok_or_else(|| Error::new("JOURNAL_UNSAFE", format!("the journal holds no {key}")))
}

/// All keys below a prefix of the journal.
pub fn list(places: &Places, prefix: &str) -> Result<Vec<String>, Error> {
    let root = places.folder_of(JOURNAL)?;
    let (mut keys, mut start_after) = (Vec::new(), String::new());
    loop {
        let query = ListQuery { prefix, start_after: &start_after, limit: PAGE, delimiter: false };
        let listing = places.store.list(&root, &query).map_err(of_store)?;
        keys.extend(listing.entries.into_iter().map(|entry| entry.key));
        match keys.last() {
            Some(last) if listing.more => start_after.clone_from(last),
            _ => return Ok(keys),
        }
    }
}

/// A job under a spec that nothing in the journal holds yet.
pub fn job_under(places: &Places, job_key: &str, spec: &str) -> Result<Job, Error> {
    let record: JobRecord = records::parse(job_key, &read(places, job_key)?)?;
    let parsed = serde_json::from_str(spec).map_err(|error| Error::new("SPEC_WRONG_TYPE", format!("the spec cannot be read: {error}")))?;
    Ok(Job { record, spec: parsed, spec_digest: millrace_engine::sha256_hex(spec.as_bytes()) })
}

fn spec_of_command(places: &Places, job_key: &str, spec_digest: &str) -> Result<Spec, Error> {
    for key in list(places, &format!("{}commands/", job_folder(job_key)))? {
        let command: CommandRecord = records::parse(&key, &read(places, &key)?)?;
        if command.spec_digest.as_deref() != Some(spec_digest) {
            continue;
        }
        if let Some(spec) = command.spec.as_deref().map(|raw| records::spec_of(raw, spec_digest)).transpose()?.flatten() {
            return Ok(spec);
        }
    }
    Err(Error::new("PLAN_CONFLICT", format!("neither {job_key} nor a command of it holds the spec {spec_digest}")))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
