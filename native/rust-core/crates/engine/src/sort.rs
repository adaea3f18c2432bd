//! Sorting rows that may not fit in memory: sorted runs in scratch files, merged when they are read. The result does not depend on what fitted.

use std::io::SeekFrom;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{SchemaRef, SortOptions};
use arrow_select::interleave::interleave_record_batch;

use crate::error::Error;
use crate::io::{Scratch, ScratchFile};
use crate::order::{compact, gather_error, released};
use crate::row_order::{RANK_BYTES, Ranked, ranked};

const BATCH_ROWS: usize = 8_192;

/// What sorting may use.
#[derive(Clone, Copy)]
pub struct SortSpace<'a> {
    /// Rows and their keys are spilled when they hold this much.
    pub memory_bytes: usize,
    /// Without one a sort that needs more memory is `CORE_MEMORY`.
    pub scratch: Option<&'a dyn Scratch>,
    /// At most this much is written there, else `CORE_DISK_FULL`.
    pub scratch_bytes: u64,
}

/// Takes rows in any order. The sort columns must tell all rows apart, so that one order is the only one.
pub struct Sorter<'a> {
    schema: SchemaRef,
    /// Indices of the sort columns, most significant first.
    columns: Vec<usize>,
    converter: RowConverter,
    space: SortSpace<'a>,
    pending: Vec<(RecordBatch, Rows)>,
    pending_bytes: usize,
    runs: Vec<Box<dyn ScratchFile>>,
    spilled_bytes: u64,
}

impl<'a> Sorter<'a> {
    pub fn new(schema: SchemaRef, columns: Vec<(usize, SortOptions)>, space: SortSpace<'a>) -> Result<Sorter<'a>, Error> {
        let field =
            |(index, options): &(usize, SortOptions)| SortField::new_with_options(schema.field(*index).data_type().clone(), *options);
        let converter = RowConverter::new(columns.iter().map(field).collect()).map_err(gather_error)?;
        let columns = columns.into_iter().map(|(index, _)| index).collect();
        Ok(Sorter { schema, columns, converter, space, pending: Vec::new(), pending_bytes: 0, runs: Vec::new(), spilled_bytes: 0 })
    }

    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = released(batch.clone())?;
        let rows = self.rows_of(&batch)?;
        self.pending_bytes += batch.get_array_memory_size() + rows.size() + batch.num_rows() * RANK_BYTES;
        self.pending.push((batch, rows));
        if self.pending_bytes > self.space.memory_bytes {
            self.spill()?;
        }
        Ok(())
    }

    fn rows_of(&self, batch: &RecordBatch) -> Result<Rows, Error> {
        let columns: Vec<ArrayRef> = self.columns.iter().map(|index| Arc::clone(batch.column(*index))).collect();
        self.converter.convert_columns(&columns).map_err(gather_error)
    }

    fn sorted(&self) -> Vec<Ranked> {
        ranked(&self.pending.iter().map(|(_, rows)| rows).collect::<Vec<_>>())
    }

    fn spill(&mut self) -> Result<(), Error> {
        let Some(scratch) = self.space.scratch else {
            let message = format!("sorting needs more than {} bytes, and there is no scratch directory", self.space.memory_bytes);
            return Err(Error::new("CORE_MEMORY", message));
        };
        let mut file = scratch.open()?;
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME)).map_err(gather_error)?;
        let mut stream = StreamWriter::try_new_with_options(&mut file, &self.schema, options).map_err(spill_error)?;
        let order = self.sorted();
        let sources: Vec<&RecordBatch> = self.pending.iter().map(|(batch, _)| batch).collect();
        for piece in order.chunks(BATCH_ROWS) {
            let batch = compact(&gathered(&sources, piece)?)?;
            stream.write(&batch).map_err(spill_error)?;
        }
        stream.finish().map_err(spill_error)?;
        drop(stream);
        self.spilled_bytes += file.stream_position().map_err(|error| spill_error(error.into()))?;
        if self.spilled_bytes > self.space.scratch_bytes {
            let message = format!("sorting needs more than the {} bytes of scratch space", self.space.scratch_bytes);
            return Err(Error::new("CORE_DISK_FULL", message));
        }
        file.seek(SeekFrom::Start(0)).map_err(|error| spill_error(error.into()))?;
        self.runs.push(file);
        self.pending.clear();
        self.pending_bytes = 0;
        Ok(())
    }

    /// The rows in order, once everything was pushed.
    pub fn finish(mut self) -> Result<Sorted, Error> {
        if self.runs.is_empty() {
            let order = self.sorted();
            let batches = self.pending.into_iter().map(|(batch, _)| batch).collect();
            return Ok(Sorted::Held { batches, order, next: 0 });
        }
        if !self.pending.is_empty() {
            self.spill()?;
        }
        let mut runs = Vec::with_capacity(self.runs.len());
        for file in self.runs {
            let reader = StreamReader::try_new(file, None).map_err(spill_error)?;
            if let Some(run) = SpilledRun::open(reader, &self.columns, &self.converter)? {
                runs.push(run);
            }
        }
        Ok(Sorted::Merged { runs, columns: self.columns, converter: self.converter })
    }
}

