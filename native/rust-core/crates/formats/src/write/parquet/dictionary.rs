//! Distinct values of a column chunk in the order in which they came, with an index each.

use super::views::{is_inline, length_of};

/// Bytes that the values of one dictionary may take.
pub const MAX_BYTES: usize = 1 << 20;

/// Bits of a slot that hold an index plus one: more than `MAX_BYTES` and the rows of a step can fill, as each value counts four bytes.
const INDEX_BITS: u32 = 20;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;

/// Open addressing; a slot holds bits of the hash and, below them, the index plus one. 0 is free. Four bytes a slot, so that the table of
/// a dictionary stays in the processor's cache.
struct Slots {
    slots: Vec<u32>,
    count: usize,
}

impl Slots {
    fn new() -> Slots {
        Slots { slots: vec![0; 1 << 10], count: 0 }
    }

    fn tag(hash: u64) -> u32 {
        (hash >> 32) as u32 & !INDEX_MASK
    }

    /// The index of the value with this hash for which `is_same` says so, else the next free one, with true.
    #[inline(always)]
    fn find(&self, hash: u64, is_same: impl Fn(usize) -> bool) -> (usize, bool) {
        let mask = self.slots.len() - 1;
        let tag = Slots::tag(hash);
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return (self.count, true);
            }
            if slot & !INDEX_MASK == tag {
                let index = (slot & INDEX_MASK) as usize - 1;
                if is_same(index) {
                    return (index, false);
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// Takes the next index for a hash that `find` did not find. `hash_of` is asked for all before it when the table grows.
    #[inline(never)]
    fn insert(&mut self, hash: u64, hash_of: impl Fn(usize) -> u64) {
        if (self.count + 1) * 2 > self.slots.len() {
            self.slots = vec![0; self.slots.len() * 2];
            for index in 0..self.count {
                self.place(hash_of(index), index);
            }
        }
        self.place(hash, self.count);
        self.count += 1;
    }

    fn place(&mut self, hash: u64, index: usize) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = Slots::tag(hash) | (index as u32 + 1);
    }
}

/// Both halves of a product of 128 bits: every bit of the input reaches every bit of the answer.
#[inline(always)]
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x9e37_79b9_7f4a_7c15) * u128::from(b ^ 0xd6e8_feb8_6659_fd93);
    product as u64 ^ (product >> 64) as u64
}

/// Numbers by their bits, so that -0.0 and 0.0, and every NaN, stay what they are.
pub struct Numbers {
    slots: Slots,
    pub bits: Vec<u64>,
}

impl Numbers {
    pub fn new() -> Numbers {
        Numbers { slots: Slots::new(), bits: Vec::new() }
    }

    #[inline]
    pub fn index(&mut self, bits: u64) -> u32 {
        let hash = mix(bits, 0);
        let (index, is_new) = self.slots.find(hash, |index| self.bits[index] == bits);
        if is_new {
            self.slots.insert(hash, |index| mix(self.bits[index], 0));
            self.bits.push(bits);
        }
        index as u32
    }
}

/// Texts and other bytes.
pub struct Texts {
    slots: Slots,
    /// For each value its view: itself if it has up to 12 bytes, else length, first four bytes, and in the upper half its place in `bytes`.
    views: Vec<u128>,
    hashes: Vec<u64>,
    bytes: Vec<u8>,
    /// Bytes of all values.
    pub value_bytes: usize,
}

impl Texts {
    pub fn new() -> Texts {
        Texts { slots: Slots::new(), views: Vec::new(), hashes: Vec::new(), bytes: Vec::new(), value_bytes: 0 }
    }

    pub fn len(&self) -> usize {
        self.views.len()
    }

    /// `text` is what `view` stands for.
    #[inline]
    pub fn index<'t>(&mut self, view: u128, text: impl FnOnce() -> &'t [u8]) -> u32 {
        if is_inline(view) {
            let hash = mix(view as u64, (view >> 64) as u64);
            let (index, is_new) = self.slots.find(hash, |index| self.views[index] == view);
            if is_new {
                self.add(hash, view);
            }
            return index as u32;
        }
        let text = text();
        let hash = hash_long(text);
        let (index, is_new) = self.slots.find(hash, |index| {
            let own = self.views[index];
            own as u64 == view as u64 && is_same_long(&self.bytes[place_of(own)..place_of(own) + text.len()], text)
        });
        if is_new {
            let place = self.bytes.len() as u128;
            self.bytes.extend_from_slice(text);
            self.add(hash, u128::from(view as u64) | place << 64);
        }
        index as u32
    }

    fn add(&mut self, hash: u64, view: u128) {
        self.slots.insert(hash, |index| self.hashes[index]);
        self.hashes.push(hash);
        self.views.push(view);
        self.value_bytes += length_of(view);
    }

    /// All values in the order of their indices.
    pub fn values(&self) -> impl Iterator<Item = (u128, &[u8])> {
        self.views.iter().map(|view| (*view, self.value(*view)))
    }

    fn value(&self, view: u128) -> &[u8] {
        if is_inline(view) { &[] } else { &self.bytes[place_of(view)..place_of(view) + length_of(view)] }
    }
}

fn place_of(view: u128) -> usize {
    (view >> 64) as usize
}

#[inline(always)]
fn word_at(text: &[u8], at: usize) -> u64 {
    text.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Texts of one length above 12 bytes, without a call for the short ones: words that overlap.
#[inline(always)]
fn is_same_long(a: &[u8], b: &[u8]) -> bool {
    let length = a.len();
    let differ = |at: usize| word_at(a, at) ^ word_at(b, at);
    match length {
        0..=16 => differ(0) | differ(length - 8) == 0,
        17..=32 => differ(0) | differ(8) | differ(length - 16) | differ(length - 8) == 0,
        _ => a == b,
    }
}

/// Texts of more than 12 bytes: eight at a time, the last eight overlapping those before.
#[inline(always)]
fn hash_long(text: &[u8]) -> u64 {
    let length = text.len();
    let ends = |state: u64| mix(state ^ word_at(text, 0), word_at(text, length - 8));
    match length {
        0..=16 => ends(length as u64),
        17..=32 => ends(mix(length as u64 ^ word_at(text, 8), word_at(text, length - 16))),
        _ => ends(text.chunks_exact(8).fold(length as u64, |state, eight| mix(state, word_at(eight, 0)))),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::StringViewArray;

    use super::*;

    #[test]
    fn equal_values_share_an_index_and_others_do_not() {
        let texts: Vec<String> =
            (0..20_000).map(|n| if n % 2 == 0 { format!("{}", n % 7_000) } else { format!("a long text {}", n % 7_000) }).collect();
        let array = StringViewArray::from_iter_values(&texts);
        let mut dictionary = Texts::new();
        let mut known = std::collections::HashMap::new();
        for (row, text) in texts.iter().enumerate() {
            let next = known.len() as u32;
            let want = *known.entry(text.clone()).or_insert(next);
            assert_eq!(dictionary.index(array.views()[row], || text.as_bytes()), want);
        }
        assert_eq!(dictionary.len(), known.len());
        assert_eq!(dictionary.value_bytes, known.keys().map(String::len).sum::<usize>());
        let mut numbers = Numbers::new();
        for n in 0..10_000u64 {
            assert_eq!(u64::from(numbers.index((n % 5_000) << 40)), n % 5_000);
        }
        assert_eq!(numbers.bits.len(), 5_000);
    }
}
