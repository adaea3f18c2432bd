//! The file as the page decoder sees it: small reads served from blocks read ahead, page headers checked before their sizes are believed.

use std::collections::HashSet;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::{Buf, Bytes};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::thrift::{Fault, Walk, wire};
use crate::error::Error;
use crate::source::ByteSource;

/// Largest page, as it says itself.
const MAX_PAGE_BYTES: u64 = 256 << 20;
/// Pages may unfold to this many bytes whatever their stored size.
const FREE_BYTES: u64 = 1 << 30;
/// Past that, unfolded bytes may be this many times the stored ones.
const MAX_INFLATION: u64 = 100;
/// Larger pages are counted once, however often their headers are read.
const COUNTED_ONCE_BYTES: u64 = 1 << 20;
/// Memory for blocks of all columns together, and the bounds of one block.
const BLOCKS_BYTES: usize = 16 << 20;
const BLOCK_BYTES: std::ops::RangeInclusive<usize> = (16 << 10)..=(256 << 10);

/// Bytes `[start, start + length)`, which the source must have.
pub(super) fn read_exactly(source: &mut dyn ByteSource, start: u64, length: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        let count = source.read_at(start + filled as u64, &mut bytes[filled..])?;
        if count == 0 {
            return Err(Error::new(
                "INPUT_CHANGED",
                format!("cannot read byte {}: the input is shorter than it was", start + filled as u64),
            ));
        }
        filled += count;
    }
    Ok(bytes)
}

/// A source that many column readers share. The first failure is kept: decoders turn errors into text, and it is a code that matters.
#[derive(Clone)]
pub(super) struct Pages {
    shared: Arc<Mutex<Shared>>,
    size: u64,
}

struct Shared {
    source: Box<dyn ByteSource + Send>,
    /// Least recently used first.
    blocks: Vec<(u64, Bytes)>,
    max_blocks: usize,
    block_bytes: usize,
    stored_bytes: u64,
    unfolded_bytes: u64,
    /// Where the headers of counted pages begin, of those that are not small: their headers are read again by later decoders.
    counted: HashSet<u64>,
    failure: Option<Error>,
}

impl Pages {
    pub(super) fn new(source: Box<dyn ByteSource + Send>, leaves: usize) -> Pages {
        let block_bytes = (BLOCKS_BYTES / leaves.max(1)).clamp(*BLOCK_BYTES.start(), *BLOCK_BYTES.end());
        let max_blocks = (BLOCKS_BYTES / block_bytes).max(1);
        let size = source.size();
        let shared = Shared {
            source,
            blocks: Vec::new(),
            max_blocks,
            block_bytes,
            stored_bytes: 0,
            unfolded_bytes: 0,
            counted: HashSet::new(),
            failure: None,
        };
        Pages { shared: Arc::new(Mutex::new(shared)), size }
    }

    /// What went wrong below the decoder, if that is what stopped it.
    pub(super) fn take_failure(&self) -> Option<Error> {
        self.lock().failure.take()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A panic of a decoder is caught by its caller, and never happens under this lock.
        self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Some bytes from `start` on, none at the end of the file.
    fn some(&self, start: u64) -> Result<Bytes, ParquetError> {
        let mut shared = self.lock();
        shared.block_at(start, self.size).map_err(|error| shared.fail(error))
    }
}

impl Shared {
    fn fail(&mut self, error: Error) -> ParquetError {
        let text = error.message.clone();
        self.failure.get_or_insert(error);
        ParquetError::General(text)
    }

    fn cached(&mut self, start: u64) -> Option<Bytes> {
        let holds = |(from, block): &(u64, Bytes)| *from <= start && start < from + block.len() as u64;
        let index = self.blocks.iter().position(holds)?;
        let found = self.blocks.remove(index);
        let bytes = found.1.slice((start - found.0) as usize..);
        self.blocks.push(found);
        Some(bytes)
    }

    fn block_at(&mut self, start: u64, size: u64) -> Result<Bytes, Error> {
        if let Some(bytes) = self.cached(start) {
            return Ok(bytes);
        }
        let length = (size.saturating_sub(start)).min(self.block_bytes as u64) as usize;
        let block = Bytes::from(read_exactly(self.source.as_mut(), start, length)?);
        if self.blocks.len() >= self.max_blocks {
            self.blocks.remove(0);
        }
        self.blocks.push((start, block.clone()));
        Ok(block)
    }

