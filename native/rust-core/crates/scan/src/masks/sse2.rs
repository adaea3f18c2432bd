//! SSE2: part of every x86-64 processor.

use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_set1_epi8};

use super::{JsonMasks, LineMasks, Masks, Needles, Simd, WORD, prefix_xor_by_shifts};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sse2;

#[inline(always)]
fn load(word: &[u8; WORD]) -> [__m128i; 4] {
    let start: *const u8 = word.as_ptr();
    // SAFETY: the four unaligned loads of 16 bytes cover exactly the 64 bytes of `word`; SSE2 is part of the x86-64 base target.
    unsafe { [0, 16, 32, 48].map(|at| _mm_loadu_si128(start.add(at).cast())) }
}

#[inline(always)]
fn join(parts: [__m128i; 4]) -> u64 {
    // SAFETY: SSE2 is part of the x86-64 base target.
    let bits = parts.map(|part| u64::from(unsafe { _mm_movemask_epi8(part) } as u16));
    bits[0] | bits[1] << 16 | bits[2] << 32 | bits[3] << 48
}

#[inline(always)]
fn equal(parts: [__m128i; 4], byte: u8) -> u64 {
    // SAFETY: SSE2 is part of the x86-64 base target.
    join(parts.map(|part| unsafe { _mm_cmpeq_epi8(part, _mm_set1_epi8(byte as i8)) }))
}

#[inline(always)]
fn at_most(parts: [__m128i; 4], byte: u8) -> u64 {
    // SAFETY: SSE2 is part of the x86-64 base target.
    join(parts.map(|part| unsafe { _mm_cmpeq_epi8(_mm_min_epu8(part, _mm_set1_epi8(byte as i8)), part) }))
}

impl Simd for Sse2 {
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
