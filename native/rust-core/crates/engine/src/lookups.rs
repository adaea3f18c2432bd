//! Small tables that stages read beside their input: read whole, by the pins that planning made of them, through the same readers as any input.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow_array::RecordBatch;
use millrace_formats::batch::RecordReader;
use millrace_formats::decompress::{Compression, DecodedSource, InflationLimit, Restart};
use millrace_formats::pins::FilePlan;
use millrace_formats::read::{PlannedRange, ReadOptions, ReadRange, open_reader, open_rows, plan_file, plan_rows, plan_scan};
use millrace_formats::reject::Reject;
use millrace_formats::source::{ByteSource, SourceError};

use crate::cancel::CancelFlag;
use crate::error::Error;
use crate::io::{PinnedSource, Timer};
use crate::program::LookupTable;
use crate::records::LookupPins;
use crate::watch::Watched;

/// A chunk size that no lookup reaches: it is read in one.
const WHOLE: u64 = 1 << 40;

/// A lookup in memory. Every record of it must be good: a stage that joined a part of a table would give wrong rows and not say so.
///
/// Errors: `INPUT_LOOKUP` for a table that cannot be read, has a reject or takes more than its `maxSize`; `INPUT_CHANGED` and whatever the source says.
pub fn read_lookup(
    pins: &LookupPins,
    source: Box<dyn PinnedSource>,
    cancel: &CancelFlag,
    timer: Arc<dyn Timer + Send + Sync>,
) -> Result<LookupTable, Error> {
    let watched = Watched::new(source, cancel.clone(), timer, Arc::new(AtomicU64::new(0)));
    let open = || stream_of(pins, &watched).map_err(|error| unreadable(pins, error.into()));
    let plan = plan_file(&pins.input, 0, 0, &pins.uri, &pins.etag, open()?.as_mut()).map_err(|error| unreadable(pins, error.into()))?;
    let ranges = ranges_of(pins, &plan, open()?.as_mut(), cancel).map_err(|error| unreadable(pins, error))?;
    let mut held = Held { pins, rows: Vec::new(), bytes: 0 };
    for range in ranges {
        let options = ReadOptions::default();
        let reader = if pins.input.format.has_rows() {
            open_rows(&pins.input, &plan, range, &[], Box::new(watched.clone()), options)
        } else {
            open_reader(&pins.input, &plan, range, &[], open()?, options)
        };
        held.take_all(reader.map_err(|error| unreadable(pins, error.into()))?.as_mut())?;
    }
    watched.check_unchanged()?;
    Ok(LookupTable { name: pins.name.clone(), schema: pins.input.schema.arrow_schema(), rows: held.rows, max_bytes: pins.max_bytes })
}

/// The table's bytes, decompressed from their beginning: it is small, or it is refused.
fn stream_of(pins: &LookupPins, watched: &Watched) -> Result<Box<dyn ByteSource>, SourceError> {
    let Some(compression) = Compression::from_name(&pins.input.compression) else { return Ok(Box::new(watched.clone())) };
    let limit = InflationLimit::of_ratio(pins.input.max_inflation);
    Ok(Box::new(DecodedSource::open(Box::new(watched.clone()), compression, Restart::default(), Some(limit))?))
}

/// Where the records stand, as planning would find it: behind a header, inside an array, or by row numbers.
fn ranges_of(pins: &LookupPins, plan: &FilePlan, source: &mut dyn ByteSource, cancel: &CancelFlag) -> Result<Vec<ReadRange>, Error> {
    if pins.input.format.has_rows() {
        let (chunks, _) = plan_rows(&pins.input, plan, source, WHOLE)?;
        return Ok(chunks.iter().map(|rows| ReadRange { start: rows.start, end: rows.end, record: rows.start + 1, line: 1 }).collect());
    }
    let mut ranges = Vec::new();
    let mut take =
        |range: PlannedRange| ranges.push(ReadRange { start: range.start, end: range.end, record: range.record, line: range.line });
    plan_scan(&pins.input, plan, source, WHOLE, &mut take, &|| cancel.is_set())?;
    if cancel.is_set() { Err(Error::cancelled()) } else { Ok(ranges) }
}

