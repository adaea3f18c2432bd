//! NEON: part of every 64-bit ARM processor that runs Linux or macOS.

use std::arch::aarch64::{uint8x16_t, vandq_u8, vceqq_u8, vcleq_u8, vdupq_n_u8, vld1q_u8, vpaddq_u8, vst1q_u8};

use super::{JsonMasks, LineMasks, Masks, Needles, Simd, WORD, prefix_xor_by_shifts};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neon;

const BIT_OF_LANE: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];

#[inline(always)]
fn load(word: &[u8; WORD]) -> [uint8x16_t; 4] {
    let start: *const u8 = word.as_ptr();
    // SAFETY: the four loads of 16 bytes cover exactly the 64 bytes of `word`; NEON is part of the aarch64 base target.
    unsafe { [0, 16, 32, 48].map(|at| vld1q_u8(start.add(at))) }
}

/// One bit for each lane that is all ones.
#[inline(always)]
fn join(parts: [uint8x16_t; 4]) -> u64 {
    let mut low_halves = 0;
    for (index, part) in parts.into_iter().enumerate() {
        // SAFETY: NEON is part of the aarch64 base target, and `BIT_OF_LANE` holds the 16 bytes that are loaded.
        let bits = unsafe {
            let marked = vandq_u8(part, vld1q_u8(BIT_OF_LANE.as_ptr()));
            let zero = vdupq_n_u8(0);
            let sums = vpaddq_u8(vpaddq_u8(vpaddq_u8(marked, zero), zero), zero);
            let mut bytes = [0_u8; 16];
            vst1q_u8(bytes.as_mut_ptr(), sums);
            u16::from_le_bytes([bytes[0], bytes[1]])
        };
        low_halves |= u64::from(bits) << (16 * index);
    }
    low_halves
}

#[inline(always)]
fn equal(parts: [uint8x16_t; 4], byte: u8) -> u64 {
    // SAFETY: NEON is part of the aarch64 base target.
    join(parts.map(|part| unsafe { vceqq_u8(part, vdupq_n_u8(byte)) }))
}

#[inline(always)]
fn at_most(parts: [uint8x16_t; 4], byte: u8) -> u64 {
    // SAFETY: NEON is part of the aarch64 base target.
    join(parts.map(|part| unsafe { vcleq_u8(part, vdupq_n_u8(byte)) }))
}

impl Simd for Neon {
    #[inline(always)]
    fn masks(self, word: &[u8; WORD], needles: &Needles) -> Masks {
        let parts = load(word);
        Masks {
            delimiter: equal(parts, needles.delimiter),
            quote: needles.quote.map_or(0, |byte| equal(parts, byte)),
            escape: needles.escape.map_or(0, |byte| equal(parts, byte)),
            lf: equal(parts, b'\n'),
            cr: equal(parts, b'\r'),
        }
    }

    #[inline(always)]
    fn line_masks(self, word: &[u8; WORD]) -> LineMasks {
        let parts = load(word);
        LineMasks { lf: equal(parts, b'\n'), cr: equal(parts, b'\r'), low: at_most(parts, b' ') }
    }

    #[inline(always)]
    fn json_masks(self, word: &[u8; WORD]) -> JsonMasks {
        let parts = load(word);
        JsonMasks {
            quote: equal(parts, b'"'),
            backslash: equal(parts, b'\\'),
            open: equal(parts, b'{') | equal(parts, b'['),
            close: equal(parts, b'}') | equal(parts, b']'),
        }
    }

    #[inline(always)]
    fn prefix_xor(self, bits: u64) -> u64 {
        prefix_xor_by_shifts(bits)
    }
}
