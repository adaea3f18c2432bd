//! What every decoder of one member answers, and how members begin.

use millrace_scan::gzip_members::{GzipHeader, gzip_header};
use millrace_scan::zstd_frames::{ZstdFrame, zstd_frame};

use super::bzip2::Bzip2;
use super::gzip::{Gzip, check_header};
use super::lz4::{Lz4, Lz4Header, lz4_header};
use super::xz::Xz;
use super::zstd::Zstd;
use super::{Compression, MAX_WINDOW_BYTES};
use crate::source::SourceError;

/// Why decoding cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Source(SourceError),
    Truncated(String),
    Corrupt(String),
    /// Not of this compression at all.
    Magic(String),
    OverLimit(String),
}

impl From<SourceError> for Fault {
    fn from(error: SourceError) -> Fault {
        Fault::Source(error)
    }
}

/// What one call of a decoder did. Neither consuming nor producing anything asks for a longer input.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    pub consumed: usize,
    pub produced: usize,
    /// The member has ended, and what it says of itself holds.
    pub is_over: bool,
}

/// Decodes one member. What comes out does not depend on how input and output are cut, up to the last byte before a fault.
pub(super) trait Codec {
    fn step(&mut self, input: &[u8], at_end: bool, output: &mut [u8]) -> Result<Step, Fault>;
}

/// What stands between two members.
pub(super) enum Begin {
    Member {
        consumed: usize,
        codec: Box<dyn Codec>,
        window_bytes: u64,
    },
    /// So many bytes that hold no data.
    Skip(u64),
    NeedMore,
    End,
}

/// Looks at what stands where a member may begin. `is_first`: nothing of the file was used yet.
pub(super) fn begin(compression: Compression, input: &[u8], at_end: bool, is_first: bool) -> Result<Begin, Fault> {
    if input.is_empty() && at_end {
        return if is_first { Err(Fault::Truncated("the file is empty".into())) } else { Ok(Begin::End) };
    }
    if !is_first && input[0] == 0 && takes_padding(compression) {
        return padding(compression, input, at_end);
    }
    let begin = match compression {
        Compression::Gzip => begin_gzip(input)?,
        Compression::Zstd => begin_zstd(input)?,
        Compression::Bzip2 => begin_bzip2(input)?,
        Compression::Xz => begin_xz(input)?,
        Compression::Lz4 => begin_lz4(input)?,
        Compression::Zip => return Err(Fault::Corrupt("a zip holds one file only".into())),
    };
    match begin {
        Started::Begun(begin) => Ok(begin),
        Started::NeedMore if at_end => Err(Fault::Truncated(format!("the file ends inside a header of {}", compression.name()))),
        Started::NeedMore => Ok(Begin::NeedMore),
        Started::Foreign(why) if is_first => Err(Fault::Magic(format!("the file is no {}: {why}", compression.name()))),
        Started::Foreign(_) => Err(Fault::Corrupt(format!("what follows the {} data is neither more of it nor zeros", compression.name()))),
    }
}

/// Tapes and disk images fill up with zeros; xz defines such padding itself.
fn takes_padding(compression: Compression) -> bool {
    matches!(compression, Compression::Gzip | Compression::Xz | Compression::Bzip2)
}

fn padding(compression: Compression, input: &[u8], at_end: bool) -> Result<Begin, Fault> {
    let zeros = input.iter().take_while(|byte| **byte == 0).count();
    let goes_on = zeros < input.len();
    if compression == Compression::Xz {
        // Padding of xz is a multiple of four, and another stream may follow.
        let whole = zeros & !3;
        return match whole {
            0 if goes_on || at_end => Err(Fault::Corrupt("padding of xz that is no multiple of four".into())),
            0 => Ok(Begin::NeedMore),
            whole => Ok(Begin::Skip(whole as u64)),
        };
    }
    if goes_on {
        return Err(Fault::Corrupt(format!("what follows the {} data is neither more of it nor zeros", compression.name())));
    }
    Ok(Begin::Skip(zeros as u64))
}

enum Started {
    Begun(Begin),
    NeedMore,
    Foreign(&'static str),
}

fn member(consumed: usize, codec: impl Codec + 'static, window_bytes: u64) -> Started {
    Started::Begun(Begin::Member { consumed, codec: Box::new(codec), window_bytes })
}

fn begin_gzip(input: &[u8]) -> Result<Started, Fault> {
    Ok(match gzip_header(input) {
        GzipHeader::NeedMore => Started::NeedMore,
        GzipHeader::Bad(why) => Started::Foreign(why),
        GzipHeader::Whole { length, crc16, .. } => {
            check_header(&input[..length], crc16)?;
            member(length, Gzip::new(), 0)
        }
    })
}

fn begin_zstd(input: &[u8]) -> Result<Started, Fault> {
    Ok(match zstd_frame(input) {
        ZstdFrame::NeedMore => Started::NeedMore,
        ZstdFrame::Bad(why) => Started::Foreign(why),
        ZstdFrame::Skippable { bytes } => Started::Begun(Begin::Skip(bytes)),
        ZstdFrame::Data { dictionary, .. } if dictionary != 0 => {
            return Err(Fault::Corrupt(format!("a zstd frame needs dictionary {dictionary}, and dictionaries are not read")));
        }
        ZstdFrame::Data { window_bytes, .. } if window_bytes > MAX_WINDOW_BYTES => {
            return Err(Fault::OverLimit(format!("a zstd frame needs a window of {window_bytes} bytes, {MAX_WINDOW_BYTES} are allowed")));
        }
        // The decoder reads the header itself.
        ZstdFrame::Data { window_bytes, .. } => member(0, Zstd::new()?, window_bytes),
    })
}

fn begin_bzip2(input: &[u8]) -> Result<Started, Fault> {
    Ok(match input {
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => member(0, Bzip2::new(), 0),
        short if b"BZh".starts_with(&short[..short.len().min(3)]) && short.len() < 4 => Started::NeedMore,
        _ => Started::Foreign("it does not begin like bzip2"),
    })
}

fn begin_xz(input: &[u8]) -> Result<Started, Fault> {
    const MAGIC: &[u8] = b"\xfd7zXZ\0";
    Ok(match input {
        _ if input.starts_with(MAGIC) => member(0, Xz::new(), 0),
        short if MAGIC.starts_with(short) => Started::NeedMore,
        _ => Started::Foreign("it does not begin like xz"),
    })
}

fn begin_lz4(input: &[u8]) -> Result<Started, Fault> {
    Ok(match lz4_header(input)? {
        Lz4Header::NeedMore => Started::NeedMore,
        Lz4Header::Foreign(why) => Started::Foreign(why),
        Lz4Header::Skippable(bytes) => Started::Begun(Begin::Skip(bytes)),
        Lz4Header::Whole { length, frame } => member(length, Lz4::new(frame), 0),
    })
}
