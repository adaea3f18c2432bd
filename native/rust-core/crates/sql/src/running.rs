//! Aggregates over frames that begin with their partition, of rows that are sorted by partition and order: what a row's frame comes to is what
//! that of the row before came to, and the row's own value.
//!
//! Values are taken one by one in the order of the rows, so neither cuts nor memory show in a result. The engine adds several floats at once
//! where rows are peers, so sums of floats are left to it there.

use std::sync::Arc;

use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, PrimitiveArray, UInt32Array, cast::AsArray};
use arrow_buffer::{NullBuffer, NullBufferBuilder};
use arrow_ord::ord::make_comparator;
use arrow_schema::{DataType, Schema, SortOptions};
use arrow_select::{concat::concat, take::take};
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::expr::{NullTreatment, WindowFunction};
use datafusion_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition};
use datafusion_physical_expr::PhysicalExprRef;
use millrace_engine::order::compact_array;

use crate::aggregate::{exact_sum_type, widened};

/// The last row of a frame that begins with its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The row itself.
    Row,
    /// The last row that the order does not tell from it.
    Peers,
    /// The last row of the partition.
    Partition,
}

/// None for frames of another shape.
pub fn reach_of(frame: &WindowFrame) -> Option<Reach> {
    let is_whole_start = matches!(&frame.start_bound, WindowFrameBound::Preceding(_)) && frame.start_bound.is_unbounded();
    match (&frame.end_bound, frame.units) {
        _ if !is_whole_start => None,
        (WindowFrameBound::Following(_), _) if frame.end_bound.is_unbounded() => Some(Reach::Partition),
        (WindowFrameBound::CurrentRow, WindowFrameUnits::Rows) => Some(Reach::Row),
        (WindowFrameBound::CurrentRow, WindowFrameUnits::Range | WindowFrameUnits::Groups) => Some(Reach::Peers),
        _ => None,
    }
}

/// A function whose value goes on from row to row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Count,
    /// Of whole numbers or decimals, as decimals of 38 digits with this scale.
    ExactSum(i8),
    FloatSum,
    FloatMean,
    Smallest,
    Largest,
    First,
    Last,
}

/// An aggregate over the rows of a partition up to a row.
#[derive(Clone)]
pub struct Running {
    pub function: Function,
    values: PhysicalExprRef,
    pub filter: Option<PhysicalExprRef>,
    /// Rows without a value count too, for the first or last of them.
    counts_nulls: bool,
}

impl Running {
    /// The aggregate of a call whose argument is `values`; None if it is not one of these.
    pub fn of(
        call: &WindowFunction,
        reach: Reach,
        values: &PhysicalExprRef,
        filter: Option<PhysicalExprRef>,
        input: &Schema,
    ) -> Result<Option<Running>> {
        let data_type = values.data_type(input)?;
        let ignores_nulls = call.params.null_treatment == Some(NullTreatment::IgnoreNulls);
        let function = match &call.fun {
            _ if call.params.distinct || call.params.args.len() != 1 => None,
            WindowFunctionDefinition::AggregateUDF(_) if call.params.null_treatment.is_some() => None,
            WindowFunctionDefinition::AggregateUDF(aggregate) => aggregate_of(aggregate.name(), &data_type, reach),
            WindowFunctionDefinition::WindowUDF(_) if filter.is_some() => None,
            WindowFunctionDefinition::WindowUDF(window) => match window.name() {
                "first_value" => Some(Function::First),
                "last_value" => Some(Function::Last),
                _ => None,
            },
        };
        let Some(function) = function else { return Ok(None) };
        let is_narrow = matches!(function, Function::ExactSum(_)) && data_type != DataType::Int64;
        let values = if is_narrow { widened(Arc::clone(values), input)? } else { Some(Arc::clone(values)) };
        let counts_nulls = matches!(function, Function::First | Function::Last) && !ignores_nulls;
        Ok(values.map(|values| Running { function, values, filter, counts_nulls }))
    }

