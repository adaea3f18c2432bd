//! Whether an attempt may still commit. Told in milliseconds from arrival, held against a clock that also counts a suspended machine.

use std::sync::atomic::{AtomicU64, Ordering};

use millrace_engine::Error;
use millrace_wire::message::Call;
use rustix::time::{ClockId, clock_gettime};

/// Milliseconds since the machine started.
pub fn boot_ms() -> u64 {
    let now = clock_gettime(CLOCK);
    now.tv_sec as u64 * 1_000 + now.tv_nsec as u64 / 1_000_000
}

#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

/// Lease and deadline of one request. 0 = none.
#[derive(Debug, Default)]
pub struct Lease {
    lease_until_ms: AtomicU64,
    deadline_ms: u64,
}

impl Lease {
    /// Counted from now, which is when the request arrived.
    pub fn of(call: &Call) -> Lease {
        let until = |left: u64| if left == 0 { 0 } else { boot_ms() + left };
        Lease { lease_until_ms: AtomicU64::new(until(u64::from(call.lease_left_ms))), deadline_ms: until(call.deadline_ms) }
    }

    /// The host has proven the lease anew.
    pub fn renew(&self, left_ms: u32) {
        self.lease_until_ms.store(boot_ms() + u64::from(left_ms), Ordering::SeqCst);
    }

    pub fn is_past_deadline(&self) -> bool {
        self.deadline_ms != 0 && boot_ms() >= self.deadline_ms
    }

    /// The last look before a put.
    pub fn check(&self) -> Result<(), Error> {
        let until = self.lease_until_ms.load(Ordering::SeqCst);
        if until != 0 && boot_ms() >= until {
            return Err(Error::new("LEASE_LOST", "the lease ran out before the verdict was put"));
        }
        if self.is_past_deadline() {
            return Err(out_of_time());
        }
        Ok(())
    }
}

pub fn out_of_time() -> Error {
    Error::new("CORE_TIME_LIMIT", "the request took longer than it may")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_that_ran_out_forbids_the_put_until_it_is_proven_again() {
        let lease = Lease::of(&Call { lease_left_ms: 1, ..Call::default() });
        while lease.check().is_ok() {
            std::thread::yield_now();
        }
        assert_eq!(lease.check().unwrap_err().code, "LEASE_LOST");
        lease.renew(60_000);
        assert!(lease.check().is_ok());
        let late = Lease::of(&Call { deadline_ms: 1, ..Call::default() });
        while !late.is_past_deadline() {
            std::thread::yield_now();
        }
        assert_eq!(late.check().unwrap_err().code, "CORE_TIME_LIMIT");
        assert!(Lease::of(&Call::default()).check().is_ok());
    }
}
