//! Small tables that stages read beside their input: read whole, by the pins that planning made of them, through the same readers as any input.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use millrace_formats::read::{ReadOptions, ReadRange, open_reader, plan_file};
use millrace_formats::reject::Reject;
use millrace_formats::source::ByteSource;

use crate::cancel::CancelFlag;
use crate::error::Error;
use crate::io::{PinnedSource, Timer};
use crate::program::LookupTable;
use crate::records::LookupPins;
use crate::watch::Watched;

/// A lookup in memory. Every record of it must be good: a stage that joined a part of a table would give wrong rows and not say so.
///
/// Errors: `INPUT_LOOKUP` for a table that cannot be read, has a reject or takes more than its `maxSize`; `INPUT_CHANGED` and whatever the source says.
pub fn read_lookup(
    pins: &LookupPins,
    source: Box<dyn PinnedSource>,
    cancel: &CancelFlag,
    timer: Arc<dyn Timer + Send + Sync>,
) -> Result<LookupTable, Error> {
    if pins.input.compression != "none" {
        return Err(refused(pins, format!("expected a table without compression, got {}", pins.input.compression)));
    }
    let mut watched = Watched::new(source, cancel.clone(), timer, Arc::new(AtomicU64::new(0)));
    let plan = plan_file(&pins.input, 0, 0, &pins.uri, &pins.etag, &mut watched).map_err(|error| unreadable(pins, error.into()))?;
    let range = ReadRange { start: plan.data_start, end: watched.size(), record: 1, line: plan.first_line };
    let mut reader = open_reader(&pins.input, &plan, range, &[], Box::new(watched.clone()), ReadOptions::default())?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(read) = reader.next().map_err(|error| unreadable(pins, error.into()))? {
        if let Some(reject) = read.rejects.first() {
            return Err(refused(pins, first_reject(reject)));
        }
        bytes += read.batch.rows.get_array_memory_size() as u64;
        if bytes > pins.max_bytes {
            return Err(refused(pins, format!("it takes more than {} bytes in memory (maxSize)", pins.max_bytes)));
        }
        if read.batch.rows.num_rows() > 0 {
            rows.push(read.batch.rows);
        }
    }
    watched.check_unchanged()?;
    Ok(LookupTable { name: pins.name.clone(), schema: pins.input.schema.arrow_schema(), rows, max_bytes: pins.max_bytes })
}

fn refused(pins: &LookupPins, what: String) -> Error {
    Error::new("INPUT_LOOKUP", format!("lookup {} of stage {} ({}): {what}", pins.name, pins.stage, pins.uri))
}

/// What the content brings about is the lookup's fault; a store that is away or a version that changed is not.
fn unreadable(pins: &LookupPins, error: Error) -> Error {
    let is_of_the_content = ["CSV_", "JSON_", "SCHEMA_", "ENCODING_"].iter().any(|prefix| error.code.starts_with(prefix));
    if is_of_the_content { refused(pins, error.message) } else { error }
}

fn first_reject(reject: &Reject) -> String {
    let what = reject.errors.first().map_or_else(String::new, |error| format!(": {} {}", error.code, error.message));
    let line = reject.place.line;
    format!("line {line} is no good record{what}")
}

#[cfg(test)]
mod tests {
    use millrace_formats::probe::{Declared, Sample, probe};
    use millrace_formats::source::SourceError;

    use super::*;

    struct Bytes(&'static [u8]);

    impl ByteSource for Bytes {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
            let rest = &self.0[(offset as usize).min(self.0.len())..];
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        }
    }

    impl PinnedSource for Bytes {
        fn check_unchanged(&mut self) -> Result<(), Error> {
            Ok(())
        }
    }

    struct NoTime;

    impl Timer for NoTime {
        fn now_us(&self) -> u64 {
            0
        }
    }

    fn read(text: &'static str, max_bytes: u64) -> Result<LookupTable, Error> {
        let declared: Declared =
            serde_json::from_str(r#"{"format":"csv","schema":{"fields":[{"name":"id","type":"integer"},{"name":"label"}]}}"#).unwrap();
        let head = text.as_bytes().to_vec();
        let sample = Sample { uri: "file:///l.csv".into(), complete: true, size: head.len() as u64, head, compression: None };
        let input = probe(&[sample], &declared).unwrap();
        let (stage, name, uri) = ("clean".into(), "labels".into(), "file:///l.csv".into());
        let pins = LookupPins { stage, name, uri, etag: "e".into(), max_bytes, input };
        read_lookup(&pins, Box::new(Bytes(text.as_bytes())), &CancelFlag::default(), Arc::new(NoTime))
    }

    #[test]
    fn a_good_table_is_read_whole() {
        let table = read("id,label\n1,one\n2,two\n", 1 << 20).unwrap();
        assert_eq!(table.rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2);
        assert_eq!(table.schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["id", "label"]);
        assert_eq!(table.name, "labels");
    }

    #[test]
    fn a_bad_record_and_too_many_bytes_refuse_the_table() {
        let bad = read("id,label\n1,one\nx,two\n", 1 << 20).unwrap_err();
        assert_eq!(bad.code, "INPUT_LOOKUP");
        assert!(bad.message.contains("lookup labels of stage clean") && bad.message.contains("line 3"), "{}", bad.message);
        let large = read("id,label\n1,one\n", 16).unwrap_err();
        assert!(large.code == "INPUT_LOOKUP" && large.message.contains("maxSize"), "{}", large.message);
    }
}
