//! A compiled query at work: reads the columns it needs, runs the steps, and keeps for every row the record it came from.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array, cast::AsArray, new_empty_array,
};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::filter::{filter, filter_record_batch};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExprRef;
use datafusion_physical_expr::expressions::Column;
use millrace_engine::program::{Program, ProgramError, Transformed};
use millrace_formats::batch::Batch;
use millrace_formats::position::Place;

use crate::error::{BUG, refuse};
use crate::functions::record_id;
use crate::growth::{Made, check_rows};
use crate::isolate::isolate;
use crate::rowwise::{Step, Steps};

/// Where a column of the planned table comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Input(usize),
    File,
    Record,
    Line,
    Byte,
    RecordId,
}

/// A map stage as the engine runs it. It keeps nothing from one batch to the next.
pub struct MapProgram {
    sources: Vec<Source>,
    steps: Steps,
    job_id: String,
}

/// Rows and, for each, the row of the batch it came from; None: row i came from row i.
pub struct Rows {
    pub batch: RecordBatch,
    pub origin: Option<UInt32Array>,
}

impl MapProgram {
    pub fn new(sources: Vec<Source>, steps: Steps, job_id: String) -> MapProgram {
        MapProgram { sources, steps, job_id }
    }

    /// The columns the steps read; hidden ones are made here, and only if somebody asked for them.
    fn read(&self, batch: &Batch, file_uri: &str) -> Result<RecordBatch, ProgramError> {
        let rows = batch.rows.num_rows();
        let columns = self.sources.iter().map(|source| match source {
            Source::Input(index) => Arc::clone(batch.rows.column(*index)),
            Source::File => same_text(file_uri, rows),
            Source::Record => numbers(&batch.places, Place::known_record),
            Source::Line => numbers(&batch.places, Place::known_line),
            Source::Byte => numbers(&batch.places, |place| place.in_text().then_some(place.byte)),
            Source::RecordId => record_id::column(&self.job_id, file_uri, &batch.places),
        });
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.steps.read_schema), columns.collect(), &options)
            .map_err(|error| refuse(BUG, None, format!("the batch is not what the query was compiled for: {error}")))
    }
}

impl Program for MapProgram {
    fn output_schema(&self) -> SchemaRef {
        Arc::clone(&self.steps.output)
    }

    fn reads(&self) -> Option<Vec<usize>> {
        let index = |source: &Source| if let Source::Input(index) = source { Some(*index) } else { None };
        Some(self.sources.iter().filter_map(index).collect())
    }

    fn run(&mut self, batch: &Batch, file_uri: &str) -> Result<Transformed, ProgramError> {
        let read = self.read(batch, file_uri)?;
        let count = read.num_rows();
        let (rows, failed) = match evaluate(&self.steps.steps, &read) {
            Ok(rows) => (rows, Vec::new()),
            Err(_) => isolate(&self.steps, &read)?,
        };
        let origin = match &rows.origin {
            None => (0..count as u32).collect(),
            Some(origin) => origin.values().to_vec(),
        };
        Ok(Transformed { rows: rows.batch, origin, failed })
    }
}

fn numbers(places: &[Place], part: impl Fn(&Place) -> Option<u64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter(places.iter().map(|place| part(place).map(|number| number as i64))))
}

fn same_text(text: &str, rows: usize) -> ArrayRef {
    let mut builder = StringViewBuilder::with_capacity(rows).with_deduplicate_strings();
    for _ in 0..rows {
        builder.append_value(text);
    }
    Arc::new(builder.finish())
}

/// Runs all steps over some rows; fails if any expression fails for any of them.
pub fn evaluate(steps: &[Step], read: &RecordBatch) -> Result<Rows> {
    let mut rows = Rows { batch: read.clone(), origin: None };
    for step in steps {
        rows = match step {
            Step::Filter(predicate) => keep(rows, predicate)?,
            Step::Project { exprs, schema } => Rows { batch: project(&rows.batch, exprs, schema)?, origin: rows.origin },
            Step::Unnest(unnest) => unnest.evaluate(rows)?,
            Step::Lookup(join) => join.evaluate(rows)?,
        };
    }
    Ok(rows)
}

fn keep(rows: Rows, predicate: &PhysicalExprRef) -> Result<Rows> {
    let count = rows.batch.num_rows();
    if count == 0 {
        return Ok(rows);
    }
    let mask = match predicate.evaluate(&rows.batch)? {
        ColumnarValue::Scalar(ScalarValue::Boolean(Some(true))) => return Ok(rows),
        ColumnarValue::Scalar(_) => BooleanArray::from(vec![false; count]),
        ColumnarValue::Array(array) if array.data_type() == &DataType::Boolean => array.as_boolean().clone(),
        ColumnarValue::Array(array) => {
            return Err(DataFusionError::Internal(format!("a filter is {}, not boolean", array.data_type())));
        }
    };
    if mask.true_count() == count {
        return Ok(rows);
    }
    let origin = match &rows.origin {
        Some(origin) => filter(origin, &mask)?,
        None => filter(&UInt32Array::from_iter_values(0..count as u32), &mask)?,
    };
    Ok(Rows { batch: filter_record_batch(&rows.batch, &mask)?, origin: Some(origin.as_primitive().clone()) })
}

fn project(batch: &RecordBatch, exprs: &[PhysicalExprRef], schema: &SchemaRef) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let (mut columns, mut made) = (Vec::with_capacity(exprs.len()), Made::default());
    for (expr, field) in exprs.iter().zip(schema.fields()) {
        // Without rows nothing may fail, not even a constant.
        let column = if rows == 0 { new_empty_array(field.data_type()) } else { expr.evaluate(batch)?.into_array(rows)? };
        if expr.downcast_ref::<Column>().is_none() {
            made.add(&column)?;
        }
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let rows = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?;
    check_rows(&rows)?;
    Ok(rows)
}
