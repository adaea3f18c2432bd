//! The bytes of a text part on their way to the sink: as they are, or as one gzip or zstd stream.
//!
//! Compressors are fed pieces of one fixed size, so that what they make depends on the bytes alone and not on how rows came.

use std::io::Write;

use flate2::{Compression, GzBuilder, write::GzEncoder};

use super::{OutputOptions, Sink, sink_error};
use crate::error::Error;

/// Every piece but the last has exactly this many bytes.
const PIECE_BYTES: usize = 256 << 10;
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// A sink that counts what it takes.
pub(super) struct Counted {
    sink: Sink,
    bytes: u64,
}

impl Counted {
    pub(super) fn new(sink: Sink) -> Counted {
        Counted { sink, bytes: 0 }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.sink.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.sink.flush()
    }
}

/// Text in, the bytes of the part out. What waits for a full piece is in `piece`.
pub(super) struct TextStream {
    pub(super) piece: Vec<u8>,
    encoder: Encoder,
}

enum Encoder {
    None(Counted),
    Gzip(Box<GzEncoder<Counted>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Counted>>),
}

impl TextStream {
    pub(super) fn open(options: &OutputOptions, sink: Sink) -> Result<TextStream, Error> {
        let sink = Counted::new(sink);
        let encoder = match options.compression.as_deref() {
            None | Some("none") => Encoder::None(sink),
            // Neither time nor name of a file enters the header.
            Some("gzip") => Encoder::Gzip(Box::new(GzBuilder::new().write(sink, Compression::new(GZIP_LEVEL)))),
            Some("zstd") => Encoder::Zstd(Box::new(zstd_encoder(sink).map_err(sink_error)?)),
            Some(name) => {
                let format = options.format.extension();
                return Err(Error::new(
                    "SPEC_CONFLICT",
                    format!("cannot write {format} with compression {name}: expected none, gzip or zstd"),
                ));
            }
        };
        Ok(TextStream { piece: Vec::new(), encoder })
    }

    /// Hands on the full pieces of what was appended.
    pub(super) fn send_pieces(&mut self) -> Result<(), Error> {
        let full = self.piece.len() - self.piece.len() % PIECE_BYTES;
        if full == 0 {
            return Ok(());
        }
        for piece in self.piece[..full].chunks_exact(PIECE_BYTES) {
            self.encoder.write(piece).map_err(sink_error)?;
        }
        self.piece.drain(..full);
        Ok(())
    }

    /// Bytes of the part so far; what still waits counts as it is.
    pub(super) fn bytes(&self) -> u64 {
        let sent = match &self.encoder {
            Encoder::None(sink) => sink.bytes(),
            Encoder::Gzip(encoder) => encoder.get_ref().bytes(),
            Encoder::Zstd(encoder) => encoder.get_ref().bytes(),
        };
        sent + self.piece.len() as u64
    }

    pub(super) fn finish(mut self) -> Result<(), Error> {
        self.encoder.write(&self.piece).map_err(sink_error)?;
        let mut sink = match self.encoder {
            Encoder::None(sink) => sink,
            Encoder::Gzip(encoder) => encoder.finish().map_err(sink_error)?,
            Encoder::Zstd(encoder) => encoder.finish().map_err(sink_error)?,
        };
        sink.flush().map_err(sink_error)
    }
}

impl Encoder {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Encoder::None(sink) => sink.write_all(bytes),
            Encoder::Gzip(encoder) => encoder.write_all(bytes),
            Encoder::Zstd(encoder) => encoder.write_all(bytes),
        }
    }
}

fn zstd_encoder(sink: Counted) -> std::io::Result<zstd::stream::write::Encoder<'static, Counted>> {
    let mut encoder = zstd::stream::write::Encoder::new(sink, ZSTD_LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.include_contentsize(false)?;
    Ok(encoder)
}
