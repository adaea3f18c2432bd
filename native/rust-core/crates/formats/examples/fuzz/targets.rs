//! What is tried with each input, and what must hold whatever the bytes are.

use millrace_formats::batch::RecordReader;
use millrace_formats::decompress::{Compression, DecodedSource, InflationLimit, Restart};
use millrace_formats::error::Error;
use millrace_formats::pins::{FilePlan, InputPins};
use millrace_formats::probe::{Declared, probe, take_sample};
use millrace_formats::read::{ReadOptions, ReadRange, open_reader, open_rows, plan_file, plan_rows, plan_scan};
use millrace_formats::source::{ByteSource, SourceError, read_full};
use millrace_scan::{
    Division, Kernel, Limits, LineRules, NoTypes, PlanScan, Profile, Rules, Run, ScanDialect, Split, Splitter, Terminator,
};
use millrace_wire::{Frame, Kind, Payload};
use serde_json::{Value, json};

use crate::mutate::Random;

pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8], &mut Random) -> Seen,
}

/// What came of an input, for telling new from known.
#[derive(Default)]
pub struct Seen {
    /// The error, or what was read.
    pub code: &'static str,
    /// Codes of rejects, ascending, each once.
    pub rejects: Vec<&'static str>,
    pub records: u64,
    pub columns: usize,
}

impl Seen {
    fn error(code: &'static str) -> Seen {
        Seen { code, ..Seen::default() }
    }

    pub fn kind(&self) -> u64 {
        let magnitude = u64::BITS - self.records.leading_zeros();
        let text = format!("{} {:?} {magnitude} {}", self.code, self.rejects, self.columns.min(9));
        crate::fnv(text.as_bytes())
    }
}

pub const TARGETS: &[Target] = &[
    Target { name: "csv", run: |bytes, random| text(bytes, &csv_declared(random), random) },
    Target { name: "ndjson", run: |bytes, random| text(bytes, &declared(random, "ndjson"), random) },
    Target { name: "json", run: |bytes, random| text(bytes, &json_declared(random), random) },
    Target { name: "lines", run: |bytes, random| text(bytes, &lines_declared(random), random) },
    Target { name: "probe", run: |bytes, random| text(bytes, &json!({ "schema": "auto" }), random) },
    Target { name: "parquet", run: |bytes, random| text(bytes, &json!({ "format": "parquet" }), random) },
    Target { name: "arrow", run: |bytes, random| text(bytes, &json!({ "format": "arrow" }), random) },
    Target { name: "streams", run: streams },
    Target { name: "scan", run: boundaries },
    Target { name: "frame", run: |bytes, _| frames(bytes) },
    Target { name: "message", run: |bytes, _| message(bytes) },
];

const MOST_CHUNKS: u64 = 64;

/// Bytes in memory that several readers share.
#[derive(Clone)]
struct Bytes(std::sync::Arc<Vec<u8>>);

impl ByteSource for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        (&self.0[..]).read_at(offset, buffer)
    }
}

const ENCODINGS: [&str; 10] =
    ["auto", "utf-8", "latin-1", "windows-1252", "utf-16le", "utf-16be", "shift_jis", "gb18030", "euc-jp", "big5"];

fn declared(random: &mut Random, format: &str) -> Value {
    let invalid = *random.pick(&["reject", "replace"]);
    json!({
        "format": format, "encoding": random.pick(&ENCODINGS), "invalidBytes": invalid, "schema": random.pick(&["auto", "text"]),
        "maxRecordSize": random.pick(&[64u64, 1_024, 16 << 20]),
    })
}

fn json_declared(random: &mut Random) -> Value {
    let mut value = declared(random, "json");
    value["json"] = json!({ "records": random.pick(&["", "/data/rows", "/data", "/0"]) });
    value
}

fn lines_declared(random: &mut Random) -> Value {
    let mut value = declared(random, "lines");
    let start = if random.below(2) == 0 { Value::Null } else { json!("^\\d{4}-") };
    value["lines"] = json!({ "regex": r"^(?<at>\S+) (?<level>\w+) (?<rest>.*)", "recordStart": start });
    value
}

fn csv_declared(random: &mut Random) -> Value {
    let mut value = declared(random, "csv");
    if random.below(2) == 0 {
        value["dialect"] = json!({
            "delimiter": random.pick(&[",", ";", "\t", "|", "||"]), "quoteChar": random.pick(&["\"", "'", ""]),
            "escapeChar": random.pick(&["", "", "\\"]), "lineTerminator": random.pick(&[Value::Null, Value::Null, json!("\n"), json!("~~")]),
            "skipInitialSpace": random.below(2) == 0, "header": random.below(3) > 0, "commentChar": random.pick(&["", "#"]),
            "strayQuotes": random.pick(&["reject", "literal"]), "shortRows": random.pick(&["reject", "pad"]),
            "longRows": random.pick(&["reject", "truncate"]),
        });
    }
    value
}

