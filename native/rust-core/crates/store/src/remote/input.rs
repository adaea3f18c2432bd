//! A pinned object, read with ranges under way before they are asked for.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::error::Result;
use crate::io::{Io, Pending};
use crate::object::Stat;
use crate::remote::name::stopped_error;
use crate::retry::Verb;

/// A range read ahead at once.
const PIECE_BYTES: u64 = 8 << 20;
/// Ranges under way or waiting to be used.
const MAX_PIECES: usize = 4;
/// The first range of a place that nobody announced: a look at a record should not fetch eight mebibytes.
const FIRST_BYTES: u64 = 256 << 10;

/// Where ranges of one pinned version come from.
pub(crate) trait RangeReader: Send + Sync {
    fn io(&self) -> &Arc<Io>;
    fn read(self: Arc<Self>, start: u64, end: u64) -> BoxFuture<'static, Result<Bytes>>;
    /// As messages name it.
    fn place(&self) -> String;
}

pub(crate) struct RemoteInput {
    reader: Arc<dyn RangeReader>,
    stat: Stat,
    /// In order and without gaps.
    pieces: VecDeque<Piece>,
    /// Reading is announced up to here.
    announced: u64,
    /// End of the last range that was asked for: a read there follows the ones before.
    follows_at: u64,
    /// Size of the next range where nothing is announced; doubles while reads follow each other.
    next_bytes: u64,
}

struct Piece {
    start: u64,
    end: u64,
    content: Content,
}

enum Content {
    Pending(Pending<Result<Bytes>>),
    Here(Bytes),
}

impl RemoteInput {
    pub fn new(reader: Arc<dyn RangeReader>, stat: Stat) -> RemoteInput {
        RemoteInput { reader, stat, pieces: VecDeque::new(), announced: 0, follows_at: 0, next_bytes: FIRST_BYTES }
    }

    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    /// `start..end` is about to be read from its start on: ranges of it are fetched from now on, and nothing behind it.
    pub fn announce(&mut self, start: u64, end: u64) {
        let (start, end) = (start.min(self.stat.size), end.min(self.stat.size));
        self.announced = end;
        if start < end {
            self.pieces.clear();
            self.fetch(start, PIECE_BYTES);
            self.fetch_ahead();
        }
    }

