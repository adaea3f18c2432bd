//! A small frame for functions of our own that map rows to one value each.

use std::fmt::{self, Debug, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use datafusion_common::Result;
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

type Call = dyn Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync;

/// A deterministic function over whole columns. What it captures is the same wherever it is called in a query, so its name tells it apart.
pub struct Columnwise {
    name: &'static str,
    signature: Signature,
    result: DataType,
    call: Arc<Call>,
}

impl Columnwise {
    pub fn of(
        name: &'static str,
        signature: Signature,
        result: DataType,
        call: impl Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync + 'static,
    ) -> ScalarUDF {
        ScalarUDF::new_from_impl(Columnwise { name, signature, result, call: Arc::new(call) })
    }

    pub fn exact(
        name: &'static str,
        args: Vec<DataType>,
        result: DataType,
        call: impl Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync + 'static,
    ) -> ScalarUDF {
        Columnwise::of(name, Signature::exact(args, Volatility::Immutable), result, call)
    }
}

impl Debug for Columnwise {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Columnwise {
    fn eq(&self, other: &Columnwise) -> bool {
        self.name == other.name
    }
}

impl Eq for Columnwise {}

impl Hash for Columnwise {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Columnwise {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> Result<DataType> {
        Ok(self.result.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = args.args.iter().map(|arg| arg.to_array(args.number_rows)).collect::<Result<Vec<_>>>()?;
        Ok(ColumnarValue::Array((self.call)(&columns)?))
    }
}
