//! From the start of a file to the array that a JSON Pointer names, holding no more than a block.

use millrace_scan::ElementScan;
use millrace_scan::json_array::is_blank;

use super::broken;
use crate::error::Error;
use crate::feed::LineCounter;
use crate::source::{ByteSource, UNKNOWN_SIZE};

const BLOCK_BYTES: usize = 64 << 10;

/// Where an array begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArrayStart {
    /// The byte behind its `[`.
    pub data_start: u64,
    /// Physical line, from 1, of that byte.
    pub line: u64,
}

/// Walks from `start` to the array below `keys`. A key that stands twice counts where it stands first.
///
/// Errors: `JSON_ARRAY_MISSING` if there is none, `JSON_ARRAY_BROKEN` where the structure cannot be followed up to it.
pub(crate) fn find_array(source: &mut dyn ByteSource, start: u64, keys: &[String]) -> Result<ArrayStart, Error> {
    let mut bytes = Bytes { size: source.size(), source, block: Vec::new(), at: 0, offset: start, lines: LineCounter::default() };
    let mut passed = String::new();
    for key in keys {
        match bytes.significant()? {
            Some(b'{') => member(&mut bytes, key, &passed)?,
            Some(b'[') => element(&mut bytes, key, &passed)?,
            _ => return Err(missing(&bytes, &passed, "neither an object nor an array stands there")),
        }
        passed.push('/');
        passed.push_str(&key.replace('~', "~0").replace('/', "~1"));
    }
    if bytes.significant()? != Some(b'[') {
        return Err(missing(&bytes, &passed, "no array stands there"));
    }
    bytes.at += 1;
    Ok(bytes.array_start())
}

fn missing(bytes: &Bytes<'_>, pointer: &str, why: &str) -> Error {
    Error::new("JSON_ARRAY_MISSING", format!("cannot find the array at {pointer:?} (byte {}): {why}", bytes.position()))
}

/// Goes from an object's `{` to the value of one of its keys.
fn member(bytes: &mut Bytes<'_>, wanted: &str, pointer: &str) -> Result<(), Error> {
    bytes.at += 1;
    let mut is_first = true;
    loop {
        match bytes.significant()? {
            Some(b'"') => {}
            Some(b'}') if is_first => return Err(missing(bytes, pointer, &format!("the object there has no key {wanted:?}"))),
            _ => return Err(broken(bytes.position(), "expected a key")),
        }
        is_first = false;
        let is_wanted = bytes.key()?.is_some_and(|key| key == wanted);
        if bytes.significant()? != Some(b':') {
            return Err(broken(bytes.position(), "expected a colon behind a key"));
        }
        bytes.at += 1;
        bytes.value_start()?;
        if is_wanted {
            return Ok(());
        }
        bytes.skip_value()?;
        match bytes.significant()? {
            Some(b',') => bytes.at += 1,
            Some(b'}') => return Err(missing(bytes, pointer, &format!("the object there has no key {wanted:?}"))),
            _ => return Err(broken(bytes.position(), "expected a comma or the end of the object behind a value")),
        }
    }
}

/// Goes from an array's `[` to one of its elements.
fn element(bytes: &mut Bytes<'_>, wanted: &str, pointer: &str) -> Result<(), Error> {
    let is_index = wanted == "0" || (!wanted.starts_with('0') && wanted.bytes().all(|byte| byte.is_ascii_digit()));
    let Some(index) = wanted.parse::<u64>().ok().filter(|_| is_index) else {
        return Err(missing(bytes, pointer, &format!("an array stands there, and {wanted:?} is no index")));
    };
    bytes.at += 1;
    let short = |bytes: &Bytes<'_>| missing(bytes, pointer, &format!("the array there has no element {index}"));
    if bytes.significant()? == Some(b']') {
        return Err(short(bytes));
    }
    for _ in 0..index {
        bytes.value_start()?;
        bytes.skip_value()?;
        match bytes.significant()? {
            Some(b',') => bytes.at += 1,
            Some(b']') => return Err(short(bytes)),
            _ => return Err(broken(bytes.position(), "expected a comma or the end of the array behind an element")),
        }
    }
    bytes.value_start()
}

/// The bytes of a source, block by block.
struct Bytes<'a> {
    source: &'a mut dyn ByteSource,
    block: Vec<u8>,
    at: usize,
    /// Stream offset of the block's first byte.
    offset: u64,
    size: u64,
    /// Of the blocks passed.
    lines: LineCounter,
}

/// A key longer than this is none that anybody asked for.
const KEY_BYTES: usize = 64 << 10;

impl Bytes<'_> {
    fn position(&self) -> u64 {
        self.offset + self.at as u64
    }

    fn array_start(mut self) -> ArrayStart {
        self.lines.add(&self.block[..self.at]);
        ArrayStart { data_start: self.position(), line: 1 + self.lines.lines }
    }

    /// Reads the next block when the last one is passed; false at the end of the stream.
    fn fill(&mut self) -> Result<bool, Error> {
        if self.at < self.block.len() {
            return Ok(true);
        }
        self.lines.add(&self.block);
        self.offset += self.block.len() as u64;
        self.at = 0;
        let wanted = (self.size.saturating_sub(self.offset)).min(BLOCK_BYTES as u64) as usize;
        self.block.resize(wanted, 0);
        let read = if wanted == 0 { 0 } else { self.source.read_at(self.offset, &mut self.block)? };
        if read == 0 && wanted > 0 && self.size != UNKNOWN_SIZE {
            return Err(Error::new("INPUT_CHANGED", format!("cannot read byte {}: the input is shorter than it was", self.offset)));
        }
        self.block.truncate(read);
        Ok(read > 0)
    }

    /// The next byte that is no blank; none at the end of the stream.
    fn significant(&mut self) -> Result<Option<u8>, Error> {
        while self.fill()? {
            match self.block[self.at..].iter().position(|&byte| !is_blank(byte)) {
                Some(blanks) => {
                    self.at += blanks;
                    return Ok(Some(self.block[self.at]));
                }
                None => self.at = self.block.len(),
            }
        }
        Ok(None)
    }

    fn value_start(&mut self) -> Result<(), Error> {
        match self.significant()? {
            None | Some(b',' | b']' | b'}' | b':') => Err(broken(self.position(), "expected a value")),
            Some(_) => Ok(()),
        }
    }

    /// Passes a value whose first byte comes next.
    fn skip_value(&mut self) -> Result<(), Error> {
        let mut scan = ElementScan::default();
        while self.fill()? {
            match scan.take(&self.block[self.at..]) {
                Some(length) => {
                    self.at += length;
                    return Ok(());
                }
                None => self.at = self.block.len(),
            }
        }
        if scan.may_end_with_stream() { Ok(()) } else { Err(broken(self.position(), "it ends inside a value")) }
    }

    /// Passes a key whose opening quote comes next; none if it is no legal string or longer than any that is asked for.
    fn key(&mut self) -> Result<Option<String>, Error> {
        let (mut scan, mut raw) = (ElementScan::default(), Vec::new());
        while self.fill()? {
            let rest = &self.block[self.at..];
            let end = scan.take(rest);
            let piece = &rest[..end.unwrap_or(rest.len())];
            raw.extend_from_slice(&piece[..piece.len().min(KEY_BYTES + 1 - raw.len())]);
            self.at += piece.len();
            if end.is_some() {
                return Ok(if raw.len() > KEY_BYTES { None } else { serde_json::from_slice(&raw).ok() });
            }
        }
        Err(broken(self.position(), "it ends inside a key"))
    }
}
