//! One zstd frame. The library checks the length and the checksum that a frame carries.

use ::zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::codec::{Codec, Fault, Step};

/// Windows of 2^27 bytes: 128 MiB.
const MAX_WINDOW_LOG: u32 = 27;
/// What the library wants to see first.
const FIRST_BYTES: usize = 5;

pub(super) struct Zstd {
    decoder: Decoder<'static>,
    /// Bytes that take the library one block further and no more. When it meets damage it drops what the same call brought forth; given block by
    /// block, what comes out before the damage does not depend on buffers.
    wanted: usize,
    /// More may wait to come out.
    is_full: bool,
}

impl Zstd {
    pub(super) fn new() -> Result<Zstd, Fault> {
        let broken = |error: std::io::Error| Fault::Corrupt(format!("no zstd decoder: {error}"));
        let mut decoder = Decoder::new().map_err(broken)?;
        decoder.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG)).map_err(broken)?;
        Ok(Zstd { decoder, wanted: FIRST_BYTES, is_full: false })
    }

    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Fault> {
        let mut from = InBuffer::around(input);
        let mut to = OutBuffer::around(&mut *output);
        let left = self.decoder.run(&mut from, &mut to).map_err(|error| Fault::Corrupt(format!("the zstd data are broken: {error}")))?;
        self.wanted = left.max(1);
        self.is_full = to.pos() == to.capacity();
        Ok(Step { consumed: from.pos, produced: to.pos(), is_over: left == 0 })
    }
}

impl Codec for Zstd {
    fn step(&mut self, input: &[u8], _at_end: bool, output: &mut [u8]) -> Result<Step, Fault> {
        if self.is_full {
            let step = self.run(&[], output)?;
            if step.produced > 0 || step.is_over {
                return Ok(step);
            }
        }
        if input.is_empty() {
            return Ok(Step::default());
        }
        self.run(&input[..input.len().min(self.wanted)], output)
    }
}
