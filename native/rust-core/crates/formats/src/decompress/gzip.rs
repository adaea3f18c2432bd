//! One gzip member: deflate data, then their CRC-32 and length. The same deflate, without a trailer, serves zip.
//! The checksum is not that of flate2, which takes twelve times as long with zlib-rs (1.26 against 15 GB/s).

use crc32fast::Hasher;
use flate2::{Decompress, FlushDecompress, Status};

use super::codec::{Codec, Fault, Step};

const TRAILER_BYTES: usize = 8;

/// The CRC-16 that a header may carry.
pub(super) fn check_header(header: &[u8], crc16: Option<u16>) -> Result<(), Fault> {
    let Some(expected) = crc16 else { return Ok(()) };
    let mut crc = Hasher::new();
    crc.update(&header[..header.len() - 2]);
    if crc.finalize() as u16 == expected { Ok(()) } else { Err(Fault::Corrupt("the checksum of a gzip header does not match".into())) }
}

/// Deflate with the checksum of what comes out.
pub(super) struct Inflate {
    inflate: Decompress,
    pub crc: Hasher,
    pub produced: u64,
}

impl Inflate {
    pub(super) fn new() -> Inflate {
        Inflate { inflate: Decompress::new(false), crc: Hasher::new(), produced: 0 }
    }
}

impl Codec for Inflate {
    fn step(&mut self, input: &[u8], _at_end: bool, output: &mut [u8]) -> Result<Step, Fault> {
        let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(input, output, FlushDecompress::None);
        let consumed = (self.inflate.total_in() - read) as usize;
        let produced = (self.inflate.total_out() - written) as usize;
        self.crc.update(&output[..produced]);
        self.produced += produced as u64;
        match status {
            Ok(status) => Ok(Step { consumed, produced, is_over: status == Status::StreamEnd }),
            // What came out before the broken code is handed on; the next call meets the fault again.
            Err(_) if produced > 0 => Ok(Step { consumed, produced, is_over: false }),
            Err(error) => Err(Fault::Corrupt(format!("the deflate data are broken: {}", error.message().unwrap_or("no valid code")))),
        }
    }
}

pub(super) struct Gzip {
    data: Inflate,
    is_trailer: bool,
}

impl Gzip {
    pub(super) fn new() -> Gzip {
        Gzip { data: Inflate::new(), is_trailer: false }
    }

    fn trailer(&self, input: &[u8]) -> Result<Step, Fault> {
        let Some(trailer) = input.first_chunk::<TRAILER_BYTES>() else { return Ok(Step::default()) };
        let [c0, c1, c2, c3, l0, l1, l2, l3] = *trailer;
        if u32::from_le_bytes([c0, c1, c2, c3]) != self.data.crc.clone().finalize() {
            return Err(Fault::Corrupt("the checksum of a gzip member does not match its data".into()));
        }
        // The length is kept modulo 2^32.
        if u32::from_le_bytes([l0, l1, l2, l3]) != self.data.produced as u32 {
            return Err(Fault::Corrupt("the length of a gzip member does not match its data".into()));
        }
        Ok(Step { consumed: TRAILER_BYTES, produced: 0, is_over: true })
    }
}

impl Codec for Gzip {
    fn step(&mut self, input: &[u8], at_end: bool, output: &mut [u8]) -> Result<Step, Fault> {
        if self.is_trailer {
            return self.trailer(input);
        }
        let step = self.data.step(input, at_end, output)?;
        self.is_trailer = step.is_over;
        // The end of the data was consumed, or nothing changed and more input is asked for; either way the member goes on.
        if step.is_over && step.consumed + step.produced == 0 {
            return self.trailer(input);
        }
        Ok(Step { is_over: false, ..step })
    }
}
