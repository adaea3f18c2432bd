//! Distinct values of a column chunk in the order in which they came, with an index each.

use super::views::{is_inline, length_of};

/// Bytes that the values of one dictionary may take.
pub const MAX_BYTES: usize = 1 << 20;

/// Open addressing; a slot holds the upper half of a hash and, below it, the index plus one. 0 is free.
struct Slots {
    slots: Vec<u64>,
    count: usize,
}

impl Slots {
    fn new() -> Slots {
        Slots { slots: vec![0; 1 << 10], count: 0 }
    }

    /// The index of the value with this hash for which `is_same` says so, else the next free one, with true.
    #[inline]
    fn find(&mut self, hash: u64, is_same: impl Fn(usize) -> bool) -> (usize, bool) {
        let mask = self.slots.len() - 1;
        let upper = hash & 0xffff_ffff_0000_0000;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                break;
            }
            if slot & 0xffff_ffff_0000_0000 == upper {
                let index = (slot as u32 - 1) as usize;
                if is_same(index) {
                    return (index, false);
                }
            }
            at = (at + 1) & mask;
        }
        (self.count, true)
    }

    /// Takes the next index for a hash that `find` did not find. `hashes` of all before it are asked for when the table grows.
    fn insert(&mut self, hash: u64, hash_of: impl Fn(usize) -> u64) {
        if (self.count + 1) * 2 > self.slots.len() {
            self.slots = vec![0; self.slots.len() * 4];
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
        self.slots[at] = (hash & 0xffff_ffff_0000_0000) | (index as u64 + 1);
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
            own as u64 == view as u64 && &self.bytes[place_of(own)..place_of(own) + text.len()] == text
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

/// Texts of more than 12 bytes: eight at a time, the last eight overlapping those before.
#[inline]
fn hash_long(text: &[u8]) -> u64 {
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    let mut state = text.len() as u64;
    for eight in text.chunks_exact(8) {
        state = mix(state, word(eight));
    }
    mix(state, word(&text[text.len() - 8..]))
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
