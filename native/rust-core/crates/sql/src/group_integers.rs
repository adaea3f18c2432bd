//! What most groupings consist of, faster than the engine has it: groups by one whole number, and exact sums of whole numbers.

use std::sync::Arc;

use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, PrimitiveArray, UInt32Array, cast::AsArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Schema, SchemaRef};
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::{EmitTo, GroupsAccumulator};
use datafusion_physical_expr::PhysicalExprRef;
use datafusion_physical_expr::aggregate::AggregateFunctionExpr;
use datafusion_physical_expr::expressions::CastExpr;
use datafusion_physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion_physical_plan::aggregates::order::GroupOrdering;

const FIRST_SLOTS: usize = 1_024;
/// No key stands farther than this from where it should; made-up keys that all should stand in one place are left to the engine.
const MAX_STEPS: usize = 256;
/// Rows whose places are fetched together: what they find stays in the nearest cache.
const FETCHED_ROWS: usize = 512;
/// The sum of nothing: no sum of as many whole numbers as there can be comes near.
const NOTHING: i128 = i128::MIN;

/// The table of groups for some keys.
pub fn table_of(keys: &SchemaRef) -> Result<Box<dyn GroupValues>> {
    match keys.fields().as_ref() {
        [key] if key.data_type() == &DataType::Int64 => Ok(Box::new(IntegerGroups::new(Arc::clone(keys)))),
        _ => new_group_values(Arc::clone(keys), &GroupOrdering::None),
    }
}

/// Groups by one whole number. A key and its group stand in one place of memory, so that most rows cost one look at it.
struct IntegerGroups {
    schema: SchemaRef,
    /// A power of two, at least twice as many as there are keys; out of use while there is a `range`.
    slots: Vec<Slot>,
    /// Where keys are found by their distance from the smallest, because they lie close together.
    range: Option<Range>,
    /// The key of each group.
    keys: Vec<i64>,
    null_group: Option<usize>,
    /// What a few rows find in their places.
    fetched: Vec<Slot>,
    /// Where all groups are once the keys turned out to be made up.
    engine: Option<Box<dyn GroupValues>>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    key: i64,
    /// The group's number and 1, or 0.
    group: u32,
}

/// Groups of keys that lie close together, as numbers of customers or articles do: no hash, no key to compare, a quarter of the memory to look at.
struct Range {
    /// The key of the first place. Distances wrap, so that each key has a place of its own at both ends of all numbers too.
    first: i64,
    /// For each key from there on its group's number and 1, or 0.
    groups: Vec<u32>,
}

/// A range has at most so many places for each key, when it is taken and whenever it is widened.
const MAX_PLACES: u64 = 8;

impl Range {
    #[inline(always)]
    fn place(&self, key: i64) -> u64 {
        (key as u64).wrapping_sub(self.first as u64)
    }

    /// The group's number and 1, or 0.
    #[inline(always)]
    fn held(&self, key: i64) -> u32 {
        usize::try_from(self.place(key)).ok().and_then(|place| self.groups.get(place)).copied().unwrap_or(0)
    }
}

impl IntegerGroups {
    fn new(schema: SchemaRef) -> IntegerGroups {
        let slots = vec![Slot::default(); FIRST_SLOTS];
        IntegerGroups { schema, slots, range: None, keys: Vec::new(), null_group: None, fetched: Vec::new(), engine: None }
    }

    /// The group of a key; none if its place is too far away.
    #[inline(always)]
    fn group_of(&mut self, key: i64) -> Option<usize> {
        if self.range.is_some() { self.group_in_range(key) } else { self.group_of_hashed(key) }
    }

