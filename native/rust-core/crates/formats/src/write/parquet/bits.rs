//! Integers in few bits, as the Parquet format describes them in its page on encodings: ULEB128, zigzag, DELTA_BINARY_PACKED, RLE with bit packing.

/// Values that are packed at once. 32 values of any width fill whole 4-byte words.
const GROUP: usize = 32;
/// Deltas that share one least value.
const BLOCK: usize = 128;
/// Repeated values become a run only from this many on: a shorter one costs more than it saves, as it cuts the packed values before and behind it.
const MIN_RUN: usize = 24;

/// Appends an unsigned integer in 7-bit groups, the least significant first.
pub fn put_uleb(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed integer, small ones in few bytes whatever their sign.
pub fn put_zigzag(value: i64, out: &mut Vec<u8>) {
    put_uleb(((value << 1) ^ (value >> 63)) as u64, out);
}

/// Bits that hold every number up to `value`.
pub fn width_of(value: u64) -> usize {
    (u64::BITS - value.leading_zeros()) as usize
}

/// The width is known to the compiler here, so that every shift is a constant.
fn pack<const WIDTH: usize>(values: &[u64; GROUP], out: &mut Vec<u8>) {
    let mut words = [0u64; GROUP];
    for (index, &value) in values.iter().enumerate() {
        let (word, shift) = (index * WIDTH / 64, index * WIDTH % 64);
        words[word] |= value << shift;
        if shift + WIDTH > 64 {
            words[word + 1] |= value >> (64 - shift);
        }
    }
    let mut bytes = [0u8; GROUP * 8];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&bytes[..4 * WIDTH]);
}

macro_rules! packers {
    ($($width:literal)*) => { [$(pack::<$width>),*] };
}

type Packer = fn(&[u64; GROUP], &mut Vec<u8>);

/// By width. Values must not exceed it.
const PACKERS: [Packer; 65] = packers!(
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
    33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64
);

/// An integer whose differences wrap around in its own width, as the format wants it.
pub trait Delta: Copy + Ord + Default {
    fn minus(self, before: Self) -> Self;
    /// How far it stands above `least`, in as many bits as the type has.
    fn above(self, least: Self) -> u64;
    fn wide(self) -> i64;
}

impl Delta for i32 {
    #[inline(always)]
    fn minus(self, before: i32) -> i32 {
        self.wrapping_sub(before)
    }

    #[inline(always)]
    fn above(self, least: i32) -> u64 {
        u64::from(self.wrapping_sub(least) as u32)
    }

    fn wide(self) -> i64 {
        self.into()
    }
}

impl Delta for i64 {
    #[inline(always)]
    fn minus(self, before: i64) -> i64 {
        self.wrapping_sub(before)
    }

    #[inline(always)]
    fn above(self, least: i64) -> u64 {
        self.wrapping_sub(least) as u64
    }

    fn wide(self) -> i64 {
        self
    }
}

/// DELTA_BINARY_PACKED: blocks of 128 differences, in each four groups of 32 with a width of their own.
pub fn put_deltas<T: Delta>(values: &[T], out: &mut Vec<u8>) {
    put_uleb(BLOCK as u64, out);
    put_uleb((BLOCK / GROUP) as u64, out);
    put_uleb(values.len() as u64, out);
    put_zigzag(values.first().copied().unwrap_or_default().wide(), out);
    let mut at = 1;
    while at < values.len() {
        let end = (at + BLOCK).min(values.len());
        put_block(&values[at - 1..end], out);
        at = end;
    }
}

/// A block; the first value is the last one of the block before.
fn put_block<T: Delta>(values: &[T], out: &mut Vec<u8>) {
    let count = values.len() - 1;
    let mut deltas = [T::default(); BLOCK];
    for (delta, pair) in deltas.iter_mut().zip(values.windows(2)) {
        *delta = pair[1].minus(pair[0]);
    }
    let least = deltas[..count].iter().copied().min().unwrap_or_default();
    put_zigzag(least.wide(), out);
    let mut offsets = [0u64; BLOCK];
    for (offset, delta) in offsets.iter_mut().zip(&deltas[..count]) {
        *offset = delta.above(least);
    }
    let (groups, _) = offsets.as_chunks::<GROUP>();
    let widths: [usize; BLOCK / GROUP] = std::array::from_fn(|group| width_of(groups[group].iter().fold(0, |all, offset| all | offset)));
    out.extend(widths.map(|width| width as u8));
    // A group that holds no difference at all takes no bytes: its width is 0.
    for (group, width) in groups.iter().zip(widths) {
        PACKERS[width](group, out);
    }
}

/// Runs of equal values and packed groups of eight, in turns as the values ask for: indices into a dictionary.
pub fn put_indices(values: &[u32], width: usize, out: &mut Vec<u8>) {
    let (mut packed_from, mut at) = (0, 0);
    while at < values.len() {
        let run = run_at(&values[at..]);
        if run < MIN_RUN.min(values.len()) {
            at = (at + 8).min(values.len());
            continue;
        }
        put_packed(&values[packed_from..at], width, out);
        put_run(values[at], run, width, out);
        at += run;
        packed_from = at;
    }
    put_packed(&values[packed_from..], width, out);
}

/// How many values are equal to the first one.
#[inline]
fn run_at(values: &[u32]) -> usize {
    let first = values[0];
    // Nearly always the next value is another one already.
    if values.get(1).is_some_and(|&value| value != first) {
        return 1;
    }
    values.iter().take_while(|&&value| value == first).count()
}

