//! One column of one row group: pages of our own making, in memory until the row group is closed.
//!
//! The library's column writers take two to three times as long for the same pages (decision 10): they look at values one by one through
//! levels that a column without nesting does not have, compare each text with both bounds, and hash each value twice.

use std::io::{Chain, Read};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBufferBuilder, NullBuffer};
use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use parquet::basic::{Compression, Encoding, PageType};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::ColumnDescPtr;

use super::super::choose::Choice;
use super::bits::{put_levels, put_zigzag};
use super::blocks::{Blocks, BlocksReader};
use super::codec::Codec;
use super::dictionary;
use super::parquet_error;
use super::values::{Input, Values};
use crate::error::Error;

/// A page is closed behind a step with which it reaches this many rows, or bytes before compression.
const PAGE_ROWS: usize = 20_000;
const PAGE_BYTES: usize = 1 << 20;
/// Rows of a step, counted from the start of the row group, so that pages do not depend on how rows came.
const STEP_ROWS: usize = 1_024;

pub struct Chunk {
    column: ColumnDescPtr,
    has_statistics: bool,
    values: Values,
    page: Page,
    /// Data pages that are finished, with their headers.
    data: Blocks,
    /// Bytes of all pages with their headers, before compression.
    plain_bytes: usize,
    rows: usize,
    nulls: usize,
    /// Whether pages are compressed: the first one tells. Those of a dictionary always are.
    compresses: Option<bool>,
    page_encodings: Vec<PageEncodingStats>,
    raw: Vec<u8>,
}

/// The rows of the page that is being filled.
#[derive(Default)]
struct Page {
    rows: usize,
    nulls: usize,
    /// Kept from the first null of the page on.
    valid: Option<BooleanBufferBuilder>,
}

impl Chunk {
    /// None for a type that is left to the library.
    pub fn new(data_type: &arrow_schema::DataType, column: ColumnDescPtr, choice: Choice, has_statistics: bool) -> Option<Chunk> {
        let values = Values::new(data_type, choice, has_statistics)?;
        Some(Chunk {
            column,
            has_statistics,
            compresses: values.has_open_dictionary().then_some(true),
            values,
            page: Page::default(),
            data: Blocks::default(),
            plain_bytes: 0,
            rows: 0,
            nulls: 0,
            page_encodings: Vec::new(),
            raw: Vec::new(),
        })
    }

    /// Bytes held, those of the open page as they are.
    pub fn bytes(&self) -> usize {
        self.data.len() + self.values.page_bytes() + self.values.dictionary_bytes()
    }

    pub fn write(&mut self, array: &ArrayRef, codec: &mut Codec) -> Result<(), Error> {
        let Some(input) = Input::of(array) else {
            return Err(Error::new("CORE_PANIC", format!("cannot write {} to column {}", array.data_type(), self.column.name())));
        };
        let mut from = 0;
        while from < array.len() {
            let to = (from + STEP_ROWS - self.rows % STEP_ROWS).min(array.len());
            self.push(&input, array.nulls(), from, to);
            from = to;
            if self.rows.is_multiple_of(STEP_ROWS) {
                self.look_at_page(codec)?;
            }
        }
        Ok(())
    }

    /// Closes the page if it is full. To be called where batches are cut too, which happens at least every few MiB: rows may be large.
    pub fn look_at_page(&mut self, codec: &mut Codec) -> Result<(), Error> {
        let is_overgrown = self.values.has_open_dictionary() && self.values.dictionary_bytes() > dictionary::MAX_BYTES;
        if is_overgrown || self.page.rows >= PAGE_ROWS || self.values.page_bytes() >= PAGE_BYTES {
            self.end_page(codec)?;
        }
        if is_overgrown {
            self.values.close_dictionary();
        }
        Ok(())
    }

    fn push(&mut self, input: &Input, nulls: Option<&NullBuffer>, from: usize, to: usize) {
        let rows = to - from;
        let nulls = nulls.map(|nulls| nulls.slice(from, rows)).filter(|nulls| nulls.null_count() > 0);
        match nulls {
            None => {
                self.values.push(input, from, to);
                if let Some(valid) = &mut self.page.valid {
                    valid.append_n(rows, true);
                }
            }
            Some(nulls) => {
                let before = self.page.rows;
                let valid = self.page.valid.get_or_insert_with(|| {
                    let mut valid = BooleanBufferBuilder::new(before + rows);
                    valid.append_n(before, true);
                    valid
                });
                valid.append_buffer(nulls.inner());
                nulls.valid_slices().for_each(|(start, end)| self.values.push(input, from + start, from + end));
                self.page.nulls += nulls.null_count();
                self.nulls += nulls.null_count();
            }
        }
        self.page.rows += rows;
        self.rows += rows;
    }

    fn end_page(&mut self, codec: &mut Codec) -> Result<(), Error> {
        let Page { rows, nulls, valid } = std::mem::take(&mut self.page);
        if rows == 0 {
            return Ok(());
        }
        self.raw.clear();
        if self.column.max_def_level() > 0 {
            self.raw.extend_from_slice(&[0; 4]);
            put_levels(rows, nulls, valid.as_ref().map(BooleanBufferBuilder::as_slice), &mut self.raw);
            let length = self.raw.len() as u32 - 4;
            self.raw[..4].copy_from_slice(&length.to_le_bytes());
        }
        let encoding = self.values.end_page(&mut self.raw);
        self.count_page(PageType::DATA_PAGE, encoding);
        let body = Chunk::body(&self.raw, &mut self.compresses, codec)?;
        let header = data_header(rows, encoding, self.raw.len(), body.len());
        self.data.push(&header);
        self.data.push(body);
        self.plain_bytes += header.len() + self.raw.len();
        Ok(())
    }

