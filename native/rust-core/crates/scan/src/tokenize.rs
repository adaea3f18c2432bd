//! The separator index of a run of proven records: where each field ends, so that values are read column by column.

use crate::dialect::RawField;
use crate::masks::{Simd, WORD};

/// Consecutive proven records that all have A fields. Offsets count from the first byte of the window they were found in; the first
/// record begins at 0. Reused from run to run: only what `records()` covers is meant.
#[derive(Clone, Debug, Default)]
pub struct Run {
    pub(crate) columns: usize,
    pub(crate) record_ends: Vec<u32>,
    /// Longer than `records × columns`, so that it need not be cleared from run to run.
    pub(crate) field_ends: Vec<u32>,
    pub(crate) separators: usize,
    pub(crate) quoted: Vec<u64>,
    pub(crate) escaped: Vec<u64>,
    pub(crate) odd_lines: Vec<(u32, u32)>,
    pub(crate) suspects: Vec<u32>,
    pub(crate) skips_initial_space: bool,
    pub(crate) has_quoted: bool,
}

impl Run {
    pub fn new() -> Run {
        Run::default()
    }

    pub fn records(&self) -> usize {
        self.record_ends.len()
    }

    /// A: fields of each record.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes of the run.
    pub fn length(&self) -> usize {
        self.record_ends.last().map_or(0, |&end| end as usize)
    }

    /// End of each record, its terminator included.
    pub fn record_ends(&self) -> &[u32] {
        &self.record_ends
    }

    /// Start of a record; records count from 0.
    pub fn record_start(&self, record: usize) -> usize {
        if record == 0 { 0 } else { self.record_ends[record - 1] as usize }
    }

    /// The matrix, record after record: entry `record × columns + column` is where the field ends, that is where its delimiter or the
    /// record's terminator begins (or the stream ends). A field begins one byte behind the end of the one before it.
    pub fn field_ends(&self) -> &[u32] {
        &self.field_ends[..self.records() * self.columns]
    }

    /// One bit for each entry of the matrix: the field stands in quotes. Bit i is bit i % 64 of word i / 64.
    pub fn quoted(&self) -> &[u64] {
        &self.quoted
    }

    /// One bit for each entry: the field holds a doubled quote or an escape and must be unescaped.
    pub fn escaped(&self) -> &[u64] {
        &self.escaped
    }

    /// Whether any bit of `quoted` or `escaped` is set.
    pub fn has_quoted(&self) -> bool {
        self.has_quoted
    }

    /// Records that do not hold exactly one physical line end, as (record, line ends), ascending. All others hold one.
    pub fn odd_lines(&self) -> &[(u32, u32)] {
        &self.odd_lines
    }

    /// Records over several lines in which an inner line end fits, ascending.
    pub fn suspects(&self) -> &[u32] {
        &self.suspects
    }

    /// Physical line ends in the whole run.
    pub fn lines(&self) -> u64 {
        let odd: u64 = self.odd_lines.iter().map(|&(_, lines)| u64::from(lines)).sum();
        (self.record_ends.len() - self.odd_lines.len()) as u64 + odd
    }

    /// Whether blanks after a delimiter are to be skipped: the matrix does not do it.
    pub fn skips_initial_space(&self) -> bool {
        self.skips_initial_space
    }

    /// The raw bounds of a field, quotes and skipped blanks included.
    #[inline]
    pub fn bounds(&self, record: usize, column: usize) -> (usize, usize) {
        let entry = record * self.columns + column;
        let start = if column == 0 { self.record_start(record) } else { self.field_ends[entry - 1] as usize + 1 };
        (start, self.field_ends[entry] as usize)
    }

