//! The commit point of a chunk, and what may be deleted when it was not ours.

use crate::cancel::{CancelFlag, Reason};
use crate::error::Error;
use crate::io::{ChunkIo, PutEnd};
use crate::outputs::Closed;
use crate::records::{self, Receipt, VerdictHead};

/// How the verdict was filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commit {
    /// By this attempt; the stored bytes.
    Won(Vec<u8>),
    /// By another; its stored bytes. What this attempt wrote is gone.
    Lost(Vec<u8>),
}

/// Puts the receipt. Lease and deadline are looked at as the last thing before; on an error nothing is concluded and nothing deleted,
/// because a put that is still under way may land later and its receipt must find the parts.
pub fn commit(receipt: &Receipt, closed: &Closed, io: &mut dyn ChunkIo, cancel: &CancelFlag) -> Result<Commit, Error> {
    let bytes = records::to_bytes(receipt);
    if let Some(reason) = cancel.reason() {
        return Err(match reason {
            Reason::Fence => Error::new("LEASE_LOST", "the host fenced this attempt before its verdict was put"),
            Reason::Cancel | Reason::Drain => Error::cancelled(),
        });
    }
    io.check_lease()?;
    match io.put_verdict(&bytes)? {
        PutEnd::Won => Ok(Commit::Won(bytes)),
        PutEnd::Lost(winner) => {
            delete_own(closed, &winner, &receipt.attempt_id, io)?;
            Ok(Commit::Lost(winner))
        }
    }
}

/// The most dangerous line of the product: parts are deleted only when the verdict that was read names somebody else.
fn delete_own(closed: &Closed, winner: &[u8], attempt_id: &str, io: &mut dyn ChunkIo) -> Result<(), Error> {
    let head: VerdictHead = records::parse("verdict", winner)?;
    if head.attempt_id.as_deref() == Some(attempt_id) {
        return Err(Error::new("CORE_PANIC", "the verdict names this attempt with other bytes; nothing is deleted"));
    }
    for uri in closed.uris() {
        io.delete_own(uri)?;
    }
    Ok(())
}
