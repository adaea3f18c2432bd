//! Where the messages of a file or stream lie. A file says so in its footer; a stream is hopped from header to header. Lengths are checked
//! against the file and the limits before anything is read by them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::{Endianness, MessageHeader, MetadataVersion, root_as_footer, root_as_message};
use arrow_schema::SchemaRef;

use crate::error::Error;
use crate::source::ByteSource;

const MAGIC: &[u8; 6] = b"ARROW1";
/// The magic and its padding at the start of a file.
const HEAD_BYTES: u64 = 8;
/// Length of the footer and the magic at the end of a file.
const TAIL_BYTES: u64 = 10;
const CONTINUATION: [u8; 4] = [0xff; 4];
const MAX_FOOTER_BYTES: u64 = 64 << 20;
/// Of one message: its header, and its body of buffers.
const MAX_HEADER_BYTES: u64 = 16 << 20;
pub(super) const MAX_BODY_BYTES: u64 = 256 << 20;
const MAX_BATCHES: usize = 1_000_000;
const MAX_COLUMNS: usize = 20_000;

/// A message as it lies in the file: its header with the prefix of 8 bytes, then its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub offset: u64,
    /// Prefix and padding included.
    pub header: u64,
    pub body: u64,
}

impl Block {
    pub(crate) fn length(&self) -> u64 {
        self.header + self.body
    }

    fn end(&self) -> u64 {
        self.offset + self.length()
    }
}

/// One record batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchBlock {
    pub block: Block,
    pub rows: u64,
    /// So many of the dictionaries hold when this batch is read: a stream may replace or extend them between batches.
    pub dictionaries: usize,
}

/// What lies where.
pub(crate) struct Layout {
    pub schema: SchemaRef,
    pub version: MetadataVersion,
    pub dictionaries: Vec<Block>,
    pub batches: Vec<BatchBlock>,
    pub rows: u64,
}

pub(super) fn broken(why: impl std::fmt::Display) -> Error {
    Error::new("ARROW_BATCH", format!("cannot read the Arrow data: {why}"))
}

fn over(what: &str, value: u64, limit: u64) -> Error {
    Error::new("OVER_LIMIT", format!("cannot read the Arrow data: {what} {value}, the limit is {limit}"))
}

fn unsupported(why: impl std::fmt::Display) -> Error {
    Error::new("ARROW_UNSUPPORTED", format!("cannot read the Arrow data: {why}"))
}

/// Whether bytes begin like a stream: the mark of a message and the length of a header.
pub(crate) fn begins_stream(head: &[u8]) -> bool {
    head.starts_with(&CONTINUATION)
        && head.get(4..8).is_some_and(|length| matches!(i32::from_le_bytes([length[0], length[1], length[2], length[3]]), 1..0x100_0000))
}

impl Layout {
    /// Errors: `ARROW_MAGIC`, `ARROW_BATCH`, `ARROW_UNSUPPORTED`, `OVER_LIMIT`, and what the source says.
    pub(crate) fn read(source: &mut dyn ByteSource) -> Result<Layout, Error> {
        let size = source.size();
        let head = super::rows::read_exactly(source, 0, size.min(HEAD_BYTES))?;
        if head.starts_with(MAGIC) {
            return of_file(source);
        }
        if begins_stream(&head) {
            return of_stream(source);
        }
        Err(Error::new("ARROW_MAGIC", "cannot read the file as Arrow IPC: it begins neither like a file nor like a stream of it"))
    }

    fn add(&mut self, block: Block, message: Found) -> Result<(), Error> {
        match message {
            Found::Dictionary => self.dictionaries.push(block),
            Found::Batch { rows } => {
                if self.batches.len() >= MAX_BATCHES {
                    return Err(over("it has batches, at least", MAX_BATCHES as u64 + 1, MAX_BATCHES as u64));
                }
                self.rows = self
                    .rows
                    .checked_add(rows)
                    .filter(|rows| i64::try_from(*rows).is_ok())
                    .ok_or_else(|| broken("it has too many rows"))?;
                self.batches.push(BatchBlock { block, rows, dictionaries: self.dictionaries.len() });
            }
            Found::Schema(_) => return Err(broken("a second schema follows the first")),
        }
        Ok(())
    }
}

/// What a header announces.
enum Found {
    Schema(SchemaRef),
    Dictionary,
    Batch { rows: u64 },
}