/// Probes the bytes, plans them and reads them whole and in small chunks: both must tell of the same records.
fn text(bytes: &[u8], declared: &Value, random: &mut Random) -> Seen {
    match try_text(bytes, declared, random) {
        Ok(seen) => seen,
        Err(error) => refused(&error),
    }
}

/// What a reader refuses is told by its code; a fault of ours is a finding.
fn refused(error: &Error) -> Seen {
    assert!(error.code != "CORE_PANIC", "{}", error.message);
    Seen::error(error.code)
}

fn try_text(bytes: &[u8], declared: &Value, random: &mut Random) -> Result<Seen, Error> {
    let source = Bytes(std::sync::Arc::new(bytes.to_vec()));
    let declared: Declared = serde_json::from_value(declared.clone()).expect("what is declared here can be read");
    let sample = take_sample(Box::new(source.clone()), "file:///a", "auto")?;
    let pins = probe(std::slice::from_ref(&sample), &declared)?;
    let again: InputPins = serde_json::from_str(&serde_json::to_string(&pins).expect("pins are a record")).expect("pins can be read back");
    if pins.format.has_rows() {
        return read_rows(&again, &source, random);
    }
    if let Some(compression) = Compression::from_name(&again.compression) {
        let plain = decode(&source, compression, Restart::default())?;
        return read_text(&InputPins { compression: "none".into(), ..again }, &Bytes(std::sync::Arc::new(plain)), random);
    }
    read_text(&again, &source, random)
}

