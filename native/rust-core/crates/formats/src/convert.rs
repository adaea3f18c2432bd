//! Encodings whose structure does not show in the raw bytes: UTF-16, and those in which `|` or `\` may be half of a character.
//!
//! The stream is converted to UTF-8 and everything runs on that; what comes out is mapped back, so that every offset is one of the stream and every
//! reject holds the stream's own bytes. A byte that is illegal in the encoding becomes one that is illegal in UTF-8, and is found where any other is.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use encoding_rs::{BIG5, DecoderResult, EUC_JP, EUC_KR, Encoding, GB18030, GBK, ISO_2022_JP, SHIFT_JIS, UTF_16BE, UTF_16LE};

use crate::batch::{Read, ReadCounts, RecordReader};
use crate::error::Error;
use crate::iso2022::{self, Kind, Set};
use crate::position::Place;
use crate::reject::{DAMAGE_KEPT_BYTES, Reject};
use crate::source::{ByteSource, SourceError, UNKNOWN_SIZE, read_full};

/// Raw bytes converted at once, and with them the largest distance that mapping an offset back has to walk.
const BLOCK_BYTES: usize = 64 << 10;
/// A block may grow to this, where no character ends for sure before.
const MAX_BLOCK_BYTES: usize = 1 << 20;
/// Stands for illegal bytes: no UTF-8 holds it.
const ILLEGAL: u8 = 0xff;
/// Stands for a character that the stream ends in: the first byte of three.
const CUT_OFF: u8 = 0xe2;
/// A reader looks ahead by four of the longest records, and one may be in hand.
const HELD_RECORDS: u64 = 5;
/// Batches and windows beside that.
const HELD_BYTES: u64 = 8 << 20;
/// Room that a converter wants for one more character.
const SPARE_BYTES: usize = 16;

/// The encoding to convert from; none where the raw bytes can be read as they are.
pub(crate) fn converted(label: &str) -> Option<&'static Encoding> {
    let encoding = Encoding::for_label(label.trim().to_ascii_lowercase().as_bytes())?;
    [UTF_16LE, UTF_16BE, SHIFT_JIS, EUC_JP, EUC_KR, GBK, GB18030, BIG5, ISO_2022_JP].into_iter().find(|known| *known == encoding)
}

/// UTF-8 of the beginning of a stream, for looking at it.
pub(crate) fn convert_head(encoding: &'static Encoding, raw: &[u8], is_whole: bool) -> Vec<u8> {
    let end = if is_whole { raw.len() } else { certain_end(encoding, raw).unwrap_or(0) };
    convert(encoding, Set::default(), &raw[..end], is_whole).utf8
}

/// Whether a character means nothing without what stands before it.
pub(crate) fn is_stateful(encoding: &'static Encoding) -> bool {
    encoding == ISO_2022_JP
}

fn is_wide(encoding: &'static Encoding) -> bool {
    encoding == UTF_16LE || encoding == UTF_16BE
}

/// A converted piece of the stream. Both its ends are ends of characters.
struct Block {
    stream: u64,
    text: u64,
    raw: Vec<u8>,
    /// Of its first byte, where the encoding has sets.
    set: Set,
    utf8: Vec<u8>,
    /// Offset in `utf8` and raw length of each illegal sequence.
    illegal: Vec<(u32, u8)>,
}

/// Converted bytes.
struct Converted {
    utf8: Vec<u8>,
    illegal: Vec<(u32, u8)>,
    /// Behind the last byte.
    set: Set,
}

/// The stream as UTF-8, from `start` on, where both kinds of offsets are equal.
pub(crate) struct Conversion<'s> {
    source: Box<dyn ByteSource + 's>,
    encoding: &'static Encoding,
    start: u64,
    /// What is still asked for, in order and without gaps.
    blocks: VecDeque<Block>,
    next_stream: u64,
    next_text: u64,
    /// Of the byte at `start`, once it is known, and of the one at `next_stream`.
    start_set: Option<Set>,
    next_set: Set,
    /// How far the stream is going to be read.
    announced_end: u64,
    /// Bytes from `next_stream` on that were read already.
    ahead: Vec<u8>,
    is_over: bool,
    /// Where the text ends, once that is known.
    text_end: Option<u64>,
    /// Converted bytes that may be held at once.
    held_limit: u64,
}

/// A place in a block: offsets into its text and its raw bytes, and illegal sequences passed.
#[derive(Clone, Copy, Default)]
struct Cursor {
    block: usize,
    text: usize,
    raw: usize,
    illegal: usize,
    /// Of the byte at `raw`.
    set: Set,
}

impl Cursor {
    fn at_block(number: usize, block: Option<&Block>) -> Cursor {
        Cursor { block: number, set: block.map_or_else(Set::default, |block| block.set), ..Cursor::default() }
    }
}

