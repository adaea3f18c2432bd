//! The balance: every record read has exactly one fate, per chunk and per file, and what was written is what was counted.

use std::collections::{BTreeMap, BTreeSet};

use millrace_formats::batch::ReadCounts;
use millrace_formats::reject::Reject;

use crate::error::Error;
use crate::records::{Counts, FileFates, UnreadFile};

/// Fates as they are decided. `recordsIn` comes from the reader and is never summed from the fates, or the check would be none.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub files: Vec<FileFates>,
    /// Files of a group that were left out.
    pub unread: Vec<UnreadFile>,
    pub by_code: BTreeMap<String, u64>,
    pub by_column: BTreeMap<String, BTreeMap<String, u64>>,
    pub repairs: BTreeMap<String, u64>,
    /// Rows handed to the writers.
    pub rows_handed: u64,
    bytes_in: u64,
    read: ReadCounts,
}

impl Account {
    /// All further fates belong to this file.
    pub fn open_file(&mut self, file: Option<u32>, key: Option<String>) {
        self.files.push(FileFates { file, key, ..FileFates::default() });
    }

    /// Leaves out a file before any of its records was read.
    pub fn leave_out(&mut self, file: u32, error: Error) {
        self.unread.push(UnreadFile { file, code: error.code.to_owned(), message: error.message });
    }

    /// As `open_file`, without a new entry where the last fates were this file's too.
    pub fn continue_file(&mut self, file: u32) {
        if self.files.last().is_none_or(|last| last.file != Some(file)) {
            self.open_file(Some(file), None);
        }
    }

    fn current(&mut self) -> &mut FileFates {
        self.files.last_mut().expect("a file was opened before a fate was counted")
    }

    pub fn emit(&mut self, records: u64) {
        self.current().emitted += records;
    }

    pub fn filter(&mut self, records: u64) {
        self.current().filtered += records;
    }

    pub fn deduplicate(&mut self, records: u64) {
        self.current().deduplicated += records;
    }

    /// Counts rejects by their main code, and by each column and code that they list, once a record.
    pub fn reject(&mut self, rejects: &[Reject]) {
        self.current().rejected += rejects.len() as u64;
        for reject in rejects {
            if let Some(main) = reject.errors.first() {
                *self.by_code.entry(main.code.to_owned()).or_default() += 1;
            }
            let pairs: BTreeSet<(&str, &str)> =
                reject.errors.iter().filter_map(|error| Some((error.column.as_deref()?, error.code))).collect();
            for (column, code) in pairs {
                *self.by_column.entry(column.to_owned()).or_default().entry(code.to_owned()).or_default() += 1;
            }
        }
    }

    /// Closes the current file with what its reader counted over `bytes` bytes.
    pub fn close_file(&mut self, counts: &ReadCounts, bytes: u64) {
        self.current().records_in += counts.records;
        self.bytes_in += bytes;
        let sum = &mut self.read;
        sum.records += counts.records;
        sum.blank_lines += counts.blank_lines;
        sum.comment_lines += counts.comment_lines;
        sum.damages += counts.damages;
        sum.damaged_bytes += counts.damaged_bytes;
        sum.damaged_lines += counts.damaged_lines;
        sum.suspect_records += counts.suspect_records;
        sum.lines += counts.lines;
        for (code, count) in &counts.repairs {
            *self.repairs.entry((*code).to_owned()).or_default() += count;
        }
    }

    /// Sums over all files. `rows_out` is what the writers counted.
    pub fn counts(&self, rows_out: u64) -> Counts {
        let sum = |of: fn(&FileFates) -> u64| self.files.iter().map(of).sum();
        Counts {
            records_in: self.read.records,
            emitted: sum(|file| file.emitted),
            filtered: sum(|file| file.filtered),
            deduplicated: sum(|file| file.deduplicated),
            rejected: sum(|file| file.rejected),
            rows_out,
            repaired: self.repairs.values().sum(),
            bytes_in: self.bytes_in,
            blank_lines: self.read.blank_lines,
            comment_lines: self.read.comment_lines,
            suspect_records: self.read.suspect_records,
            damaged_bytes: self.read.damaged_bytes,
            damaged_lines: self.read.damaged_lines,
        }
    }

    /// The last check before a receipt is built: `BALANCE_MISMATCH` names the sum that does not hold.
    pub fn check(&self, rows_out: u64, reject_rows: u64) -> Result<Counts, Error> {
        for file in &self.files {
            let name = file.key.clone().unwrap_or_else(|| format!("file {}", file.file.unwrap_or_default()));
            let fates = file.emitted + file.filtered + file.deduplicated + file.rejected;
            hold(&format!("records of {name}"), file.records_in, fates)?;
        }
        let counts = self.counts(rows_out);
        hold("records of the chunk", counts.records_in, counts.emitted + counts.filtered + counts.deduplicated + counts.rejected)?;
        hold("rows handed to the writers", self.rows_handed, rows_out)?;
        hold("rejects", counts.rejected, reject_rows)?;
        hold("rejects by code", counts.rejected, self.by_code.values().sum())?;
        Ok(counts)
    }
}

