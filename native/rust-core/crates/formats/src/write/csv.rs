//! CSV as RFC 4180 has it, with exact quoting: text is written byte for byte, and null and empty text stay apart.
//!
//! Under `minimal` a text is quoted that holds the delimiter, a quote, CR or LF, begins or ends with a blank, or reads like null. A row of one
//! column that would be an empty line is written `""`, because readers skip blank lines.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use memchr::memmem::Finder;

use super::column::{Column, Kind, check_type};
use super::text::RowFormat;
use super::{OutputOptions, QuoteStyle};
use crate::error::Error;

const QUOTE: u8 = b'"';

pub(super) struct CsvRows {
    delimiter: Vec<u8>,
    find_delimiter: Finder<'static>,
    terminator: Vec<u8>,
    null: Vec<u8>,
    always: bool,
    /// The delimiter or the null text may occur in numbers, dates or booleans.
    check_all: bool,
    header: Option<Vec<String>>,
}

impl CsvRows {
    pub(super) fn new(options: &OutputOptions, schema: &SchemaRef) -> Result<CsvRows, Error> {
        let csv = &options.csv;
        for field in schema.fields() {
            check_type(field.name(), field.data_type())?;
        }
        let delimiter = csv.delimiter.as_bytes().to_vec();
        if delimiter.is_empty() || delimiter.iter().any(|byte| matches!(byte, &QUOTE | b'\r' | b'\n')) {
            return Err(bad_value("delimiter", &csv.delimiter, "1 to 4 characters without quote and line end"));
        }
        if !matches!(csv.line_terminator.as_str(), "\n" | "\r\n" | "\r") {
            return Err(bad_value("lineTerminator", &csv.line_terminator, "LF, CRLF or CR"));
        }
        let find_delimiter = Finder::new(&delimiter).into_owned();
        let null = csv.null_value.as_bytes().to_vec();
        if find_delimiter.find(&null).is_some() || null.iter().any(|byte| matches!(byte, &QUOTE | b'\r' | b'\n')) {
            return Err(bad_value("nullValue", &csv.null_value, "text without delimiter, quote and line end"));
        }
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.:/=".contains(byte);
        let names = || schema.fields().iter().map(|field| field.name().clone()).collect();
        Ok(CsvRows {
            check_all: delimiter.iter().any(plain) || (!null.is_empty() && null.iter().all(plain)),
            delimiter,
            find_delimiter,
            terminator: csv.line_terminator.as_bytes().to_vec(),
            null,
            always: csv.quote == QuoteStyle::Always,
            header: csv.header.then(names),
        })
    }

    fn must_quote(&self, text: &[u8]) -> bool {
        let blank = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        text == self.null
            || blank(text.first())
            || blank(text.last())
            || memchr::memchr3(QUOTE, b'\r', b'\n', text).is_some()
            || match self.delimiter.as_slice() {
                [byte] => memchr::memchr(*byte, text).is_some(),
                _ => self.find_delimiter.find(text).is_some(),
            }
    }

    fn append_text(&self, text: &[u8], out: &mut Vec<u8>) {
        if self.always || self.must_quote(text) {
            append_quoted(text, out);
        } else {
            out.extend_from_slice(text);
        }
    }

    fn append_cell(&self, column: &Column, row: usize, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        if column.is_null(row) {
            out.extend_from_slice(&self.null);
        } else if let Some(text) = column.text(row) {
            self.append_text(text, out);
        } else if self.always || self.check_all || matches!(column, Column::List(..) | Column::Struct(..)) {
            scratch.clear();
            let kind = column.append(row, scratch);
            debug_assert_ne!(kind, Kind::Text);
            self.append_text(scratch, out);
        } else {
            column.append(row, out);
        }
    }
}

impl RowFormat for CsvRows {
    fn head(&self, out: &mut Vec<u8>) {
        let Some(names) = &self.header else { return };
        let start = out.len();
        for (index, name) in names.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(&self.delimiter);
            }
            self.append_text(name.as_bytes(), out);
        }
        self.end_row(start, out);
    }

    fn rows(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), Error> {
        let columns = batch.columns().iter().map(Column::of).collect::<Result<Vec<_>, Error>>()?;
        let mut scratch = Vec::new();
        for row in 0..batch.num_rows() {
            let start = out.len();
            for (index, column) in columns.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(&self.delimiter);
                }
                self.append_cell(column, row, &mut scratch, out);
            }
            self.end_row(start, out);
        }
        Ok(())
    }
}

impl CsvRows {
    fn end_row(&self, start: usize, out: &mut Vec<u8>) {
        if out.len() == start {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(&self.terminator);
    }
}

fn append_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(QUOTE);
    let mut copied = 0;
    for quote in memchr::memchr_iter(QUOTE, text) {
        out.extend_from_slice(&text[copied..=quote]);
        out.push(QUOTE);
        copied = quote + 1;
    }
    out.extend_from_slice(&text[copied..]);
    out.push(QUOTE);
}

fn bad_value(key: &str, got: &str, expected: &str) -> Error {
    Error::new("SPEC_BAD_VALUE", format!("cannot write CSV: expected output.csv.{key} to be {expected}, got {got:?}"))
}