impl<'s> Conversion<'s> {
    pub(crate) fn new(source: Box<dyn ByteSource + 's>, encoding: &'static Encoding, start: u64) -> Conversion<'s> {
        let blocks = VecDeque::new();
        Conversion {
            source,
            encoding,
            start,
            blocks,
            next_stream: start,
            next_text: start,
            start_set: None,
            next_set: Set::default(),
            announced_end: start,
            ahead: Vec::new(),
            is_over: false,
            text_end: None,
            held_limit: u64::MAX,
        }
    }

    /// Refuses to hold more than reading records of up to `max_record_bytes` can ask for.
    pub(crate) fn bounded(self, max_record_bytes: u64) -> Conversion<'s> {
        Conversion { held_limit: HELD_RECORDS * max_record_bytes + HELD_BYTES, ..self }
    }

    /// Says how far the stream is going to be read.
    pub(crate) fn announced(mut self, end: u64) -> Conversion<'s> {
        self.announced_end = end;
        self.source.announce(self.start, end);
        self
    }

    fn restart(&mut self) {
        self.blocks.clear();
        self.ahead.clear();
        self.next_set = self.start_set.unwrap_or_default();
        (self.next_stream, self.next_text, self.is_over) = (self.start, self.start, false);
    }

    /// Converts the next piece; false at the end of the stream.
    fn convert_more(&mut self) -> Result<bool, SourceError> {
        if self.is_over {
            return Ok(false);
        }
        self.find_start_set()?;
        let held = self.blocks.front().map_or(0, |first| self.next_text - first.text);
        if held > self.held_limit {
            let message = format!("{held} bytes behind byte {} hold no record that can be told apart", self.blocks[0].stream);
            return Err(SourceError { code: "OVER_LIMIT", message });
        }
        let mut raw = std::mem::take(&mut self.ahead);
        let end = loop {
            let held = raw.len();
            raw.resize(held + BLOCK_BYTES, 0);
            let filled = read_full(self.source.as_mut(), self.next_stream + held as u64, &mut raw[held..])?;
            raw.truncate(held + filled);
            if filled < BLOCK_BYTES {
                self.is_over = true;
                break raw.len();
            }
            if let Some(end) = certain_end(self.encoding, &raw) {
                break end;
            }
            if raw.len() >= MAX_BLOCK_BYTES {
                break walked_end(self.encoding, self.next_set, &raw);
            }
        };
        self.ahead = raw.split_off(end);
        if raw.is_empty() {
            return Ok(false);
        }
        let Converted { utf8, illegal, set } = convert(self.encoding, self.next_set, &raw, self.is_over);
        let block = Block { stream: self.next_stream, text: self.next_text, raw, set: self.next_set, utf8, illegal };
        self.next_set = set;
        self.next_stream += block.raw.len() as u64;
        self.next_text += block.utf8.len() as u64;
        self.blocks.push_back(block);
        Ok(true)
    }

    /// What the escape before the start says. Planning lets no chunk begin outside ASCII, so only a part of one may.
    fn find_start_set(&mut self) -> Result<(), SourceError> {
        if self.start_set.is_some() || !is_stateful(self.encoding) {
            return Ok(());
        }
        let from = self.start.saturating_sub(MAX_BLOCK_BYTES as u64).max(self.source.first_offset()).min(self.start);
        let mut before = vec![0; (self.start - from) as usize];
        let filled = read_full(self.source.as_mut(), from, &mut before)?;
        self.next_set = iso2022::last_set(&before[..filled]).unwrap_or_default();
        self.start_set = Some(self.next_set);
        Ok(())
    }

    fn read_text(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        if self.blocks.front().is_some_and(|first| offset < first.text) || (self.blocks.is_empty() && offset < self.next_text) {
            self.restart();
        }
        while offset >= self.next_text {
            if !self.convert_more()? {
                return Ok(0);
            }
        }
        let index = self.blocks.partition_point(|block| block.text + block.utf8.len() as u64 <= offset);
        let block = &self.blocks[index];
        let rest = &block.utf8[(offset - block.text) as usize..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    /// Drops what stands before a text offset. It must not be asked for again.
    pub(crate) fn forget_before(&mut self, text: u64) {
        while self.blocks.front().is_some_and(|block| block.text + (block.utf8.len() as u64) < text) {
            self.blocks.pop_front();
        }
    }

    /// Stream offsets of text offsets that are held; they must not fall.
    pub(crate) fn map(&self, texts: &[u64]) -> Vec<u64> {
        self.map_with_sets(texts).into_iter().map(|(stream, _)| stream).collect()
    }

    /// The same with the set that holds there.
    pub(crate) fn map_with_sets(&self, texts: &[u64]) -> Vec<(u64, Set)> {
        let mut cursor = Cursor::at_block(0, self.blocks.front());
        texts.iter().map(|text| self.map_on(&mut cursor, *text)).collect()
    }

    fn map_on(&self, cursor: &mut Cursor, text: u64) -> (u64, Set) {
        while let Some(block) = self.blocks.get(cursor.block) {
            let end = block.text + block.utf8.len() as u64;
            if text < end {
                walk(self.encoding, block, cursor, (text.max(block.text) - block.text) as usize);
                return (block.stream + cursor.raw as u64, cursor.set);
            }
            *cursor = Cursor::at_block(cursor.block + 1, self.blocks.get(cursor.block + 1));
        }
        (self.next_stream, self.next_set)
    }

    /// The stream's own bytes.
    fn raw(&self, start: u64, end: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity((end - start) as usize);
        for block in &self.blocks {
            let (from, to) = (start.max(block.stream), end.min(block.stream + block.raw.len() as u64));
            if from < to {
                bytes.extend_from_slice(&block.raw[(from - block.stream) as usize..(to - block.stream) as usize]);
            }
        }
        bytes
    }

    /// Text offsets of stream offsets, which must not fall and be ends of characters.
    pub(crate) fn locate(&mut self, streams: &[u64]) -> Result<Vec<u64>, SourceError> {
        let mut texts = Vec::with_capacity(streams.len());
        for &stream in streams {
            while stream > self.next_stream && self.convert_more()? {
                while self.blocks.len() > 1 {
                    self.blocks.pop_front();
                }
            }
            texts.push(match self.blocks.iter().find(|block| (block.stream..block.stream + block.raw.len() as u64).contains(&stream)) {
                Some(block) => {
                    let before = convert(self.encoding, block.set, &block.raw[..(stream - block.stream) as usize], false);
                    block.text + before.utf8.len() as u64
                }
                None => self.next_text,
            });
            if stream == self.source.size() {
                self.text_end = texts.last().copied();
            }
        }
        self.restart();
        Ok(texts)
    }
}

/// The last place where a character surely ends: LF is never a part of another, nor is anything below `0`.
fn certain_end(encoding: &'static Encoding, raw: &[u8]) -> Option<usize> {
    if is_wide(encoding) {
        let even = raw.len() & !1;
        let high = |pair: &[u8]| if encoding == UTF_16LE { pair[1] } else { pair[0] };
        // A first half of a pair stays with its second one.
        return raw[..even].chunks_exact(2).rposition(|pair| !(0xd8..0xdc).contains(&high(pair))).map(|unit| unit * 2 + 2);
    }
    let line_end = memchr::memrchr(b'\n', raw);
    if is_stateful(encoding) {
        // Any other byte may be a half of a pair.
        return line_end.map(|at| at + 1);
    }
    line_end.or_else(|| raw.iter().rposition(|byte| *byte < b'0')).map(|at| at + 1)
}

/// Where a character ends as far as their lengths tell.
fn walked_end(encoding: &'static Encoding, set: Set, raw: &[u8]) -> usize {
    if is_stateful(encoding) {
        return walked_set_end(set, raw);
    }
    let mut at = 0;
    loop {
        let next = at + raw_length(encoding, &raw[at..]);
        if next >= raw.len() {
            return if at == 0 { raw.len() } else { at };
        }
        at = next;
    }
}

/// Behind a character: an escape belongs to what follows it.
fn walked_set_end(mut set: Set, raw: &[u8]) -> usize {
    let (mut at, mut end) = (0, 0);
    while at < raw.len() {
        let step = iso2022::step(set, &raw[at..]);
        (at, set) = (at + step.length, step.set);
        // What the bytes end in may go on behind them.
        if at + 3 > raw.len() {
            break;
        }
        end = if step.kind == Kind::Escape { end } else { at };
    }
    if end == 0 { raw.len() } else { end }
}

/// UTF-8 of whole characters. At the end of the stream a character may be cut off.
fn convert(encoding: &'static Encoding, set: Set, raw: &[u8], is_last: bool) -> Converted {
    if is_stateful(encoding) {
        return convert_sets(set, raw);
    }
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut utf8 = vec![0; raw.len() + SPARE_BYTES];
    let (mut read, mut written, mut illegal) = (0, 0, Vec::new());
    let mut is_flush = false;
    loop {
        if utf8.len() - written < SPARE_BYTES {
            utf8.resize(utf8.len() * 2, 0);
        }
        let (result, consumed, produced) = decoder.decode_to_utf8_without_replacement(&raw[read..], &mut utf8[written..], is_flush);
        (read, written) = (read + consumed, written + produced);
        match result {
            DecoderResult::InputEmpty if is_flush => break,
            DecoderResult::InputEmpty => is_flush = true,
            DecoderResult::OutputFull => utf8.resize(utf8.len() * 2, 0),
            DecoderResult::Malformed(length, _) => {
                illegal.push((written as u32, length));
                utf8[written] = if is_flush && is_last { CUT_OFF } else { ILLEGAL };
                written += 1;
            }
        }
    }
    utf8.truncate(written);
    Converted { utf8, illegal, set }
}

fn convert_sets(mut set: Set, raw: &[u8]) -> Converted {
    let (mut at, mut utf8, mut illegal) = (0, Vec::with_capacity(raw.len()), Vec::new());
    while at < raw.len() {
        let step = iso2022::step(set, &raw[at..]);
        let bytes = &raw[at..at + step.length];
        let mut fault = |sign: u8, length: usize, utf8: &mut Vec<u8>| {
            illegal.push((utf8.len() as u32, length as u8));
            utf8.push(sign);
        };
        match step.kind {
            Kind::Escape => {}
            Kind::Character => iso2022::push(set, bytes, &mut utf8),
            Kind::Illegal => fault(ILLEGAL, step.length, &mut utf8),
            Kind::CutOff => fault(CUT_OFF, step.length, &mut utf8),
            Kind::LineEnd => {
                fault(ILLEGAL, 0, &mut utf8);
                utf8.extend_from_slice(bytes);
            }
        }
        (at, set) = (at + step.length, step.set);
    }
    Converted { utf8, illegal, set }
}

/// Raw bytes of the legal character at the start of `raw`.
fn raw_length(encoding: &'static Encoding, raw: &[u8]) -> usize {
    let first = raw.first().copied().unwrap_or_default();
    match encoding {
        _ if is_wide(encoding) => 2,
        _ if first < 0x81 => 1,
        encoding if encoding == SHIFT_JIS && (0xa1..=0xdf).contains(&first) => 1,
        encoding if encoding == EUC_JP && first == 0x8f => 3,
        encoding if (encoding == GB18030 || encoding == GBK) && raw.get(1).is_some_and(u8::is_ascii_digit) => 4,
        _ => 2,
    }
}

/// Four pairs of Big5 stand for two characters each.
fn is_two_characters(encoding: &'static Encoding, raw: &[u8]) -> bool {
    encoding == BIG5 && matches!(raw, [0x88, 0x62 | 0x64 | 0xa3 | 0xa5, ..])
}

/// Moves on to an offset of the block's text.
fn walk(encoding: &'static Encoding, block: &Block, cursor: &mut Cursor, to: usize) {
    if is_stateful(encoding) {
        return walk_sets(block, cursor, to);
    }
    while cursor.text < to {
        let rest = &block.utf8[cursor.text..to];
        let ascii = if is_wide(encoding) { rest.len() } else { rest.iter().take_while(|byte| byte.is_ascii()).count() };
        if is_wide(encoding) {
            // One unit a character, two for those that take four bytes of UTF-8.
            let units: usize = rest.iter().map(|byte| usize::from(byte & 0xc0 != 0x80) + usize::from((0xf0..0xf8).contains(byte))).sum();
            cursor.raw = (cursor.raw + 2 * units).min(block.raw.len());
            cursor.text = to;
        } else if ascii > 0 {
            cursor.text += ascii;
            cursor.raw += ascii;
        } else {
            walk_character(encoding, block, cursor);
        }
    }
}

/// Stops in front of an escape, which belongs to what follows it.
fn walk_sets(block: &Block, cursor: &mut Cursor, to: usize) {
    while cursor.text < to && cursor.raw < block.raw.len() {
        let step = iso2022::step(cursor.set, &block.raw[cursor.raw..]);
        cursor.text += match step.kind {
            Kind::Escape => 0,
            Kind::Illegal | Kind::CutOff => 1,
            Kind::LineEnd => 2,
            Kind::Character => 1 + block.utf8[cursor.text + 1..].iter().take_while(|byte| **byte & 0xc0 == 0x80).count(),
        };
        cursor.raw += step.length;
        cursor.set = step.set;
    }
}

fn walk_character(encoding: &'static Encoding, block: &Block, cursor: &mut Cursor) {
    if let Some(&(_, length)) = block.illegal[cursor.illegal..].first().filter(|(at, _)| *at as usize == cursor.text) {
        cursor.illegal += 1;
        cursor.text += 1;
        cursor.raw += usize::from(length);
        return;
    }
    let raw = &block.raw[cursor.raw..];
    let characters = if is_two_characters(encoding, raw) { 2 } else { 1 };
    for _ in 0..characters {
        cursor.text += 1;
        cursor.text += block.utf8[cursor.text..].iter().take_while(|byte| **byte & 0xc0 == 0x80).count();
    }
    cursor.raw += raw_length(encoding, raw);
}

/// The converted stream as a source; others hold the same conversion to map what was read of it.
pub(crate) struct ConvertedSource<'s>(pub Rc<RefCell<Conversion<'s>>>);