    pub fn values(&self) -> &PhysicalExprRef {
        &self.values
    }

    /// The type of the results.
    pub fn data_type(&self, input: &Schema) -> Result<DataType> {
        match self.function {
            Function::Count => Ok(DataType::Int64),
            Function::ExactSum(scale) => Ok(DataType::Decimal128(38, scale)),
            Function::FloatSum | Function::FloatMean => Ok(DataType::Float64),
            Function::Smallest | Function::Largest | Function::First | Function::Last => self.values.data_type(input),
        }
    }

    /// The aggregate before the first row.
    pub fn start(&self) -> Total {
        Total { function: self.function, counts_nulls: self.counts_nulls, state: State::Nothing }
    }
}

fn aggregate_of(name: &str, data_type: &DataType, reach: Reach) -> Option<Function> {
    // A NaN is neither smaller nor larger than another value, so the engine's answer is its own.
    let is_ordered = !data_type.is_floating() && !data_type.is_nested() && !matches!(data_type, DataType::Interval(_) | DataType::Null);
    let is_float_by_row = *data_type == DataType::Float64 && reach == Reach::Row;
    match (name, exact_sum_type(data_type)) {
        ("count", _) => Some(Function::Count),
        ("sum", Some(DataType::Decimal128(_, scale))) => Some(Function::ExactSum(scale)),
        ("sum", None) if is_float_by_row => Some(Function::FloatSum),
        ("avg", None) if is_float_by_row => Some(Function::FloatMean),
        ("min", _) if is_ordered => Some(Function::Smallest),
        ("max", _) if is_ordered => Some(Function::Largest),
        _ => None,
    }
}

/// What the rows of a partition came to so far.
pub struct Total {
    function: Function,
    counts_nulls: bool,
    state: State,
}

enum State {
    Nothing,
    Number(i128),
    /// A sum of floats, and of how many.
    Float(f64, u64),
    /// An array of one value.
    Value(ArrayRef),
}

impl Total {
    /// The total at each row, of the same length as `values`. Rows that `filter` does not have are left out; `partitions` says with which rows
    /// one begins.
    pub fn go_on(&mut self, values: &ArrayRef, filter: Option<&NullBuffer>, partitions: &[bool]) -> Result<ArrayRef> {
        let nulls = if self.counts_nulls { None } else { values.logical_nulls() };
        let counted = NullBuffer::union(nulls.as_ref(), filter);
        let rows = Rows { counted, partitions };
        Ok(match self.function {
            Function::Count => {
                let (counts, _) = self.add(&rows, |_| 1);
                Arc::new(PrimitiveArray::<Int64Type>::from_iter_values(counts.into_iter().map(|count| count as i64)))
            }
            Function::ExactSum(scale) => {
                let (sums, nulls) = if let Some(numbers) = values.as_primitive_opt::<Int64Type>() {
                    self.add(&rows, |row| i128::from(numbers.value(row)))
                } else {
                    let decimals = numbers_of::<Decimal128Type>(values)?;
                    self.add(&rows, |row| decimals.value(row))
                };
                Arc::new(PrimitiveArray::<Decimal128Type>::new(sums.into(), nulls).with_precision_and_scale(38, scale)?)
            }
            Function::FloatSum => self.add_floats(&rows, values, |sum, _| sum)?,
            Function::FloatMean => self.add_floats(&rows, values, |sum, count| sum / count as f64)?,
            Function::First => self.pick(&rows, values, |_, _| false)?,
            Function::Last => self.pick(&rows, values, |_, _| true)?,
            Function::Smallest | Function::Largest => self.pick_ordered(&rows, values)?,
        })
    }

