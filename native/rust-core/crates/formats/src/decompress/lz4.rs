//! One lz4 frame, by the LZ4 frame format 1.6: blocks that stand alone or lean on the 64 KiB before them, with their checksums.

use std::hash::Hasher;

use lz4_flex::block::{decompress_into, decompress_into_with_dict};
use millrace_scan::zstd_frames::is_skippable;
use twox_hash::XxHash32;

use super::codec::{Codec, Fault, Step};

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// The older format of the command line tool and of kernels.
const LEGACY_MAGIC: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];
/// How far a linked block may look back.
const HISTORY_BYTES: usize = 64 << 10;
const STORED: u32 = 1 << 31;

/// What a frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lz4Frame {
    max_block_bytes: usize,
    is_linked: bool,
    has_block_checksums: bool,
    has_content_checksum: bool,
    content_bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lz4Header {
    Whole { length: usize, frame: Lz4Frame },
    Skippable(u64),
    NeedMore,
    Foreign(&'static str),
}

pub(super) fn lz4_header(input: &[u8]) -> Result<Lz4Header, Fault> {
    let Some(magic) = input.first_chunk::<4>() else {
        let could_be = MAGIC.starts_with(input) || matches!(input, [0x50..=0x5f, ..]);
        return Ok(if could_be { Lz4Header::NeedMore } else { Lz4Header::Foreign("it does not begin like lz4") });
    };
    if is_skippable(*magic) {
        let length = input.get(4..).and_then(<[u8]>::first_chunk::<4>);
        return Ok(length.map_or(Lz4Header::NeedMore, |length| Lz4Header::Skippable(8 + u64::from(u32::from_le_bytes(*length)))));
    }
    if *magic == LEGACY_MAGIC {
        return Ok(Lz4Header::Foreign("it is of the legacy lz4 format; compress it again with lz4 1.4 or newer"));
    }
    if *magic != MAGIC {
        return Ok(Lz4Header::Foreign("it does not begin like lz4"));
    }
    descriptor(&input[4..])
}

fn descriptor(rest: &[u8]) -> Result<Lz4Header, Fault> {
    let [flags, block, ..] = *rest else { return Ok(Lz4Header::NeedMore) };
    let (has_size, has_dictionary) = (flags & 8 != 0, flags & 1 != 0);
    let fields_end = 2 + if has_size { 8 } else { 0 } + if has_dictionary { 4 } else { 0 };
    let Some(&checksum) = rest.get(fields_end) else { return Ok(Lz4Header::NeedMore) };
    if flags >> 6 != 1 || flags & 2 != 0 || block & 0x8f != 0 {
        return Err(Fault::Corrupt("an lz4 frame is of another version or sets reserved bits".into()));
    }
    if (hash(&rest[..fields_end]) >> 8) as u8 != checksum {
        return Err(Fault::Corrupt("the checksum of an lz4 frame header does not match".into()));
    }
    if has_dictionary {
        return Err(Fault::Corrupt("an lz4 frame needs a dictionary, and dictionaries are not read".into()));
    }
    let max_block_bytes = match block >> 4 {
        id @ 4..=7 => 1 << (8 + 2 * id),
        _ => return Err(Fault::Corrupt("an lz4 frame has no valid block size".into())),
    };
    let content_bytes = rest[2..].first_chunk::<8>().filter(|_| has_size).map(|size| u64::from_le_bytes(*size));
    let frame = Lz4Frame {
        max_block_bytes,
        is_linked: flags & 0x20 == 0,
        has_block_checksums: flags & 0x10 != 0,
        has_content_checksum: flags & 4 != 0,
        content_bytes,
    };
    Ok(Lz4Header::Whole { length: 4 + fields_end + 1, frame })
}

fn hash(bytes: &[u8]) -> u32 {
    XxHash32::oneshot(0, bytes)
}

pub(super) struct Lz4 {
    frame: Lz4Frame,
    content_hash: XxHash32,
    produced: u64,
    /// The last bytes that came out, and behind them the block in hand.
    decoded: Vec<u8>,
    /// Bytes of `decoded` before the block in hand.
    history: usize,
    /// Bytes of `decoded` handed on, history included.
    handed: usize,
    is_trailer: bool,
}

impl Lz4 {
    pub(super) fn new(frame: Lz4Frame) -> Lz4 {
        Lz4 { frame, content_hash: XxHash32::with_seed(0), produced: 0, decoded: Vec::new(), history: 0, handed: 0, is_trailer: false }
    }

    fn hand_on(&mut self, output: &mut [u8]) -> Step {
        let count = output.len().min(self.decoded.len() - self.handed);
        output[..count].copy_from_slice(&self.decoded[self.handed..self.handed + count]);
        self.handed += count;
        Step { consumed: 0, produced: count, is_over: false }
    }

    /// Decodes one block, all of which must be in sight.
    fn block(&mut self, input: &[u8]) -> Result<Step, Fault> {
        let Some(head) = input.first_chunk::<4>() else { return Ok(Step::default()) };
        let word = u32::from_le_bytes(*head);
        if word == 0 {
            self.is_trailer = true;
            return Ok(Step { consumed: 4, produced: 0, is_over: !self.frame.has_content_checksum && self.check_length()? });
        }
        let length = (word & !STORED) as usize;
        if length > self.frame.max_block_bytes {
            return Err(Fault::Corrupt(format!("an lz4 block of {length} bytes where {} are the most", self.frame.max_block_bytes)));
        }
        let checksum_bytes = if self.frame.has_block_checksums { 4 } else { 0 };
        let Some(block) = input.get(4..4 + length + checksum_bytes) else { return Ok(Step::default()) };
        let (data, checksum) = block.split_at(length);
        if checksum.first_chunk::<4>().is_some_and(|checksum| u32::from_le_bytes(*checksum) != hash(data)) {
            return Err(Fault::Corrupt("the checksum of an lz4 block does not match its data".into()));
        }
        self.decode(data, word & STORED != 0)?;
        Ok(Step { consumed: 4 + block.len(), produced: 0, is_over: false })
    }

    fn decode(&mut self, data: &[u8], is_stored: bool) -> Result<(), Fault> {
        let kept = if self.frame.is_linked { self.decoded.len().min(HISTORY_BYTES) } else { 0 };
        self.decoded.drain(..self.decoded.len() - kept);
        self.history = kept;
        if is_stored {
            self.decoded.extend_from_slice(data);
        } else {
            self.decoded.resize(kept + self.frame.max_block_bytes, 0);
            let (history, room) = self.decoded.split_at_mut(kept);
            let decoded = if history.is_empty() { decompress_into(data, room) } else { decompress_into_with_dict(data, room, history) };
            let length = decoded.map_err(|error| Fault::Corrupt(format!("the lz4 data are broken: {error}")))?;
            self.decoded.truncate(kept + length);
        }
        self.handed = kept;
        self.content_hash.write(&self.decoded[kept..]);
        self.produced += (self.decoded.len() - kept) as u64;
        Ok(())
    }

    fn trailer(&self, input: &[u8]) -> Result<Step, Fault> {
        let Some(checksum) = input.first_chunk::<4>() else { return Ok(Step::default()) };
        if u32::from_le_bytes(*checksum) != self.content_hash.finish_32() {
            return Err(Fault::Corrupt("the checksum of an lz4 frame does not match its data".into()));
        }
        Ok(Step { consumed: 4, produced: 0, is_over: self.check_length()? })
    }

    fn check_length(&self) -> Result<bool, Fault> {
        if self.frame.content_bytes.is_some_and(|bytes| bytes != self.produced) {
            return Err(Fault::Corrupt("the length of an lz4 frame does not match its data".into()));
        }
        Ok(true)
    }
}

impl Codec for Lz4 {
    fn step(&mut self, input: &[u8], _at_end: bool, output: &mut [u8]) -> Result<Step, Fault> {
        if self.handed < self.decoded.len() {
            return Ok(self.hand_on(output));
        }
        if self.is_trailer {
            return self.trailer(input);
        }
        self.block(input)
    }
}
