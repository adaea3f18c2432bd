//! One xz stream. The library checks blocks, index and footer.

use std::io::ErrorKind;

use lzma_rust2::{Action, Status, XzStream};

use super::MAX_WINDOW_BYTES;
use super::codec::{Codec, Fault, Step};

/// What the library needs besides the dictionary, in KiB.
const OVERHEAD_KIB: u32 = 1 << 10;

pub(super) struct Xz {
    stream: XzStream,
    /// Met after bytes that are handed on first.
    fault: Option<Fault>,
}

impl Xz {
    pub(super) fn new() -> Xz {
        Xz { stream: XzStream::new_mem_limit(false, (MAX_WINDOW_BYTES >> 10) as u32 + OVERHEAD_KIB), fault: None }
    }
}

impl Codec for Xz {
    fn step(&mut self, input: &[u8], _at_end: bool, output: &mut [u8]) -> Result<Step, Fault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let (read, written) = (self.stream.total_in(), self.stream.total_out());
        let fault = match self.stream.process(input, output, Action::Run) {
            Ok(result) => {
                let is_over = matches!(result.status, Status::StreamEnd);
                return Ok(Step { consumed: result.bytes_consumed, produced: result.bytes_produced, is_over });
            }
            Err(error) if error.kind() == ErrorKind::OutOfMemory => {
                Fault::OverLimit(format!("an xz block needs a dictionary of more than {MAX_WINDOW_BYTES} bytes"))
            }
            Err(error) => Fault::Corrupt(format!("the xz data are broken: {error}")),
        };
        self.fault = Some(fault.clone());
        let (consumed, produced) = ((self.stream.total_in() - read) as usize, (self.stream.total_out() - written) as usize);
        if produced > 0 { Ok(Step { consumed, produced, is_over: false }) } else { Err(fault) }
    }
}