    /// Sums of whole numbers: those of as many as one partition can have fit into 128 bits. Zero and null where nothing was added.
    fn add(&mut self, rows: &Rows<'_>, value: impl Fn(usize) -> i128) -> (Vec<i128>, Option<NullBuffer>) {
        let mut sum = if let State::Number(sum) = self.state { Some(sum) } else { None };
        let mut sums = Vec::with_capacity(rows.partitions.len());
        let mut nulls = NullBufferBuilder::new(rows.partitions.len());
        for (row, is_first) in rows.partitions.iter().enumerate() {
            sum = if *is_first { None } else { sum };
            if rows.counts(row) {
                sum = Some(sum.unwrap_or(0) + value(row));
            }
            sums.push(sum.unwrap_or(0));
            nulls.append(sum.is_some());
        }
        self.state = sum.map_or(State::Nothing, State::Number);
        (sums, nulls.finish())
    }

    fn add_floats(&mut self, rows: &Rows<'_>, values: &ArrayRef, result: impl Fn(f64, u64) -> f64) -> Result<ArrayRef> {
        let values = numbers_of::<Float64Type>(values)?;
        // From plus zero on, as the engine adds them.
        let (mut sum, mut count) = if let State::Float(sum, count) = self.state { (sum, count) } else { (0.0, 0) };
        let results = rows.partitions.iter().enumerate().map(|(row, is_first)| {
            (sum, count) = if *is_first { (0.0, 0) } else { (sum, count) };
            if rows.counts(row) {
                (sum, count) = (sum + values.value(row), count + 1);
            }
            (count > 0).then(|| result(sum, count))
        });
        let results: PrimitiveArray<Float64Type> = results.collect();
        self.state = State::Float(sum, count);
        Ok(Arc::new(results))
    }

    fn pick_ordered(&mut self, rows: &Rows<'_>, values: &ArrayRef) -> Result<ArrayRef> {
        let (all, _) = self.with_kept(values)?;
        let compare = make_comparator(&all, &all, SortOptions::default())?;
        let wanted = if self.function == Function::Smallest { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater };
        self.pick(rows, values, |other, known| compare(other, known) == wanted)
    }

    /// For each row the value that none up to it replaces. `replaces` asks whether a row replaces an earlier one; rows are those of `with_kept`.
    fn pick(&mut self, rows: &Rows<'_>, values: &ArrayRef, replaces: impl Fn(usize, usize) -> bool) -> Result<ArrayRef> {
        let (all, offset) = self.with_kept(values)?;
        let mut picked = (offset == 1).then_some(0);
        let places = rows.partitions.iter().enumerate().map(|(row, is_first)| {
            picked = if *is_first { None } else { picked };
            let at = row + offset;
            if rows.counts(row) && picked.is_none_or(|known| replaces(at, known)) {
                picked = Some(at);
            }
            picked.map(|place| place as u32)
        });
        let places: UInt32Array = places.collect();
        self.state = match picked {
            // A copy: a slice would keep its whole batch.
            Some(place) => State::Value(compact_array(&concat(&[&all.slice(place, 1)])?)),
            None => State::Nothing,
        };
        Ok(take(&all, &places, None)?)
    }

    /// The value kept from rows before, if there is one, and the values behind it; and how many were kept.
    fn with_kept(&self, values: &ArrayRef) -> Result<(ArrayRef, usize)> {
        match &self.state {
            State::Value(kept) => Ok((concat(&[kept, values])?, 1)),
            _ => Ok((Arc::clone(values), 0)),
        }
    }
}

/// Rows of a batch: which count, and with which a partition begins.
struct Rows<'a> {
    counted: Option<NullBuffer>,
    partitions: &'a [bool],
}

impl Rows<'_> {
    fn counts(&self, row: usize) -> bool {
        self.counted.as_ref().is_none_or(|counted| counted.is_valid(row))
    }
}

fn numbers_of<T: ArrowPrimitiveType>(values: &ArrayRef) -> Result<&PrimitiveArray<T>> {
    let other = || DataFusionError::Internal(format!("a sum was planned over {}, and got {}", T::DATA_TYPE, values.data_type()));
    values.as_primitive_opt::<T>().ok_or_else(other)
}