    /// Fills `buffer` from `offset` on; less than asked only at the end.
    pub fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let wanted = self.stat.size.saturating_sub(offset).min(buffer.len() as u64) as usize;
        let mut filled = 0;
        while filled < wanted {
            let at = offset + filled as u64;
            let rest = &mut buffer[filled..wanted];
            let bytes = self.bytes_at(at, rest.len() as u64)?;
            let count = bytes.len().min(rest.len());
            rest[..count].copy_from_slice(&bytes[..count]);
            filled += count;
        }
        Ok(filled)
    }

    /// Bytes from `at` on, as many as the range holds that they lie in; at least one.
    fn bytes_at(&mut self, at: u64, wanted: u64) -> Result<Bytes> {
        while self.pieces.front().is_some_and(|piece| piece.end <= at) {
            self.pieces.pop_front();
        }
        if self.pieces.front().is_none_or(|piece| at < piece.start) {
            self.pieces.clear();
            self.next_bytes = if at == self.follows_at { (self.next_bytes * 2).min(PIECE_BYTES) } else { FIRST_BYTES };
            let bytes = if at < self.announced { PIECE_BYTES } else { self.next_bytes.max(wanted).min(PIECE_BYTES) };
            self.fetch(at, bytes);
        }
        self.fetch_ahead();
        let Some(Piece { start, end, content }) = self.pieces.pop_front() else { return Ok(Bytes::new()) };
        let bytes = match content {
            Content::Here(bytes) => bytes,
            Content::Pending(pending) => pending.wait().map_err(|stopped| stopped_error(stopped, Verb::Range, &self.reader.place()))??,
        };
        let here = bytes.slice((at - start) as usize..);
        self.pieces.push_front(Piece { start, end, content: Content::Here(bytes) });
        Ok(here)
    }

    fn fetch(&mut self, start: u64, bytes: u64) {
        let limit = if start < self.announced { self.announced } else { self.stat.size };
        let end = (start + bytes).min(limit);
        let work = Arc::clone(&self.reader).read(start, end);
        self.pieces.push_back(Piece { start, end, content: Content::Pending(self.reader.io().spawn(work)) });
        self.follows_at = end;
    }

    /// What is announced is fetched ahead; without an announcement, what follows reads that have followed each other for a while.
    fn fetch_ahead(&mut self) {
        while self.pieces.len() < MAX_PIECES && self.follows_at < self.stat.size {
            let is_steady = self.announced == 0 && self.next_bytes == PIECE_BYTES;
            if self.follows_at >= self.announced && !is_steady {
                return;
            }
            self.fetch(self.follows_at, PIECE_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Mutex;

    /// Bytes that tell their own offset, and which ranges were asked for.
    struct Ramp {
        io: Arc<Io>,
        asked: Mutex<Vec<(u64, u64)>>,
    }

    fn byte_at(offset: u64) -> u8 {
        (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
    }

    impl RangeReader for Ramp {
        fn io(&self) -> &Arc<Io> {
            &self.io
        }

        fn read(self: Arc<Self>, start: u64, end: u64) -> BoxFuture<'static, Result<Bytes>> {
            self.asked.lock().unwrap().push((start, end));
            Box::pin(async move { Ok((start..end).map(byte_at).collect()) })
        }

        fn place(&self) -> String {
            "ramp".into()
        }
    }

    fn open(size: u64) -> (Arc<Ramp>, RemoteInput) {
        let ramp = Arc::new(Ramp { io: Io::start().unwrap(), asked: Mutex::default() });
        let reader: Arc<dyn RangeReader> = Arc::<Ramp>::clone(&ramp);
        (ramp, RemoteInput::new(reader, Stat { etag: "1".into(), size, modified_at_ns: 0 }))
    }

    fn check(input: &mut RemoteInput, offset: u64, length: usize, size: u64) {
        let mut buffer = vec![0; length];
        let count = input.read_at(offset, &mut buffer).unwrap();
        assert_eq!(count as u64, size.saturating_sub(offset).min(length as u64));
        assert!(buffer[..count].iter().enumerate().all(|(index, byte)| *byte == byte_at(offset + index as u64)));
    }

    #[test]
    fn what_is_announced_is_fetched_ahead_once_and_nothing_behind_it() {
        let size = 100 << 20;
        let (ramp, mut input) = open(size);
        let (start, end) = (3_000_000, 3_000_000 + (40 << 20));
        input.announce(start, end);
        assert_eq!(ramp.asked.lock().unwrap().len(), MAX_PIECES);
        let mut at = start;
        while at < end {
            check(&mut input, at, (1 << 20).min((end - at) as usize), size);
            at += 1 << 20;
        }
        let asked = ramp.asked.lock().unwrap().clone();
        assert!(asked.windows(2).all(|pair| pair[0].1 == pair[1].0));
        assert_eq!((asked[0].0, asked.last().unwrap().1, asked.len()), (start, end, 5));
    }

    #[test]
    fn a_look_at_one_place_fetches_little_and_a_long_read_more_and_more() {
        let size = 100 << 20;
        let (ramp, mut input) = open(size);
        check(&mut input, 50 << 20, 100, size);
        assert_eq!(ramp.asked.lock().unwrap().clone(), [(50 << 20, (50 << 20) + FIRST_BYTES)]);
        let mut at = 0;
        while at < size {
            check(&mut input, at, 1 << 20, size);
            at += 1 << 20;
        }
        let asked = ramp.asked.lock().unwrap().clone();
        assert!(asked.len() < 30, "{}", asked.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn any_reads_bring_the_bytes_of_their_offsets(
            size in 0_u64..3_000_000,
            reads in prop::collection::vec((0_u64..3_100_000, 0_usize..600_000), 1..12),
            announced in prop::option::of((0_u64..3_000_000, 0_u64..3_000_000)),
        ) {
            let (_, mut input) = open(size);
            if let Some((start, end)) = announced {
                input.announce(start, end);
            }
            for (offset, length) in reads {
                check(&mut input, offset, length, size);
            }
        }
    }
}