fn put_run(value: u32, count: usize, width: usize, out: &mut Vec<u8>) {
    put_uleb((count as u64) << 1, out);
    out.extend_from_slice(&value.to_le_bytes()[..width.div_ceil(8)]);
}

/// Packs values; the last group of eight is filled up with zeros. Packed values in front of a run are a multiple of eight.
fn put_packed(values: &[u32], width: usize, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let eights = values.len().div_ceil(8);
    put_uleb((eights as u64) << 1 | 1, out);
    let end = out.len() + eights * width;
    for piece in values.chunks(GROUP) {
        let mut group = [0u64; GROUP];
        for (place, &value) in group.iter_mut().zip(piece) {
            *place = value.into();
        }
        PACKERS[width](&group, out);
    }
    out.truncate(end);
}

/// Definition levels of a column without nesting: 1 where there is a value. `valid` are the bits of all rows, none if no row is null.
pub fn put_levels(rows: usize, nulls: usize, valid: Option<&[u8]>, out: &mut Vec<u8>) {
    match valid {
        Some(bits) if nulls < rows => {
            let eights = rows.div_ceil(8);
            put_uleb((eights as u64) << 1 | 1, out);
            out.extend_from_slice(&bits[..eights]);
        }
        _ => put_run(u32::from(nulls == 0), rows, 1, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bits(bytes: &[u8], at: usize, width: usize) -> u64 {
        (0..width).fold(0, |value, bit| value | u64::from(bytes[(at + bit) / 8] >> ((at + bit) % 8) & 1) << bit)
    }

    fn get_uleb(bytes: &[u8], at: &mut usize) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = bytes[*at];
            *at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    fn get_zigzag(bytes: &[u8], at: &mut usize) -> i64 {
        let value = get_uleb(bytes, at);
        (value >> 1) as i64 ^ -((value & 1) as i64)
    }

    /// A reader by the letter of the format.
    fn get_deltas(bytes: &[u8], wrap: impl Fn(i64) -> i64) -> Vec<i64> {
        let at = &mut 0;
        let (block, groups, count) = (get_uleb(bytes, at) as usize, get_uleb(bytes, at) as usize, get_uleb(bytes, at) as usize);
        let mut values = vec![get_zigzag(bytes, at)];
        while values.len() < count {
            let least = get_zigzag(bytes, at);
            let widths = bytes[*at..*at + groups].to_vec();
            *at += groups;
            for width in widths.into_iter().map(usize::from) {
                if values.len() >= count {
                    assert_eq!(width, 0);
                    continue;
                }
                for index in 0..block / groups {
                    let delta = least.wrapping_add(bits(bytes, *at * 8 + index * width, width) as i64);
                    values.push(wrap(values[values.len() - 1].wrapping_add(delta)));
                }
                *at += block / groups * width / 8;
            }
        }
        assert_eq!(*at, bytes.len());
        values.truncate(count);
        values
    }

    fn get_indices(bytes: &[u8], width: usize, count: usize) -> Vec<u32> {
        let (at, mut values) = (&mut 0, Vec::new());
        while *at < bytes.len() {
            let head = get_uleb(bytes, at) as usize;
            if head & 1 == 0 {
                values.extend(std::iter::repeat_n(bits(bytes, *at * 8, width.div_ceil(8) * 8) as u32, head >> 1));
                *at += width.div_ceil(8);
            } else {
                values.extend((0..(head >> 1) * 8).map(|index| bits(bytes, *at * 8 + index * width, width) as u32));
                *at += (head >> 1) * width;
            }
        }
        assert!(values.len() >= count && values.len() < count + 8);
        values.truncate(count);
        values
    }

    proptest! {
        #[test]
        fn deltas_read_back(start in any::<i64>(), shift in 0u32..64, steps in prop::collection::vec(any::<i64>(), 0..400)) {
            let wide: Vec<i64> = std::iter::once(start).chain(steps.iter().scan(start, |value, step| {
                *value = value.wrapping_add(step >> shift);
                Some(*value)
            })).collect();
            let mut out = Vec::new();
            put_deltas(&wide, &mut out);
            prop_assert_eq!(get_deltas(&out, |value| value), wide.clone());
            let narrow: Vec<i32> = wide.iter().map(|value| *value as i32).collect();
            out.clear();
            put_deltas(&narrow, &mut out);
            let back: Vec<i32> = get_deltas(&out, |value| i64::from(value as i32)).into_iter().map(|value| value as i32).collect();
            prop_assert_eq!(back, narrow);
        }

        #[test]
        fn indices_read_back(width in 0usize..20, runs in prop::collection::vec((any::<u32>(), 1usize..70), 0..30)) {
            let values: Vec<u32> = runs.iter().flat_map(|(value, count)| std::iter::repeat_n(value & ((1 << width) - 1), if value % 3 == 0 { *count } else { 1 })).collect();
            let mut out = Vec::new();
            put_indices(&values, width, &mut out);
            prop_assert_eq!(get_indices(&out, width, values.len()), values);
        }
    }

    #[test]
    fn long_runs_are_short_and_levels_are_runs_where_they_can_be() {
        let mut out = Vec::new();
        put_indices(&[7; 1_000], 3, &mut out);
        assert_eq!(out, [0xd0, 0x0f, 7]);
        out.clear();
        put_levels(9, 0, None, &mut out);
        put_levels(9, 9, Some(&[0, 0]), &mut out);
        put_levels(9, 1, Some(&[0xfe, 1]), &mut out);
        assert_eq!(out, [18, 1, 18, 0, 5, 0xfe, 1]);
    }
}
