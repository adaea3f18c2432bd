//! Pins and plans for tests.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;

use crate::batch::ReadCounts;
use crate::pins::{
    BlankRows, Dialect, DuplicateKeys, FilePlan, Format, InputPins, InvalidBytes, JsonOptions, LongRows, ShortRows, StrayQuotes,
};
use crate::position::Place;
use crate::read::{ExcludedRange, ReadOptions, ReadRange, plan_scan};
use crate::reject::Reject;
use crate::schema::{ExtraColumns, Field, FieldType, MatchBy, MissingColumns, Schema};
use crate::source::{ByteSource, SourceError};

pub(crate) fn field(name: &str, field_type: FieldType) -> Field {
    Field::new(name, field_type)
}

pub(crate) fn dialect() -> Dialect {
    Dialect {
        delimiter: ",".into(),
        quote_char: "\"".into(),
        double_quote: true,
        escape_char: String::new(),
        line_terminator: None,
        skip_initial_space: false,
        header: true,
        header_rows: vec![1],
        header_join: " ".into(),
        comment_rows: Vec::new(),
        comment_char: String::new(),
        null_sequence: None,
        stray_quotes: StrayQuotes::Reject,
        short_rows: ShortRows::Reject,
        long_rows: LongRows::Reject,
        blank_rows: BlankRows::Skip,
        skip_sep_line: false,
    }
}

pub(crate) fn csv_pins(fields: Vec<Field>) -> InputPins {
    InputPins {
        name: "input".into(),
        format: Format::Csv,
        compression: "none".into(),
        encoding: "utf-8".into(),
        invalid_bytes: InvalidBytes::Reject,
        max_record_bytes: 16 << 20,
        max_inflation: 100,
        keep_intact_prefix: false,
        dialect: Some(dialect()),
        columns: fields.iter().map(|field| field.name.clone()).collect(),
        schema: Schema {
            fields,
            missing_values: vec![String::new()],
            match_by: MatchBy::Name,
            case_sensitive: true,
            missing_columns: MissingColumns::Fail,
            extra_columns: ExtraColumns::Drop,
            primary_key: Vec::new(),
        },
        inferred: Vec::new(),
        json: JsonOptions { records: String::new(), duplicate_keys: DuplicateKeys::Reject, max_depth: 64 },
        lines: None,
        evidence: Vec::new(),
        notes: Vec::new(),
    }
}

pub(crate) fn ndjson_pins(fields: Vec<Field>) -> InputPins {
    InputPins { format: Format::Ndjson, dialect: None, ..csv_pins(fields) }
}

/// The plan of a file that lies in memory.
pub(crate) fn plan_of(pins: &InputPins, bytes: &[u8]) -> FilePlan {
    let mut source = bytes;
    crate::read::plan_file(pins, 3, 0, "file:///a", "e", &mut source).expect("the file can be planned")
}

/// Everything that reading some ranges of a file came to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub rows: Vec<(Place, Vec<String>)>,
    pub rejects: Vec<Reject>,
    pub counts: ReadCounts,
}

impl Outcome {
    pub(crate) fn codes(&self) -> Vec<(u64, Vec<&'static str>)> {
        let codes = |reject: &Reject| reject.errors.iter().map(|error| error.code).collect();
        self.rejects.iter().map(|reject| (reject.place.record, codes(reject))).collect()
    }

    pub(crate) fn values(&self) -> Vec<Vec<&str>> {
        self.rows.iter().map(|(_, values)| values.iter().map(String::as_str).collect()).collect()
    }
}

/// Rows of a batch as text, nulls as `∅`.
pub(crate) fn rows_of(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::new().with_null("∅");
    // Showing an instant needs a time zone library, its number does not.
    let shown = |column: &ArrayRef| match column.data_type() {
        DataType::Timestamp(..) => arrow_cast::cast(column, &DataType::Int64).expect("instants are numbers"),
        _ => Arc::clone(column),
    };
    let columns: Vec<ArrayRef> = batch.columns().iter().map(shown).collect();
    let formatters: Vec<_> =
        columns.iter().map(|column| ArrayFormatter::try_new(column, &options).expect("every type of ours can be shown")).collect();
    (0..batch.num_rows()).map(|row| formatters.iter().map(|formatter| formatter.value(row).to_string()).collect()).collect()
}

/// A source that hands out as little as it may: at most `most` bytes a call.
pub(crate) struct SlowSource {
    pub bytes: Vec<u8>,
    pub most: usize,
}

impl ByteSource for SlowSource {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let length = buffer.len().min(self.most);
        (&self.bytes[..]).read_at(offset, &mut buffer[..length])
    }
}

