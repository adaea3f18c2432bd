//! Parts of `partitionBy`: which are open, which is closed to make room, which is flushed when they hold too much.
//!
//! All of it is decided from rows alone, in batches cut at the same rows however they came, so that a chunk always makes the same parts.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::RecordBatch;
use millrace_formats::write::Recut;
use millrace_formats::write::folders::{Folders, Group};

use crate::error::Error;
use crate::outputs::OpenPart;

/// Parts that are open at once.
const MAX_OPEN: usize = 64;
/// Each open zstd stream holds some 4 MB.
const MAX_OPEN_ZSTD_TEXT: usize = 16;
/// What all open parts may hold together before the largest is flushed.
pub const SHARED_BYTES: u64 = 48 << 20;

#[derive(Clone, Copy, Debug)]
pub struct FolderLimits {
    pub max_open: usize,
    pub shared_bytes: u64,
    /// Folders that a chunk may touch.
    pub max_folders: usize,
}

impl FolderLimits {
    pub fn new(is_zstd_text: bool, less_memory: bool, max_partitions: u32) -> FolderLimits {
        let share = if less_memory { 4 } else { 1 };
        let max_open = if is_zstd_text { MAX_OPEN_ZSTD_TEXT } else { MAX_OPEN };
        FolderLimits { max_open: max_open / share, shared_bytes: SHARED_BYTES / share as u64, max_folders: max_partitions as usize }
    }
}

/// The open parts of one attempt, by folder.
pub struct FolderParts {
    folders: Folders,
    limits: FolderLimits,
    recut: Recut,
    open: BTreeMap<String, Slot>,
    seen: BTreeSet<String>,
    /// Rows spread so far.
    rows: u64,
}

struct Slot {
    part: OpenPart,
    last_row: u64,
}

/// What a group of rows needs before it can be written.
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
            open: BTreeMap::new(),
            seen: BTreeSet::new(),
            rows: 0,
        })
    }

    pub fn push(&mut self, rows: RecordBatch) -> Result<(), Error> {
        Ok(self.recut.push(rows)?)
    }

    /// The next full batch by folder, with the number of its first row.
    pub fn next(&mut self) -> Result<Option<(u64, Vec<Group>)>, Error> {
        match self.recut.next() {
            Some(batch) => self.split(&batch).map(Some),
            None => Ok(None),
        }
    }

    /// What did not fill a batch.
    pub fn rest(&mut self) -> Result<Option<(u64, Vec<Group>)>, Error> {
        match self.recut.rest()? {
            Some(batch) => self.split(&batch).map(Some),
            None => Ok(None),
        }
    }

    fn split(&mut self, batch: &RecordBatch) -> Result<(u64, Vec<Group>), Error> {
        let first = self.rows;
        self.rows += batch.num_rows() as u64;
        // Rows of a reduce stage come here unseen; those of a map stage were rejected where they are unfit.
        if let Some(unfit) = self.folders.unfit(batch)?.into_iter().next() {
            return Err(Error::new("TRANSFORM_PARTITION_VALUE", unfit.message));
        }
        Ok((first, self.folders.split(batch)?))
    }

    /// Makes room for a folder's part: of too many the one that got no row for longest is given up.
    pub fn make_room(&mut self, folder: &str) -> Result<Room, Error> {
        if self.open.contains_key(folder) {
            return Ok(Room::Open);
        }
        if self.seen.insert(folder.to_owned()) && self.seen.len() > self.limits.max_folders {
            let message = format!("expected at most {} folders (output.maxPartitions), {folder} is one more", self.limits.max_folders);
            return Err(Error::new("OUTPUT_TOO_MANY_PARTITIONS", message));
        }
        if self.open.len() < self.limits.max_open {
            return Ok(Room::New);
        }
        let oldest = self.open.iter().min_by_key(|(_, slot)| slot.last_row).map(|(folder, _)| folder.clone());
        let slot = oldest.and_then(|folder| self.open.remove(&folder));
        Ok(slot.map_or(Room::New, |slot| Room::Instead(slot.part)))
    }

    pub fn insert(&mut self, folder: String, part: OpenPart) {
        self.open.insert(folder, Slot { part, last_row: 0 });
    }

    /// Writes a group to its open part, and hands the part back when it is full.
    pub fn write(&mut self, group: &Group, first_row: u64, part_size: u64) -> Result<Option<OpenPart>, Error> {
        let slot = self.open.get_mut(&group.folder).expect("room was made for it");
        slot.last_row = first_row + group.last_row as u64;
        slot.part.writer.write(&group.rows)?;
        if slot.part.writer.written_bytes() < part_size {
            return Ok(None);
        }
        Ok(self.open.remove(&group.folder).map(|slot| slot.part))
    }

    /// Flushes the largest parts, of equal ones the first in path order, until all together hold what they may.
    pub fn flush_largest(&mut self) -> Result<(), Error> {
        let mut held: u64 = self.open.values().map(|slot| slot.part.writer.held_bytes()).sum();
        while held > self.limits.shared_bytes {
            let sizes = self.open.iter().rev().map(|(folder, slot)| (slot.part.writer.held_bytes(), folder.clone()));
            let Some((bytes, folder)) = sizes.max_by_key(|(bytes, _)| *bytes) else { return Ok(()) };
            self.open.get_mut(&folder).expect("it was found there").part.writer.flush()?;
            held -= bytes;
        }
        Ok(())
    }

    /// All that are still open, in path order.
    pub fn into_open(self) -> impl Iterator<Item = OpenPart> {
        self.open.into_values().map(|slot| slot.part)
    }
}
