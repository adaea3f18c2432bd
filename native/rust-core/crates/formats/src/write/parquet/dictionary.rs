//! Distinct values of a column chunk in the order in which they came, with an index each.

use super::views::{inline_bytes, is_inline, length_of};

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

/// Up to here a table of texts has four slots for each value, so that nearly all stand in the first one for their hash; above it two, to save memory.
const SPARE_SLOTS: usize = 1 << 16;
/// A table of so many slots of 32 bytes is found in the cache of the second level, whatever happens between two batches.
const NEAR_SLOTS: usize = 1 << 12;
/// Texts up to this length are compared by the words of their slot alone.
const WHOLE_BYTES: usize = 24;

/// One value of `Texts` with all that is needed to know it again, on one line of the processor's cache: a table of many values is rarely in the
/// nearest cache, and each line costs more than all the rest of a search.
#[derive(Clone, Copy, Default)]
#[repr(align(32))]
struct TextSlot {
    words: [u64; 3],
    length: u32,
    /// The index plus one; 0: free.
    number: u32,
}

impl TextSlot {
    /// Up to 12 bytes, which are the whole value.
    #[inline(always)]
    fn of_inline(view: u128) -> TextSlot {
        TextSlot { words: [view as u64, (view >> 64) as u64, 0], length: length_of(view) as u32, number: 0 }
    }

    /// More than 12 bytes. Up to 24 the words overlap as they must; longer ones are told by a hash, and have to be looked at themselves.
    #[inline(always)]
    fn of_long(text: &[u8]) -> TextSlot {
        let length = text.len();
        let (first, last) = (word_at(text, 0), word_at(text, length - 8));
        let middle = if length <= WHOLE_BYTES { word_at(text, 8.min(length - 8)) } else { hash_words(text) };
        TextSlot { words: [first, middle, last], length: length as u32, number: 0 }
    }

    #[inline(always)]
    fn hash(&self) -> u64 {
        let [first, middle, last] = self.words;
        mix(first ^ last.rotate_left(32), middle ^ u64::from(self.length))
    }

    /// Whether the other slot has the same words: up to 24 bytes that makes them the same text.
    #[inline(always)]
    fn is_like(&self, other: &TextSlot) -> bool {
        let [first, middle, last] = self.words;
        let [other_first, other_middle, other_last] = other.words;
        (first ^ other_first) | (middle ^ other_middle) | (last ^ other_last) | u64::from(self.length ^ other.length) == 0
    }
}

/// Texts and other bytes.
pub struct Texts {
    slots: Vec<TextSlot>,
    /// Where each value ends in `bytes`.
    ends: Vec<u32>,
    bytes: Vec<u8>,
    step: Step,
}

/// Room for the rows of one `Texts::push`.
#[derive(Default)]
struct Step {
    /// Numbers of rows whose values stand in their views, and of all others.
    inline: Vec<u32>,
    long: Vec<u32>,
    /// Rows whose values do not stand in the first slot for their hash.
    missed: Vec<u32>,
    /// Of either kind: the first slots for the hashes of their values.
    places: Vec<u32>,
}

impl Step {
    /// Parts rows by whether the view holds the value, without a branch, and says how many of each there are.
    fn part(&mut self, views: &[u128]) -> [usize; 2] {
        for list in [&mut self.inline, &mut self.long, &mut self.missed] {
            list.resize(list.len().max(views.len()), 0);
        }
        let (mut inline, mut long) = (0, 0);
        for (row, &view) in views.iter().enumerate() {
            self.inline[inline] = row as u32;
            self.long[long] = row as u32;
            inline += usize::from(is_inline(view));
            long += usize::from(!is_inline(view));
        }
        [inline, long]
    }
}

impl Texts {
    pub fn new() -> Texts {
        Texts { slots: vec![TextSlot::default(); 1 << 8], ends: Vec::new(), bytes: Vec::new(), step: Step::default() }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all values.
    pub fn value_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the index of each view to `indices`. `text`: what the view of a row stands for.
    ///
    /// Most values stand in the first slot for their hash. These are found in loops without a branch that depends on what is read, so that the
    /// processor waits for the slots of many rows at once. All others follow, one by one.
    pub fn push<'t>(&mut self, views: &[u128], text: impl Fn(usize) -> &'t [u8], indices: &mut Vec<u32>) {
        let mut step = std::mem::take(&mut self.step);
        let [inline, long] = step.part(views);
        let from = indices.len();
        indices.resize(from + views.len(), 0);
        let indices = &mut indices[from..];
        let mut missed = 0;
        self.go_to_slots(step.inline[..inline].iter().map(|row| TextSlot::of_inline(views[*row as usize])), &mut step.places);
        for (&row, &place) in step.inline[..inline].iter().zip(&step.places) {
            let wanted = TextSlot::of_inline(views[row as usize]);
            let slot = &self.slots[place as usize];
            indices[row as usize] = slot.number.wrapping_sub(1);
            step.missed[missed] = row;
            missed += usize::from(slot.number == 0 || !slot.is_like(&wanted));
        }
        self.go_to_slots(step.long[..long].iter().map(|row| TextSlot::of_long(text(*row as usize))), &mut step.places);
        for (&row, &place) in step.long[..long].iter().zip(&step.places) {
            let text = text(row as usize);
            let wanted = TextSlot::of_long(text);
            let slot = &self.slots[place as usize];
            indices[row as usize] = slot.number.wrapping_sub(1);
            step.missed[missed] = row;
            missed += usize::from(!self.is_same(slot, &wanted, text));
        }
        // Values that are new get their indices in the order of their rows.
        step.missed[..missed].sort_unstable();
        for &row in &step.missed[..missed] {
            let view = views[row as usize];
            let inline = inline_bytes(view);
            let text = if is_inline(view) { &inline[..length_of(view)] } else { text(row as usize) };
            let wanted = if is_inline(view) { TextSlot::of_inline(view) } else { TextSlot::of_long(text) };
            indices[row as usize] = self.index(&wanted, text);
        }
        self.step = step;
    }

