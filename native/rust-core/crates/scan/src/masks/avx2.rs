//! AVX2 with a carry-less multiply, and the bit instructions every such processor has.

use std::arch::x86_64::{
    __m256i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8, _mm256_cmpeq_epi8, _mm256_loadu_si256,
    _mm256_min_epu8, _mm256_movemask_epi8, _mm256_set1_epi8,
};

use super::{JsonMasks, LineMasks, Masks, Needles, Simd, Task, WORD};

/// Proof that this processor has the instructions: only `detect` makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Avx2> {
        let has_all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("pclmulqdq")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        has_all.then_some(Avx2(()))
    }

    pub(super) fn run<T: Task>(self, task: T) -> T::Output {
        // SAFETY: `self` exists, so `detect` found every feature that `run_compiled` is compiled for.
        unsafe { run_compiled(self, task) }
    }
}

#[target_feature(enable = "avx2,pclmulqdq,popcnt,lzcnt,bmi1,bmi2")]
fn run_compiled<T: Task>(avx2: Avx2, task: T) -> T::Output {
    task.run(avx2)
}

#[inline(always)]
fn load(word: &[u8; WORD]) -> [__m256i; 2] {
    let start: *const u8 = word.as_ptr();
    // SAFETY: the two unaligned loads of 32 bytes cover exactly the 64 bytes of `word`; callers hold an `Avx2`, so AVX exists.
    unsafe { [_mm256_loadu_si256(start.cast()), _mm256_loadu_si256(start.add(32).cast())] }
}

#[inline(always)]
fn join(low: __m256i, high: __m256i) -> u64 {
    // SAFETY: callers hold an `Avx2`, so AVX2 exists.
    unsafe { u64::from(_mm256_movemask_epi8(low) as u32) | u64::from(_mm256_movemask_epi8(high) as u32) << 32 }
}

#[inline(always)]
fn equal([low, high]: [__m256i; 2], byte: u8) -> u64 {
    // SAFETY: callers hold an `Avx2`, so AVX2 exists.
    unsafe {
        let wanted = _mm256_set1_epi8(byte as i8);
        join(_mm256_cmpeq_epi8(low, wanted), _mm256_cmpeq_epi8(high, wanted))
    }
}

#[inline(always)]
fn equal_or_none(parts: [__m256i; 2], byte: Option<u8>) -> u64 {
    match byte {
        Some(byte) => equal(parts, byte),
        None => 0,
    }
}

#[inline(always)]
fn at_most([low, high]: [__m256i; 2], byte: u8) -> u64 {
    // SAFETY: callers hold an `Avx2`, so AVX2 exists.
    unsafe {
        let bound = _mm256_set1_epi8(byte as i8);
        join(_mm256_cmpeq_epi8(_mm256_min_epu8(low, bound), low), _mm256_cmpeq_epi8(_mm256_min_epu8(high, bound), high))
    }
}

impl Simd for Avx2 {
    #[inline(always)]
    fn masks(self, word: &[u8; WORD], needles: &Needles) -> Masks {
        let parts = load(word);
        Masks {
            delimiter: equal(parts, needles.delimiter),
            quote: equal_or_none(parts, needles.quote),
            escape: equal_or_none(parts, needles.escape),
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
        // SAFETY: `self` exists, so the carry-less multiply does. Multiplying by all ones adds up, without carries, every shift.
        unsafe { _mm_cvtsi128_si64(_mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, bits as i64), _mm_set1_epi8(-1))) as u64 }
    }
}
