//! One batch through the program: rows that stay, records that fail. Checks what the program says, because fates are counted from it.

use std::collections::BTreeMap;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use millrace_formats::batch::Batch;
use millrace_formats::reject::{Reject, RejectError};
use millrace_formats::write::folders::Folders;

use crate::error::Error;
use crate::program::{Program, RowFailure, Transformed};

/// What became of the records of a batch.
pub struct Fates {
    pub rows: RecordBatch,
    /// For each row the record of the batch it came from; None: row by row the same.
    pub origin: Option<Vec<u32>>,
    pub emitted: u64,
    pub filtered: u64,
    pub rejects: Vec<Reject>,
}

/// Without a program every record passes as it is. A record with a row that cannot name its folder under `partition_by` is rejected.
pub fn transform(
    batch: &Batch,
    program: Option<&mut (dyn Program + 'static)>,
    file_uri: &str,
    partition_by: &[String],
) -> Result<Fates, Error> {
    let fates = run(batch, program, file_uri)?;
    if partition_by.is_empty() || fates.rows.num_rows() == 0 { Ok(fates) } else { reject_unfit(fates, batch, partition_by) }
}

fn run(batch: &Batch, program: Option<&mut (dyn Program + 'static)>, file_uri: &str) -> Result<Fates, Error> {
    let records = batch.rows.num_rows() as u64;
    let Some(program) = program else {
        return Ok(Fates { rows: batch.rows.clone(), origin: None, emitted: records, filtered: 0, rejects: Vec::new() });
    };
    if records == 0 {
        return Ok(Fates {
            rows: RecordBatch::new_empty(program.output_schema()),
            origin: None,
            emitted: 0,
            filtered: 0,
            rejects: Vec::new(),
        });
    }
    let transformed = program.run(batch, file_uri)?;
    let emitted = count_emitted(&transformed, batch.rows.num_rows())?;
    let rejects = transformed.failed.iter().map(|failure| reject_of(batch, failure)).collect::<Result<Vec<Reject>, Error>>()?;
    let filtered = records - emitted - rejects.len() as u64;
    Ok(Fates { rows: transformed.rows, origin: Some(transformed.origin), emitted, filtered, rejects })
}

/// Takes out all rows of records of which one is unfit, and rejects these records.
fn reject_unfit(mut fates: Fates, batch: &Batch, partition_by: &[String]) -> Result<Fates, Error> {
    let unfit = Folders::new(&fates.rows.schema(), partition_by)?.unfit(&fates.rows)?;
    if unfit.is_empty() {
        return Ok(fates);
    }
    let record_of = |row: usize| fates.origin.as_ref().map_or(row as u32, |origin| origin[row]);
    let mut failed: BTreeMap<u32, String> = BTreeMap::new();
    for row in unfit {
        failed.entry(record_of(row.row)).or_insert(row.message);
    }
    let stays: Vec<bool> = (0..fates.rows.num_rows()).map(|row| !failed.contains_key(&record_of(row))).collect();
    let kept = filter_record_batch(&fates.rows, &BooleanArray::from(stays.clone()));
    fates.rows = kept.map_err(|error| Error::new("CORE_PANIC", format!("cannot take rejected rows out: {error}")))?;
    let origin = fates.origin.take().unwrap_or_else(|| (0..stays.len() as u32).collect());
    fates.origin = Some(origin.into_iter().zip(&stays).filter(|(_, stays)| **stays).map(|(row, _)| row).collect());
    fates.emitted -= failed.len() as u64;
    for (row, message) in failed {
        fates.rejects.push(reject_of(batch, &RowFailure { row, code: "TRANSFORM_PARTITION_VALUE", message })?);
    }
    Ok(fates)
}

/// Records with a row left. A record must not have rows and a failure, nor stand out of order.
fn count_emitted(transformed: &Transformed, records: usize) -> Result<u64, Error> {
    let broken = |what: &str| Error::new("CORE_PANIC", format!("the program broke its contract: {what}"));
    if transformed.origin.len() != transformed.rows.num_rows() {
        return Err(broken("rows and their origins differ in number"));
    }
    if !transformed.origin.is_sorted() || !transformed.failed.is_sorted_by(|a, b| a.row < b.row) {
        return Err(broken("origins or failures are out of order"));
    }
    let last = transformed.origin.last().copied().max(transformed.failed.last().map(|failure| failure.row));
    if last.is_some_and(|row| row as usize >= records) {
        return Err(broken("a row that the batch does not have"));
    }
    let mut failed = transformed.failed.iter().map(|failure| failure.row).peekable();
    let (mut emitted, mut previous) = (0, None);
    for &row in &transformed.origin {
        while failed.next_if(|failure| *failure < row).is_some() {}
        if failed.peek() == Some(&row) {
            return Err(broken("a record that failed has rows"));
        }
        emitted += u64::from(previous != Some(row));
        previous = Some(row);
    }
    Ok(emitted)
}

fn reject_of(batch: &Batch, failure: &RowFailure) -> Result<Reject, Error> {
    let row = failure.row as usize;
    let place = batch.places[row];
    let error = RejectError {
        code: failure.code,
        column: None,
        column_index: None,
        path: None,
        byte: place.byte,
        line: place.line,
        message: failure.message.clone(),
        expected: None,
        value: None,
    };
    Ok(Reject { place, errors: vec![error], raw: batch.raw(row)?.into_owned(), raw_truncated: false })
}
