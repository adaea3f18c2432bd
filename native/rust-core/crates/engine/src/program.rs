//! The trait of a compiled stage. `engine` owns it, `sql` implements it; pass-through needs no SQL at all.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use millrace_formats::batch::Batch;

/// Hidden columns of the input table, never part of `*`.
pub const HIDDEN_COLUMNS: [&str; 4] = ["_file", "_record", "_line", "_byte"];

/// A compiled map stage: row-wise, deterministic, without clock or memory between batches.
pub trait Program: Send {
    /// Columns of the rows it yields.
    fn output_schema(&self) -> SchemaRef;
    /// Runs over one batch. A record that fails leaves as a whole: none of its rows is in `rows`. A record is in `failed` if and only if
    /// evaluating it alone fails. `Err` is for faults that no record is to blame for.
    fn run(&mut self, batch: &Batch, file_uri: &str) -> Result<Transformed, ProgramError>;
}

#[derive(Debug)]
pub struct Transformed {
    pub rows: RecordBatch,
    /// For each row of `rows` the row of the batch it came from, ascending.
    pub origin: Vec<u32>,
    /// Rows of the batch that failed, ascending by `row`.
    pub failed: Vec<RowFailure>,
}

/// One record that SQL could not be evaluated for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFailure {
    pub row: u32,
    /// `TRANSFORM_CAST`, `TRANSFORM_OVERFLOW`, `TRANSFORM_DIVIDE_BY_ZERO` or `TRANSFORM_FUNCTION`.
    pub code: &'static str,
    /// Names the expression as written and its operands, at most 1 KiB.
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProgramError {
    /// `SPEC_SQL_*` from compiling, `CORE_*` from running.
    pub code: &'static str,
    pub message: String,
    /// Line and column in the SQL text, from 1, where known.
    pub at: Option<(u64, u64)>,
}

/// What compiling needs to know besides the text.
pub struct CompileInput<'a> {
    pub sql: &'a str,
    /// Columns of the table `input`.
    pub columns: SchemaRef,
    /// `$x` parameters: JSON scalars, bound as typed values.
    pub params: &'a serde_json::Map<String, serde_json::Value>,
    /// The job's instant of acceptance (RFC 3339): what `job_time()` answers.
    pub accepted_at: &'a str,
    pub job_id: &'a str,
}

/// Turns SQL text into programs.
pub trait Compiler: Send + Sync {
    /// Syntax and the rules of a map stage, without names and types: what intake can check before anything is probed.
    fn check(&self, sql: &str) -> Result<(), ProgramError>;
    fn compile(&self, input: CompileInput<'_>) -> Result<Box<dyn Program>, ProgramError>;
}
