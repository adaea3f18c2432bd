//! AVX-512: one compare gives the mask of a whole word.

use std::arch::x86_64::{
    __m512i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8, _mm512_add_epi32, _mm512_alignr_epi64,
    _mm512_castsi512_si128, _mm512_cmpeq_epi8_mask, _mm512_cmple_epu8_mask, _mm512_cvtepu8_epi32, _mm512_loadu_si512,
    _mm512_maskz_compress_epi8, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_storeu_si512,
};

use super::{JsonMasks, LineMasks, Masks, Needles, Simd, Task, WORD, places_one_by_one};

/// Proof that this processor has the instructions: only `detect` makes one. `VBMI2`: those that gather single bytes too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Avx512<const VBMI2: bool>(());

impl<const VBMI2: bool> Avx512<VBMI2> {
    pub(super) fn detect() -> Option<Avx512<VBMI2>> {
        let has_all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("pclmulqdq")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && (!VBMI2 || is_x86_feature_detected!("avx512vbmi2"));
        has_all.then_some(Avx512(()))
    }

    pub(super) fn run<T: Task>(self, task: T) -> T::Output {
        // SAFETY: `self` exists, so `detect` found every feature that the function is compiled for.
        unsafe { if VBMI2 { run_compiled_vbmi2(self, task) } else { run_compiled(self, task) } }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx2,pclmulqdq,popcnt,lzcnt,bmi1,bmi2")]
fn run_compiled<T: Task, const VBMI2: bool>(avx512: Avx512<VBMI2>, task: T) -> T::Output {
    task.run(avx512)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,avx2,pclmulqdq,popcnt,lzcnt,bmi1,bmi2")]
fn run_compiled_vbmi2<T: Task, const VBMI2: bool>(avx512: Avx512<VBMI2>, task: T) -> T::Output {
    task.run(avx512)
}

/// The numbers 0 to 63.
const NUMBERS: [u8; WORD] = {
    let mut numbers = [0; WORD];
    let mut place = 0;
    while place < WORD {
        numbers[place] = place as u8;
        place += 1;
    }
    numbers
};

/// `Simd::places` by gathering the numbers of the set bits.
#[inline(always)]
fn gather(base: u32, bits: u64, out: &mut [u32; WORD]) {
    let (quarters, _) = out.as_chunks_mut::<16>();
    // SAFETY: callers hold an `Avx512<true>`, so AVX-512F and VBMI2 exist. Each store of 64 bytes covers exactly a quarter of `out`.
    unsafe {
        let mut places = _mm512_maskz_compress_epi8(bits, load(&NUMBERS));
        let base = _mm512_set1_epi32(base as i32);
        for quarter in quarters.iter_mut().take(bits.count_ones().div_ceil(16) as usize) {
            let wide = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(places));
            _mm512_storeu_si512(quarter.as_mut_ptr().cast(), _mm512_add_epi32(wide, base));
            places = _mm512_alignr_epi64::<2>(places, places);
        }
    }
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

impl<const VBMI2: bool> Simd for Avx512<VBMI2> {
    #[inline(always)]
    fn places(self, base: u32, bits: u64, out: &mut [u32; WORD]) {
        if VBMI2 { gather(base, bits, out) } else { places_one_by_one(base, bits, out) }
    }

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
