//! Where a record stands. Counted from the start of the file, never of the chunk, so that a person can go there.

/// Numbers of records and lines begin here where nobody has counted what stands before them: in a range that a producer named. They keep the order of the
/// records; `Place` tells nobody outside of them.
pub const UNNUMBERED: u64 = 1 << 52;

/// A number of a record or line, if it is one of the file.
pub fn known_number(number: u64) -> Option<u64> {
    (number > 0 && number < UNNUMBERED).then_some(number)
}

/// The place of one record: `record` and `line` count from 1, `byte` from 0, `byte_end` is exclusive and includes the terminator.
///
/// A row of a Parquet or Arrow file has neither line nor bytes: `line` is 0 then, and `byte` counts the file's rows from 0, so that ranges and
/// order mean the same for every format. Nobody outside sees these two numbers; `in_text` tells them apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub file: u32,
    pub record: u64,
    pub line: u64,
    pub byte: u64,
    pub byte_end: u64,
}

impl Place {
    /// Line and bytes mean something.
    pub fn in_text(&self) -> bool {
        self.line > 0
    }

    pub fn known_record(&self) -> Option<u64> {
        known_number(self.record)
    }

    pub fn known_line(&self) -> Option<u64> {
        known_number(self.line)
    }
}

/// Numbers of the next record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    pub file: u32,
    pub record: u64,
    pub line: u64,
}

impl Counter {
    /// The place of the next record, which has `lines` line ends; counts on.
    pub(crate) fn take(&mut self, byte: u64, length: u64, lines: u64) -> Place {
        let place = Place { file: self.file, record: self.record, line: self.line, byte, byte_end: byte + length };
        self.record += 1;
        self.line += lines;
        place
    }
}
