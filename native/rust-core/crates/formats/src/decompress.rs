//! Compressed inputs as plain streams: a layer over a source that decodes forward and knows where decoding may start afresh.
//!
//! Every member (a gzip member, a zstd frame, a stream of bzip2 or xz, an lz4 frame) is checked against what it says of itself. Offsets are those
//! of the decoded stream; errors name the compressed offset beside it.

use std::cell::RefCell;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::source::{ByteSource, SourceError, UNKNOWN_SIZE};

mod bzip2;
mod codec;
mod gzip;
mod input;
mod lz4;
#[cfg(test)]
mod tests;
mod xz;
mod zip;
mod zstd;

use codec::{Begin, Codec, Fault};
use input::Input;

/// Inflation is not looked at below this many decoded bytes.
pub const FREE_INFLATION_BYTES: u64 = 1 << 30;
/// A file may hold this many members that yield almost nothing.
const MAX_TINY_MEMBERS: u32 = 10_000;
const TINY_MEMBER_BYTES: u64 = 1 << 10;
/// Largest window or dictionary that a decoder may be asked to hold.
pub const MAX_WINDOW_BYTES: u64 = 128 << 20;
/// What a decoder holds besides a wide window.
pub const DECODER_BYTES: u64 = 8 << 20;
/// Bytes decoded at once when they are only passed over.
const PASSED_BYTES: usize = 64 << 10;

/// A compression that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    Gzip,
    Zstd,
    Bzip2,
    Xz,
    Lz4,
    Zip,
}

impl Compression {
    /// By its name in specs and pins; none for `none` and for what nobody knows.
    pub fn from_name(name: &str) -> Option<Compression> {
        use Compression::{Bzip2, Gzip, Lz4, Xz, Zip, Zstd};
        [Gzip, Zstd, Bzip2, Xz, Lz4, Zip].into_iter().find(|compression| compression.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Bzip2 => "bzip2",
            Compression::Xz => "xz",
            Compression::Lz4 => "lz4",
            Compression::Zip => "zip",
        }
    }

    /// By the first bytes of a file.
    pub fn of_magic(head: &[u8]) -> Option<Compression> {
        match head {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Compression::Zstd),
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, rest @ ..] => Some(behind_skipped(rest)),
            // The second form is an archive of nothing: a stream without a block.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, ..] => {
                Some(Compression::Bzip2)
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Compression::Xz),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Compression::Lz4),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Compression::Zip),
            _ => None,
        }
    }
}

/// zstd and lz4 share the frames that are skipped: what follows the first one says which it is.
fn behind_skipped(rest: &[u8]) -> Compression {
    let length = rest.first_chunk::<4>().map(|length| u32::from_le_bytes(*length) as usize);
    match length.and_then(|length| rest.get(4 + length..)) {
        Some([0x04, 0x22, 0x4d, 0x18, ..]) => Compression::Lz4,
        _ => Compression::Zstd,
    }
}

/// A place where decoding can start without what stands before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// Offset of a member in the file.
    pub offset: u64,
    /// Offset in the stream of its first byte.
    pub stream: u64,
}

/// What ended the stream before its end, for `keepIntactPrefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// `INPUT_TRUNCATED` or `INPUT_CORRUPT`.
    pub code: &'static str,
    pub message: String,
    /// Offset in the file up to which data were used.
    pub compressed: u64,
    /// Bytes of the stream before the damage.
    pub stream: u64,
}

/// What decoding has seen so far; shared with whoever plans the file.
#[derive(Debug, Default)]
pub struct Progress {
    restarts: Vec<Restart>,
    /// Members met, the one in hand included.
    pub members: u64,
    pub damage: Option<Damage>,
    /// Largest window a member asked for.
    pub window_bytes: u64,
}

impl Progress {
    /// The last restart at or before `stream`; forgets those before it. Asked with offsets that never fall.
    pub fn restart_before(&mut self, stream: u64) -> Restart {
        let behind = self.restarts.partition_point(|restart| restart.stream <= stream);
        self.restarts.drain(..behind.saturating_sub(1));
        self.restarts.first().copied().unwrap_or_default()
    }
}

/// Bounds that hold while a file is decoded for the first time. Chunks of it are bounded by what was planned then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InflationLimit {
    /// Decoded bytes for one compressed byte, past `FREE_INFLATION_BYTES`.
    pub ratio: u64,
    /// Where the free part ends: `FREE_INFLATION_BYTES` but in tests.
    pub free_bytes: u64,
}

