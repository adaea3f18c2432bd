//! Which records of a chunk that a producer sent go through, when it is bisected.
//!
//! Nobody has planned such a chunk, so no bytes name its records from outside: an inline chunk is several payloads, each with its own header and
//! perhaps compressed, and a producer's range begins and ends anywhere. Its records are counted instead, from 0, in the order in which they are
//! read. All are read each time; those left out are never shown to the query and the outputs.

use arrow_array::BooleanArray;
use arrow_select::filter::filter_record_batch;
use millrace_formats::batch::{Batch, Read};
use millrace_formats::read::{ExcludedRange, ReadRange, excluded_reject};
use millrace_formats::reject::Reject;

use crate::error::Error;
use crate::order::gather_error;

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Through,
    /// It is no part of this trial.
    PassedOver,
    /// It becomes a reject with this code.
    LeftOut(&'static str),
}

/// The choice among records that come in turns.
#[derive(Debug)]
pub(crate) struct Chosen {
    wanted: Option<ReadRange>,
    excluded: Vec<ExcludedRange>,
    /// The number of the next record.
    next: u64,
}

impl Chosen {
    /// `wanted` of a trial, `excluded` of any attempt: both count records. None if all go through.
    pub(crate) fn new(wanted: Option<ReadRange>, excluded: &[ExcludedRange]) -> Option<Chosen> {
        (wanted.is_some() || !excluded.is_empty()).then(|| Chosen { wanted, excluded: excluded.to_vec(), next: 0 })
    }

    /// Counts on by a record that is a reject whatever is chosen.
    pub(crate) fn pass(&mut self) {
        self.next += 1;
    }

    /// The records of a turn that go through, with those left out among its rejects, and how many were passed over. Of a record that is left out
    /// at most `max_record_bytes` are kept.
    pub(crate) fn sift(&mut self, read: Read, max_record_bytes: u64) -> Result<(Read, u64), Error> {
        let Read { batch, mut rejects } = read;
        rejects.sort_by_key(|reject| reject.place.byte);
        let (of_rows, of_rejects) = self.number(&batch, &rejects);
        let before = (batch.places.len() + rejects.len()) as u64;
        let mut chosen = Vec::with_capacity(rejects.len());
        for (reject, choice) in rejects.into_iter().zip(of_rejects) {
            match choice {
                Choice::Through => chosen.push(reject),
                Choice::PassedOver => {}
                Choice::LeftOut(code) => chosen.push(excluded_reject(reject.place, code, &reject.raw, max_record_bytes)),
            }
        }
        for (row, choice) in of_rows.iter().enumerate() {
            if let Choice::LeftOut(code) = choice {
                chosen.push(excluded_reject(batch.places[row], code, &batch.raw(row)?, max_record_bytes));
            }
        }
        chosen.sort_by_key(|reject| reject.place.byte);
        let batch = keep(batch, &of_rows)?;
        let passed_over = before - (batch.places.len() + chosen.len()) as u64;
        Ok((Read { batch, rejects: chosen }, passed_over))
    }

    /// The choice for each row and each reject of a turn, both in order of their bytes.
    fn number(&mut self, batch: &Batch, rejects: &[Reject]) -> (Vec<Choice>, Vec<Choice>) {
        let (mut of_rows, mut of_rejects) = (Vec::with_capacity(batch.places.len()), Vec::with_capacity(rejects.len()));
        let mut behind = rejects.iter().peekable();
        for place in &batch.places {
            while behind.next_if(|reject| reject.place.byte < place.byte).is_some() {
                of_rejects.push(self.choose());
            }
            of_rows.push(self.choose());
        }
        of_rejects.extend(behind.map(|_| self.choose()));
        (of_rows, of_rejects)
    }

    fn choose(&mut self) -> Choice {
        let number = self.next;
        self.next += 1;
        if self.wanted.is_some_and(|wanted| !(wanted.start..wanted.end).contains(&number)) {
            return Choice::PassedOver;
        }
        let excluded = self.excluded.iter().find(|excluded| (excluded.start..excluded.end).contains(&number));
        excluded.map_or(Choice::Through, |excluded| Choice::LeftOut(excluded.code))
    }
}

fn keep(batch: Batch, choices: &[Choice]) -> Result<Batch, Error> {
    let stay: Vec<bool> = choices.iter().map(|choice| *choice == Choice::Through).collect();
    if stay.iter().all(|stays| *stays) {
        return Ok(batch);
    }
    let places = batch.places.iter().zip(&stay).filter_map(|(place, stays)| stays.then_some(*place)).collect();
    let rows = filter_record_batch(&batch.rows, &BooleanArray::from(stay)).map_err(gather_error)?;
    Ok(Batch { rows, places, ..batch })
}
