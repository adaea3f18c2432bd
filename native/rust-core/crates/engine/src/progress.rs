//! Where work stands, readable from another thread: for `Progress`, `Ping` and the failure that ends an attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    #[default]
    Open,
    Read,
    Transform,
    Encode,
    Commit,
}

/// Shared counters of one request. All clones are one.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    phase: AtomicU8,
    records_in: AtomicU64,
    emitted: AtomicU64,
    filtered: AtomicU64,
    rejected: AtomicU64,
    bytes_in: AtomicU64,
    bytes_total: AtomicU64,
    file: AtomicU64,
    byte: AtomicU64,
    record: AtomicU64,
    line: AtomicU64,
}

/// One look at the counters. They are read one by one, so sums may be off by a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub phase: Phase,
    pub records_in: u64,
    pub emitted: u64,
    pub filtered: u64,
    pub rejected: u64,
    pub bytes_in: u64,
    pub bytes_total: u64,
    pub file: u64,
    /// The next batch begins here.
    pub byte: u64,
    pub record: u64,
    pub line: u64,
}

impl Progress {
    pub fn enter(&self, phase: Phase) {
        self.0.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub fn expect_bytes(&self, total: u64) {
        self.0.bytes_total.store(total, Ordering::Relaxed);
    }

    pub fn count_fates(&self, records_in: u64, emitted: u64, filtered: u64, rejected: u64) {
        self.0.records_in.store(records_in, Ordering::Relaxed);
        self.0.emitted.store(emitted, Ordering::Relaxed);
        self.0.filtered.store(filtered, Ordering::Relaxed);
        self.0.rejected.store(rejected, Ordering::Relaxed);
    }

    pub fn count_records(&self, records_in: u64) {
        self.0.records_in.store(records_in, Ordering::Relaxed);
    }

    pub fn count_bytes(&self, bytes_in: u64) {
        self.0.bytes_in.store(bytes_in, Ordering::Relaxed);
    }

    /// The next batch begins at this place of this file.
    pub fn stand_at(&self, file: u32, byte: u64, record: u64, line: u64) {
        self.0.file.store(u64::from(file), Ordering::Relaxed);
        self.0.byte.store(byte, Ordering::Relaxed);
        self.0.record.store(record, Ordering::Relaxed);
        self.0.line.store(line, Ordering::Relaxed);
    }

    pub fn snapshot(&self) -> Snapshot {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let phase = match self.0.phase.load(Ordering::Relaxed) {
            0 => Phase::Open,
            1 => Phase::Read,
            2 => Phase::Transform,
            3 => Phase::Encode,
            _ => Phase::Commit,
        };
        Snapshot {
            phase,
            records_in: of(&self.0.records_in),
            emitted: of(&self.0.emitted),
            filtered: of(&self.0.filtered),
            rejected: of(&self.0.rejected),
            bytes_in: of(&self.0.bytes_in),
            bytes_total: of(&self.0.bytes_total),
            file: of(&self.0.file),
            byte: of(&self.0.byte),
            record: of(&self.0.record),
            line: of(&self.0.line),
        }
    }
}
