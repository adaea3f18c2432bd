//! Row-wise steps over the batches of one table, in the order in which the text has them. Filters stay where they are: pushing one down
//! would change which records fail. Map stages are nothing else; a reduce stage begins with such steps over each of its tables.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{Field, FieldRef, Schema, SchemaRef};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{DFSchema, DataFusionError, Result, TableReference};
use datafusion_expr::{Expr, Join, Unnest};
use datafusion_physical_expr::PhysicalExprRef;

use crate::error::{plain_text, row_error};
use crate::lookup_join::{LookupJoin, StaticTable};
use crate::physical::{Compiled, Expressions};
use crate::unnest::UnnestLists;

/// One step over the rows of a batch.
pub enum Step {
    Filter(PhysicalExprRef),
    Project { exprs: Vec<PhysicalExprRef>, schema: SchemaRef },
    Unnest(UnnestLists),
    Lookup(Box<LookupJoin>),
}

/// A compiled chain: which columns of the table it reads, and what happens to them.
pub struct Steps {
    /// Indices into the planned table, in the order in which the first step sees them.
    pub read: Vec<usize>,
    pub read_schema: SchemaRef,
    pub steps: Vec<Step>,
    pub output: SchemaRef,
}

/// Steps over one table, as far as they are planned.
pub struct Chain {
    /// Index of the table.
    pub table: usize,
    read: Vec<usize>,
    read_schema: SchemaRef,
    steps: Vec<Step>,
}

impl Chain {
    /// Nothing happens yet to the columns `read` of a table. Also answers their schema.
    pub fn new(table: usize, columns: &DFSchema, read: Vec<usize>) -> Result<(Chain, DFSchema)> {
        let fields = read.iter().map(|index| {
            let (qualifier, field) = columns.qualified_field(*index);
            (qualifier.cloned(), Arc::clone(field))
        });
        let schema = DFSchema::new_with_metadata(fields.collect(), HashMap::new())?;
        let read_schema: SchemaRef = Arc::new(schema.as_arrow().clone());
        Ok((Chain { table, read, read_schema, steps: Vec::new() }, schema))
    }

    pub fn filter(&mut self, predicate: &Expr, schema: &DFSchema, options: &Arc<ConfigOptions>) -> Result<()> {
        let compiled = Expressions { schema, options }.compile(predicate)?;
        rehearse(&compiled.expr, schema)?;
        self.steps.push(Step::Filter(compiled.expr));
        Ok(())
    }

    /// Compiled expressions under the given names.
    pub fn project(&mut self, columns: Vec<(Option<TableReference>, String, Compiled)>, schema: &DFSchema) -> Result<DFSchema> {
        let mut exprs = Vec::with_capacity(columns.len());
        let mut fields = Vec::with_capacity(columns.len());
        for (qualifier, name, value) in columns {
            rehearse(&value.expr, schema)?;
            let data_type = value.expr.data_type(schema.as_arrow())?;
            let field: FieldRef = Arc::new(Field::new(name, data_type, true));
            fields.push((qualifier, field));
            exprs.push(value.expr);
        }
        let plain = Schema::new(fields.iter().map(|(_, field)| Arc::clone(field)).collect::<Vec<_>>());
        self.steps.push(Step::Project { exprs, schema: Arc::new(plain) });
        DFSchema::new_with_metadata(fields, HashMap::new())
    }

    pub fn unnest(&mut self, node: &Unnest, schema: &DFSchema) -> Result<DFSchema> {
        let (step, schema) = UnnestLists::compile(node, schema)?;
        self.steps.push(Step::Unnest(step));
        Ok(schema)
    }

    /// A join to a table that is known. `is_static_left`: it stands on the left in the text.
    pub fn lookup(
        &mut self,
        join: &Join,
        schema: &DFSchema,
        table: &Arc<StaticTable>,
        is_static_left: bool,
        options: &Arc<ConfigOptions>,
    ) -> Result<DFSchema> {
        let (step, schema) = LookupJoin::compile(join, schema, table, is_static_left, options)?;
        self.steps.push(Step::Lookup(Box::new(step)));
        Ok(schema)
    }

    pub fn finish(self, schema: &DFSchema) -> Steps {
        let output = Arc::new(schema.as_arrow().clone());
        Steps { read: self.read, read_schema: self.read_schema, steps: self.steps, output }
    }
}

/// Evaluates once over a row of nulls: some combinations of types pass the engine's planning and are refused only when they run.
pub fn rehearse(expr: &PhysicalExprRef, schema: &DFSchema) -> Result<()> {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    let nullable: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let nulls = nullable.fields().iter().map(|field| new_null_array(field.data_type(), 1)).collect();
    let row = RecordBatch::try_new_with_options(nullable, nulls, &RecordBatchOptions::new().with_row_count(Some(1)))?;
    match expr.evaluate(&row) {
        // A row's own failure says nothing about the query.
        Err(error) if row_error(&error).is_none() => Err(DataFusionError::Plan(plain_text(&error))),
        _ => Ok(()),
    }
}
