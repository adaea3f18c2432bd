//! One batch through the program: rows that stay, records that fail. Checks what the program says, because fates are counted from it.

use arrow_array::RecordBatch;
use millrace_formats::batch::Batch;
use millrace_formats::reject::{Reject, RejectError};

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

/// Without a program every record passes as it is.
pub fn transform(batch: Batch, program: Option<&mut (dyn Program + 'static)>, file_uri: &str) -> Result<Fates, Error> {
    let records = batch.rows.num_rows() as u64;
    let Some(program) = program else {
        return Ok(Fates { rows: batch.rows, origin: None, emitted: records, filtered: 0, rejects: Vec::new() });
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
    let transformed = program.run(&batch, file_uri)?;
    let emitted = count_emitted(&transformed, batch.rows.num_rows())?;
    let rejects: Vec<Reject> = transformed.failed.iter().map(|failure| reject_of(&batch, failure)).collect();
    let filtered = records - emitted - rejects.len() as u64;
    Ok(Fates { rows: transformed.rows, origin: Some(transformed.origin), emitted, filtered, rejects })
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

fn reject_of(batch: &Batch, failure: &RowFailure) -> Reject {
    let row = failure.row as usize;
    let place = batch.places[row];
    let error = RejectError {
        code: failure.code,
        column: None,
        column_index: None,
        byte: place.byte,
        line: place.line,
        message: failure.message.clone(),
        expected: None,
        value: None,
    };
    Reject { place, errors: vec![error], raw: batch.raw(row).to_vec(), raw_truncated: false }
}
