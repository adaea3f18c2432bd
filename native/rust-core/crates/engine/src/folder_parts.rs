//! Parts of `partitionBy`: which are open, which is closed to make room, which is flushed when they hold too much.
//!
//! While few folders come, each batch is spread over them at once. As soon as more come than may be open, rows are gathered first, so that each of
//! many folders gets a part per gathering and not one per batch. All of it is decided from rows alone, in batches cut at the same rows however
//! they came, so that a chunk always makes the same parts.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use arrow_array::RecordBatch;
use millrace_formats::write::folders::{FolderNames, Folders, own_rows};
use millrace_formats::write::{BATCH_ROWS, Recut, batch_bytes};

use crate::error::Error;
use crate::outputs::OpenPart;

/// Parts that are open at once.
const MAX_OPEN: usize = 64;
/// Each open zstd stream holds some 4 MB.
const MAX_OPEN_ZSTD_TEXT: usize = 16;
/// What all open parts may hold together before the largest is flushed.
pub const SHARED_BYTES: u64 = 48 << 20;
/// What gathered rows may hold, their places included.
pub const GATHERED_BYTES: u64 = 32 << 20;
/// Of each gathered row: the number of its folder, and its place in the order of folders.
const PLACE_BYTES: usize = size_of::<u32>() + size_of::<(usize, usize)>();

#[derive(Clone, Copy, Debug)]
pub struct FolderLimits {
    pub max_open: usize,
    pub shared_bytes: u64,
    pub gathered_bytes: u64,
    /// Folders that a chunk may touch.
    pub max_folders: usize,
}

impl FolderLimits {
    pub fn new(is_zstd_text: bool, less_memory: bool, max_partitions: u32) -> FolderLimits {
        let share = if less_memory { 4 } else { 1 };
        let max_open = if is_zstd_text { MAX_OPEN_ZSTD_TEXT } else { MAX_OPEN };
        FolderLimits {
            max_open: max_open / share,
            shared_bytes: SHARED_BYTES / share as u64,
            gathered_bytes: GATHERED_BYTES / share as u64,
            max_folders: max_partitions as usize,
        }
    }
}

/// The open parts of one attempt, by folder, and the rows that wait to be spread.
pub struct FolderParts {
    folders: Folders,
    limits: FolderLimits,
    recut: Recut,
    names: FolderNames,
    gathered: Gathered,
    /// More folders have come than may be open.
    is_crowded: bool,
    open: BTreeMap<u32, Slot>,
    /// Rows taken so far.
    rows: u64,
}

struct Slot {
    part: OpenPart,
    last_row: u64,
}

/// Rows that wait, without the columns that name folders.
#[derive(Default)]
struct Gathered {
    /// Number of the first row.
    first_row: u64,
    batches: Vec<RecordBatch>,
    /// The folder of each row of `batches`.
    folders: Vec<Vec<u32>>,
    bytes: usize,
}

/// Rows of one folder, at most as many as a batch has.
#[derive(Clone, Debug)]
pub struct Piece {
    pub folder: u32,
    /// Where its rows stand in the order of the spread.
    places: Range<usize>,
    /// Number of the last of them.
    last_row: u64,
}

/// Gathered rows, sorted by folder.
pub struct Spread {
    batches: Vec<RecordBatch>,
    /// Batch and row of each; those of one folder together and as they came.
    order: Vec<(usize, usize)>,
    pub pieces: Vec<Piece>,
}

impl Spread {
    pub fn rows(&self, piece: &Piece) -> Result<RecordBatch, Error> {
        let batches: Vec<&RecordBatch> = self.batches.iter().collect();
        Ok(own_rows(&batches, &self.order[piece.places.clone()])?)
    }
}

/// What a folder needs before rows can be written to it.
pub enum Room {
    /// Its part is open.
    Open,
    /// A part has to be opened.
    New,
    /// This part has to be closed, and one opened.
    Instead(OpenPart),
}

