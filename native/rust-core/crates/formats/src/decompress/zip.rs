//! A zip archive with exactly one file, stored or deflated, by its central directory; zip64 too. Names and paths of members are not looked at.

use crc32fast::Hasher;

use super::codec::{Codec, Fault, Step};
use super::gzip::Inflate;
use super::input::Input;

const END_BYTES: usize = 22;
/// A comment of up to 64 KiB may follow the end record.
const MAX_END_BYTES: u64 = END_BYTES as u64 + 0xffff;
const ENTRY_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;
const LOCATOR_BYTES: usize = 20;
const END64_BYTES: usize = 56;
/// A directory of one entry cannot be longer: the entry, and a name, extra field and comment of 64 KiB each.
const MAX_DIRECTORY_BYTES: u64 = (ENTRY_BYTES + 3 * 0xffff) as u64;
const ENCRYPTED: u16 = 1;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Finds the one member and puts the input to its first byte.
pub(super) fn open(input: &mut Input) -> Result<Box<dyn Codec>, Fault> {
    let directory = find_directory(input)?;
    let entry = read_entry(input, &directory)?;
    let data = data_start(input, &entry)?;
    let data_end = data.checked_add(entry.stored_bytes).filter(|end| *end <= directory.offset);
    let data_end = data_end.ok_or_else(|| Fault::Corrupt("the data of the zip member overlap its directory".into()))?;
    input.seek(data);
    input.limit(data_end);
    let data = if entry.method == DEFLATED { Data::Deflated(Inflate::new()) } else { Data::Stored(Hasher::new()) };
    Ok(Box::new(Member { data, entry, consumed: 0, produced: 0, is_read: false }))
}

struct Directory {
    offset: u64,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    method: u16,
    crc: u32,
    stored_bytes: u64,
    bytes: u64,
    local: u64,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn truncated() -> Fault {
    Fault::Truncated("the zip archive has no end record".into())
}

fn find_directory(input: &mut Input) -> Result<Directory, Fault> {
    let size = input.size();
    let tail_bytes = size.min(MAX_END_BYTES + LOCATOR_BYTES as u64);
    let tail_start = size - tail_bytes;
    let tail = input.peek(tail_start, tail_bytes as usize)?;
    let at = last_end_record(&tail).ok_or_else(truncated)?;
    let end = &tail[at..];
    let (entries, bytes, offset) = (u16_at(end, 10), u32_at(end, 12), u32_at(end, 16));
    let mut found = (u64::from(entries), u64::from(bytes), u64::from(offset));
    let is_64 = entries == u16::MAX || bytes == u32::MAX || offset == u32::MAX;
    let mut directory_limit = tail_start + at as u64;
    if is_64 && let Some(locator) = at.checked_sub(LOCATOR_BYTES).map(|at| &tail[at..]).filter(|bytes| bytes.starts_with(b"PK\x06\x07")) {
        let end64_at = u64_at(locator, 8);
        let end64 = input.peek(end64_at, END64_BYTES)?;
        if end64.len() < END64_BYTES || !end64.starts_with(b"PK\x06\x06") || end64_at >= directory_limit {
            return Err(Fault::Corrupt("the zip64 end record is not where it should be".into()));
        }
        found = (u64_at(&end64, 32), u64_at(&end64, 40), u64_at(&end64, 48));
        directory_limit = end64_at;
    }
    let (entries, bytes, offset) = found;
    if entries != 1 {
        return Err(Fault::Magic(format!("expected a zip archive with exactly one file, got {entries}; unpack it and name the files")));
    }
    if offset.checked_add(bytes).is_none_or(|end| end > directory_limit) || !(ENTRY_BYTES as u64..=MAX_DIRECTORY_BYTES).contains(&bytes) {
        return Err(Fault::Corrupt("the directory of the zip archive lies outside of it".into()));
    }
    Ok(Directory { offset, bytes })
}

/// The end record is the last one whose comment ends with the file.
fn last_end_record(tail: &[u8]) -> Option<usize> {
    let fits = |at: &usize| tail[*at..].starts_with(b"PK\x05\x06") && *at + END_BYTES + usize::from(u16_at(tail, *at + 20)) == tail.len();
    (0..=tail.len().checked_sub(END_BYTES)?).rev().find(fits)
}

fn read_entry(input: &mut Input, directory: &Directory) -> Result<Entry, Fault> {
    let bytes = input.peek(directory.offset, directory.bytes as usize)?;
    if bytes.len() < ENTRY_BYTES || !bytes.starts_with(b"PK\x01\x02") {
        return Err(Fault::Corrupt("the directory of the zip archive is broken".into()));
    }
    let (flags, method) = (u16_at(&bytes, 8), u16_at(&bytes, 10));
    if flags & ENCRYPTED != 0 {
        return Err(Fault::Magic("the file in the zip archive is encrypted; unpack it".into()));
    }
    if method != STORED && method != DEFLATED {
        return Err(Fault::Magic(format!(
            "the file in the zip archive is compressed by method {method}; only stored and deflate are read"
        )));
    }
    let mut entry = Entry {
        method,
        crc: u32_at(&bytes, 16),
        stored_bytes: u32_at(&bytes, 20).into(),
        bytes: u32_at(&bytes, 24).into(),
        local: u32_at(&bytes, 42).into(),
    };
    let name_bytes = usize::from(u16_at(&bytes, 28));
    let extra = bytes.get(ENTRY_BYTES + name_bytes..).and_then(|rest| rest.get(..usize::from(u16_at(&bytes, 30))));
    let extra = extra.ok_or_else(|| Fault::Corrupt("the directory of the zip archive is cut off".into()))?;
    widen(&mut entry, extra)?;
    Ok(entry)
}

/// Sizes that do not fit 32 bits stand in the extra field 1, in this order, each only if its short form is all ones.
fn widen(entry: &mut Entry, extra: &[u8]) -> Result<(), Fault> {
    let mut rest = extra;
    let mut wide: &[u8] = &[];
    while let [a, b, c, d, tail @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*c, *d])).min(tail.len());
        if u16::from_le_bytes([*a, *b]) == 1 {
            wide = &tail[..length];
        }
        rest = &tail[length..];
    }
    for field in [&mut entry.bytes, &mut entry.stored_bytes, &mut entry.local] {
        if *field == u64::from(u32::MAX) && !wide.is_empty() {
            let (value, left) = wide.split_at_checked(8).ok_or_else(|| Fault::Corrupt("a zip64 field is cut off".into()))?;
            (*field, wide) = (u64_at(value, 0), left);
        }
    }
    Ok(())
}