    /// The body of the page in `raw`: compressed, unless the first page of the chunk has shown that it does not pay.
    fn body<'a>(raw: &'a [u8], compresses: &mut Option<bool>, codec: &'a mut Codec) -> Result<&'a [u8], Error> {
        if *compresses == Some(false) {
            return Ok(raw);
        }
        let Some(compressed) = codec.compress(raw)? else {
            *compresses = Some(false);
            return Ok(raw);
        };
        let pays = *compresses.get_or_insert(compressed.len() * 10 <= raw.len() * 9);
        Ok(if pays { compressed } else { raw })
    }

    fn count_page(&mut self, page_type: PageType, encoding: Encoding) {
        match self.page_encodings.last_mut() {
            Some(last) if last.page_type == page_type && last.encoding == encoding => last.count += 1,
            _ => self.page_encodings.push(PageEncodingStats { page_type, encoding, count: 1 }),
        }
    }

    /// The whole chunk, and what the footer says of it.
    pub fn finish(mut self, codec: &mut Codec) -> Result<(Spliced, ColumnCloseResult), Error> {
        self.end_page(codec)?;
        let dictionary = self.dictionary_page(codec)?;
        let spliced = Spliced { first: Bytes::from(dictionary), second: Arc::new(std::mem::take(&mut self.data)) };
        let metadata = self.metadata(&spliced, codec).map_err(parquet_error)?;
        let close = ColumnCloseResult {
            bytes_written: spliced.len(),
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok((spliced, close))
    }

    /// The dictionary with its header; nothing without one.
    fn dictionary_page(&mut self, codec: &mut Codec) -> Result<Vec<u8>, Error> {
        self.raw.clear();
        let Some(count) = self.values.dictionary_page(&mut self.raw) else { return Ok(Vec::new()) };
        self.page_encodings.insert(0, PageEncodingStats { page_type: PageType::DICTIONARY_PAGE, encoding: Encoding::PLAIN, count: 1 });
        let body = Chunk::body(&self.raw, &mut self.compresses, codec)?;
        let mut page = dictionary_header(count, self.raw.len(), body.len());
        self.plain_bytes += page.len() + self.raw.len();
        page.extend_from_slice(body);
        Ok(page)
    }

    fn metadata(&self, spliced: &Spliced, codec: &Codec) -> Result<ColumnChunkMetaData, ParquetError> {
        let has_dictionary = !spliced.first.is_empty();
        let mut encodings: Vec<Encoding> = self.page_encodings.iter().map(|page| page.encoding).chain([Encoding::RLE]).collect();
        encodings.dedup();
        let compression = if self.compresses == Some(true) { codec.compression() } else { Compression::UNCOMPRESSED };
        let mut builder = ColumnChunkMetaData::builder(self.column.clone())
            .set_compression(compression)
            .set_encodings(encodings)
            .set_page_encoding_stats(self.page_encodings.clone())
            .set_total_compressed_size(spliced.len() as i64)
            .set_total_uncompressed_size(self.plain_bytes as i64)
            .set_num_values(self.rows as i64)
            .set_data_page_offset(spliced.first.len() as i64)
            .set_dictionary_page_offset(has_dictionary.then_some(0));
        if self.has_statistics {
            builder = builder.set_statistics(self.values.statistics(self.nulls as u64, self.column.sort_order().is_signed()));
        }
        builder.build()
    }
}

/// Field headers of Thrift's compact protocol: the difference to the number of the field before, and the type.
const NEXT_I32: u8 = 0x15;
const STOP: u8 = 0;

fn put_i32(value: i32, out: &mut Vec<u8>) {
    out.push(NEXT_I32);
    put_zigzag(value.into(), out);
}

fn header_of(page_type: PageType, plain_bytes: usize, bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    put_i32(page_type as i32, &mut out);
    put_i32(plain_bytes as i32, &mut out);
    put_i32(bytes as i32, &mut out);
    out
}

/// `PageHeader` with `data_page_header`, its fifth field.
fn data_header(rows: usize, encoding: Encoding, plain_bytes: usize, bytes: usize) -> Vec<u8> {
    let mut out = header_of(PageType::DATA_PAGE, plain_bytes, bytes);
    out.push(0x2c);
    for value in [rows as i32, encoding as i32, Encoding::RLE as i32, Encoding::RLE as i32] {
        put_i32(value, &mut out);
    }
    out.extend([STOP, STOP]);
    out
}

/// `PageHeader` with `dictionary_page_header`, its seventh field.
fn dictionary_header(values: usize, plain_bytes: usize, bytes: usize) -> Vec<u8> {
    let mut out = header_of(PageType::DICTIONARY_PAGE, plain_bytes, bytes);
    out.push(0x4c);
    put_i32(values as i32, &mut out);
    put_i32(Encoding::PLAIN as i32, &mut out);
    out.extend([STOP, STOP]);
    out
}

/// The dictionary and, behind it, the data: the order in which they stand in the file, and not that in which they were made.
pub struct Spliced {
    first: Bytes,
    second: Arc<Blocks>,
}

impl Length for Spliced {
    fn len(&self) -> u64 {
        (self.first.len() + self.second.len()) as u64
    }
}

impl ChunkReader for Spliced {
    type T = Chain<Reader<Bytes>, BlocksReader>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let start = start as usize;
        let first = self.first.slice(start.min(self.first.len())..);
        Ok(first.reader().chain(self.second.reader(start.saturating_sub(self.first.len()))))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = Vec::with_capacity(length);
        self.get_read(start)?.take(length as u64).read_to_end(&mut bytes)?;
        Ok(Bytes::from(bytes))
    }
}