impl InflationLimit {
    pub fn of_ratio(ratio: u64) -> InflationLimit {
        InflationLimit { ratio, free_bytes: FREE_INFLATION_BYTES }
    }
}

/// The decoded stream of a compressed source, from a restart on.
pub struct DecodedSource {
    input: Input,
    compression: Compression,
    limit: Option<InflationLimit>,
    start: Restart,
    /// Stream offset of the next byte.
    position: u64,
    state: State,
    /// Stream offset at which the member in hand began.
    member_start: u64,
    tiny_members: u32,
    end: Option<u64>,
    /// Met after bytes that are handed out first.
    fault: Option<SourceError>,
    progress: Rc<RefCell<Progress>>,
}

enum State {
    Between,
    Inside(Box<dyn Codec>),
}

impl DecodedSource {
    /// `start` is a restart of the same source, or the default for all of it.
    ///
    /// Errors: of a zip its central directory is read at once, see `open_zip`.
    pub fn open(
        source: Box<dyn ByteSource>,
        compression: Compression,
        start: Restart,
        limit: Option<InflationLimit>,
    ) -> Result<DecodedSource, SourceError> {
        let mut decoded = DecodedSource {
            input: Input::new(source, start.offset),
            compression,
            limit,
            start,
            position: start.stream,
            state: State::Between,
            member_start: start.stream,
            tiny_members: 0,
            end: None,
            fault: None,
            progress: Rc::default(),
        };
        if compression == Compression::Zip {
            decoded.open_zip()?;
        }
        Ok(decoded)
    }

    /// What decoding has seen; keeps up with the source.
    pub fn progress(&self) -> Rc<RefCell<Progress>> {
        Rc::clone(&self.progress)
    }

    fn open_zip(&mut self) -> Result<(), SourceError> {
        let opened = zip::open(&mut self.input).map_err(|fault| self.error_of(fault))?;
        self.state = State::Inside(opened);
        self.note_member();
        Ok(())
    }

    /// Back to where it was opened.
    fn rewind(&mut self) -> Result<(), SourceError> {
        self.input.seek(self.start.offset);
        self.position = self.start.stream;
        self.member_start = self.start.stream;
        self.state = State::Between;
        self.tiny_members = 0;
        self.fault = None;
        // What was passed once is not noted again.
        if self.compression == Compression::Zip { self.open_zip() } else { Ok(()) }
    }

    /// Decodes into `buffer`; 0 only at the end of the stream.
    fn decode(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let mut filled = 0;
        while filled < buffer.len() && self.end.is_none_or(|end| self.position < end) {
            if let Some(fault) = self.fault.clone() {
                return if filled > 0 { Ok(filled) } else { Err(fault) };
            }
            match self.turn(&mut buffer[filled..]) {
                Ok(count) => filled += count,
                Err(fault) => self.fault = Some(self.error_of(fault)),
            }
        }
        Ok(filled)
    }

    /// One step: begins a member, or decodes some of it.
    fn turn(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let State::Inside(codec) = &mut self.state else {
            self.begin_member()?;
            return Ok(0);
        };
        let (input, at_end) = self.input.window()?;
        let step = codec.step(input, at_end, buffer)?;
        let stuck = step.consumed == 0 && step.produced == 0 && !step.is_over;
        if stuck && at_end {
            return Err(Fault::Truncated(format!("the {} data end too early", self.compression.name())));
        }
        if stuck {
            self.input.widen()?;
        }
        self.input.consume(step.consumed);
        self.position += step.produced as u64;
        self.check_inflation()?;
        if step.is_over {
            self.end_member()?;
        }
        Ok(step.produced)
    }

    fn begin_member(&mut self) -> Result<(), Fault> {
        let is_first =
            self.progress.borrow().members == 0 && self.position == self.start.stream && self.input.offset() == self.start.offset;
        let begin = loop {
            let (input, at_end) = self.input.window()?;
            match codec::begin(self.compression, input, at_end, is_first)? {
                Begin::NeedMore => self.input.widen()?,
                begin => break begin,
            }
        };
        match begin {
            Begin::Member { consumed, codec, window_bytes } => {
                self.note_member();
                let mut progress = self.progress.borrow_mut();
                progress.window_bytes = progress.window_bytes.max(window_bytes);
                drop(progress);
                self.input.consume(consumed);
                self.member_start = self.position;
                self.state = State::Inside(codec);
            }
            Begin::Skip(bytes) => self.input.skip(bytes)?,
            Begin::End => self.finish(),
            Begin::NeedMore => {}
        }
        Ok(())
    }