    #[inline(always)]
    fn group_of_hashed(&mut self, key: i64) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut at = scattered(key) as usize & mask;
        for _ in 0..MAX_STEPS {
            let held = self.slots[at];
            if held.group == 0 {
                return self.add(at, key);
            }
            if held.key == key {
                return Some(held.group as usize - 1);
            }
            at = (at + 1) & mask;
        }
        None
    }

    #[inline(never)]
    fn add(&mut self, at: usize, key: i64) -> Option<usize> {
        let group = self.keys.len();
        self.slots[at] = Slot { key, group: u32::try_from(group + 1).ok()? };
        self.keys.push(key);
        if 2 * self.keys.len() <= self.slots.len() {
            return Some(group);
        }
        if let Some((low, high)) = self.ends().filter(|(low, high)| self.lie_close(*low, *high)) {
            self.take_range(low, high.abs_diff(low) + 1);
            return Some(group);
        }
        self.hash_into(2 * self.slots.len()).then_some(group)
    }

    /// Gives all keys places by their hash. False if some key would stand too far away.
    fn hash_into(&mut self, places: usize) -> bool {
        let mask = places - 1;
        let mut slots = vec![Slot::default(); places];
        for (key, group) in self.known() {
            let start = scattered(key) as usize;
            let Some(at) = (start..start + MAX_STEPS).map(|at| at & mask).find(|at| slots[*at].group == 0) else { return false };
            slots[at] = Slot { key, group };
        }
        (self.slots, self.range) = (slots, None);
        true
    }

    /// All keys but null, each with its group's number and 1.
    fn known(&self) -> impl Iterator<Item = (i64, u32)> {
        let null = self.null_group.map(|null| null as u32 + 1);
        self.keys.iter().copied().zip(1..).filter(move |(_, group)| Some(*group) != null)
    }

    /// The smallest and the largest key.
    fn ends(&self) -> Option<(i64, i64)> {
        self.known().fold(None, |ends, (key, _)| {
            let (low, high) = ends.unwrap_or((key, key));
            Some((low.min(key), high.max(key)))
        })
    }

    fn lie_close(&self, low: i64, high: i64) -> bool {
        high.abs_diff(low) < MAX_PLACES * self.keys.len() as u64
    }

    /// Gives all keys places by their distance from `first`.
    fn take_range(&mut self, first: i64, places: u64) {
        let mut range = Range { first, groups: vec![0; places as usize] };
        for (key, group) in self.known() {
            let place = range.place(key) as usize;
            range.groups[place] = group;
        }
        (self.slots, self.range) = (Vec::new(), Some(range));
    }

    #[inline(never)]
    fn group_in_range(&mut self, key: i64) -> Option<usize> {
        let range = self.range.as_mut()?;
        let place = range.place(key);
        if let Some(held) = usize::try_from(place).ok().and_then(|place| range.groups.get_mut(place)) {
            if *held == 0 {
                self.keys.push(key);
                *held = u32::try_from(self.keys.len()).ok()?;
            }
            return Some(*held as usize - 1);
        }
        let (low, high) = self.ends().unwrap_or((key, key));
        let (low, high) = (low.min(key), high.max(key));
        if !self.lie_close(low, high) {
            let places = (2 * self.keys.len() + 2).next_power_of_two().max(FIRST_SLOTS);
            return if self.hash_into(places) { self.group_of_hashed(key) } else { None };
        }
        // Room on both sides, so that a million keys one behind the other do not move a million times.
        let span = high.abs_diff(low) + 1;
        self.take_range(low.wrapping_sub_unsigned(span / 2), 2 * span);
        self.group_in_range(key)
    }

    fn array(&self) -> Int64Array {
        let nulls = self.null_group.map(|null| NullBuffer::from_iter((0..self.keys.len()).map(|group| group != null)));
        PrimitiveArray::new(self.keys.clone().into(), nulls)
    }

    fn group_of_null(&mut self) -> usize {
        *self.null_group.get_or_insert_with(|| {
            self.keys.push(0);
            self.keys.len() - 1
        })
    }

    /// What stands in the own place of each key; in a range a group is only found in the place of its key. Nothing is compared meanwhile: a comparison becomes a jump, and a processor that must know where
    /// to jump waits for one place of memory after the other, instead of for many at once.
    fn fetch(&self, keys: &[i64], fetched: &mut Vec<Slot>) {
        fetched.clear();
        if let Some(range) = &self.range {
            fetched.extend(keys.iter().map(|key| Slot { key: *key, group: range.held(*key) }));
            return;
        }
        let mask = self.slots.len() - 1;
        fetched.extend(keys.iter().map(|key| self.slots[scattered(*key) as usize & mask]));
    }

    /// Adds the group of each key to `groups`; none if a key's place is too far away.
    fn groups_of(&mut self, keys: &Int64Array, fetched: &mut Vec<Slot>, groups: &mut Vec<usize>) -> Option<()> {
        let nulls = keys.nulls().filter(|nulls| nulls.null_count() > 0);
        for (piece, start) in keys.values().chunks(FETCHED_ROWS).zip((0..).step_by(FETCHED_ROWS)) {
            self.fetch(piece, fetched);
            for ((key, held), row) in piece.iter().zip(fetched.iter()).zip(start..) {
                groups.push(match nulls {
                    Some(nulls) if nulls.is_null(row) => self.group_of_null(),
                    _ if held.key == *key && held.group > 0 => held.group as usize - 1,
                    _ => self.group_of(*key)?,
                });
            }
        }
        Some(())
    }

    /// Leaves all groups, under the same numbers, to the engine's table.
    fn give_up(&mut self) -> Result<&mut Box<dyn GroupValues>> {
        let mut engine = new_group_values(Arc::clone(&self.schema), &GroupOrdering::None)?;
        engine.intern(&[Arc::new(self.array()) as ArrayRef], &mut Vec::new())?;
        (self.slots, self.range, self.keys) = (Vec::new(), None, Vec::new());
        Ok(self.engine.insert(engine))
    }
}

