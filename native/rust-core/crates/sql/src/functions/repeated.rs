//! `repeat`, `lpad`, `rpad` with a limit: a single number in the data must not decide how much memory a batch takes.

use std::fmt::Debug;

use arrow_array::{ArrayRef, Int64Array, cast::AsArray, types::Int64Type};
use arrow_cast::cast;
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};
use datafusion_functions::{string, unicode};
use std::sync::Arc;

/// Longest result of one call: bytes for `repeat`, characters for the others.
const MAX_LENGTH: i64 = 1 << 20;
/// Longest results of one batch together, in bytes; a batch over it is taken apart like any that fails.
const MAX_BATCH_BYTES: i64 = 64 << 20;

#[derive(Debug, PartialEq, Eq, Hash)]
struct Limited {
    inner: Arc<ScalarUDF>,
    is_repeat: bool,
}

pub fn repeat() -> ScalarUDF {
    ScalarUDF::new_from_impl(Limited { inner: string::repeat(), is_repeat: true })
}

pub fn lpad() -> ScalarUDF {
    ScalarUDF::new_from_impl(Limited { inner: unicode::lpad(), is_repeat: false })
}

pub fn rpad() -> ScalarUDF {
    ScalarUDF::new_from_impl(Limited { inner: unicode::rpad(), is_repeat: false })
}

impl ScalarUDFImpl for Limited {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        self.inner.return_type(args)
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = args.args[0].to_array(args.number_rows)?;
        let counts = cast(&args.args[1].to_array(args.number_rows)?, &DataType::Int64)?;
        check_lengths(&texts, counts.as_primitive::<Int64Type>(), self.is_repeat)?;
        self.inner.invoke_with_args(args)
    }
}

fn check_lengths(texts: &ArrayRef, counts: &Int64Array, is_repeat: bool) -> Result<()> {
    let texts = cast(texts, &DataType::Utf8View)?;
    let mut together = 0i64;
    for (text, count) in texts.as_string_view().iter().zip(counts) {
        let (Some(text), Some(count)) = (text, count) else { continue };
        let length = if is_repeat { count.max(0).saturating_mul(text.len() as i64) } else { count.max(0) };
        together = together.saturating_add(length);
        if length > MAX_LENGTH || (together > MAX_BATCH_BYTES && counts.len() > 1) {
            return Err(DataFusionError::Execution(format!("the result would be longer than {MAX_LENGTH}")));
        }
    }
    Ok(())
}
