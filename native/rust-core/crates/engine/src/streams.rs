//! The stream of a file as readers see it: decompressed, from a member, from staged pieces, or as it lies there.

use std::collections::VecDeque;

use millrace_formats::decompress::{Compression, DecodedSource, Restart};
use millrace_formats::pins::{FilePlan, InputPins};
use millrace_formats::source::{ByteSource, SourceError, UNKNOWN_SIZE};

use crate::error::Error;
use crate::hex::sha256_hex;
use crate::io::{PutEnd, StagedPieces};
use crate::records::{DecodeFrom, RangeChunk};

/// Decoded bytes of a staged piece. Compressed, even data that cannot be compressed stay below the 8 MiB of an object.
pub const PIECE_BYTES: u64 = 4 << 20;
/// Speed counts: what is staged is read once or twice.
const STAGED_LEVEL: i32 = 1;
/// Bytes read at once when they are only passed on.
const PASSED_BYTES: u64 = 64 << 10;

/// Opens the stream that the ranges of a chunk are offsets of. `source` is the pinned file.
pub fn open_chunk_stream(
    pins: &InputPins,
    plan: &FilePlan,
    chunk: &RangeChunk,
    source: Box<dyn ByteSource>,
    pieces: &mut dyn FnMut() -> Result<Box<dyn StagedPieces>, Error>,
) -> Result<Box<dyn ByteSource>, Error> {
    let stream: Box<dyn ByteSource> = match (&chunk.decode, Compression::from_name(&pins.compression)) {
        (None, None) => return Ok(source),
        (Some(DecodeFrom::Member { offset, stream }), Some(compression)) => {
            let start = Restart { offset: *offset, stream: *stream };
            Box::new(DecodedSource::open(source, compression, start, None)?)
        }
        (Some(DecodeFrom::Staged { piece_bytes, first, sha256 }), Some(_)) => {
            Box::new(StagedSource::new(pieces()?, *piece_bytes, *first, sha256.clone()))
        }
        _ => {
            let message = format!("chunk {} and the pinned compression {} do not fit together", chunk.chunk, pins.compression);
            return Err(Error::new("PLAN_CONFLICT", message));
        }
    };
    Ok(match &plan.cut {
        Some(cut) => Box::new(Prefix { source: stream, end: cut.end }),
        None => stream,
    })
}

/// A stream that ends before its source does.
pub struct Prefix {
    pub source: Box<dyn ByteSource>,
    pub end: u64,
}

impl ByteSource for Prefix {
    fn size(&self) -> u64 {
        self.end
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let room = self.end.saturating_sub(offset).min(buffer.len() as u64) as usize;
        if room == 0 { Ok(0) } else { self.source.read_at(offset, &mut buffer[..room]) }
    }

    fn first_offset(&self) -> u64 {
        self.source.first_offset()
    }
}

/// Pieces of a stream one after another. The first one that is not full is the last.
struct StagedSource {
    pieces: Box<dyn StagedPieces>,
    piece_bytes: u64,
    first: u64,
    /// Of the pieces from `first` on.
    sha256: Vec<String>,
    /// The pieces used last, decoded: reading goes back a little between two records.
    held: VecDeque<(u64, Vec<u8>)>,
    end: Option<u64>,
}

const HELD_PIECES: usize = 2;

impl StagedSource {
    fn new(pieces: Box<dyn StagedPieces>, piece_bytes: u64, first: u64, sha256: Vec<String>) -> StagedSource {
        StagedSource { pieces, piece_bytes: piece_bytes.max(1), first, sha256, held: VecDeque::new(), end: None }
    }

    fn piece(&mut self, number: u64) -> Result<&[u8], SourceError> {
        if let Some(at) = self.held.iter().position(|(held, _)| *held == number) {
            return Ok(&self.held[at].1);
        }
        let bytes = self.load(number)?;
        if (bytes.len() as u64) < self.piece_bytes {
            self.end = Some(number * self.piece_bytes + bytes.len() as u64);
        }
        if self.held.len() == HELD_PIECES {
            self.held.pop_front();
        }
        self.held.push_back((number, bytes));
        Ok(&self.held[self.held.len() - 1].1)
    }

