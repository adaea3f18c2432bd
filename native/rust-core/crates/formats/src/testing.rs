//! Pins and plans for tests.

use crate::pins::{
    BlankRows, Dialect, DuplicateKeys, FilePlan, Format, InputPins, InvalidBytes, JsonOptions, LongRows, ShortRows, StrayQuotes,
};
use crate::schema::{ExtraColumns, Field, FieldType, MatchBy, MissingColumns, Schema};

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
        json: JsonOptions { duplicate_keys: DuplicateKeys::Reject, max_depth: 64 },
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