    /// One field of `window`, the bytes the run was found in.
    #[inline]
    pub fn field<'a>(&self, window: &'a [u8], record: usize, column: usize) -> RawField<'a> {
        let entry = record * self.columns + column;
        let (mut start, end) = self.bounds(record, column);
        let quoted = bit(&self.quoted, entry);
        if quoted {
            return RawField { text: &window[start + 1..end - 1], quoted, escaped: bit(&self.escaped, entry) };
        }
        if self.skips_initial_space && column > 0 {
            start += window[start..end].iter().take_while(|&&byte| byte == b' ').count();
        }
        RawField { text: &window[start..end], quoted, escaped: bit(&self.escaped, entry) }
    }

    pub(crate) fn clear(&mut self, columns: usize, skips_initial_space: bool) {
        self.columns = columns;
        self.skips_initial_space = skips_initial_space;
        self.record_ends.clear();
        self.separators = 0;
        self.quoted.clear();
        self.escaped.clear();
        self.odd_lines.clear();
        self.suspects.clear();
        self.has_quoted = false;
    }

    /// Notes the places of the set bits of `bits`, a word that begins at `base`.
    #[inline(always)]
    pub(crate) fn push_separators<S: Simd>(&mut self, simd: S, base: u32, bits: u64) {
        if self.field_ends.len() < self.separators + WORD {
            self.grow();
        }
        // The room is there; what is behind the places is overwritten by the next word.
        if let Some(room) = self.field_ends[self.separators..].first_chunk_mut() {
            simd.places(base, bits, room);
        }
        self.separators += bits.count_ones() as usize;
    }

    /// Takes what was pushed behind the last record as `count` records of one line, each ended by an LF or CR LF, and says how many bytes all
    /// records are long now. None, with nothing taken, unless each of these line ends, and no other one, ends the last field of a record.
    #[inline(always)]
    pub(crate) fn take_lines(&mut self, window: &[u8], count: usize) -> Option<usize> {
        let records = self.record_ends.len();
        let last_fields = self.field_ends[..self.separators].get((records + 1) * self.columns - 1..).unwrap_or_default();
        if last_fields.len().div_ceil(self.columns) != count {
            return None;
        }
        let mut are_line_ends = true;
        self.record_ends.extend(last_fields.iter().step_by(self.columns).map(|&end| {
            let byte = window[end as usize];
            are_line_ends &= (byte == b'\n') | (byte == b'\r');
            end + 1 + u32::from(byte == b'\r')
        }));
        if !are_line_ends {
            self.record_ends.truncate(records);
            return None;
        }
        Some(self.length())
    }

    /// Delimiters behind the last record.
    pub(crate) fn open_separators(&self) -> usize {
        self.separators - self.record_ends.len() * self.columns
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        self.field_ends.resize((self.separators + WORD) * 2, 0);
    }

    /// Marks the fields that hold the set bits of `bits` in one of the bitmaps. `separators` are those of the same word, which
    /// have been pushed already.
    #[inline(always)]
    pub(crate) fn mark(&mut self, kind: Mark, mut bits: u64, separators: u64) {
        if bits == 0 {
            return;
        }
        self.has_quoted = true;
        let first = self.separators - separators.count_ones() as usize;
        let words = self.separators / 64 + 1;
        let bitmap = match kind {
            Mark::Quoted => &mut self.quoted,
            Mark::Escaped => &mut self.escaped,
        };
        if bitmap.len() < words {
            bitmap.resize(words, 0);
        }
        while bits != 0 {
            let below = (bits & bits.wrapping_neg()) - 1;
            let entry = first + (separators & below).count_ones() as usize;
            bitmap[entry / 64] |= 1 << (entry % 64);
            bits &= bits - 1;
        }
    }

    /// Cuts everything to the records that were taken.
    pub(crate) fn finish(&mut self) {
        let entries = self.record_ends.len() * self.columns;
        for bitmap in [&mut self.quoted, &mut self.escaped] {
            bitmap.resize(entries.div_ceil(64), 0);
            if let Some(last) = bitmap.last_mut()
                && !entries.is_multiple_of(64)
            {
                *last &= (1 << (entries % 64)) - 1;
            }
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Mark {
    Quoted,
    Escaped,
}

#[inline]
fn bit(bitmap: &[u64], entry: usize) -> bool {
    bitmap[entry / 64] >> (entry % 64) & 1 == 1
}
