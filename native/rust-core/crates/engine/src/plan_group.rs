//! Small files that follow one another become one chunk, so that a receipt, a task and a part are not paid for each of them.

use millrace_formats::pins::{FilePlan, InputPins};

use crate::plan::MAX_SEGMENT_FILE_BYTES;
use crate::records::{ChunkEntry, EndedFile, FileRange, FilesChunk, InputFile, RangeChunk};

/// Files of one chunk.
pub(crate) const MAX_GROUP_FILES: usize = 1_000;
/// A file smaller than this share of a chunk is grouped with its neighbours.
const SMALL_SHARE: u64 = 4;
/// A file of a group is held in memory as it lies in its store, so that one that cannot be read is known before any row of it is written.
const MAX_SMALL_BYTES: u64 = 16 << 20;
/// About what the range and the end of a small file take of a segment.
const SMALL_FILE_RECORD_BYTES: usize = 512;

/// Whether a file is to be gathered. Files of columns are not: their chunks count rows.
pub(crate) fn is_small(pins: &InputPins, file: &InputFile, chunk_size: u64) -> bool {
    file.size < chunk_size / SMALL_SHARE && file.size <= MAX_SMALL_BYTES && !pins.format.has_rows()
}

/// Small files that are planned and not in a segment yet, all of one input.
#[derive(Default)]
pub(crate) struct Group {
    pub files: Vec<SmallFile>,
    /// Bytes of their ranges.
    bytes: u64,
    /// About what they take of a segment.
    pub record_bytes: usize,
}

pub(crate) struct SmallFile {
    pub plan: FilePlan,
    /// None: it holds no record.
    pub range: Option<RangeChunk>,
    pub ended: EndedFile,
}

impl SmallFile {
    fn range_bytes(&self) -> u64 {
        self.range.as_ref().map_or(0, |range| range.end - range.start)
    }

    pub fn record_bytes(&self) -> usize {
        file_record_bytes(&self.plan) + SMALL_FILE_RECORD_BYTES
    }
}

impl Group {
    /// Whether a file may come to those that are there.
    pub fn has_room(&self, file: &SmallFile, chunk_size: u64) -> bool {
        self.files.first().is_none_or(|first| {
            first.plan.input == file.plan.input
                && self.files.len() < MAX_GROUP_FILES
                && self.bytes + file.range_bytes() <= chunk_size
                && self.record_bytes + file.record_bytes() <= MAX_SEGMENT_FILE_BYTES
        })
    }

    pub fn push(&mut self, file: SmallFile) {
        self.bytes += file.range_bytes();
        self.record_bytes += file.record_bytes();
        self.files.push(file);
    }
}

/// One chunk of these ranges: of a single one a plain range.
pub(crate) fn chunk_of(mut ranges: Vec<RangeChunk>, chunk: u32) -> Option<ChunkEntry> {
    if ranges.len() > 1 {
        return Some(ChunkEntry::Files(FilesChunk { chunk, files: ranges.into_iter().map(FileRange::of).collect() }));
    }
    ranges.pop().map(|range| ChunkEntry::Range(RangeChunk { chunk, ..range }))
}

/// About what the plan of a file takes of a segment.
pub(crate) fn file_record_bytes(plan: &FilePlan) -> usize {
    plan.uri.len() + plan.header.iter().map(|name| name.len() + 24).sum::<usize>()
}
