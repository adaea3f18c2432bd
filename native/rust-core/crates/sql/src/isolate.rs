//! Which records of a failing batch are to blame. A record is rejected if and only if evaluating it alone fails; halving finds the few that
//! do without trying them all, and many are tried one by one.

use arrow_array::{BooleanArray, RecordBatch, UInt32Array, cast::AsArray};
use arrow_select::concat::concat_batches;
use arrow_select::filter::{filter, filter_record_batch};
use datafusion_common::DataFusionError;
use millrace_engine::program::{ProgramError, RowFailure};

use crate::error::{BUG, MEMORY, plain_text, refuse, row_error};
use crate::evaluate::{Rows, evaluate};
use crate::growth::{MAX_BATCH_BYTES, bytes_of};
use crate::rowwise::{Step, Steps};

/// Once more than one record in this many has failed, halving costs more than it saves.
const MANY: usize = 16;

/// The rows of all records that can be evaluated, and the failures of the others.
pub fn isolate(steps: &Steps, read: &RecordBatch) -> Result<(Rows, Vec<RowFailure>), ProgramError> {
    let mut search = Search { steps: &steps.steps, read, failed: Vec::new(), limit: read.num_rows() / MANY };
    search.run()?;
    let failed = search.failed;
    let mut is_good = vec![true; read.num_rows()];
    for failure in &failed {
        is_good[failure.row as usize] = false;
    }
    Ok((evaluate_good(steps, read, &is_good.into())?, failed))
}

struct Search<'a> {
    steps: &'a [Step],
    read: &'a RecordBatch,
    failed: Vec<RowFailure>,
    limit: usize,
}

impl Search<'_> {
    fn run(&mut self) -> Result<(), ProgramError> {
        // Ranges still to be looked at, the next one last, so that failures come out in order.
        let mut open = vec![(0, self.read.num_rows(), true)];
        while let Some((offset, count, is_known_to_fail)) = open.pop() {
            if self.failed.len() > self.limit && count > 1 {
                open.extend((offset..offset + count).rev().map(|row| (row, 1, false)));
                continue;
            }
            if is_known_to_fail && count > 1 {
                let half = count / 2;
                open.push((offset + half, count - half, false));
                open.push((offset, half, false));
                continue;
            }
            if let Err(error) = evaluate(self.steps, &self.read.slice(offset, count)) {
                if count == 1 {
                    self.failed.push(failure(offset, &error)?);
                } else {
                    open.push((offset, count, true));
                }
            }
        }
        Ok(())
    }
}

fn failure(row: usize, error: &DataFusionError) -> Result<RowFailure, ProgramError> {
    match row_error(error) {
        Some(own) => Ok(RowFailure { row: row as u32, code: own.code, message: own.message.clone() }),
        None => Err(engine_fault(error)),
    }
}

/// An error that carries no code of ours is a mistake of ours or the engine's, and no record is to blame for it.
fn engine_fault(error: &DataFusionError) -> ProgramError {
    refuse(BUG, None, format!("the query engine broke an invariant: {}", plain_text(error)))
}

/// All good records at once; one by one where success depends on the company, which a batch's short cuts allow.
fn evaluate_good(steps: &Steps, read: &RecordBatch, is_good: &BooleanArray) -> Result<Rows, ProgramError> {
    let fault = |error: arrow_schema::ArrowError| engine_fault(&error.into());
    let rows = UInt32Array::from_iter_values(0..read.num_rows() as u32);
    let kept = filter(&rows, is_good).map_err(fault)?;
    let kept: &UInt32Array = kept.as_primitive();
    let good = filter_record_batch(read, is_good).map_err(fault)?;
    if let Ok(rows) = evaluate(&steps.steps, &good) {
        let origin = match &rows.origin {
            None => kept.clone(),
            Some(origin) => origin.values().iter().map(|row| kept.value(*row as usize)).collect(),
        };
        return Ok(Rows { batch: rows.batch, origin: Some(origin) });
    }
    let (mut pieces, mut bytes) = (Vec::with_capacity(good.num_rows()), 0);
    let mut origin = Vec::with_capacity(good.num_rows());
    for row in 0..good.num_rows() {
        let alone = evaluate(&steps.steps, &good.slice(row, 1)).map_err(|error| engine_fault(&error))?;
        bytes += bytes_of(&alone.batch);
        if bytes > MAX_BATCH_BYTES {
            let message = format!("the rows of {} records would hold more than {} MiB together", row + 1, MAX_BATCH_BYTES >> 20);
            return Err(refuse(MEMORY, None, message));
        }
        origin.extend(std::iter::repeat_n(kept.value(row), alone.batch.num_rows()));
        pieces.push(alone.batch);
    }
    let batch = concat_batches(&steps.output, &pieces).map_err(fault)?;
    Ok(Rows { batch, origin: Some(origin.into()) })
}
