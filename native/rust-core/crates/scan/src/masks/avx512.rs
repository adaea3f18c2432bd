//! AVX-512: one compare gives the mask of a whole word, and with the later instructions eight masks are worked on at once.

use std::arch::x86_64::{
    __m512i, _MM_HINT_T0, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_prefetch, _mm_set_epi64x, _mm_set1_epi8, _mm512_add_epi32,
    _mm512_add_epi64, _mm512_alignr_epi64, _mm512_and_si512, _mm512_castsi512_si128, _mm512_clmulepi64_epi128, _mm512_cmpeq_epi8_mask,
    _mm512_cmple_epu8_mask, _mm512_cvtepu8_epi32, _mm512_loadu_si512, _mm512_mask_blend_epi64, _mm512_mask_xor_epi64,
    _mm512_maskz_compress_epi8, _mm512_min_epu8, _mm512_movepi64_mask, _mm512_popcnt_epi64, _mm512_reduce_add_epi64, _mm512_set1_epi8,
    _mm512_set1_epi32, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_shldi_epi64, _mm512_storeu_si512, _mm512_ternarylogic_epi64,
    _mm512_test_epi64_mask, _mm512_xor_si512,
};

use super::{
    BLOCK_WORDS, BlockRoom, CleanBlock, Edge, FRONT, FrontedMasks, JsonMasks, LineMasks, Masks, Needles, Simd, Task, WORD,
    places_one_by_one,
};

/// Proof that this processor has the instructions: only `detect` makes one. `VBMI2`: also those that gather single bytes, count bits, and multiply
/// without carries in eight lanes, which came together.
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
            && (!VBMI2
                || (is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vbmi2")
                    && is_x86_feature_detected!("avx512vpopcntdq")
                    && is_x86_feature_detected!("vpclmulqdq")));
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

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi2,avx512vpopcntdq,vpclmulqdq,avx2,pclmulqdq,popcnt,lzcnt,bmi1,bmi2")]
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

/// Bit i is the xor of the bits 0 to i of eight.
#[inline(always)]
fn prefix_xor_of_eight(bits: u8) -> u8 {
    let bits = bits ^ (bits << 1);
    let bits = bits ^ (bits << 2);
    bits ^ (bits << 4)
}

/// Bytes that a block is asked for ahead of its compares, which are quicker than what the processor asks for by itself.
const AHEAD: usize = 3072;

impl FrontedMasks {
    /// Those of the words from `at` on, and the same a bit later.
    #[inline(always)]
    fn eight(&self, at: usize) -> (__m512i, __m512i) {
        let (now, earlier) = (load_eight(&self.0[FRONT + at..]), load_eight(&self.0[FRONT + at - 1..]));
        // SAFETY: callers hold an `Avx512<true>`, so AVX-512VBMI2 exists.
        (now, unsafe { _mm512_shldi_epi64::<1>(now, earlier) })
    }

    #[inline(always)]
    fn last(&self) -> u64 {
        self.0[FRONT + BLOCK_WORDS - 1]
    }
}

/// Fills `room` with the masks of a block behind `before`, and says whether a CR was met.
#[inline(always)]
fn block_masks(words: &[[u8; WORD]; BLOCK_WORDS], delimiter: u8, quote: u8, before: Edge, room: &mut BlockRoom) -> bool {
    room.quotes.0[FRONT - 1] = before.quote << 63;
    room.ends.0[FRONT - 1] = before.end << 63;
    // SAFETY: callers hold an `Avx512<true>`, so AVX-512BW exists. A prefetch reads nothing, whatever its address.
    unsafe {
        let cr = _mm512_set1_epi8(b'\r' as i8);
        // Nought where some byte was a CR.
        let mut not_cr = _mm512_set1_epi8(-1);
        for (index, word) in words.iter().enumerate() {
            _mm_prefetch::<_MM_HINT_T0>(word.as_ptr().wrapping_add(AHEAD).cast());
            let bytes = load(word);
            room.quotes.0[FRONT + index] = equal(bytes, quote);
            room.delimiters.0[FRONT + index] = equal(bytes, delimiter);
            room.ends.0[FRONT + index] = equal(bytes, b'\n');
            not_cr = _mm512_min_epu8(not_cr, _mm512_xor_si512(bytes, cr));
        }
        equal(not_cr, 0) != 0
    }
}

/// Bytes of a block up to its last line end, and it; 0: there is none. Most blocks have one in their last words.
#[inline(always)]
fn last_record_end(ends: &FrontedMasks) -> usize {
    let last = ends.0[FRONT..].iter().rposition(|&ends| ends != 0);
    last.map_or(0, |last| (last + 1) * WORD - ends.0[FRONT + last].leading_zeros() as usize)
}