impl ByteSource for ConvertedSource<'_> {
    fn size(&self) -> u64 {
        let conversion = self.0.borrow();
        conversion.text_end.or(conversion.is_over.then_some(conversion.next_text)).unwrap_or(UNKNOWN_SIZE)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        self.0.borrow_mut().read_text(offset, buffer)
    }

    /// Where the text of the range ends in the stream is not known yet; how far the stream is read is.
    fn announce(&mut self, _start: u64, _end: u64) {
        let mut conversion = self.0.borrow_mut();
        let (next, end) = (conversion.next_stream + conversion.ahead.len() as u64, conversion.announced_end);
        if next < end {
            conversion.source.announce(next, end);
        }
    }

    fn first_offset(&self) -> u64 {
        self.0.borrow().start
    }
}

/// Maps back what a reader of converted text finds.
pub(crate) struct ConvertedReader {
    pub reader: Box<dyn RecordReader>,
    pub conversion: Rc<RefCell<Conversion<'static>>>,
    pub counts: ReadCounts,
    pub max_record_bytes: u64,
}

impl RecordReader for ConvertedReader {
    fn next(&mut self) -> Result<Option<Read>, Error> {
        let next = self.reader.next()?;
        // Blank lines at the end are counted in a turn that hands out nothing.
        self.counts = ReadCounts { damaged_bytes: self.counts.damaged_bytes, ..self.reader.counts().clone() };
        let Some(mut read) = next else { return Ok(None) };
        let mut conversion = self.conversion.borrow_mut();
        let texts = offsets(&read);
        // An error may stand behind the range that was lost, among records that are still to come.
        let ends = read.batch.places.iter().map(|place| place.byte_end).chain(read.rejects.iter().map(|reject| reject.place.byte_end));
        let taken = ends.max().unwrap_or_default();
        let streams = conversion.map(&texts);
        let mapped = |text: u64| streams[texts.partition_point(|known| *known < text)];
        let map_place = |place: &mut Place| (place.byte, place.byte_end) = (mapped(place.byte), mapped(place.byte_end));
        read.batch.places.iter_mut().for_each(map_place);
        for reject in &mut read.rejects {
            map_reject(reject, &conversion, &mapped, self.max_record_bytes);
            self.counts.damaged_bytes += if is_damage(reject) { reject.place.byte_end - reject.place.byte } else { 0 };
        }
        if let (Some(first), Some(last)) = (read.batch.places.first(), read.batch.places.last()) {
            read.batch.source = Arc::new(conversion.raw(first.byte, last.byte_end));
            read.batch.source_start = first.byte;
        }
        conversion.forget_before(taken);
        Ok(Some(read))
    }

