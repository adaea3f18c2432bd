//! The flag that ends work early. Set by the thread that reads frames, polled by the one that works.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Why work should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Cancel,
    Drain,
    /// The lease is lost: nothing may be put any more.
    Fence,
}

/// Cheap to clone; all clones are one flag. The strongest reason wins.
#[derive(Clone, Debug, Default)]
pub struct CancelFlag(Arc<AtomicU8>);

impl CancelFlag {
    pub fn set(&self, reason: Reason) {
        let level = match reason {
            Reason::Cancel => 1,
            Reason::Drain => 2,
            Reason::Fence => 3,
        };
        self.0.fetch_max(level, Ordering::SeqCst);
    }

    pub fn reason(&self) -> Option<Reason> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            1 => Some(Reason::Cancel),
            2 => Some(Reason::Drain),
            _ => Some(Reason::Fence),
        }
    }

    pub fn is_set(&self) -> bool {
        self.reason().is_some()
    }
}
