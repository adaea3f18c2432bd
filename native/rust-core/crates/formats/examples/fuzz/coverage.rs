//! Which code an input ran, from the counters that the compiler puts into each branch of the crates that `scripts/fuzz-rustc.sh` names. Without
//! them there are no counters, and nothing is ever new.
//!
//! The counters lie in a section of their own; an initialiser that the compiler adds calls `__sanitizer_cov_8bit_counters_init` with its bounds
//! before `main` (clang.llvm.org/docs/SanitizerCoverage.html#inline-8bit-counters).

use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

static FIRST: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static LENGTH: AtomicUsize = AtomicUsize::new(0);

/// Called by the initialiser of each part of the program, always with the bounds of the whole section.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(first: *mut u8, end: *mut u8) {
    FIRST.store(first, Ordering::Relaxed);
    LENGTH.store(end.addr() - first.addr(), Ordering::Relaxed);
}

/// How many there are.
pub fn counters() -> usize {
    LENGTH.load(Ordering::Relaxed)
}

/// All counters to nought.
pub fn reset() {
    if counters() > 0 {
        // SAFETY: the initialiser gave the bounds of a section that is never unmapped. The one other writer is instrumented code, which runs on
        // this thread alone.
        unsafe { FIRST.load(Ordering::Relaxed).write_bytes(0, counters()) };
    }
}

fn counts() -> &'static [u8] {
    if counters() == 0 {
        return &[];
    }
    // SAFETY: as in `reset`; no instrumented code runs while the slice is looked at, for this crate is not instrumented.
    unsafe { std::slice::from_raw_parts(FIRST.load(Ordering::Relaxed), counters()) }
}

/// What inputs have run so far.
#[derive(Default)]
pub struct Coverage {
    /// For each counter the magnitudes it has had, one bit each.
    seen: Vec<u8>,
}

impl Coverage {
    /// Takes what ran since `reset`; whether some of it is new.
    pub fn add(&mut self) -> bool {
        let counts = counts();
        self.seen.resize(counts.len(), 0);
        let mut is_new = false;
        for (eight, seen) in counts.chunks(8).zip(self.seen.chunks_mut(8)) {
            if eight.iter().all(|&count| count == 0) {
                continue;
            }
            for (&count, seen) in eight.iter().zip(seen) {
                let magnitude = magnitude(count);
                is_new |= magnitude & !*seen != 0;
                *seen |= magnitude;
            }
        }
        is_new
    }

    /// Counters that were more than nought once.
    pub fn reached(&self) -> usize {
        self.seen.iter().filter(|&&seen| seen != 0).count()
    }
}

/// A loop run 5 times is the same as one run 6 times, or no pool would be large enough.
fn magnitude(count: u8) -> u8 {
    match count {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 4,
        4..=7 => 8,
        8..=15 => 16,
        16..=31 => 32,
        32..=127 => 64,
        128.. => 128,
    }
}