    fn counts(&self) -> &ReadCounts {
        &self.counts
    }
}

/// Every text offset that a turn speaks of, ascending.
fn offsets(read: &Read) -> Vec<u64> {
    let of_rows = read.batch.places.iter().flat_map(|place| [place.byte, place.byte_end]);
    let of_reject = |reject: &Reject| {
        let errors: Vec<u64> = reject.errors.iter().map(|error| error.byte).collect();
        errors.into_iter().chain([reject.place.byte, reject.place.byte_end])
    };
    let mut offsets: Vec<u64> = of_rows.chain(read.rejects.iter().flat_map(of_reject)).collect();
    offsets.sort_unstable();
    offsets.dedup();
    offsets
}

fn map_reject(reject: &mut Reject, conversion: &Conversion<'_>, mapped: &dyn Fn(u64) -> u64, max_record_bytes: u64) {
    reject.place.byte = mapped(reject.place.byte);
    reject.place.byte_end = mapped(reject.place.byte_end);
    for error in &mut reject.errors {
        error.byte = mapped(error.byte);
    }
    let length = reject.place.byte_end - reject.place.byte;
    // As much of the stream's bytes as of its text.
    let kept = if reject.raw_truncated || length > 2 * max_record_bytes { (DAMAGE_KEPT_BYTES as u64).min(length) } else { length };
    reject.raw = conversion.raw(reject.place.byte, reject.place.byte + kept);
    reject.raw_truncated = kept < length;
}

