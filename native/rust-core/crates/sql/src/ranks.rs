//! `row_number`, `rank` and `dense_rank` over rows that are sorted by partition and order: one pass that remembers a row. The engine's operator
//! keeps state for each window partition, which costs more than the rows where partitions are small.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt64Array};
use arrow_ord::partition::partition;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat;
use datafusion_common::{DataFusionError, Result};
use datafusion_execution::SendableRecordBatchStream;
use datafusion_expr::expr::WindowFunction;
use datafusion_physical_expr::PhysicalExprRef;
use datafusion_physical_plan::ExecutionPlan;
use futures::StreamExt;

use crate::operators::{StreamExec, boxed};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranking {
    RowNumber,
    WithGaps,
    Dense,
}

/// The function, if it is one of these.
pub fn rank_of(function: &WindowFunction) -> Option<Ranking> {
    let params = &function.params;
    if !params.args.is_empty() || params.filter.is_some() || params.distinct || params.null_treatment.is_some() {
        return None;
    }
    match function.fun.name() {
        "row_number" => Some(Ranking::RowNumber),
        "rank" => Some(Ranking::WithGaps),
        "dense_rank" => Some(Ranking::Dense),
        _ => None,
    }
}

/// The input with a column more for each function.
pub fn ranked(
    input: Arc<dyn ExecutionPlan>,
    functions: Vec<Ranking>,
    partition_by: Vec<PhysicalExprRef>,
    order_by: Vec<PhysicalExprRef>,
) -> Arc<dyn ExecutionPlan> {
    let added = (0..functions.len()).map(|index| Arc::new(Field::new(format!("_result_{index}"), DataType::UInt64, true)));
    let schema: SchemaRef = Arc::new(Schema::new(input.schema().fields().iter().cloned().chain(added).collect::<Vec<_>>()));
    let shape = Arc::clone(&schema);
    StreamExec::build("Ranks", vec![input], schema, move |mut inputs, _| {
        let input: SendableRecordBatchStream = inputs.pop().ok_or_else(|| DataFusionError::Internal("a window lost its input".into()))?;
        let schema = Arc::clone(&shape);
        let functions = functions.clone();
        let mut partitions = Groups::new(partition_by.clone());
        let mut peers = Groups::new(partition_by.iter().chain(&order_by).cloned().collect());
        let mut counts = Counts::default();
        let rows = input.map(move |batch| {
            let batch = batch?;
            let results = counts.go_on(&functions, &partitions.starts(&batch)?, &peers.starts(&batch)?);
            let columns = batch.columns().iter().cloned().chain(results).collect();
            Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
        });
        Ok(boxed(Arc::clone(&shape), rows))
    })
}

/// Finds where rows differ from the row before in some columns.
struct Groups {
    columns: Vec<PhysicalExprRef>,
    /// The last row so far; none before the first.
    last: Option<Vec<ArrayRef>>,
}

impl Groups {
    fn new(columns: Vec<PhysicalExprRef>) -> Groups {
        Groups { columns, last: None }
    }

    /// For each row whether a group begins with it.
    fn starts(&mut self, batch: &RecordBatch) -> Result<Vec<bool>> {
        let rows = batch.num_rows();
        let mut starts = vec![false; rows];
        if rows == 0 {
            return Ok(starts);
        }
        let values = self.columns.iter().map(|column| column.evaluate(batch)?.into_array(rows)).collect::<Result<Vec<_>>>()?;
        if !values.is_empty() {
            partition(&values)?.ranges().iter().for_each(|range| starts[range.start] = true);
        }
        let last = values.iter().map(|value| value.slice(rows - 1, 1)).collect();
        starts[0] = match self.last.replace(last) {
            None => true,
            Some(before) => !are_same(&before, &values)?,
        };
        Ok(starts)
    }
}

/// Is the first row like the one before it?
fn are_same(before: &[ArrayRef], values: &[ArrayRef]) -> Result<bool> {
    let pair = |(before, values): (&ArrayRef, &ArrayRef)| concat(&[before.as_ref(), values.slice(0, 1).as_ref()]);
    let pairs = before.iter().zip(values).map(pair).collect::<Result<Vec<_>, _>>()?;
    Ok(pairs.is_empty() || partition(&pairs)?.len() == 1)
}

#[derive(Default)]
struct Counts {
    row_number: u64,
    rank: u64,
    dense_rank: u64,
}

impl Counts {
    fn go_on(&mut self, functions: &[Ranking], partitions: &[bool], peers: &[bool]) -> Vec<ArrayRef> {
        let mut results: Vec<Vec<u64>> = functions.iter().map(|_| Vec::with_capacity(peers.len())).collect();
        for (is_first, is_new) in partitions.iter().zip(peers) {
            if *is_first {
                *self = Counts::default();
            }
            self.row_number += 1;
            if *is_new || *is_first {
                self.rank = self.row_number;
                self.dense_rank += 1;
            }
            for (function, result) in functions.iter().zip(&mut results) {
                result.push(match function {
                    Ranking::RowNumber => self.row_number,
                    Ranking::WithGaps => self.rank,
                    Ranking::Dense => self.dense_rank,
                });
            }
        }
        results.into_iter().map(|result| Arc::new(UInt64Array::from(result)) as ArrayRef).collect()
    }
}