    fn exactly(&mut self, start: u64, length: usize, size: u64) -> Result<Bytes, Error> {
        if start.checked_add(length as u64).is_none_or(|end| end > size) {
            return Err(Error::new("PARQUET_PAGE", format!("cannot read a page of {length} bytes at byte {start}: the file ends before")));
        }
        let head = self.cached(start).unwrap_or_default();
        if head.len() >= length {
            return Ok(head.slice(..length));
        }
        if head.is_empty() && length < self.block_bytes {
            let block = self.block_at(start, size)?;
            return Ok(block.slice(..length));
        }
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(&head);
        let rest = read_exactly(self.source.as_mut(), start + head.len() as u64, length - head.len())?;
        bytes.extend_from_slice(&rest);
        Ok(bytes.into())
    }

    /// Refuses a page that would unfold to more than it may.
    fn check_page(&mut self, start: u64, sizes: PageSizes) -> Result<(), Error> {
        let over = |what: String, limit: String| {
            Error::new("OVER_LIMIT", format!("cannot read the page at byte {start}: {what}, the limit is {limit}"))
        };
        if sizes.unfolded > MAX_PAGE_BYTES {
            return Err(over(format!("it declares {} bytes", sizes.unfolded), MAX_PAGE_BYTES.to_string()));
        }
        if sizes.unfolded > COUNTED_ONCE_BYTES && !self.counted.insert(start) {
            return Ok(());
        }
        self.stored_bytes += sizes.stored;
        self.unfolded_bytes += sizes.unfolded;
        if self.unfolded_bytes > FREE_BYTES && self.unfolded_bytes / MAX_INFLATION > self.stored_bytes {
            let what = format!("{} stored bytes unfold to {}", self.stored_bytes, self.unfolded_bytes);
            return Err(over(what, format!("{MAX_INFLATION} times")));
        }
        Ok(())
    }
}

struct PageSizes {
    stored: u64,
    unfolded: u64,
}

/// The two sizes stand at the beginning of a page's header: fields 2 and 3.
fn page_sizes(bytes: &[u8]) -> Result<PageSizes, Fault> {
    let (mut unfolded, mut stored) = (None, None);
    let walked = Walk::new(bytes).structure(0, &mut |walk, number, kind| {
        match (number, kind) {
            (2, wire::I32) => unfolded = Some(walk.integer()?),
            (3, wire::I32) => stored = Some(walk.integer()?),
            // Nothing behind them matters here, and it may be cut off.
            _ if unfolded.is_some() && stored.is_some() => return Err(Fault::Cut),
            _ => return Ok(false),
        }
        Ok(true)
    });
    let size = |size: Option<i64>| size.and_then(|size| u64::try_from(size).ok()).ok_or(Fault::Wrong);
    match (walked, unfolded, stored) {
        (Ok(()) | Err(Fault::Cut), Some(_), Some(_)) => Ok(PageSizes { stored: size(stored)?, unfolded: size(unfolded)? }),
        (Err(fault), ..) => Err(fault),
        _ => Err(Fault::Wrong),
    }
}

impl Length for Pages {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Pages {
    type T = PageHead;

    /// The decoder reads from this where a page's header begins, and nowhere else. It may ask for it elsewhere and not read.
    fn get_read(&self, start: u64) -> Result<PageHead, ParquetError> {
        Ok(PageHead { pages: self.clone(), is_checked: false, at: start, block: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut shared = self.lock();
        shared.exactly(start, length, self.size).map_err(|error| shared.fail(error))
    }
}

/// Reads on from the start of a page's header.
pub(super) struct PageHead {
    pages: Pages,
    is_checked: bool,
    block: Bytes,
    /// Offset behind `block`.
    at: u64,
}

impl PageHead {
    /// Looks at the header before the decoder does.
    fn check(&mut self) -> Result<(), ParquetError> {
        self.is_checked = true;
        let sizes = page_sizes(&self.block).map_err(|_| ParquetError::General("no page header where one must be".into()))?;
        let mut shared = self.pages.lock();
        shared.check_page(self.at - self.block.len() as u64, sizes).map_err(|error| shared.fail(error))
    }
}

impl Read for PageHead {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.block.is_empty() && self.at < self.pages.size {
            self.block = self.pages.some(self.at).map_err(std::io::Error::other)?;
            self.at += self.block.len() as u64;
        }
        if !self.is_checked {
            self.check().map_err(std::io::Error::other)?;
        }
        let count = self.block.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.block[..count]);
        self.block.advance(count);
        Ok(count)
    }
}