/// Damages are found without telling columns apart.
fn is_damage(reject: &Reject) -> bool {
    let code = |code: &str| matches!(code, "CSV_UNCLOSED_QUOTE" | "CSV_STRAY_QUOTE" | "CSV_RECORD_TOO_LARGE" | "JSON_RECORD_TOO_LARGE");
    matches!(reject.errors.as_slice(), [error] if error.column_index.is_none() && error.value.is_none() && code(error.code))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pins::{InputPins, InvalidBytes};
    use crate::read::{ExcludedRange, ReadOptions, ReadRange};
    use crate::schema::FieldType;
    use crate::testing::{Outcome, csv_pins, field, ndjson_pins, plan_of, read_in_chunks, read_range_without, read_whole};

    const LABELS: [&str; 9] = ["utf-16le", "utf-16be", "shift_jis", "euc-jp", "euc-kr", "gbk", "gb18030", "big5", "iso-2022-jp"];

    fn encode(label: &str, text: &str) -> Vec<u8> {
        match label {
            "utf-16le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "utf-16be" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            // The library does not write it: kanji from EUC-JP without the high bits, back to ASCII behind each run.
            "iso-2022-jp" => text.chars().fold((Vec::new(), false), escaped).0,
            _ => Encoding::for_label(label.as_bytes()).expect("a label").encode(text).0.into_owned(),
        }
    }

    fn escaped((mut bytes, _): (Vec<u8>, bool), character: char) -> (Vec<u8>, bool) {
        match encode("euc-jp", &character.to_string()).as_slice() {
            &[lead, trail] => bytes.extend_from_slice(&[0x1b, b'$', b'B', lead & 0x7f, trail & 0x7f, 0x1b, b'(', b'B']),
            other => bytes.extend_from_slice(other),
        }
        (bytes, false)
    }

    fn pins(label: &str) -> InputPins {
        let mut pins = csv_pins(vec![field("id", FieldType::Integer), field("名", FieldType::String)]);
        pins.encoding = label.into();
        pins
    }

    /// Characters that each of the encodings has, with `|` and `\` as halves of some of them.
    fn text() -> impl Strategy<Value = String> {
        let cell = prop::sample::select(vec!["1", "22", "表|能\\", "日本", "", "\"a,\n日\"", "\"x", "東京都", "abc", "ソ", "1\r", "\n"]);
        prop::collection::vec((cell.clone(), cell), 0..40).prop_map(|rows| {
            let rows: String = rows.iter().map(|(a, b)| format!("{a},{b}\n")).collect();
            format!("id,名\n{rows}")
        })
    }

    fn values(outcome: &Outcome) -> Vec<Vec<String>> {
        outcome.rows.iter().map(|(_, values)| values.clone()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn converted_text_reads_like_its_utf8(text in text(), label in prop::sample::select(LABELS.to_vec()), chunk_size in 1..200u64, records in 1..9usize) {
            // What an encoding lacks would be written as something else.
            let text: String = text.chars().filter(|c| c.is_ascii() || !encode(label, &c.to_string()).starts_with(b"&#")).collect();
            let text = format!("id,名\n{}", text.split_once('\n').map_or("", |(_, rows)| rows));
            prop_assume!(!encode(label, "名").starts_with(b"&#"));
            let bytes = encode(label, &text);
            let (plain, whole) = (read_whole(&pins("utf-8"), text.as_bytes()), read_whole(&pins(label), &bytes));
            prop_assert_eq!(values(&whole), values(&plain));
            prop_assert_eq!(whole.codes(), plain.codes());
            for (here, there) in whole.rejects.iter().zip(&plain.rejects) {
                prop_assert_eq!((here.place.record, here.place.line), (there.place.record, there.place.line));
                prop_assert_eq!(&here.raw, &bytes[here.place.byte as usize..here.place.byte_end as usize]);
                prop_assert_eq!(&encode(label, std::str::from_utf8(&there.raw).expect("whole characters")), &here.raw);
                // The place of an error may lie behind the range that was lost.
                let before = there.errors[0].byte as usize;
                prop_assert_eq!(here.errors[0].byte, encode(label, &text[..before]).len() as u64);
            }
            let options = ReadOptions { batch_records: records, ..ReadOptions::default() };
            let cut = read_in_chunks(&pins(label), &bytes, chunk_size, options);
            prop_assert_eq!(cut, whole);
        }

        #[test]
        fn illegal_bytes_are_rejects_at_their_place_however_the_file_is_cut(
            text in text(), label in prop::sample::select(LABELS.to_vec()), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cut_off in 0..3usize, chunk_size in 1..100u64, replace in any::<bool>(),
        ) {
            let mut bytes = encode(label, &text);
            let header = encode(label, "id,名\n").len();
            let data = bytes.len() - header;
            for (at, byte) in flips.into_iter().filter(|_| data > 0) {
                bytes[header + at.index(data)] = byte;
            }
            bytes.truncate(bytes.len().saturating_sub(cut_off).max(header));
            let mut pins = pins(label);
            if replace {
                pins.invalid_bytes = InvalidBytes::Replace;
            }
            let whole = read_whole(&pins, &bytes);
            for reject in &whole.rejects {
                prop_assert_eq!(&reject.raw, &bytes[reject.place.byte as usize..reject.place.byte_end as usize]);
            }
            let cut = read_in_chunks(&pins, &bytes, chunk_size, ReadOptions { batch_records: 3, ..ReadOptions::default() });
            prop_assert_eq!(cut, whole);
        }
    }

    #[test]
    fn illegal_and_cut_off_characters_are_told_apart() {
        for (label, bad, want) in [
            ("utf-16le", &b"\x00\xd8a\0"[..], "ENCODING_INVALID_BYTES"),
            ("utf-16be", b"\xdc\x00", "ENCODING_INVALID_BYTES"),
            ("shift_jis", b"\x81\xff", "ENCODING_INVALID_BYTES"),
            ("gb18030", b"\x81\x30\x81x", "ENCODING_INVALID_BYTES"),
            ("utf-16le", b"a", "ENCODING_TRUNCATED"),
            ("utf-16be", b"\xd8\x00", "ENCODING_TRUNCATED"),
            ("shift_jis", b"\x93", "ENCODING_TRUNCATED"),
            ("gb18030", b"\x81\x30\x81", "ENCODING_TRUNCATED"),
            ("iso-2022-jp", b"\x80", "ENCODING_INVALID_BYTES"),
            ("iso-2022-jp", b"\x1b$", "ENCODING_TRUNCATED"),
        ] {
            let start = encode(label, "id,名\n1,");
            let bytes = [&start[..], bad].concat();
            let outcome = read_whole(&pins(label), &bytes);
            assert_eq!(outcome.codes(), [(1, vec![want])], "{label} {bad:?}");
            assert_eq!(outcome.rejects[0].errors[0].byte, start.len() as u64, "{label} {bad:?}");
        }
    }

    #[test]
    fn marks_are_no_data_and_must_agree() {
        for label in ["utf-16le", "utf-16be", "gb18030"] {
            let bytes = encode(label, "\u{feff}id,名\n7,日\n");
            let plan = plan_of(&pins(label), &bytes);
            assert_eq!((plan.bom as usize, plan.header[0].as_str()), (encode(label, "\u{feff}").len(), "id"), "{label}");
            assert_eq!(read_whole(&pins(label), &bytes).values(), [["7", "日"]]);
        }
        let other = encode("utf-16be", "\u{feff}id,名\n");
        let refused = crate::read::plan_file(&pins("utf-16le"), 0, 0, "file:///a", "e", &mut &other[..]);
        assert_eq!(refused.map_err(|error| error.code), Err("ENCODING_MISMATCH"));
    }

    #[test]
    fn lines_of_json_are_converted_too() {
        let mut pins = ndjson_pins(vec![field("a", FieldType::String)]);
        pins.encoding = "utf-16be".into();
        let bytes = encode("utf-16be", "{\"a\":\"日本\"}\n{\"a\":1,}\n");
        let outcome = read_whole(&pins, &bytes);
        assert_eq!(outcome.values(), [["日本"]]);
        assert_eq!(outcome.rejects[0].raw, encode("utf-16be", "{\"a\":1,}\n"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn arrays_are_converted_too(
            values in prop::collection::vec(prop::sample::select(vec!["\"日本\"", "\"表,]\"", "7", "\"x\\\"\"", "{\"b\":[1]}"]), 0..20),
            label in prop::sample::select(vec!["utf-16le", "utf-16be", "euc-jp", "gb18030", "iso-2022-jp"]), chunk_size in 1..120u64, nested in any::<bool>(),
        ) {
            let elements: Vec<String> = values.iter().map(|value| format!("{{\"a\":{value}}}")).collect();
            let array = format!("[{}]", elements.join(",\n "));
            let text = if nested { format!("{{\"日\":1,\"rows\":{array},\"after\":[\"本\"]}}\n") } else { format!(" {array}\n") };
            let mut pins = ndjson_pins(vec![field("a", FieldType::String)]);
            (pins.format, pins.json.records) = (crate::pins::Format::Json, if nested { "/rows".into() } else { String::new() });
            let plain = read_whole(&pins, text.as_bytes());
            pins.encoding = label.into();
            let bytes = encode(label, &text);
            let plan = plan_of(&pins, &bytes);
            let start = if nested { text.find(":[{").or(text.find(":[]")).expect("the array") + 2 } else { 2 };
            prop_assert_eq!(plan.data_start as usize, encode(label, &text[..start]).len());
            let whole = read_whole(&pins, &bytes);
            prop_assert_eq!((&whole.values(), whole.codes()), (&plain.values(), plain.codes()));
            let planned = |chunk_size: u64| {
                let mut ranges = Vec::new();
                let plan = plan_of(&pins, &bytes);
                let totals = crate::read::plan_scan(&pins, &plan, &mut &bytes[..], chunk_size, &mut |range| ranges.push(range), &|| false).expect("an array");
                (ranges, totals)
            };
            let (ranges, totals) = planned(chunk_size);
            prop_assert_eq!((totals.records, totals.bytes), (values.len() as u64, bytes.len() as u64));
            let mut outcome = Outcome::default();
            for one in &ranges {
                let range = ReadRange { start: one.start, end: one.end, record: one.record, line: one.line };
                read_range_without(&pins, &plan, &bytes, range, &[], ReadOptions::default(), &mut outcome);
            }
            prop_assert_eq!((outcome.rows, outcome.rejects), (whole.rows, whole.rejects));
        }
    }

    #[test]
    fn a_broken_array_says_where_in_the_stream() {
        let mut pins = ndjson_pins(vec![field("a", FieldType::String)]);
        (pins.format, pins.encoding) = (crate::pins::Format::Json, "utf-16le".into());
        let bytes = encode("utf-16le", "[{\"a\":\"日\"} x]");
        let plan = plan_of(&pins, &bytes);
        let error = crate::read::plan_scan(&pins, &plan, &mut &bytes[..], 64, &mut |_| {}, &|| false).unwrap_err();
        assert_eq!(error.code, "JSON_ARRAY_BROKEN");
        assert!(error.message.contains(&format!("byte {}", 2 * 11)), "{}", error.message);
    }

    #[test]
    fn a_set_that_goes_on_behind_a_line_is_read_in_one_chunk_with_it() {
        // Roman from the header on, kanji over a line end: a fault in that line, and the next one is read as what it says it is.
        let roman = b"id,\x1b$BL>\x1b(J\n1,\\\n2,~\n".to_vec();
        let mut pins = pins("iso-2022-jp");
        let whole = read_whole(&pins, &roman);
        assert_eq!(whole.values(), [["1", "¥"], ["2", "‾"]]);
        assert_eq!(read_in_chunks(&pins, &roman, 1, ReadOptions::default()), whole);

        pins.invalid_bytes = InvalidBytes::Reject;
        let kanji = b"id,\x1b$BL>\x1b(B\n1,\x1b$BL>\n\x1b(B2,b\n3,c\n".to_vec();
        let whole = read_whole(&pins, &kanji);
        assert_eq!(whole.values(), [["2", "b"], ["3", "c"]]);
        assert_eq!(whole.codes(), [(1, vec!["ENCODING_INVALID_BYTES"])]);
        assert_eq!(read_in_chunks(&pins, &kanji, 1, ReadOptions::default()), whole);
    }

    #[test]
    fn blocks_end_at_characters_and_long_texts_are_mapped() {
        for label in LABELS {
            // No line end and nothing below `0` for longer than any block.
            let long = "日本".repeat(700_000);
            let text = format!("id,名\n1,{long}\nx,b\n");
            let bytes = encode(label, &text);
            let outcome = read_whole(&pins(label), &bytes);
            assert_eq!(outcome.rows.len(), 1, "{label}");
            assert_eq!(outcome.rows[0].1[1].len(), long.len(), "{label}");
            let tail = encode(label, "x,b\n").len() as u64;
            assert_eq!(outcome.rejects[0].place.byte, bytes.len() as u64 - tail, "{label}");
        }
    }

    #[test]
    fn a_line_without_end_is_not_held_without_bound() {
        let mut pins = pins("utf-16le");
        pins.max_record_bytes = 4096;
        let read = |length: usize| {
            let bytes = encode("utf-16le", &format!("id,名\n1,{}\n2,b\n", "a".repeat(length)));
            let plan = plan_of(&pins, &bytes);
            let range = ReadRange { start: plan.data_start, end: plan.size, record: 1, line: plan.first_line };
            let mut reader =
                crate::read::open_reader(&pins, &plan, range, &[], Box::new(LongLived(bytes)), ReadOptions::default()).expect("pins");
            reader.next().map(|read| read.map(|read| (read.batch.rows.num_rows(), read.rejects.len()))).map_err(|error| error.code)
        };
        assert_eq!(read(100_000), Ok(Some((1, 1))));
        assert_eq!(read(10 << 20), Err("OVER_LIMIT"));
    }

    struct LongLived(Vec<u8>);

    impl ByteSource for LongLived {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
            (&self.0[..]).read_at(offset, buffer)
        }
    }

    #[test]
    fn excluded_records_are_found_by_their_stream_offsets() {
        let bytes = encode("utf-16le", "id,名\n1,日\n2,本\n3,c\n");
        let plan = plan_of(&pins("utf-16le"), &bytes);
        let length = encode("utf-16le", "1,日\n").len() as u64;
        let excluded = ExcludedRange { start: plan.data_start + length, end: plan.data_start + 2 * length, code: "CORE_CRASH" };
        let range = ReadRange { start: plan.data_start, end: plan.size, record: 1, line: plan.first_line };
        let mut outcome = Outcome::default();
        read_range_without(&pins("utf-16le"), &plan, &bytes, range, &[excluded], ReadOptions::default(), &mut outcome);
        assert_eq!(outcome.values(), [["1", "日"], ["3", "c"]]);
        assert_eq!(outcome.rejects[0].raw, encode("utf-16le", "2,本\n"));
    }
}
