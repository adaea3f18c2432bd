//! Bytes ↔ frames. Everything that a peer says about lengths is checked before anything is allocated, and nothing after a violation is read.

use crate::error::FrameError;
use crate::limits::{MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES, PREFIX_BYTES};
use crate::payload::Payload;
use std::io::{ErrorKind, Read, Write};

const MAGIC: [u8; 2] = *b"MR";
const VERSION: u8 = 1;

macro_rules! kinds {
    ($($name:ident = $number:literal $payload:ident),* $(,)?) => {
        /// What a frame is, as byte 3 says it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Kind { $($name = $number),* }

        impl Kind {
            pub const ALL: &'static [Kind] = &[$(Kind::$name),*];

            pub fn from_number(number: u8) -> Option<Kind> {
                match number { $($number => Some(Kind::$name),)* _ => None }
            }

            pub fn name(self) -> &'static str {
                match self { $(Kind::$name => stringify!($name)),* }
            }

            /// True where bytes may follow the header.
            pub fn may_carry_payload(self) -> bool {
                match self { $(Kind::$name => stringify!($payload).len() == "payload".len()),* }
            }
        }
    };
}

kinds! {
    Hello = 0x01 bare,
    Probe = 0x10 payload,
    Plan = 0x11 bare,
    Process = 0x12 payload,
    Reduce = 0x13 bare,
    Inspect = 0x14 bare,
    StorePut = 0x15 payload,
    StoreGet = 0x16 bare,
    StoreList = 0x17 bare,
    StoreDelete = 0x18 bare,
    StoreStat = 0x19 bare,
    Cancel = 0x1a bare,
    Ping = 0x1b bare,
    Progress = 0x20 bare,
    PlanSegment = 0x21 bare,
    Log = 0x22 bare,
    Done = 0x30 payload,
    Failed = 0x31 bare,
}

/// One frame whose prefix and header checksum hold. What the header says is the codec's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: Kind,
    /// 0 for `Hello` alone.
    pub request_id: u64,
    pub header: Vec<u8>,
    pub payload: Payload,
}

/// The next frame, or `None` where the stream ends between two. An end inside a frame is `FrameError::Cut`.
pub fn read_frame(input: &mut impl Read) -> Result<Option<Frame>, FrameError> {
    let mut prefix = [0; PREFIX_BYTES];
    let got = read_up_to(input, &mut prefix)?;
    if got == 0 {
        return Ok(None);
    }
    cut_unless_whole("prefix", got, PREFIX_BYTES)?;
    let said = check_prefix(&prefix)?;

    let mut header = vec![0; said.header_bytes];
    let got = read_up_to(input, &mut header)?;
    cut_unless_whole("header", got, header.len())?;
    let actual = crc32c::crc32c(&header);
    if actual != said.header_crc {
        return Err(FrameError::HeaderCrc { said: said.header_crc, actual });
    }
    let mut payload = Payload::zeroed(said.payload_bytes);
    let got = read_up_to(input, payload.as_mut_slice())?;
    cut_unless_whole("payload", got, payload.len())?;
    Ok(Some(Frame { kind: said.kind, request_id: said.request_id, header, payload }))
}

/// Writes one whole frame. The caller flushes, and holds whatever keeps another writer out meanwhile.
pub fn write_frame(output: &mut impl Write, frame: &Frame) -> std::io::Result<()> {
    output.write_all(&prefix_of(frame))?;
    output.write_all(&frame.header)?;
    output.write_all(&frame.payload)
}

struct Said {
    kind: Kind,
    request_id: u64,
    header_bytes: usize,
    payload_bytes: usize,
    header_crc: u32,
}

/// The checks of a prefix in the order of docs/protocol.md. A flipped length fails the prefix checksum before it is believed.
fn check_prefix(prefix: &[u8; PREFIX_BYTES]) -> Result<Said, FrameError> {
    if prefix[..2] != MAGIC {
        return Err(FrameError::Magic([prefix[0], prefix[1]]));
    }
    let (said, actual) = (u32_at(prefix, 28), crc32c::crc32c(&prefix[..28]));
    if said != actual {
        return Err(FrameError::PrefixCrc { said, actual });
    }
    if prefix[2] != VERSION {
        return Err(FrameError::Version(prefix[2]));
    }
    let kind = Kind::from_number(prefix[3]).ok_or(FrameError::Kind(prefix[3]))?;
    let flags = u32_at(prefix, 4);
    if flags != 0 {
        return Err(FrameError::Flags(flags));
    }
    let (header_bytes, payload_bytes) = (u32_at(prefix, 16), u32_at(prefix, 20));
    if header_bytes == 0 || header_bytes > MAX_HEADER_BYTES {
        return Err(FrameError::HeaderLength(header_bytes));
    }
    if payload_bytes > MAX_PAYLOAD_BYTES {
        return Err(FrameError::PayloadLength(payload_bytes));
    }
    if payload_bytes > 0 && !kind.may_carry_payload() {
        return Err(FrameError::PayloadNotAllowed(kind.name()));
    }
    let request_id = u64_at(prefix, 8);
    if (request_id == 0) != (kind == Kind::Hello) || request_id > crate::limits::MAX_NUMBER {
        return Err(FrameError::RequestId { kind: kind.name(), request_id });
    }
    Ok(Said {
        kind,
        request_id,
        header_bytes: header_bytes as usize,
        payload_bytes: payload_bytes as usize,
        header_crc: u32_at(prefix, 24),
    })
}

fn prefix_of(frame: &Frame) -> [u8; PREFIX_BYTES] {
    let mut prefix = [0; PREFIX_BYTES];
    prefix[..2].copy_from_slice(&MAGIC);
    prefix[2] = VERSION;
    prefix[3] = frame.kind as u8;
    prefix[8..16].copy_from_slice(&frame.request_id.to_le_bytes());
    prefix[16..20].copy_from_slice(&length(frame.header.len()).to_le_bytes());
    prefix[20..24].copy_from_slice(&length(frame.payload.len()).to_le_bytes());
    prefix[24..28].copy_from_slice(&crc32c::crc32c(&frame.header).to_le_bytes());
    let crc = crc32c::crc32c(&prefix[..28]);
    prefix[28..].copy_from_slice(&crc.to_le_bytes());
    prefix
}

/// A length that no reader would accept stays one, instead of wrapping into one that is.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn u32_at(bytes: &[u8; PREFIX_BYTES], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

fn u64_at(bytes: &[u8; PREFIX_BYTES], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

/// Fills the buffer as far as the stream goes.
fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn cut_unless_whole(part: &'static str, got: usize, expected: usize) -> Result<(), FrameError> {
    if got == expected { Ok(()) } else { Err(FrameError::Cut { part, got, expected }) }
}
