//! `job_time()`: the instant the job was accepted. It is a constant of the job, so every try of a chunk sees the same one.

use arrow_schema::{DataType, TimeUnit};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::Job;

#[derive(Debug, PartialEq, Eq, Hash)]
struct JobTime {
    signature: Signature,
    micros: i64,
}

pub fn udf(job: &Job) -> ScalarUDF {
    ScalarUDF::new_from_impl(JobTime { signature: Signature::nullary(Volatility::Immutable), micros: job.accepted_micros })
}

impl ScalarUDFImpl for JobTime {
    fn name(&self) -> &str {
        "job_time"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> Result<DataType> {
        Ok(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(Some(self.micros), Some("UTC".into()))))
    }
}