/// The rows read so far.
struct Held<'a> {
    pins: &'a LookupPins,
    rows: Vec<RecordBatch>,
    bytes: u64,
}

impl Held<'_> {
    fn take_all(&mut self, reader: &mut dyn RecordReader) -> Result<(), Error> {
        while let Some(read) = reader.next().map_err(|error| unreadable(self.pins, error.into()))? {
            if let Some(reject) = read.rejects.first() {
                return Err(refused(self.pins, first_reject(reject)));
            }
            self.bytes += read.batch.rows.get_array_memory_size() as u64;
            if self.bytes > self.pins.max_bytes {
                return Err(refused(self.pins, format!("it takes more than {} bytes in memory (maxSize)", self.pins.max_bytes)));
            }
            if read.batch.rows.num_rows() > 0 {
                self.rows.push(read.batch.rows);
            }
        }
        Ok(())
    }
}

fn refused(pins: &LookupPins, what: String) -> Error {
    Error::new("INPUT_LOOKUP", format!("lookup {} of stage {} ({}): {what}", pins.name, pins.stage, pins.uri))
}

/// What the content brings about is the lookup's fault; a store that is away or a version that changed is not.
fn unreadable(pins: &LookupPins, error: Error) -> Error {
    const OF_THE_CONTENT: [&str; 10] =
        ["CSV_", "JSON_", "LINES_", "PARQUET_", "ARROW_", "SCHEMA_", "ENCODING_", "INPUT_TRUNCATED", "INPUT_CORRUPT", "OVER_LIMIT"];
    let is_of_the_content = OF_THE_CONTENT.iter().any(|prefix| error.code.starts_with(prefix));
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

    use super::*;

    struct Bytes(Vec<u8>);

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

    fn read(text: &str, max_bytes: u64) -> Result<LookupTable, Error> {
        read_stored(text, text.as_bytes().to_vec(), None, max_bytes)
    }

    fn read_stored(text: &str, stored: Vec<u8>, compression: Option<Compression>, max_bytes: u64) -> Result<LookupTable, Error> {
        let declared: Declared =
            serde_json::from_str(r#"{"format":"csv","schema":{"fields":[{"name":"id","type":"integer"},{"name":"label"}]}}"#).unwrap();
        let head = text.as_bytes().to_vec();
        let sample = Sample { uri: "file:///l.csv".into(), complete: true, size: stored.len() as u64, head, compression, columns: None };
        let input = probe(&[sample], &declared).unwrap();
        let (stage, name, uri) = ("clean".into(), "labels".into(), "file:///l.csv".into());
        let pins = LookupPins { stage, name, uri, etag: "e".into(), max_bytes, input };
        read_lookup(&pins, Box::new(Bytes(stored)), &CancelFlag::default(), Arc::new(NoTime))
    }

    #[test]
    fn a_good_table_is_read_whole() {
        let table = read("id,label\n1,one\n2,two\n", 1 << 20).unwrap();
        assert_eq!(table.rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2);
        assert_eq!(table.schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["id", "label"]);
        assert_eq!(table.name, "labels");
    }

    #[test]
    fn a_compressed_table_is_read_and_a_damaged_one_refused() {
        let text = "id,label\n1,one\n2,two\n";
        let packed = zstd::bulk::compress(text.as_bytes(), 1).unwrap();
        let table = read_stored(text, packed.clone(), Some(Compression::Zstd), 1 << 20).unwrap();
        assert_eq!(table.rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2);
        let cut = packed[..packed.len() - 4].to_vec();
        assert_eq!(read_stored(text, cut, Some(Compression::Zstd), 1 << 20).unwrap_err().code, "INPUT_LOOKUP");
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