    /// The places of the first slots for these values. Slots of a table that is not in the nearest cache are looked at in a loop with nothing else,
    /// so that as many of them as can be are on their way at once.
    #[inline(always)]
    fn go_to_slots(&self, wanted: impl Iterator<Item = TextSlot>, places: &mut Vec<u32>) {
        let mask = self.slots.len() - 1;
        places.clear();
        places.extend(wanted.map(|slot| (slot.hash() as usize & mask) as u32));
        if self.slots.len() > NEAR_SLOTS {
            std::hint::black_box(places.iter().fold(0, |all, place| all | self.slots[*place as usize].number));
        }
    }

    #[inline(always)]
    fn is_same(&self, slot: &TextSlot, wanted: &TextSlot, text: &[u8]) -> bool {
        let is_like = slot.number != 0 && slot.is_like(wanted);
        if text.len() <= WHOLE_BYTES { is_like } else { is_like && self.value(slot.number as usize - 1) == text }
    }

    /// The index of a value, which is its own from now on if it is new.
    fn index(&mut self, wanted: &TextSlot, text: &[u8]) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = wanted.hash() as usize & mask;
        while self.slots[at].number != 0 {
            if self.is_same(&self.slots[at], wanted, text) {
                return self.slots[at].number - 1;
            }
            at = (at + 1) & mask;
        }
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len() as u32);
        self.slots[at] = TextSlot { number: self.ends.len() as u32, ..*wanted };
        let share = if self.slots.len() < SPARE_SLOTS { 4 } else { 2 };
        if self.ends.len() * share > self.slots.len() {
            self.grow();
        }
        self.ends.len() as u32 - 1
    }

    #[cold]
    fn grow(&mut self) {
        let mask = self.slots.len() * 2 - 1;
        let old = std::mem::replace(&mut self.slots, vec![TextSlot::default(); mask + 1]);
        for slot in old.into_iter().filter(|slot| slot.number != 0) {
            let mut at = slot.hash() as usize & mask;
            while self.slots[at].number != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot;
        }
    }

    /// All values in the order of their indices.
    pub fn values(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.value(index))
    }

    fn value(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.bytes[start..self.ends[index] as usize]
    }
}

#[inline(always)]
fn word_at(text: &[u8], at: usize) -> u64 {
    text.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Of more than 16 bytes: eight at a time, the last eight overlapping those before.
#[inline]
fn hash_words(text: &[u8]) -> u64 {
    mix(text.chunks_exact(8).fold(text.len() as u64, |state, eight| mix(state, word_at(eight, 0))), word_at(text, text.len() - 8))
}

#[cfg(test)]
mod tests {
    use arrow_array::StringViewArray;

    use super::*;

    #[test]
    fn equal_values_share_an_index_and_others_do_not() {
        // Of all lengths up to 60 bytes, and again after some thousands of others.
        let text = |n: usize| format!("{}{}", "x".repeat(n % 57), n % 7_000);
        let texts: Vec<String> = (0..20_000).map(|n| text(n % 9_973)).collect();
        let array = StringViewArray::from_iter_values(&texts);
        let mut dictionary = Texts::new();
        let mut known = std::collections::HashMap::new();
        let wanted: Vec<u32> = texts
            .iter()
            .map(|text| {
                let next = known.len() as u32;
                *known.entry(text.clone()).or_insert(next)
            })
            .collect();
        let mut indices = Vec::new();
        for (step, views) in array.views().chunks(1_000).enumerate() {
            dictionary.push(views, |row| texts[1_000 * step + row].as_bytes(), &mut indices);
        }
        assert_eq!(indices, wanted);
        assert_eq!(dictionary.len(), known.len());
        assert_eq!(dictionary.value_bytes(), known.keys().map(String::len).sum::<usize>());
        let values: Vec<&[u8]> = dictionary.values().collect();
        assert!(texts.iter().zip(&wanted).all(|(text, index)| values[*index as usize] == text.as_bytes()));
        let mut numbers = Numbers::new();
        for n in 0..10_000u64 {
            assert_eq!(u64::from(numbers.index((n % 5_000) << 40)), n % 5_000);
        }
        assert_eq!(numbers.bits.len(), 5_000);
    }
}
