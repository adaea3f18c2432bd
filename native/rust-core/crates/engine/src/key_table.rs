//! Keys met so far, numbered in the order in which they came. A number is found by hash; the bytes of the keys lie one behind the other.

use twox_hash::XxHash3_64;

/// Bytes of one block of keys, unless a single key is longer.
const BLOCK_BYTES: usize = 1 << 20;
const FIRST_SLOTS: usize = 64;
/// What a key costs at most besides its bytes: its entry and its slots, either of them half empty.
const ENTRY_BYTES: usize = 64;

#[derive(Debug)]
pub struct KeyTable {
    /// Half a hash and a number above 0, or 0; twice as many as there are keys at least. A power of two.
    slots: Vec<u64>,
    entries: Vec<Entry>,
    blocks: Vec<Vec<u8>>,
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    block: u32,
    start: u32,
    length: u32,
}

impl Default for KeyTable {
    fn default() -> KeyTable {
        KeyTable { slots: vec![0; FIRST_SLOTS], entries: Vec::new(), blocks: Vec::new(), bytes: 0 }
    }
}

impl KeyTable {
    /// Memory held, up to a factor of two while the table grows.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn hash(key: &[u8]) -> u64 {
        XxHash3_64::oneshot(key)
    }

    /// The hashes of keys that are looked up next. Their places are read here already, one after the other and without a jump between: so the processor
    /// waits for many places of memory at once, and finds them near when each key is looked up.
    pub fn hashes<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) -> Vec<u64> {
        let hashes: Vec<u64> = keys.map(KeyTable::hash).collect();
        let mask = self.slots.len() - 1;
        std::hint::black_box(hashes.iter().fold(0, |read, hash| read ^ self.slots[*hash as usize & mask]));
        hashes
    }

    /// The number of a key, if it was met.
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<usize> {
        self.slot_of(hash, key).ok()
    }

    /// The number of a key, and whether this was the first time.
    pub fn insert(&mut self, hash: u64, key: &[u8]) -> (usize, bool) {
        match self.slot_of(hash, key) {
            Ok(number) => (number, false),
            Err(slot) => (self.add(slot, hash, key), true),
        }
    }

    /// The number of a key, or the slot where it would stand.
    fn slot_of(&self, hash: u64, key: &[u8]) -> Result<usize, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let held = self.slots[slot];
            if held == 0 {
                return Err(slot);
            }
            let number = (held as u32 - 1) as usize;
            if held >> 32 == hash >> 32 && self.key(number) == key {
                return Ok(number);
            }
            slot = (slot + 1) & mask;
        }
    }

    fn key(&self, number: usize) -> &[u8] {
        let Entry { block, start, length, .. } = self.entries[number];
        &self.blocks[block as usize][start as usize..(start + length) as usize]
    }

    fn add(&mut self, slot: usize, hash: u64, key: &[u8]) -> usize {
        let number = self.entries.len();
        let is_full = self.blocks.last().is_none_or(|block| block.len() + key.len() > BLOCK_BYTES);
        if is_full {
            self.blocks.push(Vec::new());
        }
        let block = self.blocks.len() - 1;
        let start = self.blocks[block].len();
        self.blocks[block].extend_from_slice(key);
        self.entries.push(Entry { hash, block: block as u32, start: start as u32, length: key.len() as u32 });
        self.bytes += key.len() + ENTRY_BYTES;
        self.slots[slot] = slot_value(hash, number);
        if 2 * self.entries.len() > self.slots.len() {
            self.grow();
        }
        number
    }

    fn grow(&mut self) {
        let mask = 2 * self.slots.len() - 1;
        let mut slots = vec![0; mask + 1];
        for (number, entry) in self.entries.iter().enumerate() {
            let mut slot = entry.hash as usize & mask;
            while slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            slots[slot] = slot_value(entry.hash, number);
        }
        self.slots = slots;
    }
}

fn slot_value(hash: u64, number: usize) -> u64 {
    (hash >> 32 << 32) | (number as u64 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        /// Hashes of two bits make keys collide that are not equal.
        #[test]
        fn numbers_are_those_of_a_map(keys in prop::collection::vec(prop::collection::vec(0u8..3, 0..5), 0..400), bits in 0u32..64) {
            let (mut table, mut known) = (KeyTable::default(), HashMap::new());
            for key in &keys {
                let hash = KeyTable::hash(key) & (u64::MAX >> bits);
                let next = known.len();
                prop_assert_eq!(table.find(hash, key), known.get(key).copied());
                let is_new = !known.contains_key(key);
                prop_assert_eq!(table.insert(hash, key), (*known.entry(key.clone()).or_insert(next), is_new));
            }
            prop_assert_eq!(table.entries.len(), known.len());
        }
    }

    #[test]
    fn keys_longer_than_a_block_have_one_of_their_own() {
        let mut table = KeyTable::default();
        let long = vec![7; BLOCK_BYTES + 1];
        let numbers = [b"a".as_slice(), &long, b"b", &long].map(|key| table.insert(KeyTable::hash(key), key));
        assert_eq!(numbers, [(0, true), (1, true), (2, true), (1, false)]);
    }
}
