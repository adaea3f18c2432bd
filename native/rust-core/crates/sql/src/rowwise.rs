//! A typed plan as a list of steps over batches, in the order in which the text has them. Filters stay where they are: pushing one down
//! would change which records fail.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{Field, FieldRef, Schema, SchemaRef};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{Column, DFSchema, DataFusionError, Result};
use datafusion_expr::{Expr, LogicalPlan};
use datafusion_physical_expr::PhysicalExprRef;

use crate::error::{NOT_ROWWISE, plain_text, refuse, row_error};
use crate::physical::Expressions;

/// One step over the rows of a batch.
pub enum Step {
    Filter(PhysicalExprRef),
    Project { exprs: Vec<PhysicalExprRef>, schema: SchemaRef },
}

/// A compiled query: which columns of the table it reads, and what happens to them.
pub struct Steps {
    /// Indices into the planned table, in the order in which the first step sees them.
    pub read: Vec<usize>,
    pub read_schema: SchemaRef,
    pub steps: Vec<Step>,
    pub output: SchemaRef,
}

/// Compiles a plan that has been typed.
pub fn compile(plan: &LogicalPlan, options: &Arc<ConfigOptions>) -> Result<Steps> {
    let nodes = chain(plan)?;
    let table = nodes[0].schema();
    let read = columns_read(&nodes)?;
    let fields = read.iter().map(|index| {
        let (qualifier, field) = table.qualified_field(*index);
        (qualifier.cloned(), Arc::clone(field))
    });
    let mut schema = DFSchema::new_with_metadata(fields.collect(), HashMap::new())?;
    let read_schema: SchemaRef = Arc::new(schema.as_arrow().clone());
    let mut steps = Vec::new();
    let last = nodes.len() - 1;
    for (index, node) in nodes.iter().enumerate().skip(1) {
        match node {
            LogicalPlan::SubqueryAlias(alias) => schema = schema.replace_qualifier(alias.alias.clone()),
            LogicalPlan::Filter(filter) => {
                let compiled = Expressions { schema: &schema, options }.compile(&filter.predicate)?;
                rehearse(&compiled.expr, &schema)?;
                steps.push(Step::Filter(compiled.expr));
            }
            LogicalPlan::Projection(projection) => {
                let (step, next) = project(&projection.expr, &projection.schema, &schema, options, index == last)?;
                steps.push(step);
                schema = next;
            }
            _ => return Err(not_rowwise(node)),
        }
    }
    let output = Arc::new(schema.as_arrow().clone());
    Ok(Steps { read, read_schema, steps, output })
}

/// The plan's nodes from the table upwards.
fn chain(plan: &LogicalPlan) -> Result<Vec<&LogicalPlan>> {
    let mut nodes = vec![plan];
    loop {
        let node = nodes[nodes.len() - 1];
        match node {
            LogicalPlan::TableScan(_) => break,
            LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => nodes.push(node.inputs()[0]),
            other => return Err(not_rowwise(other)),
        }
    }
    nodes.reverse();
    Ok(nodes)
}

fn not_rowwise(node: &LogicalPlan) -> DataFusionError {
    let kind = node.display().to_string();
    let kind = kind.split([':', ' ']).next().unwrap_or_default().to_string();
    let message = format!("{kind} is not row-wise: a map stage sees one record at a time; use a reduce stage after an `exchange`");
    DataFusionError::External(Box::new(refuse(NOT_ROWWISE, None, message)))
}

/// Indices of the table's columns that are used before the first projection replaces them, ascending.
fn columns_read(nodes: &[&LogicalPlan]) -> Result<Vec<usize>> {
    let mut used: Vec<usize> = Vec::new();
    for node in &nodes[1..] {
        // A renamed table has the same columns in the same order, so the index holds for the table itself.
        if let Some(input) = node.inputs().first() {
            for column in node.expressions().iter().flat_map(|expr| expr.column_refs().into_iter().cloned().collect::<Vec<Column>>()) {
                used.push(input.schema().index_of_column(&column)?);
            }
        }
        if matches!(node, LogicalPlan::Projection(_)) {
            break;
        }
    }
    used.sort_unstable();
    used.dedup();
    Ok(used)
}

/// Evaluates once over a row of nulls: some combinations of types pass the engine's planning and are refused only when they run.
fn rehearse(expr: &PhysicalExprRef, schema: &DFSchema) -> Result<()> {
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

fn project(exprs: &[Expr], planned: &DFSchema, schema: &DFSchema, options: &Arc<ConfigOptions>, is_last: bool) -> Result<(Step, DFSchema)> {
    let expressions = Expressions { schema, options };
    let mut compiled = Vec::with_capacity(exprs.len());
    let mut fields = Vec::with_capacity(exprs.len());
    for (index, expr) in exprs.iter().enumerate() {
        let (qualifier, field) = planned.qualified_field(index);
        let mut value = expressions.compile(expr)?;
        if is_last {
            value = expressions.as_output(field.name(), value, expr)?;
        }
        rehearse(&value.expr, schema)?;
        let data_type = value.expr.data_type(schema.as_arrow())?;
        let field: FieldRef = Arc::new(Field::new(field.name(), data_type, true));
        fields.push((qualifier.cloned(), field));
        compiled.push(value.expr);
    }
    let plain = Schema::new(fields.iter().map(|(_, field)| Arc::clone(field)).collect::<Vec<_>>());
    let next = DFSchema::new_with_metadata(fields, HashMap::new())?;
    Ok((Step::Project { exprs: compiled, schema: Arc::new(plain) }, next))
}