/// Reads one range and adds what came of it; checks each batch against its own places and schema.
pub(crate) fn read_range(pins: &InputPins, plan: &FilePlan, bytes: &[u8], range: ReadRange, options: ReadOptions, outcome: &mut Outcome) {
    read_range_without(pins, plan, bytes, range, &[], options, outcome);
}

pub(crate) fn read_range_without(
    pins: &InputPins,
    plan: &FilePlan,
    bytes: &[u8],
    range: ReadRange,
    excluded: &[ExcludedRange],
    options: ReadOptions,
    outcome: &mut Outcome,
) {
    let source = Box::new(SlowSource { bytes: bytes.to_vec(), most: 1 + bytes.len() / 3 });
    let open = if pins.format.has_rows() {
        crate::read::open_rows(pins, plan, range, excluded, source, options)
    } else {
        crate::read::open_reader(pins, plan, range, excluded, source, options)
    };
    let mut reader = open.expect("the pins are valid");
    while let Some(read) = reader.next().expect("bytes in memory can be read") {
        let batch = &read.batch;
        assert!(batch.places.len() + read.rejects.len() <= options.batch_records, "a batch holds too many records");
        assert_eq!(batch.rows.schema(), pins.schema.arrow_schema());
        for (row, (place, values)) in batch.places.iter().zip(rows_of(&batch.rows)).enumerate() {
            if place.in_text() {
                assert_eq!(
                    &batch.raw(row).expect("columns that can be read")[..],
                    &bytes[place.byte as usize..place.byte_end as usize],
                    "a position must point at the record's bytes"
                );
            }
            outcome.rows.push((*place, values));
        }
        assert_eq!(batch.places.len(), batch.rows.num_rows());
        outcome.rejects.extend(read.rejects);
    }
    add_counts(&mut outcome.counts, reader.counts());
}

fn add_counts(sum: &mut ReadCounts, more: &ReadCounts) {
    sum.records += more.records;
    sum.blank_lines += more.blank_lines;
    sum.comment_lines += more.comment_lines;
    sum.damages += more.damages;
    sum.damaged_bytes += more.damaged_bytes;
    sum.damaged_lines += more.damaged_lines;
    sum.suspect_records += more.suspect_records;
    sum.lines += more.lines;
    for (code, count) in &more.repairs {
        *sum.repairs.entry(code).or_default() += count;
    }
}

/// The whole file in one range.
pub(crate) fn read_whole(pins: &InputPins, bytes: &[u8]) -> Outcome {
    let plan = plan_of(pins, bytes);
    let range = ReadRange { start: plan.data_start, end: plan.size, record: 1, line: plan.first_line };
    let mut outcome = Outcome::default();
    read_range(pins, &plan, bytes, range, ReadOptions::default(), &mut outcome);
    outcome
}

/// The file in the chunks of its plan; the plan's counts must be those of the readers.
pub(crate) fn read_in_chunks(pins: &InputPins, bytes: &[u8], chunk_size: u64, options: ReadOptions) -> Outcome {
    let plan = plan_of(pins, bytes);
    let mut ranges = Vec::new();
    let mut source = bytes;
    let totals =
        plan_scan(pins, &plan, &mut source, chunk_size, &mut |range| ranges.push(range), &|| false).expect("the file can be scanned");
    let mut outcome = Outcome::default();
    let mut expected_start = plan.data_start;
    for planned in ranges {
        assert_eq!(planned.start, expected_start, "chunks must join");
        expected_start = planned.end;
        let range = ReadRange { start: planned.start, end: planned.end, record: planned.record, line: planned.line };
        let mut chunk = Outcome::default();
        read_range(pins, &plan, bytes, range, options, &mut chunk);
        let counts = &chunk.counts;
        let have = (counts.records, counts.lines, counts.damages, counts.blank_lines, counts.comment_lines);
        assert_eq!(have, (planned.records, planned.lines, planned.damages, planned.blank_lines, planned.comment_lines));
        assert_eq!(counts.records, (chunk.rows.len() + chunk.rejects.len()) as u64);
        outcome.rows.extend(chunk.rows);
        outcome.rejects.extend(chunk.rejects);
        add_counts(&mut outcome.counts, counts);
    }
    assert_eq!(expected_start, plan.size.max(plan.data_start), "chunks must cover the file");
    assert_eq!((totals.records, totals.bytes), (outcome.counts.records, plan.size));
    assert_eq!(totals.lines, plan.first_line - 1 + outcome.counts.lines);
    outcome
}
