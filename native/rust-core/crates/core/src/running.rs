//! The one work request that runs, as other threads see it.

use std::sync::atomic::{AtomicBool, Ordering};

use millrace_engine::cancel::{CancelFlag, Reason};
use millrace_engine::progress::{Phase as EnginePhase, Progress};
use millrace_formats::position::known_number;
use millrace_wire::message::{self, Phase};

use crate::lease::Lease;
use crate::memory;

#[derive(Debug)]
pub struct Running {
    pub request_id: u64,
    pub cancel: CancelFlag,
    pub progress: Progress,
    pub lease: Lease,
    timed_out: AtomicBool,
}

impl Running {
    pub fn new(request_id: u64, lease: Lease) -> Running {
        Running { request_id, cancel: CancelFlag::default(), progress: Progress::default(), lease, timed_out: AtomicBool::new(false) }
    }

    /// Stops work that is past its deadline; asked once a second.
    pub fn enforce_deadline(&self) {
        if self.lease.is_past_deadline() {
            self.timed_out.store(true, Ordering::SeqCst);
            self.cancel.set(Reason::Cancel);
        }
    }

    pub fn is_timed_out(&self) -> bool {
        self.timed_out.load(Ordering::SeqCst)
    }

    /// The sign of life.
    pub fn event(&self) -> message::Progress {
        let now = self.progress.snapshot();
        let phase = match now.phase {
            EnginePhase::Open => Phase::Open,
            EnginePhase::Read => Phase::Read,
            EnginePhase::Transform => Phase::Transform,
            EnginePhase::Encode => Phase::Encode,
            EnginePhase::Commit => Phase::Commit,
        };
        message::Progress {
            phase,
            records_in: now.records_in,
            emitted: now.emitted,
            filtered: now.filtered,
            rejected: now.rejected,
            bytes_in: now.bytes_in,
            bytes_total: now.bytes_total,
            byte: now.byte,
            record: known_number(now.record).unwrap_or(0),
            line: known_number(now.line).unwrap_or(0),
            rss_bytes: memory::rss_bytes(),
            spill_bytes: 0,
        }
    }
}