/// The parities up to each bit of eight words of `quotes`, but those of the odd words turned by their word's own parity; and each word's parity.
///
/// The product with all ones has the parities up to each bit in its lower half, and those behind each bit in its upper half, where odd words
/// stay in place.
#[inline(always)]
fn parities(quotes: __m512i) -> (__m512i, u8) {
    // SAFETY: callers hold an `Avx512<true>`, so AVX-512DQ and VPCLMULQDQ exist.
    unsafe {
        let ones = _mm512_set1_epi64(-1);
        let (even, odd) = (_mm512_clmulepi64_epi128::<0x00>(quotes, ones), _mm512_clmulepi64_epi128::<0x01>(quotes, ones));
        let of_words = _mm512_movepi64_mask(even) & 0x55 | (_mm512_movepi64_mask(odd) & 0x55) << 1;
        (_mm512_mask_blend_epi64(0xaa, even, odd), of_words)
    }
}

/// `Simd::clean_block`. The masks of eight words are one vector, so that what `count_block` in `fast` does for a word is done for eight.
#[inline(always)]
fn clean_block(words: &[[u8; WORD]; BLOCK_WORDS], delimiter: u8, quote: u8, before: Edge, room: &mut BlockRoom) -> Option<CleanBlock> {
    let has_cr = block_masks(words, delimiter, quote, before, room);
    // Eight times the same bit.
    let mut inside = before.inside as u8;
    // SAFETY: callers hold an `Avx512<true>`, so AVX-512F, VBMI2, VPOPCNTDQ and VPCLMULQDQ exist. Each load covers eight masks.
    let (line_ends, is_odd) = unsafe {
        let ones = _mm512_set1_epi64(-1);
        let mut last_data = _mm512_set1_epi64((before.data << 63) as i64);
        let (mut sum, mut odd) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        for at in (0..BLOCK_WORDS).step_by(8) {
            let (quote, behind_quote) = room.quotes.eight(at);
            let (end, behind_end) = room.ends.eight(at);
            let (delimiter, _) = room.delimiters.eight(at);
            let (parity, of_words) = parities(quote);
            // The parity of each word turns all words behind it.
            let up_to = prefix_xor_of_eight(of_words);
            let now_inside = _mm512_mask_xor_epi64(parity, (up_to << 1) ^ inside ^ (of_words & 0xaa), parity, ones);
            inside ^= if up_to >> 7 == 1 { 0xff } else { 0 };
            // Neither inside nor a delimiter nor an LF, nor a quote: the first takes all three, the second the last.
            let not_data = _mm512_ternarylogic_epi64::<0xfe>(now_inside, delimiter, end);
            let data = _mm512_ternarylogic_epi64::<0x11>(not_data, not_data, quote);
            let behind_data = _mm512_shldi_epi64::<1>(data, _mm512_alignr_epi64::<7>(data, last_data));
            // Data right before a quote or behind one, and a line end behind another or inside quotes.
            let badly_quoted = _mm512_ternarylogic_epi64::<0xf8>(_mm512_and_si512(behind_data, quote), behind_quote, data);
            let bad_end = _mm512_ternarylogic_epi64::<0xe0>(end, behind_end, now_inside);
            odd = _mm512_ternarylogic_epi64::<0xfe>(odd, badly_quoted, bad_end);
            sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(end));
            last_data = data;
        }
        (_mm512_reduce_add_epi64(sum) as u64, _mm512_test_epi64_mask(odd, odd) != 0)
    };
    if is_odd || has_cr {
        return None;
    }
    let inside = if inside == 0 { 0 } else { u64::MAX };
    let [quote, delimiter, end] = [&room.quotes, &room.delimiters, &room.ends].map(|masks| masks.last() >> 63);
    let edge = Edge { inside, quote, end, data: !(inside | quote | delimiter | end) & 1 };
    Some(CleanBlock { line_ends, last_record_end: last_record_end(&room.ends), last_ends: room.ends.last(), edge })
}

#[inline(always)]
fn load_eight(masks: &[u64]) -> __m512i {
    let eight = &masks[..8];
    // SAFETY: the unaligned load of 64 bytes covers exactly `eight`; callers hold an `Avx512`, so AVX-512F exists.
    unsafe { _mm512_loadu_si512(eight.as_ptr().cast()) }
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
    fn clean_block(
        self,
        words: &[[u8; WORD]; BLOCK_WORDS],
        delimiter: u8,
        quote: u8,
        before: Edge,
        room: &mut BlockRoom,
    ) -> Option<CleanBlock> {
        if VBMI2 { clean_block(words, delimiter, quote, before, room) } else { None }
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
