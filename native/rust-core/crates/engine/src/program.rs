//! The traits of a compiled stage. `engine` owns them, `sql` implements them; pass-through needs no SQL at all.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
pub use arrow_schema::SchemaRef;
use arrow_schema::{DataType, SortOptions};
use millrace_formats::batch::Batch;

/// Hidden columns of the input table, never part of `*`.
pub const HIDDEN_COLUMNS: [&str; 4] = ["_file", "_record", "_line", "_byte"];

/// Hidden columns that carry a row's place in the order of the job through an exchange: file or earlier partition (`UInt32`), place in it
/// (`UInt64`), ordinal within the record (`UInt32`). No query can spell or see them.
pub const ORDER_COLUMNS: [(&str, DataType); 3] = [("_o0", DataType::UInt32), ("_o1", DataType::UInt64), ("_o2", DataType::UInt32)];

/// A row's place in the order of the job: the values of [`ORDER_COLUMNS`].
pub type Order = (u32, u64, u32);

/// A compiled map stage: row-wise, deterministic, without clock or memory between batches.
pub trait Program: Send {
    /// Columns of the rows it yields.
    fn output_schema(&self) -> SchemaRef;
    /// The columns of a batch that it looks at, by their index; none: all of them. Others may come as null.
    fn reads(&self) -> Option<Vec<usize>> {
        None
    }
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
    /// `TRANSFORM_CAST`, `TRANSFORM_OVERFLOW`, `TRANSFORM_DIVIDE_BY_ZERO`, `TRANSFORM_FUNCTION` or `TRANSFORM_ROW_TOO_LARGE`.
    pub code: &'static str,
    /// Names the expression as written and its operands, at most 1 KiB.
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProgramError {
    /// `SPEC_SQL_*` and `INPUT_LOOKUP` from compiling, `CORE_*` and `TRANSFORM_AGGREGATE` from running.
    pub code: &'static str,
    pub message: String,
    /// Line and column in the SQL text, from 1, where known.
    pub at: Option<(u64, u64)>,
}

/// The rows of one table of a reduce stage, in the order of its [`ORDER_COLUMNS`], which are the last three columns of each batch.
pub trait RowStream: Send {
    /// Columns of every batch, the order columns last.
    fn schema(&self) -> SchemaRef;
    /// The next rows, or `None` at the end; never called again after that. An error ends the stage with it, unchanged.
    fn next(&mut self) -> Result<Option<RecordBatch>, ProgramError>;
}

/// A compiled reduce stage.
pub trait ReduceProgram: Send {
    /// Columns of the rows it yields.
    fn output_schema(&self) -> SchemaRef;
    /// Runs over one partition: one stream for each table, in the order of [`ReduceInput::tables`]. A program can run again over another
    /// partition. The result does not depend on how streams are cut into batches, on memory, or on spilling.
    /// `Err`: `TRANSFORM_AGGREGATE` (an aggregate, window or join failed, no row is to blame), `CORE_MEMORY`, `CORE_DISK_FULL`,
    /// `CANCELLED`, what a stream or the sink answered, `CORE_PANIC`.
    fn run(
        &mut self,
        tables: Vec<Box<dyn RowStream>>,
        context: &ReduceContext,
        sink: &mut dyn ReduceSink,
    ) -> Result<ReduceEnd, ProgramError>;
}

/// Takes what a reduce stage yields, on the thread that called [`ReduceProgram::run`].
pub trait ReduceSink {
    /// Rows of the result, in its order; at most 8,192.
    fn rows(&mut self, rows: RecordBatch) -> Result<(), ProgramError>;
    /// A row that could not be evaluated before it met others. Each row of each table fails at most once.
    fn failed(&mut self, row: FailedRow) -> Result<(), ProgramError>;
}

/// A row of a reduce stage that SQL could not be evaluated for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRow {
    /// Index of its table.
    pub table: usize,
    pub order: Order,
    /// As in [`RowFailure`].
    pub code: &'static str,
    pub message: String,
    /// The row as a JSON object, without order columns.
    pub row: String,
}