    fn note_member(&mut self) {
        let mut progress = self.progress.borrow_mut();
        let restart = Restart { offset: self.input.offset(), stream: self.position };
        if progress.members == 0 || progress.restarts.last().is_some_and(|last| last.offset < restart.offset) {
            progress.members += 1;
            // Members without a byte share their place in the stream: the last of them is as good as any.
            match progress.restarts.last_mut() {
                Some(last) if last.stream == restart.stream => *last = restart,
                _ => progress.restarts.push(restart),
            }
        }
    }

    fn end_member(&mut self) -> Result<(), Fault> {
        self.state = State::Between;
        if self.compression == Compression::Zip {
            self.finish();
            return Ok(());
        }
        self.tiny_members += u32::from(self.position - self.member_start < TINY_MEMBER_BYTES);
        if self.limit.is_some() && self.tiny_members > MAX_TINY_MEMBERS {
            return Err(Fault::OverLimit(format!(
                "more than {MAX_TINY_MEMBERS} members that hold less than {TINY_MEMBER_BYTES} bytes each"
            )));
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.end = Some(self.position);
    }

    fn check_inflation(&self) -> Result<(), Fault> {
        let Some(limit) = self.limit else { return Ok(()) };
        let (produced, read) = (self.position - self.start.stream, self.input.offset().saturating_sub(self.start.offset));
        if produced > limit.free_bytes && produced > read.saturating_mul(limit.ratio) {
            return Err(Fault::OverLimit(format!(
                "{read} compressed bytes became {produced}, more than maxInflation {} allows",
                limit.ratio
            )));
        }
        Ok(())
    }

    fn error_of(&mut self, fault: Fault) -> SourceError {
        let (code, why) = match fault {
            Fault::Source(error) => return error,
            Fault::Truncated(why) => ("INPUT_TRUNCATED", why),
            Fault::Corrupt(why) => ("INPUT_CORRUPT", why),
            Fault::Magic(why) => ("INPUT_MAGIC", why),
            Fault::OverLimit(why) => ("OVER_LIMIT", why),
        };
        let (compressed, stream) = (self.input.offset(), self.position);
        let message = format!("{why} (compressed byte {compressed}, byte {stream} of the stream)");
        if matches!(code, "INPUT_TRUNCATED" | "INPUT_CORRUPT") {
            self.progress.borrow_mut().damage.get_or_insert(Damage { code, message: message.clone(), compressed, stream });
        }
        SourceError { code, message }
    }

    /// Decodes up to `offset` and drops what comes out.
    fn pass_to(&mut self, offset: u64) -> Result<bool, SourceError> {
        let mut dropped = Vec::new();
        while self.position < offset {
            let count = (offset - self.position).min(PASSED_BYTES as u64) as usize;
            dropped.resize(count, 0);
            if self.decode(&mut dropped)? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl ByteSource for DecodedSource {
    fn size(&self) -> u64 {
        self.end.unwrap_or(UNKNOWN_SIZE)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        if offset < self.start.stream {
            let message = format!("cannot read byte {offset}: decoding starts at byte {}", self.start.stream);
            return Err(SourceError { code: "INPUT_RANGE", message });
        }
        if offset < self.position {
            self.rewind()?;
        }
        if !self.pass_to(offset)? {
            return Ok(0);
        }
        self.decode(buffer)
    }

    fn announce(&mut self, _start: u64, _end: u64) {
        self.input.announce_rest();
    }

    fn first_offset(&self) -> u64 {
        self.start.stream
    }
}

/// Decodes all of a source without keeping it. The length of the stream; damage is an error like any other.
pub fn measure(source: &mut dyn ByteSource) -> Result<u64, SourceError> {
    let mut buffer = vec![0; PASSED_BYTES];
    let mut at = source.first_offset();
    loop {
        match source.read_at(at, &mut buffer)? {
            0 => return Ok(at),
            count => at += count as u64,
        }
    }
}
