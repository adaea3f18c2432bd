//! Subtrees of a query that read no table of the stage: computed once, when the stage is opened, and kept for all chunks of the process.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{RecordBatch, UInt32Array, UInt64Array};
use arrow_schema::{Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use datafusion_common::config::ConfigOptions;
use datafusion_common::{DFSchema, DataFusionError, Result};
use datafusion_execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion_execution::memory_pool::GreedyMemoryPool;
use datafusion_execution::runtime_env::RuntimeEnvBuilder;
use datafusion_expr::LogicalPlan;
use millrace_engine::program::{FailedRow, LookupTable, ORDER_COLUMNS, ProgramError, ReduceSink, RowStream};

use crate::error::{LOOKUP, MEMORY, UNSUPPORTED, refuse};
use crate::lookup_join::StaticTable;
use crate::reduce_run::{drive, operators, task};
use crate::scan::Feeds;

/// Lookups, and what was computed from them.
pub struct StaticCache {
    lookups: Vec<LookupTable>,
    options: Arc<ConfigOptions>,
    /// By the subtree's text.
    known: HashMap<String, Arc<StaticTable>>,
}

fn external(error: ProgramError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl StaticCache {
    pub fn new(lookups: &[LookupTable], options: &Arc<ConfigOptions>) -> StaticCache {
        StaticCache { lookups: lookups.to_vec(), options: Arc::clone(options), known: HashMap::new() }
    }

    /// What a subtree yields. It must read nothing but lookups.
    pub fn table(&mut self, plan: &LogicalPlan) -> Result<Arc<StaticTable>> {
        let key = format!("{}", plan.display_indent_schema());
        if let Some(table) = self.known.get(&key) {
            return Ok(Arc::clone(table));
        }
        let table = Arc::new(self.compute(plan)?);
        self.known.insert(key, Arc::clone(&table));
        Ok(table)
    }

    fn compute(&self, plan: &LogicalPlan) -> Result<StaticTable> {
        let mut tables = Vec::with_capacity(self.lookups.len());
        for lookup in &self.lookups {
            let fields = lookup.schema.fields().iter().map(|field| Field::new(field.name(), field.data_type().clone(), true));
            let schema = Schema::new(fields.collect::<Vec<_>>());
            tables.push((lookup.name.clone(), DFSchema::try_from_qualified_schema(lookup.name.as_str(), &schema)?));
        }
        let limit = self.lookups.iter().map(|lookup| lookup.max_bytes).max().unwrap_or(64 << 20);
        let feeds = Feeds::new(
            self.lookups.iter().map(|lookup| Some(Box::new(Rows::of(lookup)) as Box<dyn RowStream>)).collect(),
            Arc::new(|| false),
        );
        let mut nothing = StaticCache::new(&[], &self.options);
        let (operators, schema) = operators(plan, &self.options, &tables, &mut nothing, &feeds)?;
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        let pool = Arc::new(GreedyMemoryPool::new(usize::try_from(limit.saturating_mul(4)).unwrap_or(usize::MAX)));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).with_disk_manager_builder(disk).build_arc()?;
        let output: SchemaRef = Arc::new(schema.as_arrow().clone());
        let mut held = Held { rows: Vec::new(), bytes: 0, limit };
        let end = drive(&operators, &feeds, task(&self.options, &runtime, limit), &mut held, &output);
        end.map_err(|error| external(if error.code == MEMORY { refuse(LOOKUP, None, error.message) } else { error }))?;
        Ok(StaticTable { rows: concat_batches(&output, &held.rows)?, schema })
    }
}

/// What a subtree yields, within limits.
struct Held {
    rows: Vec<RecordBatch>,
    bytes: u64,
    limit: u64,
}

impl ReduceSink for Held {
    fn rows(&mut self, rows: RecordBatch) -> Result<(), ProgramError> {
        self.bytes += rows.get_array_memory_size() as u64;
        if self.bytes > self.limit.saturating_mul(2) {
            let message = format!("what the query makes of its lookups takes more than {} bytes; raise maxSize or select less", self.limit);
            return Err(refuse(LOOKUP, None, message));
        }
        self.rows.push(rows);
        Ok(())
    }

    fn failed(&mut self, row: FailedRow) -> Result<(), ProgramError> {
        Err(refuse(LOOKUP, None, format!("a row of a lookup fails: {}; row {}", row.message, row.row)))
    }
}

/// A lookup's rows as a table of a stage.
struct Rows {
    schema: SchemaRef,
    batches: std::vec::IntoIter<RecordBatch>,
    next: u64,
}

impl Rows {
    fn of(lookup: &LookupTable) -> Rows {
        let mut fields: Vec<_> = lookup.schema.fields().iter().cloned().collect();
        fields.extend(ORDER_COLUMNS.map(|(name, data_type)| Arc::new(Field::new(name, data_type, false))));
        Rows { schema: Arc::new(Schema::new(fields)), batches: lookup.rows.clone().into_iter(), next: 0 }
    }
}

impl RowStream for Rows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn next(&mut self) -> Result<Option<RecordBatch>, ProgramError> {
        let Some(batch) = self.batches.next() else { return Ok(None) };
        let rows = batch.num_rows();
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(UInt32Array::from(vec![0; rows])));
        columns.push(Arc::new(UInt64Array::from_iter_values(self.next..self.next + rows as u64)));
        columns.push(Arc::new(UInt32Array::from(vec![0; rows])));
        self.next += rows as u64;
        let whole = RecordBatch::try_new(Arc::clone(&self.schema), columns);
        whole.map(Some).map_err(|error| refuse(UNSUPPORTED, None, format!("a lookup's rows do not have its columns: {error}")))
    }
}
