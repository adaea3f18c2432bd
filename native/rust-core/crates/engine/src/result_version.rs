//! One number for everything that decides what a chunk's result is.

/// Raised whenever division, typing, a code, SQL semantics, hashing or the bytes of a part change for some input. Pinned in each job.
pub const RESULT_VERSION: u32 = 1;