/// Spreads keys that lie side by side over all places.
#[inline(always)]
fn scattered(key: i64) -> u64 {
    let key = key as u64;
    let once = (key ^ key >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let twice = (once ^ once >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    twice ^ twice >> 32
}

impl GroupValues for IntegerGroups {
    fn intern(&mut self, cols: &[ArrayRef], groups: &mut Vec<usize>) -> Result<()> {
        if let Some(engine) = &mut self.engine {
            return engine.intern(cols, groups);
        }
        groups.clear();
        let mut fetched = std::mem::take(&mut self.fetched);
        let found = self.groups_of(cols[0].as_primitive::<Int64Type>(), &mut fetched, groups);
        self.fetched = fetched;
        match found {
            Some(()) => Ok(()),
            None => self.give_up()?.intern(cols, groups),
        }
    }

    fn size(&self) -> usize {
        let range = self.range.as_ref().map_or(0, |range| range.groups.capacity() * size_of::<u32>());
        let own = self.slots.capacity() * size_of::<Slot>() + self.keys.capacity() * size_of::<i64>() + range;
        own + self.engine.as_ref().map_or(0, |engine| engine.size())
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.engine.as_ref().map_or(self.keys.len(), |engine| engine.len())
    }

    fn emit(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        if let Some(engine) = &mut self.engine {
            return engine.emit(emit_to);
        }
        if !matches!(emit_to, EmitTo::All) {
            return Err(DataFusionError::Internal("groups by hash are handed out together".into()));
        }
        let emitted: ArrayRef = Arc::new(self.array());
        *self = IntegerGroups::new(Arc::clone(&self.schema));
        Ok(vec![emitted])
    }

    fn clear_shrink(&mut self, _num_rows: usize) {
        *self = IntegerGroups::new(Arc::clone(&self.schema));
    }
}

/// The places of different keys in ascending order, nulls last, without a comparison; None if they lie too far apart.
pub fn by_distance(keys: &Int64Array) -> Option<UInt32Array> {
    let known = || keys.iter().enumerate().filter_map(|(place, key)| key.map(|key| (place, key)));
    let (low, high) = known().fold((i64::MAX, i64::MIN), |(low, high), (_, key)| (low.min(key), high.max(key)));
    if low > high || high.abs_diff(low) >= MAX_PLACES * keys.len() as u64 {
        return None;
    }
    // A key's place and 1, or 0.
    let mut places = vec![0u32; high.abs_diff(low) as usize + 1];
    known().for_each(|(place, key)| places[key.abs_diff(low) as usize] = place as u32 + 1);
    let nulls = (0..keys.len()).filter(|place| keys.is_null(*place)).map(|place| place as u32);
    Some(UInt32Array::from_iter_values(places.into_iter().filter(|place| *place > 0).map(|place| place - 1).chain(nulls)))
}

/// What an exact sum adds up, if it adds up 64-bit whole numbers that were cast to a decimal that holds any sum of them.
pub fn summed_integers(aggregate: &AggregateFunctionExpr, input: &Schema) -> Option<PhysicalExprRef> {
    if aggregate.fun().name() != "sum" || aggregate.is_distinct() || aggregate.field().data_type() != &sum_type() {
        return None;
    }
    let [summed] = &aggregate.expressions()[..] else { return None };
    let cast = summed.downcast_ref::<CastExpr>()?;
    let is_integer = cast.expr().data_type(input).is_ok_and(|data_type| data_type == DataType::Int64);
    (cast.cast_type() == &sum_type() && is_integer).then(|| Arc::clone(cast.expr()))
}

fn sum_type() -> DataType {
    DataType::Decimal128(38, 0)
}

/// Sums of 64-bit whole numbers, as `sum_type`, without making decimals of the numbers first.
#[derive(Default)]
pub struct IntegerSums {
    sums: Vec<i128>,
}

impl IntegerSums {
    #[inline(always)]
    fn add(&mut self, group: usize, number: i64) {
        let sum = &mut self.sums[group];
        *sum = i128::from(number) + if *sum == NOTHING { 0 } else { *sum };
    }
}

impl GroupsAccumulator for IntegerSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.sums.resize(total_num_groups, NOTHING);
        let numbers = values[0].as_primitive::<Int64Type>();
        if numbers.null_count() == 0 && opt_filter.is_none() {
            group_indices.iter().zip(numbers.values()).for_each(|(group, number)| self.add(*group, *number));
            return Ok(());
        }
        for (row, group) in group_indices.iter().enumerate() {
            let is_wanted = opt_filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            if is_wanted && numbers.is_valid(row) {
                self.add(*group, numbers.value(row));
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = emit_to.take_needed(&mut self.sums);
        let sums: PrimitiveArray<Decimal128Type> = sums.into_iter().map(|sum| (sum != NOTHING).then_some(sum)).collect();
        Ok(Arc::new(sums.with_data_type(sum_type())))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn merge_batch(&mut self, _: &[ArrayRef], _: &[usize], _: usize) -> Result<()> {
        Err(DataFusionError::Internal("sums are never merged".into()))
    }

    fn convert_to_state(&self, _: &[ArrayRef], _: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        Err(DataFusionError::Internal("sums are never merged".into()))
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::Field;
    use proptest::prelude::*;

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, true)]))
    }

    fn intern(groups: &mut dyn GroupValues, keys: &[Option<i64>]) -> Vec<usize> {
        let mut places = vec![7];
        groups.intern(&[Arc::new(Int64Array::from(keys.to_vec())) as ArrayRef], &mut places).unwrap();
        places
    }

    /// The key that scatters to `wanted`.
    fn key_scattered_to(wanted: u64) -> i64 {
        let undo = |mixed: u64, shift: u32| (0..64 / shift).fold(mixed, |plain, _| mixed ^ plain >> shift);
        let inverse = |odd: u64| (0..6).fold(odd, |found, _| found.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(found))));
        let once = undo(undo(wanted, 32).wrapping_mul(inverse(0xBF58_476D_1CE4_E5B9)), 29);
        undo(once.wrapping_mul(inverse(0x9E37_79B9_7F4A_7C15)), 32) as i64
    }

    proptest! {
        #[test]
        fn groups_are_those_of_the_engine(
            batches in prop::collection::vec(prop::collection::vec(prop_oneof![
                prop::option::of(-40i64..40), any::<Option<i64>>(), (0i64..4).prop_map(|n| Some(key_scattered_to((n as u64) << 40)))
            ], 0..900), 1..5),
        ) {
            let (mut own, mut engine) = (table_of(&schema()).unwrap(), new_group_values(schema(), &GroupOrdering::None).unwrap());
            for batch in &batches {
                prop_assert_eq!(intern(own.as_mut(), batch), intern(engine.as_mut(), batch));
                prop_assert_eq!(own.len(), engine.len());
            }
            prop_assert_eq!(&own.emit(EmitTo::All).unwrap()[0], &engine.emit(EmitTo::All).unwrap()[0]);
            prop_assert!(own.is_empty());
        }
    }

    /// Keys side by side, in several orders, with nulls and gaps, at both ends of all numbers, and with strangers far away.
    #[test]
    fn keys_that_lie_close_together_have_the_groups_of_the_engine() {
        let shuffled = |count: i64, modulus: i64| (0..count).map(move |n| n * 7_919 % modulus);
        let keys: Vec<(&str, Vec<i64>, bool)> = vec![
            ("ascending", (0..9_000).collect(), true),
            ("descending", (-9_000..0).rev().collect(), true),
            ("both ways", (0..5_000).flat_map(|n| [n, -n]).collect(), true),
            ("shuffled", shuffled(9_000, 4_001).collect(), true),
            ("with gaps", shuffled(9_000, 4_001).map(|key| 3 * key).collect(), true),
            ("at the end", shuffled(9_000, 4_001).map(|key| i64::MAX - key).collect(), true),
            ("at the start", shuffled(9_000, 4_001).map(|key| i64::MIN + key).collect(), true),
            ("over the end", (0..4_000).map(|n| i64::MAX - 3_999 + n).chain((0..4_000).map(|n| i64::MIN + n)).collect(), false),
            ("with a stranger", (0..4_000).chain([1 << 40]).chain(0..9_000).collect(), false),
            ("far apart", shuffled(9_000, 4_001).map(|key| key << 20).collect(), false),
        ];
        for (name, keys, is_close) in keys {
            let keys: Vec<Option<i64>> = keys.into_iter().enumerate().map(|(row, key)| (row % 1_000 != 700).then_some(key)).collect();
            let (mut own, mut engine) = (IntegerGroups::new(schema()), new_group_values(schema(), &GroupOrdering::None).unwrap());
            for batch in keys.chunks(777) {
                assert_eq!(intern(&mut own, batch), intern(engine.as_mut(), batch), "{name}");
            }
            assert_eq!(own.range.is_some(), is_close, "{name}");
            assert!(own.engine.is_none(), "{name}");
            let places = own.range.as_ref().map_or(own.slots.len(), |range| range.groups.len());
            assert!(places <= 2 * MAX_PLACES as usize * own.keys.len(), "{name}: {places} places for {} keys", own.keys.len());
            assert_eq!(&own.emit(EmitTo::All).unwrap()[0], &engine.emit(EmitTo::All).unwrap()[0], "{name}");
        }
    }

    #[test]
    fn close_keys_are_ordered_by_distance() {
        let order = |keys: Vec<Option<i64>>| by_distance(&Int64Array::from(keys)).map(|order| order.values().to_vec());
        assert_eq!(order(vec![Some(5), None, Some(-3), Some(0)]), Some(vec![2, 3, 0, 1]));
        assert_eq!(order(vec![Some(i64::MAX), Some(i64::MAX - 7)]), Some(vec![1, 0]));
        assert_eq!(order(vec![Some(i64::MIN), Some(i64::MAX)]), None);
        assert_eq!(order(vec![Some(0), Some(8)]), Some(vec![0, 1]));
        assert_eq!(order(vec![Some(0), Some(2 * MAX_PLACES as i64)]), None);
        assert_eq!(order(vec![None]), None);
        assert_eq!(order(vec![]), None);
    }

    #[test]
    fn made_up_keys_are_left_to_the_engine() {
        let mut groups = IntegerGroups::new(schema());
        let hostile: Vec<Option<i64>> = (0..2_000).map(|n| Some(key_scattered_to(n << 32))).chain([None]).collect();
        assert!(hostile.iter().flatten().all(|key| scattered(*key) as u32 == 0));
        let places = intern(&mut groups, &hostile);
        assert!(groups.engine.is_some());
        assert_eq!(places, (0..2_001).collect::<Vec<_>>());
        assert_eq!(intern(&mut groups, &hostile), places);
        assert_eq!(groups.emit(EmitTo::All).unwrap()[0].as_primitive::<Int64Type>(), &Int64Array::from(hostile));
    }

    #[test]
    fn sums_skip_nulls_and_rows_that_are_filtered() {
        let mut sums = IntegerSums::default();
        let update = |sums: &mut IntegerSums, numbers: Vec<Option<i64>>, groups: &[usize], filter: Option<Vec<bool>>| {
            let filter = filter.map(BooleanArray::from);
            sums.update_batch(&[Arc::new(Int64Array::from(numbers)) as ArrayRef], groups, filter.as_ref(), 4).unwrap();
        };
        update(&mut sums, vec![Some(i64::MAX), Some(i64::MAX), Some(-5)], &[0, 0, 1], None);
        update(&mut sums, vec![None, Some(5), Some(1)], &[2, 1, 3], Some(vec![true, true, false]));
        let found = sums.evaluate(EmitTo::All).unwrap();
        let found: Vec<Option<i128>> = found.as_primitive::<Decimal128Type>().iter().collect();
        assert_eq!(found, [Some(2 * i128::from(i64::MAX)), Some(0), None, None]);
    }
}
