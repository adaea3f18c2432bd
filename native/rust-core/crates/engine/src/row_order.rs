//! The order of rows by keys in Arrow's row format. Most comparisons are settled by the first bytes in which the keys differ at all, which stand
//! beside the row's place, so that neither the keys nor the rows are touched.

use arrow_row::Rows;

/// A row by its batch and its number there, with the first bytes of its key.
#[derive(Clone, Copy, Debug)]
pub struct Ranked {
    first: u64,
    second: u64,
    batch: u32,
    row: u32,
}

impl Ranked {
    /// As `interleave` takes it.
    pub fn place(&self) -> (usize, usize) {
        (self.batch as usize, self.row as usize)
    }
}

/// Bytes that [`ranked`] takes for each row.
pub const RANK_BYTES: usize = size_of::<Ranked>();

/// All rows in the order of their keys, of which each element of `keys` holds those of one batch. Rows with equal keys stay in the order of the
/// batches.
pub fn ranked(keys: &[&Rows]) -> Vec<Ranked> {
    let skip = common_bytes(keys);
    let mut order = Vec::with_capacity(keys.iter().map(|rows| rows.num_rows()).sum());
    for (batch, rows) in keys.iter().enumerate() {
        for (row, key) in rows.iter().enumerate() {
            let rest = &key.as_ref()[skip..];
            let (first, second) = (word(rest), word(rest.get(8..).unwrap_or_default()));
            order.push(Ranked { first, second, batch: batch as u32, row: row as u32 });
        }
    }
    let key = |ranked: &Ranked| keys[ranked.batch as usize].row(ranked.row as usize);
    order.sort_unstable_by(|a, b| {
        let by_key = (a.first, a.second).cmp(&(b.first, b.second)).then_with(|| key(a).cmp(&key(b)));
        by_key.then((a.batch, a.row).cmp(&(b.batch, b.row)))
    });
    order
}

/// How many bytes all keys begin with.
fn common_bytes(keys: &[&Rows]) -> usize {
    let mut all = keys.iter().flat_map(|rows| rows.iter());
    let Some(first) = all.next() else { return 0 };
    let first = first.as_ref();
    let mut common = first.len();
    for key in all {
        let key = key.as_ref();
        if !key.starts_with(&first[..common]) {
            common = first.iter().zip(key).take_while(|(a, b)| a == b).count();
        }
    }
    common
}

/// The first eight bytes as a number that sorts as they do; what is missing counts as zero.
fn word(bytes: &[u8]) -> u64 {
    if let Some(whole) = bytes.first_chunk() {
        return u64::from_be_bytes(*whole);
    }
    let mut padded = [0; 8];
    padded[..bytes.len()].copy_from_slice(bytes);
    u64::from_be_bytes(padded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, Int64Array, StringArray};
    use arrow_row::{RowConverter, SortField};
    use arrow_schema::{DataType, SortOptions};
    use proptest::prelude::*;
    use std::sync::Arc;

    proptest! {
        #[test]
        fn it_is_that_of_a_stable_sort(
            values in prop::collection::vec((prop::option::of(0i64..3), prop::option::of("(same )?[ab]{0,20}")), 0..200),
            cut in 1usize..50,
        ) {
            let descending = SortOptions { descending: true, nulls_first: false };
            let fields = vec![SortField::new(DataType::Utf8), SortField::new_with_options(DataType::Int64, descending)];
            let converter = RowConverter::new(fields).unwrap();
            let rows: Vec<Rows> = values.chunks(cut).map(|piece| {
                let numbers: Int64Array = piece.iter().map(|(number, _)| *number).collect();
                let texts: StringArray = piece.iter().map(|(_, text)| text.as_deref()).collect();
                converter.convert_columns(&[Arc::new(texts) as ArrayRef, Arc::new(numbers)]).unwrap()
            }).collect();
            let found: Vec<usize> = ranked(&rows.iter().collect::<Vec<_>>()).iter().map(|ranked| {
                let (batch, row) = ranked.place();
                batch * cut + row
            }).collect();
            let mut wanted: Vec<usize> = (0..values.len()).collect();
            wanted.sort_by_key(|at| {
                let (number, text) = &values[*at];
                (text.clone(), number.is_none(), std::cmp::Reverse(*number))
            });
            prop_assert_eq!(found, wanted);
        }
    }
}