fn hold(what: &str, counted: u64, found: u64) -> Result<(), Error> {
    if counted == found {
        return Ok(());
    }
    Err(Error::new("BALANCE_MISMATCH", format!("{what}: counted {counted}, accounted for {found}")))
}

impl Counts {
    /// Sum of two receipts; any grouping gives the same.
    pub fn plus(self, other: Counts) -> Counts {
        Counts {
            records_in: self.records_in + other.records_in,
            emitted: self.emitted + other.emitted,
            filtered: self.filtered + other.filtered,
            deduplicated: self.deduplicated + other.deduplicated,
            rejected: self.rejected + other.rejected,
            rows_out: self.rows_out + other.rows_out,
            repaired: self.repaired + other.repaired,
            bytes_in: self.bytes_in + other.bytes_in,
            blank_lines: self.blank_lines + other.blank_lines,
            comment_lines: self.comment_lines + other.comment_lines,
            suspect_records: self.suspect_records + other.suspect_records,
            damaged_bytes: self.damaged_bytes + other.damaged_bytes,
            damaged_lines: self.damaged_lines + other.damaged_lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_formats::position::Place;
    use millrace_formats::reject::RejectError;
    use proptest::prelude::*;

    fn reject(code: &'static str, column: &str) -> Reject {
        let error = |code| RejectError {
            code,
            column: Some(column.into()),
            column_index: Some(1),
            path: None,
            byte: 0,
            line: 1,
            message: String::new(),
            expected: None,
            value: None,
        };
        Reject {
            place: Place::default(),
            errors: vec![error(code), error(code), error("TYPE_DATE")],
            raw: Vec::new(),
            raw_truncated: false,
        }
    }

    #[test]
    fn a_record_counts_once_for_each_column_and_code_it_fails() {
        let mut account = Account::default();
        account.open_file(Some(0), None);
        account.reject(&[reject("TYPE_INTEGER", "a"), reject("TYPE_INTEGER", "a")]);
        assert_eq!(account.by_code, BTreeMap::from([("TYPE_INTEGER".into(), 2)]));
        assert_eq!(account.by_column["a"], BTreeMap::from([("TYPE_INTEGER".into(), 2), ("TYPE_DATE".into(), 2)]));
    }

    proptest! {
        #[test]
        fn the_balance_holds_exactly_when_every_record_has_one_fate(
            files in prop::collection::vec((0u64..50, 0u64..50, 0u64..50), 1..6),
            lost in prop::option::of((0usize..6, 1u64..3)),
        ) {
            let mut account = Account::default();
            let (mut rejected, mut rows) = (0, 0);
            for (number, &(emitted, filtered, rejects)) in files.iter().enumerate() {
                account.open_file(Some(number as u32), None);
                account.emit(emitted);
                account.filter(filtered);
                account.reject(&vec![reject("TYPE_INTEGER", "a"); rejects as usize]);
                let missing = lost.filter(|(file, _)| *file == number).map_or(0, |(_, missing)| missing);
                let counts = ReadCounts { records: emitted + filtered + rejects + missing, ..ReadCounts::default() };
                account.close_file(&counts, 10);
                rejected += rejects;
                rows += emitted;
            }
            account.rows_handed = rows;
            let hit = lost.is_some_and(|(file, _)| file < files.len());
            let end = account.check(rows, rejected);
            prop_assert_eq!(end.is_ok(), !hit);
            if let Err(error) = end {
                prop_assert_eq!(error.code, "BALANCE_MISMATCH");
            }
            if !hit {
                prop_assert!(account.check(rows + 1, rejected).is_err());
                prop_assert!(account.check(rows, rejected + 1).is_err());
            }
        }

        #[test]
        fn any_grouping_of_receipts_gives_the_same_sums(
            records in prop::collection::vec((0u64..9, 0u64..9, 0u64..9), 1..12),
            cut in 0usize..12,
        ) {
            let one = |&(emitted, filtered, rejected): &(u64, u64, u64)| Counts {
                records_in: emitted + filtered + rejected, emitted, filtered, rejected, rows_out: emitted, ..Counts::default()
            };
            let all = records.iter().map(one).fold(Counts::default(), Counts::plus);
            let (left, right) = records.split_at(cut.min(records.len()));
            let grouped = right.iter().rev().map(one).fold(Counts::default(), Counts::plus)
                .plus(left.iter().map(one).fold(Counts::default(), Counts::plus));
            prop_assert_eq!(all, grouped);
            prop_assert_eq!(all.records_in, all.emitted + all.filtered + all.rejected);
        }
    }
}
