//! AVX-512: one compare gives the mask of a whole word.

use std::arch::x86_64::{
    __m512i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8, _mm512_cmpeq_epi8_mask, _mm512_cmple_epu8_mask,
    _mm512_loadu_si512, _mm512_set1_epi8,
};

use super::{JsonMasks, LineMasks, Masks, Needles, Simd, Task, WORD};

/// Proof that this processor has the instructions: only `detect` makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Avx512> {
        let has_all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("pclmulqdq")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        has_all.then_some(Avx512(()))
    }

    pub(super) fn run<T: Task>(self, task: T) -> T::Output {
        // SAFETY: `self` exists, so `detect` found every feature that `run_compiled` is compiled for.
        unsafe { run_compiled(self, task) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx2,pclmulqdq,popcnt,lzcnt,bmi1,bmi2")]
fn run_compiled<T: Task>(avx512: Avx512, task: T) -> T::Output {
    task.run(avx512)
}

#[inline(always)]
fn load(word: &[u8; WORD]) -> __m512i {
    // SAFETY: the unaligned load of 64 bytes covers exactly `word`; callers hold an `Avx512`, so AVX-512F exists.
    unsafe { _mm512_loadu_si512(word.as_ptr().cast()) }
}

#[inline(always)]
fn equal(word: __m512i, byte: u8) -> u64 {
    // SAFETY: callers hold an `Avx512`, so AVX-512BW exists.
    unsafe { _mm512_cmpeq_epi8_mask(word, _mm512_set1_epi8(byte as i8)) }
}

#[inline(always)]
fn at_most(word: __m512i, byte: u8) -> u64 {
    // SAFETY: callers hold an `Avx512`, so AVX-512BW exists.
    unsafe { _mm512_cmple_epu8_mask(word, _mm512_set1_epi8(byte as i8)) }
}

impl Simd for Avx512 {
    #[inline(always)]
    fn masks(self, word: &[u8; WORD], needles: &Needles) -> Masks {
        let bytes = load(word);
        Masks {
            delimiter: equal(bytes, needles.delimiter),
            quote: needles.quote.map_or(0, |byte| equal(bytes, byte)),
            escape: needles.escape.map_or(0, |byte| equal(bytes, byte)),
            lf: equal(bytes, b'\n'),
            cr: equal(bytes, b'\r'),
        }
    }

    #[inline(always)]
    fn line_masks(self, word: &[u8; WORD]) -> LineMasks {
        let bytes = load(word);
        LineMasks { lf: equal(bytes, b'\n'), cr: equal(bytes, b'\r'), low: at_most(bytes, b' ') }
    }

    #[inline(always)]
    fn json_masks(self, word: &[u8; WORD]) -> JsonMasks {
        let bytes = load(word);
        JsonMasks {
            quote: equal(bytes, b'"'),
            backslash: equal(bytes, b'\\'),
            open: equal(bytes, b'{') | equal(bytes, b'['),
            close: equal(bytes, b'}') | equal(bytes, b']'),
        }
    }

    #[inline(always)]
    fn prefix_xor(self, bits: u64) -> u64 {
        // SAFETY: `self` exists, so the carry-less multiply does. Multiplying by all ones adds up, without carries, every shift.
        unsafe { _mm_cvtsi128_si64(_mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, bits as i64), _mm_set1_epi8(-1))) as u64 }
    }
}