/// Sorted rows, to be read once.
pub enum Sorted {
    Held { batches: Vec<RecordBatch>, order: Vec<Ranked>, next: usize },
    Merged { runs: Vec<SpilledRun>, columns: Vec<usize>, converter: RowConverter },
}

impl Sorted {
    /// The next rows, at most 8,192.
    pub fn next_rows(&mut self) -> Result<Option<RecordBatch>, Error> {
        match self {
            Sorted::Held { batches, order, next } => {
                let piece = &order[*next..order.len().min(*next + BATCH_ROWS)];
                if piece.is_empty() {
                    return Ok(None);
                }
                *next += piece.len();
                let sources: Vec<&RecordBatch> = batches.iter().collect();
                gathered(&sources, piece).map(Some)
            }
            Sorted::Merged { runs, columns, converter } => merge(runs, columns, converter),
        }
    }
}

fn gathered(sources: &[&RecordBatch], rows: &[Ranked]) -> Result<RecordBatch, Error> {
    let places: Vec<(usize, usize)> = rows.iter().map(Ranked::place).collect();
    interleave_record_batch(sources, &places).map_err(gather_error)
}

/// Rows from the smallest heads, until a batch is full or one of the runs needs its next batch.
fn merge(runs: &mut Vec<SpilledRun>, columns: &[usize], converter: &RowConverter) -> Result<Option<RecordBatch>, Error> {
    let mut picked = Vec::with_capacity(BATCH_ROWS);
    let mut used_up = None;
    while picked.len() < BATCH_ROWS && used_up.is_none() && !runs.is_empty() {
        let smallest = (1..runs.len()).fold(0, |best, run| if runs[run].head() < runs[best].head() { run } else { best });
        let run = &mut runs[smallest];
        picked.push((smallest, run.row));
        run.row += 1;
        if run.row == run.batch.num_rows() {
            used_up = Some(smallest);
        }
    }
    if picked.is_empty() {
        return Ok(None);
    }
    let sources: Vec<&RecordBatch> = runs.iter().map(|run| &run.batch).collect();
    let batch = interleave_record_batch(&sources, &picked).map_err(gather_error)?;
    if let Some(run) = used_up
        && !runs[run].advance(columns, converter)?
    {
        runs.remove(run);
    }
    Ok(Some(batch))
}

/// A sorted run in a scratch file.
pub struct SpilledRun {
    reader: StreamReader<Box<dyn ScratchFile>>,
    batch: RecordBatch,
    rows: Rows,
    row: usize,
}

impl SpilledRun {
    fn open(
        mut reader: StreamReader<Box<dyn ScratchFile>>,
        columns: &[usize],
        converter: &RowConverter,
    ) -> Result<Option<SpilledRun>, Error> {
        let Some(batch) = reader.next().transpose().map_err(spill_error)? else { return Ok(None) };
        let rows = keys_of(&batch, columns, converter)?;
        Ok(Some(SpilledRun { reader, batch, rows, row: 0 }))
    }

    fn head(&self) -> arrow_row::Row<'_> {
        self.rows.row(self.row)
    }

    fn advance(&mut self, columns: &[usize], converter: &RowConverter) -> Result<bool, Error> {
        let Some(batch) = self.reader.next().transpose().map_err(spill_error)? else { return Ok(false) };
        self.rows = keys_of(&batch, columns, converter)?;
        self.batch = batch;
        self.row = 0;
        Ok(true)
    }
}