impl FolderParts {
    pub fn new(rows: &RecordBatch, partition_by: &[String], limits: FolderLimits) -> Result<FolderParts, Error> {
        Ok(FolderParts {
            folders: Folders::new(&rows.schema(), partition_by)?,
            limits,
            recut: Recut::new(rows.schema()),
            names: FolderNames::default(),
            gathered: Gathered::default(),
            is_crowded: false,
            open: BTreeMap::new(),
            rows: 0,
        })
    }

    pub fn push(&mut self, rows: RecordBatch) -> Result<(), Error> {
        Ok(self.recut.push(rows)?)
    }

    /// The path of a folder.
    pub fn name(&self, folder: u32) -> &str {
        self.names.name(folder)
    }

    /// The next rows by folder, if enough have come.
    pub fn next(&mut self) -> Result<Option<Spread>, Error> {
        while let Some(batch) = self.recut.next() {
            self.gather(&batch)?;
            if !self.is_crowded || self.gathered.bytes as u64 >= self.limits.gathered_bytes {
                return Ok(Some(self.spread()));
            }
        }
        Ok(None)
    }

    /// The rows left over, by folder. Call when `next` has nothing more.
    pub fn rest(&mut self) -> Result<Option<Spread>, Error> {
        if let Some(batch) = self.recut.rest()? {
            self.gather(&batch)?;
        }
        Ok((!self.gathered.batches.is_empty()).then(|| self.spread()))
    }