    fn load(&mut self, number: u64) -> Result<Vec<u8>, SourceError> {
        let fault = |code, message| SourceError { code, message };
        let stored = self.pieces.read(number).map_err(|error| fault(error.code, error.message))?;
        let stored = stored.ok_or_else(|| fault("STORAGE_CHECKSUM", format!("piece {number} of the staged stream is gone")))?;
        let expected = number.checked_sub(self.first).and_then(|index| self.sha256.get(index as usize));
        let broken = || fault("STORAGE_CHECKSUM", format!("piece {number} of the staged stream is not what was planned"));
        if expected.is_some_and(|expected| *expected != sha256_hex(&stored)) {
            return Err(broken());
        }
        zstd::bulk::decompress(&stored, self.piece_bytes as usize).map_err(|_| broken())
    }
}

impl ByteSource for StagedSource {
    fn size(&self) -> u64 {
        self.end.unwrap_or(UNKNOWN_SIZE)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        if self.end.is_some_and(|end| offset >= end) || buffer.is_empty() {
            return Ok(0);
        }
        let (number, skip) = (offset / self.piece_bytes, (offset % self.piece_bytes) as usize);
        let rest = self.piece(number)?.get(skip..).unwrap_or(&[]);
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn first_offset(&self) -> u64 {
        self.first * self.piece_bytes
    }
}

/// Puts one piece: its number and its bytes as they are to be stored.
pub type PutPiece<'a> = dyn FnMut(u64, &[u8]) -> Result<PutEnd, Error> + 'a;

/// Stages a stream while it is read: whatever passes for the first time is cut into pieces and put.
pub struct Staging<'a> {
    source: Box<dyn ByteSource>,
    put: &'a mut PutPiece<'a>,
    /// The piece in hand.
    piece: Vec<u8>,
    /// SHA-256 of each piece that was put.
    digests: Vec<String>,
}

impl<'a> Staging<'a> {
    pub fn new(source: Box<dyn ByteSource>, put: &'a mut PutPiece<'a>) -> Staging<'a> {
        Staging { source, put, piece: Vec::new(), digests: Vec::new() }
    }

    /// To be called when the stream was read to its end. The last piece is not full, if need be empty: that is how its reader knows the end.
    pub fn finish(mut self) -> Result<Vec<String>, Error> {
        self.put_piece()?;
        Ok(self.digests)
    }

    /// Offset up to which the stream was taken.
    fn taken(&self) -> u64 {
        self.digests.len() as u64 * PIECE_BYTES + self.piece.len() as u64
    }

    /// Takes what stands before `offset` and is not asked for: preamble and header.
    fn take_up_to(&mut self, offset: u64) -> Result<(), SourceError> {
        let mut passed = Vec::new();
        while self.taken() < offset {
            passed.resize((offset - self.taken()).min(PASSED_BYTES) as usize, 0);
            match self.source.read_at(self.taken(), &mut passed)? {
                0 => return Ok(()),
                count => self.take(&passed[..count])?,
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), SourceError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = rest.len().min(PIECE_BYTES as usize - self.piece.len());
            self.piece.extend_from_slice(&rest[..count]);
            rest = &rest[count..];
            if self.piece.len() as u64 == PIECE_BYTES {
                self.put_piece()?;
            }
        }
        Ok(())
    }

    /// Puts the piece in hand. One that stands there already and holds the same is as good.
    fn put_piece(&mut self) -> Result<(), SourceError> {
        let fault = |code, message: String| SourceError { code, message };
        let number = self.digests.len() as u64;
        let bytes = pack(&self.piece).map_err(|error| fault("CORE_PANIC", format!("cannot compress a piece: {error}")))?;
        let standing = match (self.put)(number, &bytes).map_err(|error| fault(error.code, error.message))? {
            PutEnd::Won => bytes,
            PutEnd::Lost(standing) => standing,
        };
        let holds_the_same = || zstd::bulk::decompress(&standing, PIECE_BYTES as usize).is_ok_and(|standing| standing == self.piece);
        if !holds_the_same() {
            return Err(fault("PLAN_CONFLICT", format!("another piece {number} of this stream stands in the journal")));
        }
        self.digests.push(sha256_hex(&standing));
        self.piece.clear();
        Ok(())
    }
}

fn pack(piece: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(STAGED_LEVEL)?;
    compressor.include_checksum(true)?;
    compressor.compress(piece)
}

impl ByteSource for Staging<'_> {
    fn size(&self) -> u64 {
        self.source.size()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        self.take_up_to(offset)?;
        let count = self.source.read_at(offset, buffer)?;
        let known = self.taken().saturating_sub(offset).min(count as u64) as usize;
        self.take(&buffer[known..count])?;
        Ok(count)
    }
}
