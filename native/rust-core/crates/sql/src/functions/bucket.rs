//! `bucket(number, width)`: the lower bound of the interval `[k · width, (k + 1) · width)` that a number lies in.

use std::sync::Arc;

use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, cast::AsArray};
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bucket {
    signature: Signature,
}

pub fn udf() -> ScalarUDF {
    ScalarUDF::new_from_impl(Bucket { signature: Signature::user_defined(Volatility::Immutable) })
}

impl ScalarUDFImpl for Bucket {
    fn name(&self) -> &str {
        "bucket"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        let [number, width] = args else {
            return Err(DataFusionError::Plan("bucket takes a number and a width".into()));
        };
        let common = common_type(number, width)?;
        Ok(vec![common.clone(), common])
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(args[0].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let number = args.args[0].to_array(args.number_rows)?;
        let width = args.args[1].to_array(args.number_rows)?;
        let bounds: ArrayRef = match number.data_type() {
            DataType::Int64 => {
                let pairs = number.as_primitive::<Int64Type>().iter().zip(width.as_primitive::<Int64Type>());
                Arc::new(each(pairs, |number, width| integer_bound(number.into(), width.into())?.try_into().ok())?.collect::<Int64Array>())
            }
            DataType::Decimal128(precision, scale) => {
                let pairs = number.as_primitive::<Decimal128Type>().iter().zip(width.as_primitive::<Decimal128Type>());
                let bounds = each(pairs, integer_bound)?.collect::<Decimal128Array>().with_precision_and_scale(*precision, *scale)?;
                bounds.validate_decimal_precision(*precision)?;
                Arc::new(bounds)
            }
            _ => {
                let pairs = number.as_primitive::<Float64Type>().iter().zip(width.as_primitive::<Float64Type>());
                let bound = |number: f64, width: f64| (width > 0.0).then(|| (number / width).floor() * width);
                Arc::new(each(pairs, bound)?.collect::<Float64Array>())
            }
        };
        Ok(ColumnarValue::Array(bounds))
    }
}

/// The type both arguments are brought to: integers stay integers, an exact number stays exact.
fn common_type(number: &DataType, width: &DataType) -> Result<DataType> {
    let is_number = |data_type: &DataType| data_type.is_numeric() || data_type.is_null();
    if !is_number(number) || !is_number(width) {
        return Err(DataFusionError::Plan(format!("bucket takes two numbers, not {number} and {width}")));
    }
    if number.is_floating() || width.is_floating() {
        return Ok(DataType::Float64);
    }
    if number.is_decimal() || width.is_decimal() {
        let scale = |data_type: &DataType| match data_type {
            DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => *scale,
            _ => 0,
        };
        return Ok(DataType::Decimal128(38, scale(number).max(scale(width))));
    }
    Ok(DataType::Int64)
}

/// Applies `bound` to each pair without nulls; None from it means that there is no such bound.
fn each<T: Copy>(
    pairs: impl Iterator<Item = (Option<T>, Option<T>)>,
    bound: impl Fn(T, T) -> Option<T>,
) -> Result<impl Iterator<Item = Option<T>>> {
    let bounds = pairs.map(|pair| match pair {
        (Some(number), Some(width)) => match bound(number, width) {
            Some(found) => Ok(Some(found)),
            None => Err(DataFusionError::Execution("the width is not above zero, or the bound is outside its type".into())),
        },
        _ => Ok(None),
    });
    Ok(bounds.collect::<Result<Vec<_>>>()?.into_iter())
}

fn integer_bound(number: i128, width: i128) -> Option<i128> {
    (width > 0).then(|| number.div_euclid(width).checked_mul(width)).flatten()
}
