//! Functions whose result may be much larger than what they are given, with a limit: a single value in the data must not decide how much memory a
//! batch takes. How long a result would be is said before it is made.

use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, cast::AsArray, types::Int64Type};
use arrow_cast::cast;
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};
use datafusion_functions::{core, regex, string, unicode};
use datafusion_functions_nested::{concat, make_array, string as list_string};

use crate::growth::{MAX_BATCH_BYTES, MAX_ROW_BYTES, lengths_of, too_large};

/// Longest result of one call of `repeat`, in bytes, and of `lpad` and `rpad`, in characters.
const MAX_REPEATED: u64 = 1 << 20;

/// Below this nobody counts how often a text stands in another.
const HARMLESS_BYTES: u64 = 64 << 10;

/// How long a result becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Growth {
    /// The first argument as often as the second says.
    Repeated,
    /// As many characters as the second argument says.
    Filled,
    /// All arguments one behind another.
    Joined,
    /// The same with the argument of this number between the others, or between the items of a list.
    Separated(usize),
    /// The third argument for each place where the second stands in the first.
    Replaced,
    /// The same for each match of the second.
    Matched,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Growing {
    inner: Arc<ScalarUDF>,
    growth: Growth,
}

fn growing(inner: Arc<ScalarUDF>, growth: Growth) -> ScalarUDF {
    ScalarUDF::new_from_impl(Growing { inner, growth })
}

pub fn repeat() -> ScalarUDF {
    growing(string::repeat(), Growth::Repeated)
}

pub fn lpad() -> ScalarUDF {
    growing(unicode::lpad(), Growth::Filled)
}

pub fn rpad() -> ScalarUDF {
    growing(unicode::rpad(), Growth::Filled)
}

pub fn concat_texts() -> ScalarUDF {
    growing(string::concat(), Growth::Joined)
}

pub fn concat_ws() -> ScalarUDF {
    growing(string::concat_ws(), Growth::Separated(0))
}

pub fn make_array() -> ScalarUDF {
    growing(make_array::make_array_udf(), Growth::Joined)
}

pub fn array_concat() -> ScalarUDF {
    growing(concat::array_concat_udf(), Growth::Joined)
}

pub fn array_to_string() -> ScalarUDF {
    growing(list_string::array_to_string_udf(), Growth::Separated(1))
}

pub fn named_struct() -> ScalarUDF {
    growing(core::named_struct(), Growth::Joined)
}

pub fn replace() -> ScalarUDF {
    growing(string::replace(), Growth::Replaced)
}

pub fn regexp_replace() -> ScalarUDF {
    growing(regex::regexp_replace(), Growth::Matched)
}

impl ScalarUDFImpl for Growing {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        self.inner.return_type(args)
    }

    fn return_field_from_args(&self, args: datafusion_expr::ReturnFieldArgs) -> Result<arrow_schema::FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let lengths = self.lengths(&args)?;
        let limit = if matches!(self.growth, Growth::Repeated | Growth::Filled) { MAX_REPEATED } else { MAX_ROW_BYTES };
        let longest = lengths.iter().copied().max().unwrap_or(0);
        if longest > limit && limit == MAX_REPEATED {
            return Err(DataFusionError::Execution(format!("the result would be longer than {MAX_REPEATED}")));
        }
        let together: u64 = lengths.iter().fold(0, |sum, length| sum.saturating_add(*length));
        if longest > limit || (together > MAX_BATCH_BYTES && lengths.len() > 1) {
            return Err(too_large());
        }
        self.inner.invoke_with_args(args)
    }
}

impl Growing {
    /// Bytes of each result at most; characters of those that are filled up.
    fn lengths(&self, args: &ScalarFunctionArgs) -> Result<Vec<u64>> {
        let rows = args.number_rows;
        let columns = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        match self.growth {
            Growth::Repeated => {
                let counts = counts(&columns[1])?;
                Ok(lengths_of(&columns[0]).into_iter().zip(counts).map(|(length, count)| length.saturating_mul(count)).collect())
            }
            Growth::Filled => counts(&columns[1]),
            Growth::Joined => Ok(joined(&columns, rows)),
            Growth::Separated(by) => Ok(separated(&columns, by, rows)),
            Growth::Replaced => replaced(&columns, |_, text, from| Ok(text.matches(from).count())),
            Growth::Matched => self.matched(&columns),
        }
    }