/// Name and extra field of the local header may be longer than those of the directory.
fn data_start(input: &mut Input, entry: &Entry) -> Result<u64, Fault> {
    let local = input.peek(entry.local, LOCAL_BYTES)?;
    if local.len() < LOCAL_BYTES || !local.starts_with(b"PK\x03\x04") {
        return Err(Fault::Corrupt("the header of the zip member is not where the directory says".into()));
    }
    Ok(entry.local + (LOCAL_BYTES + usize::from(u16_at(&local, 26)) + usize::from(u16_at(&local, 28))) as u64)
}

enum Data {
    Stored(Hasher),
    Deflated(Inflate),
}

struct Member {
    data: Data,
    entry: Entry,
    consumed: u64,
    produced: u64,
    /// All data came out; what remains is to compare.
    is_read: bool,
}

impl Member {
    fn check(&self) -> Result<Step, Fault> {
        let crc = match &self.data {
            Data::Stored(crc) => crc.clone().finalize(),
            Data::Deflated(inflate) => inflate.crc.clone().finalize(),
        };
        let mismatch = |what: &str| Err(Fault::Corrupt(format!("the {what} of the zip member does not match its data")));
        if crc != self.entry.crc {
            return mismatch("checksum");
        }
        if self.produced != self.entry.bytes || self.consumed != self.entry.stored_bytes {
            return mismatch("length");
        }
        Ok(Step { is_over: true, ..Step::default() })
    }

    fn copy(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        let count = input.len().min(output.len());
        output[..count].copy_from_slice(&input[..count]);
        if let Data::Stored(crc) = &mut self.data {
            crc.update(&input[..count]);
        }
        self.is_read = self.consumed + count as u64 == self.entry.stored_bytes;
        Step { consumed: count, produced: count, is_over: false }
    }
}

impl Codec for Member {
    fn step(&mut self, input: &[u8], at_end: bool, output: &mut [u8]) -> Result<Step, Fault> {
        if self.is_read || (self.entry.stored_bytes == 0 && self.entry.method == STORED) {
            return self.check();
        }
        let step = match &mut self.data {
            Data::Stored(_) => self.copy(input, output),
            Data::Deflated(inflate) => {
                let step = inflate.step(input, at_end, output)?;
                self.is_read = step.is_over;
                Step { is_over: false, ..step }
            }
        };
        self.consumed += step.consumed as u64;
        self.produced += step.produced as u64;
        if self.is_read && step.consumed + step.produced == 0 { self.check() } else { Ok(step) }
    }
}