fn keys_of(batch: &RecordBatch, columns: &[usize], converter: &RowConverter) -> Result<Rows, Error> {
    let columns: Vec<ArrayRef> = columns.iter().map(|index| Arc::clone(batch.column(*index))).collect();
    converter.convert_columns(&columns).map_err(gather_error)
}

fn spill_error(error: arrow_schema::ArrowError) -> Error {
    let full = matches!(&error, arrow_schema::ArrowError::IoError(_, cause) if cause.kind() == std::io::ErrorKind::StorageFull);
    Error::new(if full { "CORE_DISK_FULL" } else { "CORE_PANIC" }, format!("cannot spill sorted rows: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{Int64Array, StringViewArray};
    use arrow_schema::{DataType, Field, Schema};
    use proptest::prelude::*;

    struct Held;

    impl Scratch for Held {
        fn open(&self) -> Result<Box<dyn ScratchFile>, Error> {
            Ok(Box::new(std::io::Cursor::new(Vec::new())))
        }
    }

    fn batches(values: &[(Option<i64>, String)], cut: usize) -> (SchemaRef, Vec<RecordBatch>) {
        let fields = vec![
            Field::new("k", DataType::Int64, true),
            Field::new("t", DataType::Utf8View, true),
            Field::new("n", DataType::Int64, false),
        ];
        let schema = Arc::new(Schema::new(fields));
        let numbered: Vec<(usize, &(Option<i64>, String))> = values.iter().enumerate().collect();
        let batch = |rows: &[(usize, &(Option<i64>, String))]| {
            let keys: Int64Array = rows.iter().map(|(_, (key, _))| *key).collect();
            let texts: StringViewArray = rows.iter().map(|(_, (_, text))| Some(text.as_str())).collect();
            let numbers: Int64Array = rows.iter().map(|(number, _)| Some(*number as i64)).collect();
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(keys), Arc::new(texts), Arc::new(numbers)]).unwrap()
        };
        (Arc::clone(&schema), numbered.chunks(cut).map(batch).collect())
    }

    proptest! {
        #[test]
        fn spilling_changes_nothing(
            values in prop::collection::vec((prop::option::of(-9i64..9), "[a-z]{0,30}"), 0..300),
            cut in 1usize..40,
            memory in prop_oneof![Just(0usize), 1usize..40_000, Just(1 << 30)],
        ) {
            let (schema, batches) = batches(&values, cut);
            let space = SortSpace { memory_bytes: memory, scratch: Some(&Held), scratch_bytes: 1 << 30 };
            let descending = SortOptions { descending: true, nulls_first: false };
            let mut sorter = Sorter::new(schema, vec![(0, descending), (2, SortOptions::default())], space).unwrap();
            for batch in &batches {
                sorter.push(batch).unwrap();
            }
            let mut sorted = sorter.finish().unwrap();
            let mut found = Vec::new();
            while let Some(batch) = sorted.next_rows().unwrap() {
                let (texts, numbers) = (batch.column(1).as_string_view(), batch.column(2).as_primitive::<Int64Type>());
                found.extend((0..batch.num_rows()).map(|row| (numbers.value(row), texts.value(row).to_string())));
            }
            let mut wanted: Vec<usize> = (0..values.len()).collect();
            wanted.sort_by_key(|row| (values[*row].0.is_none(), std::cmp::Reverse(values[*row].0)));
            let wanted: Vec<(i64, String)> = wanted.into_iter().map(|row| (row as i64, values[row].1.clone())).collect();
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn space_is_bounded() {
        let (schema, batches) = batches(&[(Some(1), "x".repeat(1_000))], 1);
        let sort = |scratch: Option<&dyn Scratch>| {
            let space = SortSpace { memory_bytes: 10, scratch, scratch_bytes: 10 };
            Sorter::new(Arc::clone(&schema), vec![(0, SortOptions::default())], space).unwrap().push(&batches[0]).unwrap_err().code
        };
        assert_eq!(sort(None), "CORE_MEMORY");
        assert_eq!(sort(Some(&Held)), "CORE_DISK_FULL");
    }
}