    /// A reference to a group yields no more than the text it was matched in.
    fn matched(&self, columns: &[ArrayRef]) -> Result<Vec<u64>> {
        let references = texts(&columns[2])?;
        let references = references.as_string_view();
        let flags = columns.get(3).map(texts).transpose()?;
        let longest = replaced(columns, |row, text, pattern| {
            let flags = flags.as_ref().map(|flags| flags.as_string_view()).filter(|flags| flags.is_valid(row));
            Ok(pattern_of(pattern, flags.map_or("", |flags| flags.value(row)))?.find_iter(text).count())
        })?;
        let own = lengths_of(&columns[0]);
        Ok((0..longest.len())
            .map(|row| {
                let groups = if references.is_null(row) { 0 } else { references.value(row).matches(['\\', '$']).count() as u64 };
                longest[row].saturating_add(own[row].saturating_mul(groups))
            })
            .collect())
    }
}

fn pattern_of(pattern: &str, flags: &str) -> Result<::regex::Regex> {
    let has = |flag: char| flags.contains(flag);
    let mut builder = ::regex::RegexBuilder::new(pattern);
    builder.case_insensitive(has('i')).multi_line(has('m')).dot_matches_new_line(has('s')).swap_greed(has('U')).ignore_whitespace(has('x'));
    builder.build().map_err(|error| DataFusionError::Execution(error.to_string()))
}

fn texts(column: &ArrayRef) -> Result<ArrayRef> {
    Ok(cast(column, &DataType::Utf8View)?)
}

/// What is negative or missing counts as nothing.
fn counts(column: &ArrayRef) -> Result<Vec<u64>> {
    let counts = cast(column, &DataType::Int64)?;
    Ok(counts.as_primitive::<Int64Type>().iter().map(|count| count.map_or(0, |count| count.max(0).unsigned_abs())).collect())
}

fn joined(columns: &[ArrayRef], rows: usize) -> Vec<u64> {
    let mut sums = vec![0u64; rows];
    for column in columns {
        sums.iter_mut().zip(lengths_of(column)).for_each(|(sum, length)| *sum = sum.saturating_add(length));
    }
    sums
}

fn separated(columns: &[ArrayRef], by: usize, rows: usize) -> Vec<u64> {
    let mut sums = joined(columns, rows);
    let Some(separators) = columns.get(by).map(lengths_of) else { return sums };
    for (index, column) in columns.iter().enumerate() {
        for row in 0..rows {
            let pieces = if index == by { 0 } else { pieces_of(column, row) };
            sums[row] = sums[row].saturating_add(separators[row].saturating_mul(pieces));
        }
    }
    sums
}

fn pieces_of(column: &ArrayRef, row: usize) -> u64 {
    match column.data_type() {
        DataType::List(_) => column.as_list::<i32>().value_length(row).unsigned_abs().into(),
        DataType::LargeList(_) => column.as_list::<i64>().value_length(row).unsigned_abs(),
        DataType::FixedSizeList(_, size) => size.unsigned_abs().into(),
        _ => 1,
    }
}

/// Bytes when each place of the second text in the first gives way to the third. Places are counted only where that matters.
fn replaced(columns: &[ArrayRef], count: impl Fn(usize, &str, &str) -> Result<usize>) -> Result<Vec<u64>> {
    let columns = columns.iter().take(3).map(texts).collect::<Result<Vec<_>>>()?;
    let [own, from, to] = columns.as_slice() else { return Ok(Vec::new()) };
    let (own, from, to) = (own.as_string_view(), from.as_string_view(), to.as_string_view());
    let mut lengths = Vec::with_capacity(own.len());
    for row in 0..own.len() {
        if own.is_null(row) || from.is_null(row) || to.is_null(row) {
            lengths.push(0);
            continue;
        }
        let (own, to) = (own.value(row), to.value(row).len() as u64);
        let most = (own.len() as u64 + 1).saturating_mul(to).saturating_add(own.len() as u64);
        let is_harmless = most <= HARMLESS_BYTES;
        let places = if is_harmless { 0 } else { count(row, own, from.value(row))? as u64 };
        lengths.push(if is_harmless { most } else { places.saturating_mul(to).saturating_add(own.len() as u64) });
    }
    Ok(lengths)
}
