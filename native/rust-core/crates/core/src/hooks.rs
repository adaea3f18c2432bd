//! Deadly records, for tests of what happens around a core that dies. Only the binary `millrace-core-hooks` uses them.

use millrace_engine::io::RecordHook;

/// Ends the process by a signal, as a fault in a decoder would.
pub const CRASH: &[u8] = b"MILLRACE_CORE_CRASH";
/// Never comes back.
pub const HANG: &[u8] = b"MILLRACE_CORE_HANG";
/// Is read, emitted, and left out of the account.
pub const DROP: &[u8] = b"MILLRACE_DROP_RECORD";

/// Looks for the markers in every record that was read well.
pub struct Markers;

impl RecordHook for Markers {
    fn meet(&self, raw: &[u8]) -> bool {
        let holds = |marker: &[u8]| raw.windows(marker.len()).any(|window| window == marker);
        if holds(CRASH) {
            std::process::abort();
        }
        while holds(HANG) {
            std::thread::sleep(std::time::Duration::from_secs(3_600));
        }
        !holds(DROP)
    }
}
