//! Functions over instants whose library forms wrap or saturate at the ends of their type, with a check: what no instant can hold is that record's
//! failure.

use std::sync::Arc;

use arrow_array::types::{Float64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, cast::AsArray};
use arrow_cast::cast;
use arrow_schema::{DataType, FieldRef, TimeUnit};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};
use datafusion_functions::datetime;

const NANOS_PER_SECOND: f64 = 1e9;
/// The first float that no instant in nanoseconds can hold, 2⁶³; its negative is the last one that can.
const NANOS_END: f64 = 9_223_372_036_854_775_808.0;

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Check {
    /// The result, which is never later than what was cut. The library wraps where the start lies before the first instant.
    IsEarlier,
    /// Seconds as a float, which the library cuts to the nearest instant there is, and takes for 0 if they are no number.
    FitsNanos,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    inner: Arc<ScalarUDF>,
    check: Check,
}

pub fn date_trunc() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Checked { inner: datetime::date_trunc(), check: Check::IsEarlier }))
}

pub fn to_timestamp(options: &ConfigOptions) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Checked { inner: datetime::to_timestamp(options), check: Check::FitsNanos }))
}

fn outside() -> DataFusionError {
    DataFusionError::Execution("the result is outside its type".into())
}

impl ScalarUDFImpl for Checked {
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

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        match self.check {
            Check::FitsNanos => {
                check_seconds(&args.args)?;
                self.inner.invoke_with_args(args)
            }
            Check::IsEarlier => {
                let given = args.args.get(1).cloned();
                let result = self.inner.invoke_with_args(args)?;
                if let Some(given) = given {
                    check_earlier(&given.into_array(rows)?, &result.clone().into_array(rows)?)?;
                }
                Ok(result)
            }
        }
    }
}

fn check_seconds(args: &[ColumnarValue]) -> Result<()> {
    let Some(seconds) = args.first().filter(|seconds| seconds.data_type().is_floating()) else { return Ok(()) };
    let seconds = cast(&seconds.to_array(1)?, &DataType::Float64)?;
    let fits = |seconds: f64| (-NANOS_END..NANOS_END).contains(&(seconds * NANOS_PER_SECOND));
    if seconds.as_primitive::<Float64Type>().iter().flatten().all(fits) { Ok(()) } else { Err(outside()) }
}

fn check_earlier(given: &ArrayRef, result: &ArrayRef) -> Result<()> {
    // A date becomes an instant on the way.
    let DataType::Timestamp(unit, _) = result.data_type() else { return Ok(()) };
    if given.data_type() != result.data_type() {
        return Ok(());
    }
    let is_earlier = match unit {
        TimeUnit::Second => all_earlier::<TimestampSecondType>(given, result),
        TimeUnit::Millisecond => all_earlier::<TimestampMillisecondType>(given, result),
        TimeUnit::Microsecond => all_earlier::<TimestampMicrosecondType>(given, result),
        TimeUnit::Nanosecond => all_earlier::<TimestampNanosecondType>(given, result),
    };
    if is_earlier { Ok(()) } else { Err(outside()) }
}

fn all_earlier<T: ArrowPrimitiveType>(given: &ArrayRef, result: &ArrayRef) -> bool
where
    T::Native: PartialOrd,
{
    let (given, result) = (given.as_primitive::<T>(), result.as_primitive::<T>());
    (0..given.len()).all(|row| given.is_null(row) || result.is_null(row) || result.value(row) <= given.value(row))
}