/// The message at `offset`; none where the stream ends.
fn message_at(source: &mut dyn ByteSource, offset: u64, limit: u64) -> Result<Option<(Block, MetadataVersion, Found)>, Error> {
    if offset == limit {
        return Ok(None);
    }
    if limit - offset < 8 {
        return Err(broken(format!("a message at byte {offset} is cut off")));
    }
    let prefix = super::rows::read_exactly(source, offset, 8)?;
    if prefix[..4] != CONTINUATION {
        return Err(broken(format!("no message begins at byte {offset}")));
    }
    let length = u64::from(u32::from_le_bytes([prefix[4], prefix[5], prefix[6], prefix[7]]));
    if length == 0 {
        return Ok(None);
    }
    if length > MAX_HEADER_BYTES {
        return Err(over(&format!("the header at byte {offset} has bytes"), length, MAX_HEADER_BYTES));
    }
    if length > limit - offset - 8 {
        return Err(broken(format!("a message at byte {offset} is cut off")));
    }
    let header = super::rows::read_exactly(source, offset + 8, length)?;
    let message = root_as_message(&header).map_err(|error| broken(format!("the header at byte {offset} is none: {error}")))?;
    let body = u64::try_from(message.bodyLength()).map_err(|_| broken(format!("the message at byte {offset} has a negative length")))?;
    if body > MAX_BODY_BYTES {
        return Err(over(&format!("the batch at byte {offset} has bytes"), body, MAX_BODY_BYTES));
    }
    let block = Block { offset, header: length + 8, body };
    if block.end() > limit {
        return Err(broken(format!("the batch at byte {offset} is cut off")));
    }
    let found = match message.header_type() {
        MessageHeader::Schema => {
            Found::Schema(schema_of(message.header_as_schema().ok_or_else(|| broken("a schema message holds none"))?)?)
        }
        MessageHeader::DictionaryBatch => Found::Dictionary,
        MessageHeader::RecordBatch => {
            let batch = message.header_as_record_batch().ok_or_else(|| broken("a batch message holds none"))?;
            Found::Batch {
                rows: u64::try_from(batch.length())
                    .map_err(|_| broken(format!("the batch at byte {offset} has {} rows", batch.length())))?,
            }
        }
        other => return Err(unsupported(format!("the message at byte {offset} is of kind {other:?}"))),
    };
    Ok(Some((block, message.version(), found)))
}

fn schema_of(schema: arrow_ipc::Schema<'_>) -> Result<SchemaRef, Error> {
    if schema.endianness() != Endianness::Little {
        return Err(unsupported("its numbers are big-endian"));
    }
    let columns = schema.fields().map_or(0, |fields| fields.len());
    if columns > MAX_COLUMNS {
        return Err(over("it has columns", columns as u64, MAX_COLUMNS as u64));
    }
    if schema.fields().is_none() {
        return Err(broken("its schema has no list of columns"));
    }
    // The library gives up on types that it does not know by a panic.
    let read = catch_unwind(AssertUnwindSafe(|| fb_to_schema(schema)));
    read.map(Arc::new).map_err(|_| unsupported("a column has a type that is not known"))
}

fn of_stream(source: &mut dyn ByteSource) -> Result<Layout, Error> {
    let size = source.size();
    let Some((first, version, Found::Schema(schema))) = message_at(source, 0, size)? else {
        return Err(broken("it does not begin with a schema"));
    };
    let mut layout = Layout { schema, version, dictionaries: Vec::new(), batches: Vec::new(), rows: 0 };
    let mut at = first.end();
    while let Some((block, _, found)) = message_at(source, at, size)? {
        at = block.end();
        layout.add(block, found)?;
    }
    Ok(layout)
}

fn of_file(source: &mut dyn ByteSource) -> Result<Layout, Error> {
    let size = source.size();
    let cut = || broken("the file does not end with its footer; perhaps it was cut off");
    if size < HEAD_BYTES + TAIL_BYTES {
        return Err(cut());
    }
    let tail = super::rows::read_exactly(source, size - TAIL_BYTES, TAIL_BYTES)?;
    if &tail[4..] != MAGIC {
        return Err(cut());
    }
    let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if length > MAX_FOOTER_BYTES {
        return Err(over("its footer has bytes", length, MAX_FOOTER_BYTES));
    }
    if length > size - HEAD_BYTES - TAIL_BYTES {
        return Err(cut());
    }
    let limit = size - TAIL_BYTES - length;
    let bytes = super::rows::read_exactly(source, limit, length)?;
    let footer = root_as_footer(&bytes).map_err(|error| broken(format!("its footer is none: {error}")))?;
    let schema = schema_of(footer.schema().ok_or_else(|| broken("its footer has no schema"))?)?;
    let mut layout = Layout { schema, version: footer.version(), dictionaries: Vec::new(), batches: Vec::new(), rows: 0 };
    let blocks = footer
        .dictionaries()
        .into_iter()
        .flatten()
        .map(|block| (block, true))
        .chain(footer.recordBatches().into_iter().flatten().map(|block| (block, false)));
    for (listed, is_dictionary) in blocks {
        let offset = u64::try_from(listed.offset()).ok().filter(|offset| (HEAD_BYTES..limit).contains(offset));
        let offset = offset.ok_or_else(|| broken("its footer names a batch outside the file"))?;
        let message = message_at(source, offset, limit)?;
        let Some((block, _, found)) = message.filter(|(_, _, found)| matches!(found, Found::Dictionary) == is_dictionary) else {
            return Err(broken(format!("what its footer says of byte {offset} is not there")));
        };
        layout.add(block, found)?;
    }
    let mut ranges: Vec<(u64, u64)> = layout
        .dictionaries
        .iter()
        .chain(layout.batches.iter().map(|batch| &batch.block))
        .map(|block| (block.offset, block.end()))
        .collect();
    ranges.sort_unstable();
    if ranges.windows(2).any(|pair| pair[0].1 > pair[1].0) {
        return Err(broken("its footer lists batches that share bytes"));
    }
    Ok(layout)
}
