//! How each column of a Parquet part is encoded: a pure table over the first rows of the part, so that the choice depends on its rows alone.
//!
//! | column | without dictionary | dictionary |
//! | --- | --- | --- |
//! | text, binary | DELTA_LENGTH_BYTE_ARRAY | at most half of the values distinct, dictionary of at most 1 MiB |
//! | integers, dates, times, decimals of up to 18 digits | DELTA_BINARY_PACKED | at most 5 % distinct |
//! | floats, longer decimals | PLAIN | at most 5 % distinct |
//! | booleans | PLAIN | never |

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use parquet::basic::Encoding;

/// Rows the choice looks at.
pub(super) const SAMPLE_ROWS: usize = 32_768;
const DICTIONARY_BYTES: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub dictionary: bool,
    /// Used without a dictionary, and from where a dictionary has grown too large.
    pub encoding: Encoding,
}

impl Choice {
    /// Where nothing is known of the values.
    pub const PLAIN: Choice = Choice { dictionary: false, encoding: Encoding::PLAIN };
}

/// The choice for one column, given its sampled pieces. None for nested columns, which keep the library's defaults.
pub(super) fn choose(data_type: &DataType, pieces: &[ArrayRef]) -> Option<Choice> {
    let encoding = match data_type {
        DataType::Boolean => return Some(Choice { dictionary: false, encoding: Encoding::PLAIN }),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            Encoding::DELTA_LENGTH_BYTE_ARRAY
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 | DataType::FixedSizeBinary(_) => Encoding::PLAIN,
        DataType::Decimal128(precision, _) | DataType::Decimal256(precision, _) if *precision > 18 => Encoding::PLAIN,
        other if other.is_primitive() && !matches!(other, DataType::Interval(_)) => Encoding::DELTA_BINARY_PACKED,
        _ => return None,
    };
    let values: usize = pieces.iter().map(|piece| piece.len() - piece.null_count()).sum();
    let share = if encoding == Encoding::DELTA_LENGTH_BYTE_ARRAY { values / 2 } else { values / 20 };
    Some(Choice { dictionary: is_repetitive(pieces, share), encoding })
}

/// Whether the pieces hold at most `limit` distinct values, which together fit a dictionary.
fn is_repetitive(pieces: &[ArrayRef], limit: usize) -> bool {
    let mut seen = Distinct::new();
    let mut bytes = 0;
    pieces.iter().all(|piece| {
        for_each_value(piece, |value| {
            if seen.insert(hash(value)) {
                bytes += value.len() + 4;
            }
            seen.count <= limit && bytes <= DICTIONARY_BYTES
        })
    }) && seen.count > 0
}

/// Calls `each` with the bytes of every value that is not null until it answers false; says whether it never did.
fn for_each_value(array: &ArrayRef, mut each: impl FnMut(&[u8]) -> bool) -> bool {
    let rows = || (0..array.len()).filter(|row| array.is_valid(*row));
    match array.data_type() {
        DataType::Utf8 => rows().all(|row| each(array.as_string::<i32>().value(row).as_bytes())),
        DataType::LargeUtf8 => rows().all(|row| each(array.as_string::<i64>().value(row).as_bytes())),
        DataType::Utf8View => rows().all(|row| each(array.as_string_view().value(row).as_bytes())),
        DataType::Binary => rows().all(|row| each(array.as_binary::<i32>().value(row))),
        DataType::LargeBinary => rows().all(|row| each(array.as_binary::<i64>().value(row))),
        DataType::BinaryView => rows().all(|row| each(array.as_binary_view().value(row))),
        DataType::FixedSizeBinary(_) => rows().all(|row| each(array.as_fixed_size_binary().value(row))),
        _ => {
            let data = array.to_data();
            let width = data.data_type().primitive_width().unwrap_or(1);
            let bytes = &data.buffers()[0].as_slice()[data.offset() * width..];
            rows().all(|row| each(&bytes[row * width..(row + 1) * width]))
        }
    }
}

/// A multiplicative hash over words. A collision makes a column look a little more repetitive; nothing else depends on it.
fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |state: u64, word: u64| (state ^ word).wrapping_mul(FACTOR).rotate_left(29);
    let mut words = bytes.chunks_exact(8);
    let mut state = FACTOR ^ bytes.len() as u64;
    for word in &mut words {
        state = mix(state, u64::from_le_bytes(word.try_into().expect("chunks_exact yields 8 bytes")));
    }
    let mut last = [0; 8];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    let state = mix(state, u64::from_le_bytes(last));
    mix(state, state >> 32)
}

/// A set of hashes with room for `SAMPLE_ROWS` of them, open addressing.
struct Distinct {
    slots: Vec<u64>,
    count: usize,
}

impl Distinct {
    fn new() -> Distinct {
        Distinct { slots: vec![0; 4 * SAMPLE_ROWS], count: 0 }
    }

    fn insert(&mut self, hash: u64) -> bool {
        // 0 marks a free slot.
        let hash = hash.max(1);
        let mut slot = hash as usize % self.slots.len();
        while self.slots[slot] != 0 {
            if self.slots[slot] == hash {
                return false;
            }
            slot = (slot + 1) % self.slots.len();
        }
        // A caller that passes more values than a sample has gets "not new" rather than an endless search.
        if self.count >= 2 * SAMPLE_ROWS {
            return false;
        }
        self.slots[slot] = hash;
        self.count += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BooleanArray, Decimal128Array, Float64Array, Int64Array, StringViewArray};

    use super::*;

    fn check(column: ArrayRef, dictionary: bool, encoding: Encoding) {
        let data_type = column.data_type().clone();
        assert_eq!(choose(&data_type, &[column]), Some(Choice { dictionary, encoding }), "{data_type}");
    }

    #[test]
    fn repetitive_columns_get_a_dictionary() {
        let text = |distinct: usize| Arc::new(StringViewArray::from_iter_values((0..8_192).map(|n| format!("value {}", n % distinct))));
        check(text(10), true, Encoding::DELTA_LENGTH_BYTE_ARRAY);
        check(text(4_096), true, Encoding::DELTA_LENGTH_BYTE_ARRAY);
        check(text(4_097), false, Encoding::DELTA_LENGTH_BYTE_ARRAY);
        let integers = |distinct: i64| Arc::new(Int64Array::from_iter_values((0..8_192).map(|n| n % distinct)));
        check(integers(400), true, Encoding::DELTA_BINARY_PACKED);
        check(integers(500), false, Encoding::DELTA_BINARY_PACKED);
        check(Arc::new(Float64Array::from_iter_values((0..100).map(f64::from))), false, Encoding::PLAIN);
        check(Arc::new(BooleanArray::from(vec![true; 10])), false, Encoding::PLAIN);
        let decimals = |precision| Arc::new(Decimal128Array::from(vec![1, 2, 3]).with_precision_and_scale(precision, 0).unwrap());
        check(decimals(18), false, Encoding::DELTA_BINARY_PACKED);
        check(decimals(19), false, Encoding::PLAIN);
        check(Arc::new(StringViewArray::from(vec![None::<&str>; 5])), false, Encoding::DELTA_LENGTH_BYTE_ARRAY);
    }
}
