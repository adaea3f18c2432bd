//! Encoded pages in memory: in blocks, since a vector that grows is copied again and again, and used again from chunk to chunk of a file, since the
//! kernel takes longer to hand out a fresh page of memory than the encoder to fill it.

use std::cell::RefCell;
use std::io::Read;
use std::sync::Arc;

const BLOCK_BYTES: usize = 256 << 10;
/// Blocks that a thread keeps for its next row group: 32 MiB.
const SPARE_BLOCKS: usize = 128;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that are appended and then read once.
#[derive(Default)]
pub struct Blocks {
    /// None is empty, and none but the last has room.
    blocks: Vec<Vec<u8>>,
    bytes: usize,
}

impl Blocks {
    pub fn len(&self) -> usize {
        self.bytes
    }

    pub fn push(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len();
        while !bytes.is_empty() {
            let room = self.blocks.last().map_or(0, |last| BLOCK_BYTES - last.len());
            if room == 0 {
                self.blocks.push(SPARE.with_borrow_mut(Vec::pop).unwrap_or_default());
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            if let Some(last) = self.blocks.last_mut() {
                grow(last, now.len());
                last.extend_from_slice(now);
            }
            bytes = later;
        }
    }

    /// What stands from `start` on.
    pub fn reader(self: &Arc<Self>, start: usize) -> BlocksReader {
        BlocksReader { blocks: Arc::clone(self), at: start }
    }
}

/// Makes room for `count` bytes more: twice as much as there was, so that blocks of small columns stay small, but never more than a block.
fn grow(block: &mut Vec<u8>, count: usize) {
    let needed = block.len() + count;
    if needed > block.capacity() {
        block.reserve_exact(needed.max((2 * block.capacity()).min(BLOCK_BYTES)) - block.len());
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        // A thread that ends keeps nothing.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            let room = SPARE_BLOCKS.saturating_sub(spare.len());
            // Blocks of small columns have not grown to the size of a block.
            spare.extend(self.blocks.drain(..).filter(|block| block.capacity() == BLOCK_BYTES).take(room).map(|mut block| {
                block.clear();
                block
            }));
        });
    }
}

pub struct BlocksReader {
    blocks: Arc<Blocks>,
    at: usize,
}

impl Read for BlocksReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some(block) = self.blocks.blocks.get(self.at / BLOCK_BYTES) else { return Ok(0) };
        let rest = block.get(self.at % BLOCK_BYTES..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(blocks: &Arc<Blocks>, start: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        blocks.reader(start).read_to_end(&mut bytes).expect("memory can be read");
        bytes
    }

    #[test]
    fn what_was_pushed_is_read_from_anywhere_and_blocks_are_used_again() {
        for length in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES, 5 * BLOCK_BYTES + 77] {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 31 % 251) as u8).collect();
            let mut blocks = Blocks::default();
            bytes.chunks(100_003).for_each(|piece| blocks.push(piece));
            assert_eq!(blocks.len(), length);
            let blocks = Arc::new(blocks);
            for start in [0, 1, length / 2, length.saturating_sub(1), length, length + 10] {
                assert_eq!(read(&blocks, start), bytes[start.min(length)..], "{length} bytes from {start}");
            }
        }
        let spare = SPARE.with_borrow(Vec::len);
        assert!((1..=SPARE_BLOCKS).contains(&spare), "{spare} blocks wait for use");
    }

    #[test]
    fn no_more_is_kept_than_agreed() {
        let mut blocks = Blocks::default();
        (0..SPARE_BLOCKS + 5).for_each(|_| blocks.push(&vec![1; BLOCK_BYTES]));
        drop(blocks);
        assert_eq!(SPARE.with_borrow(Vec::len), SPARE_BLOCKS);
        assert!(SPARE.with_borrow(|spare| spare.iter().all(|block| block.is_empty() && block.capacity() == BLOCK_BYTES)));
    }
}