/// Place and fate of a record.
type Fate = (u64, u64, u64, u64, &'static str);

#[derive(Default)]
struct Outcome {
    fates: Vec<Fate>,
    lines: u64,
}

fn read_text(pins: &InputPins, source: &Bytes, random: &mut Random) -> Result<Seen, Error> {
    let mut own = source.clone();
    let plan = plan_file(pins, 0, 0, "file:///a", "e", &mut own)?;
    let whole = read_chunks(pins, &plan, source, u64::MAX / 2, ReadOptions::default())?;
    // Each chunk opens a reader, which takes longer than a short record.
    let chunk_size = (*random.pick(&[1u64, 7, 64, 500, 4_096])).max(source.size() / MOST_CHUNKS);
    let options = ReadOptions { batch_records: 1 + random.below(40), batch_bytes: 1 + random.below(5_000) as u64 };
    let cut = read_chunks(pins, &plan, source, chunk_size, options)?;
    assert!(whole.fates == cut.fates, "chunks of {chunk_size} bytes hold other records than the whole file");
    assert!(whole.lines == cut.lines, "chunks of {chunk_size} bytes have other lines than the whole file");
    Ok(seen(&whole, plan.header.len()))
}

fn seen(outcome: &Outcome, columns: usize) -> Seen {
    let mut rejects: Vec<&'static str> = outcome.fates.iter().map(|fate| fate.4).filter(|code| !code.is_empty()).collect();
    rejects.sort_unstable();
    rejects.dedup();
    Seen { code: "read", rejects, records: outcome.fates.len() as u64, columns }
}

fn read_chunks(pins: &InputPins, plan: &FilePlan, source: &Bytes, chunk_size: u64, options: ReadOptions) -> Result<Outcome, Error> {
    let mut ranges = Vec::new();
    let totals = plan_scan(pins, plan, &mut source.clone(), chunk_size, &mut |range| ranges.push(range), &|| false)?;
    let mut outcome = Outcome::default();
    let mut next = (plan.data_start, 1);
    for planned in ranges {
        assert!((planned.start, planned.record) == next, "chunks follow one another");
        let range = ReadRange { start: planned.start, end: planned.end, record: planned.record, line: planned.line };
        let mut reader = open_reader(pins, plan, range, &[], Box::new(source.clone()), options)?;
        let found = drain(reader.as_mut(), options.batch_records)?;
        let counts = reader.counts();
        assert!(
            (found.len() as u64, counts.records, counts.lines, counts.damages)
                == (planned.records, planned.records, planned.lines, planned.damages),
            "a chunk holds what was planned"
        );
        assert!(found.iter().all(|fate| fate.1 >= planned.start && fate.2 <= planned.end), "a record lies in its chunk");
        next = (planned.end, planned.record + planned.records);
        outcome.lines += counts.lines;
        outcome.fates.extend(found);
    }
    assert!(totals.records == outcome.fates.len() as u64, "the totals are those of the chunks");
    Ok(outcome)
}

/// Every record of a reader, by number.
fn drain(reader: &mut dyn RecordReader, batch_records: usize) -> Result<Vec<Fate>, Error> {
    let mut found: Vec<Fate> = Vec::new();
    while let Some(read) = reader.next()? {
        assert!(read.batch.places.len() + read.rejects.len() <= batch_records, "a batch holds too many records");
        assert!(read.batch.places.len() == read.batch.rows.num_rows(), "each row has its place");
        for (row, place) in read.batch.places.iter().enumerate() {
            let length = read.batch.raw(row)?.len() as u64;
            assert!(!place.in_text() || length == place.byte_end - place.byte, "a row has its bytes");
            found.push((place.record, place.byte, place.byte_end, place.line, ""));
        }
        found.extend(read.rejects.iter().map(|reject| {
            let place = reject.place;
            (place.record, place.byte, place.byte_end, place.line, reject.errors.first().expect("a reject has a reason").code)
        }));
    }
    found.sort_unstable_by_key(|fate| fate.0);
    Ok(found)
}

fn read_rows(pins: &InputPins, source: &Bytes, random: &mut Random) -> Result<Seen, Error> {
    let mut own = source.clone();
    let plan = plan_file(pins, 0, 0, "file:///a", "e", &mut own)?;
    let chunk_size = (*random.pick(&[1u64, 500, 4_096, 1 << 30])).max(source.size() / MOST_CHUNKS);
    let (ranges, totals) = plan_rows(pins, &plan, &mut own, chunk_size)?;
    let mut outcome = Outcome::default();
    let mut next = 0;
    for planned in ranges.iter().take(MOST_CHUNKS as usize) {
        assert!(planned.start == next, "chunks follow one another");
        next = planned.end;
        let range = ReadRange { start: planned.start, end: planned.end, record: planned.start + 1, line: 0 };
        let options = ReadOptions::default();
        let mut reader = open_rows(pins, &plan, range, &[], Box::new(source.clone()), options)?;
        outcome.fates.extend(drain(reader.as_mut(), options.batch_records)?);
    }
    assert!(ranges.len() > MOST_CHUNKS as usize || outcome.fates.len() as u64 == totals.records, "the totals are those of the chunks");
    Ok(seen(&outcome, plan.header.len()))
}

/// The decoded stream is the same from every place where decoding may start, and a fault of it is an error.
fn streams(bytes: &[u8], random: &mut Random) -> Seen {
    let source = Bytes(std::sync::Arc::new(bytes.to_vec()));
    let Some(compression) = Compression::of_magic(bytes) else { return Seen::error("no magic") };
    let whole = match decode(&source, compression, Restart::default()) {
        Ok(whole) => whole,
        Err(error) => return refused(&error),
    };
    let opened = DecodedSource::open(Box::new(source.clone()), compression, Restart::default(), None).expect("it was opened before");
    let progress = opened.progress();
    let mut opened = opened;
    let mut sink = vec![0; whole.len()];
    read_full(&mut opened, 0, &mut sink).expect("it was decoded before");
    let restart = progress.borrow_mut().restart_before(random.below(whole.len() + 1) as u64);
    let rest = decode(&source, compression, restart).expect("a restart is a place where a member begins");
    assert!(rest == whole[restart.stream as usize..], "decoding from a restart gives the rest of the stream");
    let members = progress.borrow().members;
    Seen { code: "decoded", records: whole.len() as u64, columns: members.min(9) as usize, rejects: vec![compression.name()] }
}

fn decode(source: &Bytes, compression: Compression, start: Restart) -> Result<Vec<u8>, Error> {
    const MOST: u64 = 8 << 20;
    let limit = InflationLimit { ratio: 1, free_bytes: MOST };
    let mut stream = DecodedSource::open(Box::new(source.clone()), compression, start, Some(limit))?;
    let mut decoded = Vec::new();
    loop {
        let at = decoded.len();
        decoded.resize(at + (64 << 10), 0);
        let got = stream.read_at(start.stream + at as u64, &mut decoded[at..])?;
        decoded.truncate(at + got);
        if got == 0 {
            return Ok(decoded);
        }
        assert!(decoded.len() as u64 <= MOST + (1 << 20) + source.size(), "a stream is cut off at its limit");
    }
}

/// Every kernel finds the same boundaries, in one piece and in many, and the same fields.
fn boundaries(bytes: &[u8], random: &mut Random) -> Seen {
    let Some(division) = division(random) else { return Seen::error("no rules") };
    let chunk_size = *random.pick(&[1u64, 64, 1_000, 1 << 20]);
    let plan = PlanScan::with_kernel(division.clone(), 0, 1, chunk_size, Kernel::SCALAR).scan_slice(bytes);
    for kernel in Kernel::all() {
        let found = PlanScan::with_kernel(division.clone(), 0, 1, chunk_size, kernel).scan_slice(bytes);
        assert!(found == plan, "{} finds other boundaries than the plain kernel", kernel.name());
    }
    let mut pieces = PlanScan::with_kernel(division.clone(), 0, 1, chunk_size, Kernel::best());
    let piece = 1 + random.below(bytes.len() + 1);
    bytes.chunks(piece).for_each(|block| pieces.push(block));
    assert!(pieces.finish() == plan, "pieces of {piece} bytes have other boundaries than the whole");
    if let Division::Csv(rules) = &division {
        let fields = fields_found(bytes, rules, Kernel::SCALAR);
        for kernel in Kernel::all() {
            assert!(fields_found(bytes, rules, kernel) == fields, "{} finds other fields than the plain kernel", kernel.name());
        }
    }
    Seen { code: "scanned", records: plan.totals.records, columns: plan.totals.damages.min(9) as usize, rejects: Vec::new() }
}

fn division(random: &mut Random) -> Option<Division> {
    let max_record_bytes = *random.pick(&[20u64, 200, 1 << 20]);
    match random.below(8) {
        0 => return Some(Division::Lines(LineRules::json(max_record_bytes))),
        1 => return Some(Division::Lines(LineRules::text(max_record_bytes))),
        _ => {}
    }
    let plain = ScanDialect::default();
    let dialect = match random.below(2) {
        0 => plain,
        _ => ScanDialect {
            delimiter: random.pick(&[&b","[..], b";", b"||", b"\t"]).to_vec(),
            quote: *random.pick(&[Some(b'"'), Some(b'\''), None]),
            double_quote: random.below(3) > 0,
            escape: *random.pick(&[None, None, Some(b'\\'), Some(b'"')]),
            terminator: random.pick(&[Terminator::Any, Terminator::Bytes(b"\n".to_vec()), Terminator::Bytes(b"\r\n".to_vec())]).clone(),
            comment: random.pick(&[None, None, Some(b"#".to_vec())]).clone(),
            stray_literal: random.below(4) == 0,
            ..plain
        },
    };
    let limits = Limits { max_record_bytes, max_record_lines: *random.pick(&[3, 10_000]), resync_lines: *random.pick(&[1, 16]) };
    let profile = Profile { columns: 1 + random.below(5), check: std::sync::Arc::new(NoTypes) };
    Some(Division::Csv(std::sync::Arc::new(Rules::new(dialect, limits, profile).ok()?)))
}

/// Where each extent begins, and where the fields of those end that are proven.
fn fields_found(bytes: &[u8], rules: &std::sync::Arc<Rules>, kernel: Kernel) -> Vec<(usize, Vec<u32>)> {
    let splitter = Splitter::with_kernel(rules.clone(), kernel);
    let mut run = Run::new();
    let (mut at, mut found) = (0, Vec::new());
    loop {
        match splitter.next(&bytes[at..], true, at as u64, u64::MAX, 64, &mut run) {
            Split::Run => {
                found.push((at, run.field_ends().to_vec()));
                at += run.length();
            }
            Split::Extent(extent) => {
                found.push((at, Vec::new()));
                at += extent.length as usize;
            }
            // How a long line is skipped is a matter of its reader.
            Split::LongLine(_) | Split::NeedMore | Split::Done => return found,
        }
    }
}

fn frames(bytes: &[u8]) -> Seen {
    let mut input = bytes;
    let mut records = 0;
    loop {
        match millrace_wire::read_frame(&mut input) {
            Ok(Some(frame)) => {
                records += 1;
                decode_all(frame);
            }
            Ok(None) => return Seen { code: "frames", records, ..Seen::default() },
            Err(_) => return Seen { code: "FrameError", records, ..Seen::default() },
        }
    }
}

fn message(bytes: &[u8]) -> Seen {
    let Some((kind, header)) = bytes.split_first() else { return Seen::error("empty") };
    let Some(kind) = Kind::from_number(*kind) else { return Seen::error("no kind") };
    let frame = Frame { kind, request_id: 1, header: header.to_vec(), payload: Payload::empty() };
    Seen { code: kind.name(), records: u64::from(decode_all(frame)), ..Seen::default() }
}

/// How many of the decoders took the frame.
fn decode_all(frame: Frame) -> u32 {
    u32::from(millrace_wire::decode_host_hello(&frame).is_ok())
        + u32::from(millrace_wire::decode_core_hello(&frame).is_ok())
        + u32::from(millrace_wire::decode_request(frame.clone()).is_ok())
        + u32::from(millrace_wire::decode_event_or_response(frame).is_ok())
}