    fn gather(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        // Rows of a reduce stage come here unseen; those of a map stage were rejected where they are unfit.
        if let Some(unfit) = self.folders.unfit(batch)?.into_iter().next() {
            return Err(Error::new("TRANSFORM_PARTITION_VALUE", unfit.message));
        }
        let folders = self.folders.assign(batch, &mut self.names)?;
        self.check_number()?;
        self.is_crowded = self.is_crowded || self.open.len() + self.count_closed(&folders) > self.limits.max_open;
        let kept = self.folders.without_keys(batch)?;
        self.gathered.bytes += batch_bytes(&kept) + PLACE_BYTES * kept.num_rows();
        self.gathered.batches.push(kept);
        self.gathered.folders.push(folders);
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn check_number(&self) -> Result<(), Error> {
        let limit = self.limits.max_folders;
        if self.names.len() <= limit {
            return Ok(());
        }
        let message = format!("expected at most {limit} folders (output.maxPartitions), {} is one more", self.names.name(limit as u32));
        Err(Error::new("OUTPUT_TOO_MANY_PARTITIONS", message))
    }

    /// How many of these folders have no open part.
    fn count_closed(&self, folders: &[u32]) -> usize {
        let mut met = vec![false; self.names.len()];
        folders.iter().for_each(|folder| met[*folder as usize] = true);
        (0..met.len()).filter(|folder| met[*folder] && !self.open.contains_key(&(*folder as u32))).count()
    }

    /// Folders with an open part come first, so that no part is given up that rows wait for; else in the order in which they were first met.
    fn spread(&mut self) -> Spread {
        let next = Gathered { first_row: self.rows, ..Gathered::default() };
        let Gathered { first_row, batches, folders, .. } = std::mem::replace(&mut self.gathered, next);
        let mut rows = vec![0; self.names.len()];
        folders.iter().flatten().for_each(|folder| rows[*folder as usize] += 1);
        let mut sequence: Vec<u32> = (0..rows.len() as u32).filter(|folder| rows[*folder as usize] > 0).collect();
        sequence.sort_by_key(|folder| !self.open.contains_key(folder));
        let mut starts = vec![0; rows.len()];
        let mut end = 0;
        for folder in &sequence {
            starts[*folder as usize] = end;
            end += rows[*folder as usize];
        }
        let order = order_by_folder(&folders, starts.clone(), end);
        let first_rows = first_rows(first_row, &batches);
        let row_at = |place: usize| first_rows[order[place].0] + order[place].1 as u64;
        let pieces = sequence.into_iter().flat_map(|folder| {
            let start = starts[folder as usize];
            pieces_of(folder, start..start + rows[folder as usize], row_at)
        });
        Spread { pieces: pieces.collect(), batches, order }
    }

    /// Makes room for a folder's part: of too many the one that got no row for longest is given up.
    pub fn make_room(&mut self, folder: u32) -> Room {
        if self.open.contains_key(&folder) {
            return Room::Open;
        }
        if self.open.len() < self.limits.max_open {
            return Room::New;
        }
        let oldest = self.open.iter().min_by_key(|(_, slot)| slot.last_row).map(|(folder, _)| *folder);
        let slot = oldest.and_then(|folder| self.open.remove(&folder));
        slot.map_or(Room::New, |slot| Room::Instead(slot.part))
    }

    pub fn insert(&mut self, folder: u32, part: OpenPart) {
        self.open.insert(folder, Slot { part, last_row: 0 });
    }

    /// Writes rows to the open part of their folder, and hands the part back when it is full.
    pub fn write(&mut self, piece: &Piece, rows: &RecordBatch, part_size: u64) -> Result<Option<OpenPart>, Error> {
        let slot = self.open.get_mut(&piece.folder).expect("room was made for it");
        slot.last_row = piece.last_row;
        slot.part.writer.write(rows)?;
        if slot.part.writer.written_bytes() < part_size {
            return Ok(None);
        }
        Ok(self.open.remove(&piece.folder).map(|slot| slot.part))
    }

    /// Flushes the largest parts, of equal ones the first in path order, until all together hold what they may.
    pub fn flush_largest(&mut self) -> Result<(), Error> {
        let mut held: u64 = self.open.values().map(|slot| slot.part.writer.held_bytes()).sum();
        while held > self.limits.shared_bytes {
            let sizes = self.open.iter().map(|(folder, slot)| (slot.part.writer.held_bytes(), Reverse(self.names.name(*folder)), *folder));
            let Some((bytes, _, folder)) = sizes.max() else { return Ok(()) };
            self.open.get_mut(&folder).expect("it was found there").part.writer.flush()?;
            held -= bytes;
        }
        Ok(())
    }

    /// All that are still open, in path order.
    pub fn into_open(self) -> impl Iterator<Item = OpenPart> {
        let mut open: Vec<(u32, Slot)> = self.open.into_iter().collect();
        open.sort_by(|(one, _), (other, _)| self.names.name(*one).cmp(self.names.name(*other)));
        open.into_iter().map(|(_, slot)| slot.part)
    }
}

/// Every row as (batch, row), those of a folder from its start on.
fn order_by_folder(folders: &[Vec<u32>], starts: Vec<usize>, count: usize) -> Vec<(usize, usize)> {
    let (mut next, mut order) = (starts, vec![(0, 0); count]);
    for (batch, rows) in folders.iter().enumerate() {
        for (row, folder) in rows.iter().enumerate() {
            let at = &mut next[*folder as usize];
            order[*at] = (batch, row);
            *at += 1;
        }
    }
    order
}

/// The number of the first row of each batch.
fn first_rows(first: u64, batches: &[RecordBatch]) -> Vec<u64> {
    let mut next = first;
    let number = |batch: &RecordBatch| {
        let number = next;
        next += batch.num_rows() as u64;
        number
    };
    batches.iter().map(number).collect()
}

fn pieces_of(folder: u32, places: Range<usize>, row_at: impl Fn(usize) -> u64) -> impl Iterator<Item = Piece> {
    let end = places.end;
    places.step_by(BATCH_ROWS).map(move |start| {
        let places = start..end.min(start + BATCH_ROWS);
        Piece { folder, last_row: row_at(places.end - 1), places }
    })
}