/// What a finished reduce stage says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReduceEnd {
    /// Rows read of each table. All rows are read, also of a table that the query ignores.
    pub read: Vec<u64>,
    /// Bytes written to scratch.
    pub spilled_bytes: u64,
}

/// What a reduce stage may use.
pub struct ReduceContext {
    /// The program's share of the memory; it spills when this is used up.
    pub memory_bytes: u64,
    /// A directory for spilling; without one a partition that needs more memory is `CORE_MEMORY`.
    pub scratch: Option<PathBuf>,
    /// At most this much is written there, else `CORE_DISK_FULL`.
    pub scratch_bytes: u64,
    /// Asked between batches, and by what may go on for ever; true ends the run with `CANCELLED`.
    pub cancelled: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// Sort columns of a `dedupe` stage's `orderBy`.
pub trait SortKeys: Send {
    /// Type, direction and place of nulls of each sort column.
    fn columns(&self) -> &[(DataType, SortOptions)];
    /// The sort columns for some rows (without order columns), as long as these; a failed row's are null. Failures ascend by row.
    fn evaluate(&mut self, rows: &RecordBatch) -> Result<(Vec<ArrayRef>, Vec<RowFailure>), ProgramError>;
}

/// A small table that queries may read besides their input, loaded and in memory.
#[derive(Clone, Debug)]
pub struct LookupTable {
    pub name: String,
    pub schema: SchemaRef,
    pub rows: Vec<RecordBatch>,
    /// The spec's `maxSize`: what the lookup, or a result computed from lookups alone, may take in memory.
    pub max_bytes: u64,
}

/// What compiling a map stage needs to know besides the text.
pub struct CompileInput<'a> {
    pub sql: &'a str,
    /// Columns of the table `input`.
    pub columns: SchemaRef,
    /// `$x` parameters: JSON scalars, bound as typed values.
    pub params: &'a serde_json::Map<String, serde_json::Value>,
    /// The job's instant of acceptance (RFC 3339): what `job_time()` answers.
    pub accepted_at: &'a str,
    pub job_id: &'a str,
    pub lookups: &'a [LookupTable],
    /// Key of the keyed functions; a query that calls one without it is `SPEC_KEY_MISSING`.
    pub privacy_key: Option<&'a [u8]>,
}

/// What compiling a reduce stage needs to know besides the text.
pub struct ReduceInput<'a> {
    pub sql: &'a str,
    /// The tables by name, without order columns: one named `input`, or several under the names of their stages.
    pub tables: &'a [(String, SchemaRef)],
    pub params: &'a serde_json::Map<String, serde_json::Value>,
    pub accepted_at: &'a str,
    pub job_id: &'a str,
    pub lookups: &'a [LookupTable],
    pub privacy_key: Option<&'a [u8]>,
}

/// Which rules a query is checked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageKind {
    Map,
    Reduce,
}

/// Turns SQL text into programs.
pub trait Compiler: Send + Sync {
    /// Syntax and the rules of a stage, without names and types: what intake can check before anything is probed.
    fn check(&self, sql: &str, kind: StageKind) -> Result<(), ProgramError>;
    /// The same for the `orderBy` of a `dedupe` stage.
    fn check_order(&self, order_by: &str) -> Result<(), ProgramError>;
    fn compile(&self, input: CompileInput<'_>) -> Result<Box<dyn Program>, ProgramError>;
    fn compile_reduce(&self, input: ReduceInput<'_>) -> Result<Box<dyn ReduceProgram>, ProgramError>;
    /// An SQL order list (`amount desc, day`) over the given columns.
    fn compile_order(&self, order_by: &str, columns: SchemaRef) -> Result<Box<dyn SortKeys>, ProgramError>;
}
