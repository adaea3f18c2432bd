//! What CSV and NDJSON have in common: rows become text in a buffer, the buffer goes to the sink in large pieces.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::{OutputOptions, PartWriter, Sink, sink_error};
use crate::error::Error;

/// The sink gets pieces of at least this many bytes.
const PIECE_BYTES: usize = 256 << 10;

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
    sink: Sink,
    piece: Vec<u8>,
    sent_bytes: u64,
    rows: u64,
}

impl<F: RowFormat> TextPart<F> {
    pub(super) fn open(
        options: &OutputOptions,
        schema: SchemaRef,
        sink: Sink,
        new_format: impl FnOnce(&OutputOptions, &SchemaRef) -> Result<F, Error>,
    ) -> Result<TextPart<F>, Error> {
        check_compression(options)?;
        let format = new_format(options, &schema)?;
        let mut piece = Vec::new();
        format.head(&mut piece);
        Ok(TextPart { format, sink, piece, sent_bytes: 0, rows: 0 })
    }

    fn send(&mut self) -> Result<(), Error> {
        self.sink.write_all(&self.piece).map_err(sink_error)?;
        self.sent_bytes += self.piece.len() as u64;
        self.piece.clear();
        Ok(())
    }
}

impl<F: RowFormat> PartWriter for TextPart<F> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.rows += batch.num_rows() as u64;
        self.format.rows(batch, &mut self.piece)?;
        if self.piece.len() >= PIECE_BYTES {
            self.send()?;
        }
        Ok(())
    }

    fn written_bytes(&self) -> u64 {
        self.sent_bytes + self.piece.len() as u64
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn finish(mut self: Box<Self>) -> Result<(), Error> {
        self.send()?;
        self.sink.flush().map_err(sink_error)
    }
}

fn check_compression(options: &OutputOptions) -> Result<(), Error> {
    match options.compression.as_deref() {
        None | Some("none") => Ok(()),
        Some(name @ ("gzip" | "zstd")) => Err(Error::new(
            "SPEC_NOT_AVAILABLE",
            format!("cannot write {} with compression {name}: it is not available in this version", options.format.extension()),
        )),
        Some(name) => {
            Err(Error::new("SPEC_CONFLICT", format!("cannot write {} with compression {name}: expected none", options.format.extension())))
        }
    }
}
