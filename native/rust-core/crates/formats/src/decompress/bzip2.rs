//! One bzip2 stream. The library checks each block's and the stream's checksum.

use ::bzip2::{Decompress, Status};

use super::codec::{Codec, Fault, Step};

pub(super) struct Bzip2 {
    stream: Decompress,
    /// Met after bytes that are handed on first.
    fault: Option<Fault>,
}

impl Bzip2 {
    pub(super) fn new() -> Bzip2 {
        Bzip2 { stream: Decompress::new(false), fault: None }
    }
}

impl Codec for Bzip2 {
    fn step(&mut self, input: &[u8], _at_end: bool, output: &mut [u8]) -> Result<Step, Fault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let (read, written) = (self.stream.total_in(), self.stream.total_out());
        let status = self.stream.decompress(input, output);
        let (consumed, produced) = ((self.stream.total_in() - read) as usize, (self.stream.total_out() - written) as usize);
        match status {
            Ok(status) => Ok(Step { consumed, produced, is_over: status == Status::StreamEnd }),
            Err(error) => {
                let fault = Fault::Corrupt(format!("the bzip2 data are broken: {error}"));
                self.fault = Some(fault.clone());
                if produced > 0 { Ok(Step { consumed, produced, is_over: false }) } else { Err(fault) }
            }
        }
    }
}
