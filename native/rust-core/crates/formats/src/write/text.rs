//! What CSV and NDJSON have in common: rows become text in a buffer, the buffer goes to the sink in large pieces.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::compress::TextStream;
use super::{OutputOptions, PartWriter, Sink};
use crate::error::Error;

/// One text format: how a part begins and how rows look.
pub(super) trait RowFormat: Send + Sized {
    /// Bytes at the start of each part.
    fn head(&self, out: &mut Vec<u8>);
    /// Appends all rows of a batch, each with its terminator.
    fn rows(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), Error>;
}

/// A part of text.
pub(super) struct TextPart<F: RowFormat> {
    format: F,
    stream: TextStream,
    rows: u64,
}

impl<F: RowFormat> TextPart<F> {
    pub(super) fn open(
        options: &OutputOptions,
        schema: SchemaRef,
        sink: Sink,
        new_format: impl FnOnce(&OutputOptions, &SchemaRef) -> Result<F, Error>,
    ) -> Result<TextPart<F>, Error> {
        let mut stream = TextStream::open(options, sink)?;
        let format = new_format(options, &schema)?;
        format.head(&mut stream.piece);
        Ok(TextPart { format, stream, rows: 0 })
    }
}

impl<F: RowFormat> PartWriter for TextPart<F> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.rows += batch.num_rows() as u64;
        self.format.rows(batch, &mut self.stream.piece)?;
        self.stream.send_pieces()
    }

    fn written_bytes(&self) -> u64 {
        self.stream.bytes()
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    /// Text waits for at most one piece.
    fn held_bytes(&self) -> u64 {
        0
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Error> {
        self.stream.finish()
    }
}
