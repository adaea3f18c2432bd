//! The plain kernel: one byte after the other. Slow, obviously right, and the oracle of the others.

use super::{JsonMasks, LineMasks, Masks, Needles, Simd, WORD, prefix_xor_by_shifts};

#[derive(Clone, Copy)]
pub(super) struct Scalar;

impl Simd for Scalar {
    #[inline(always)]
    fn masks(self, word: &[u8; WORD], needles: &Needles) -> Masks {
        let mut masks = Masks::default();
        for (bit, &byte) in word.iter().enumerate() {
            masks.delimiter |= u64::from(byte == needles.delimiter) << bit;
            masks.quote |= u64::from(Some(byte) == needles.quote) << bit;
            masks.escape |= u64::from(Some(byte) == needles.escape) << bit;
            masks.lf |= u64::from(byte == b'\n') << bit;
            masks.cr |= u64::from(byte == b'\r') << bit;
        }
        masks
    }

    #[inline(always)]
    fn line_masks(self, word: &[u8; WORD]) -> LineMasks {
        let mut masks = LineMasks::default();
        for (bit, &byte) in word.iter().enumerate() {
            masks.lf |= u64::from(byte == b'\n') << bit;
            masks.cr |= u64::from(byte == b'\r') << bit;
            masks.low |= u64::from(byte <= b' ') << bit;
        }
        masks
    }

    #[inline(always)]
    fn json_masks(self, word: &[u8; WORD]) -> JsonMasks {
        let mut masks = JsonMasks::default();
        for (bit, &byte) in word.iter().enumerate() {
            masks.quote |= u64::from(byte == b'"') << bit;
            masks.backslash |= u64::from(byte == b'\\') << bit;
            masks.open |= u64::from(matches!(byte, b'{' | b'[')) << bit;
            masks.close |= u64::from(matches!(byte, b'}' | b']')) << bit;
        }
        masks
    }

    #[inline(always)]
    fn prefix_xor(self, bits: u64) -> u64 {
        prefix_xor_by_shifts(bits)
    }
}
