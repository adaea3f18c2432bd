//! Bit masks of 64-byte words, one kernel per instruction set, chosen at run time. The only place of this crate with `unsafe`:
//! the vector loads and the one call into a function compiled for more instructions than the base target has.

mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod sse2;

use std::sync::OnceLock;

/// Bytes of one word: each bit of a mask is one of them, the lowest bit the first byte.
pub const WORD: usize = 64;

/// The bytes whose places are asked for. A switched-off one finds nothing.
#[derive(Clone, Copy, Debug)]
pub struct Needles {
    pub delimiter: u8,
    pub quote: Option<u8>,
    pub escape: Option<u8>,
}

/// Where each of the needles stands in a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masks {
    pub delimiter: u64,
    pub quote: u64,
    pub escape: u64,
    pub lf: u64,
    pub cr: u64,
}

/// Where lines end in a word, and which bytes are U+0020 or less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineMasks {
    pub lf: u64,
    pub cr: u64,
    pub low: u64,
}

/// The bytes that JSON's structure is made of. Both kinds of bracket stand in one mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JsonMasks {
    pub quote: u64,
    pub backslash: u64,
    pub open: u64,
    pub close: u64,
}

/// Words of a block.
pub const BLOCK_WORDS: usize = 64;

/// What stands right before a word: `inside` is all ones if it is inside quotes; of the last byte, each 0 or 1, whether it is a quote, a line end, or
/// data outside quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    pub inside: u64,
    pub quote: u64,
    pub end: u64,
    pub data: u64,
}

/// A block in which every LF ends a record that is not blank, and nothing else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanBlock {
    pub line_ends: u64,
    /// Bytes up to the last LF, and it; 0: none stands in the block.
    pub last_record_end: usize,
    /// The LF of the last word.
    pub last_ends: u64,
    /// What the block ends with.
    pub edge: Edge,
}

/// Masks that a load of eight may reach back from: the last of them is the one before the block's first.
pub const FRONT: usize = 8;

/// Masks of each word of a block, behind `FRONT` others.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub struct FrontedMasks(pub [u64; FRONT + BLOCK_WORDS]);

/// Where `Simd::clean_block` keeps masks: made once, since to make it takes a tenth of the time of a block.
#[derive(Clone, Debug)]
pub struct BlockRoom {
    pub quotes: FrontedMasks,
    pub delimiters: FrontedMasks,
    pub ends: FrontedMasks,
}

impl Default for BlockRoom {
    #[inline(always)]
    fn default() -> BlockRoom {
        let none = FrontedMasks([0; FRONT + BLOCK_WORDS]);
        BlockRoom { quotes: none.clone(), delimiters: none.clone(), ends: none }
    }
}

/// What one instruction set can do with a word.
pub trait Simd: Copy {
    fn masks(self, word: &[u8; WORD], needles: &Needles) -> Masks;
    fn line_masks(self, word: &[u8; WORD]) -> LineMasks;
    fn json_masks(self, word: &[u8; WORD]) -> JsonMasks;
    /// Bit i of the answer is the xor of the bits 0 to i: turns quotes into "inside quotes".
    fn prefix_xor(self, bits: u64) -> u64;

    /// Writes the places of the set bits, ascending, each plus `base`. What stands behind them in `out` is of no meaning.
    #[inline(always)]
    fn places(self, base: u32, bits: u64, out: &mut [u32; WORD]) {
        places_one_by_one(base, bits, out);
    }

    /// A whole block at once. None if a CR, a blank line, an LF inside quotes, or a quote next to data outside quotes stands in it, and always where
    /// this is not faster than word by word. What `room` holds before and behind is of no meaning.
    #[inline(always)]
    fn clean_block(
        self,
        _words: &[[u8; WORD]; BLOCK_WORDS],
        _delimiter: u8,
        _quote: u8,
        _before: Edge,
        _room: &mut BlockRoom,
    ) -> Option<CleanBlock> {
        None
    }
}

/// Work to be compiled for an instruction set. Implementations and all they call in a loop MUST be `#[inline(always)]`, or they are
/// compiled for the base target.
pub trait Task {
    type Output;
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// An instruction set the masks are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Choice);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Sse2,
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512<false>),
    #[cfg(target_arch = "x86_64")]
    Avx512Vbmi2(avx512::Avx512<true>),
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Kernel {
    /// The plain one, which the others are tested against.
    pub const SCALAR: Kernel = Kernel(Choice::Scalar);

    /// The fastest of this machine; detected once a process.
    pub fn best() -> Kernel {
        static BEST: OnceLock<Kernel> = OnceLock::new();
        *BEST.get_or_init(|| Kernel::all().pop().unwrap_or(Kernel::SCALAR))
    }

    /// Every kernel this machine can run, slowest first.
    pub fn all() -> Vec<Kernel> {
        let mut kernels = vec![Kernel::SCALAR];
        #[cfg(target_arch = "x86_64")]
        {
            kernels.push(Kernel(Choice::Sse2));
            kernels.extend(avx2::Avx2::detect().map(|avx2| Kernel(Choice::Avx2(avx2))));
            kernels.extend(avx512::Avx512::detect().map(|avx512| Kernel(Choice::Avx512(avx512))));
            kernels.extend(avx512::Avx512::detect().map(|avx512| Kernel(Choice::Avx512Vbmi2(avx512))));
        }
        #[cfg(target_arch = "aarch64")]
        kernels.push(Kernel(Choice::Neon));
        kernels
    }

    /// `scalar`, `sse2`, `avx2`, `avx512`, `avx512vbmi2` or `neon`, if this machine can run it.
    pub fn from_name(name: &str) -> Option<Kernel> {
        Kernel::all().into_iter().find(|kernel| kernel.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self.0 {
            Choice::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Choice::Sse2 => "sse2",
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Choice::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Choice::Avx512Vbmi2(_) => "avx512vbmi2",
            #[cfg(target_arch = "aarch64")]
            Choice::Neon => "neon",
        }
    }

    pub fn run<T: Task>(self, task: T) -> T::Output {
        match self.0 {
            Choice::Scalar => task.run(scalar::Scalar),
            #[cfg(target_arch = "x86_64")]
            Choice::Sse2 => task.run(sse2::Sse2),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx2(avx2) => avx2.run(task),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx512(avx512) => avx512.run(task),
            #[cfg(target_arch = "x86_64")]
            Choice::Avx512Vbmi2(avx512) => avx512.run(task),
            #[cfg(target_arch = "aarch64")]
            Choice::Neon => task.run(neon::Neon),
        }
    }
}

/// `Simd::places` for instruction sets that cannot do better.
#[inline(always)]
fn places_one_by_one(base: u32, bits: u64, out: &mut [u32; WORD]) {
    let mut rest = bits;
    // Eight at a time: the surplus of the last eight is of no meaning.
    for eight in out.chunks_exact_mut(8).take(bits.count_ones().div_ceil(8) as usize) {
        for place in eight {
            *place = base.wrapping_add(rest.trailing_zeros());
            rest &= rest.wrapping_sub(1);
        }
    }
}

/// `prefix_xor` in six shifts, for instruction sets without a carry-less multiply.
#[inline(always)]
fn prefix_xor_by_shifts(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^ (bits << 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Everything<'a> {
        word: &'a [u8; WORD],
        needles: Needles,
        bits: u64,
    }

    impl Task for Everything<'_> {
        type Output = (Masks, LineMasks, JsonMasks, u64, Vec<u32>);
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Self::Output {
            let mut places = [0; WORD];
            simd.places(7, self.bits, &mut places);
            let places = places[..self.bits.count_ones() as usize].to_vec();
            let masks = simd.masks(self.word, &self.needles);
            (masks, simd.line_masks(self.word), simd.json_masks(self.word), simd.prefix_xor(self.bits), places)
        }
    }

    fn needles() -> impl Strategy<Value = Needles> {
        (any::<u8>(), any::<Option<u8>>(), any::<Option<u8>>()).prop_map(|(delimiter, quote, escape)| Needles { delimiter, quote, escape })
    }

    proptest! {
        #[test]
        fn kernels_agree(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 2 * WORD),
                prop::collection::vec(prop::sample::select(b"\r\n,\"\\ \t\0\x1f\x20\x21\x7f\x80\xff{}[]".to_vec()), 2 * WORD),
            ],
            written in needles(),
            bits in prop_oneof![any::<u64>(), any::<[u64; 4]>().prop_map(|[a, b, c, d]| a & b & c & d), Just(u64::MAX), Just(0)],
        ) {
            let usual = Needles { delimiter: b',', quote: Some(b'"'), escape: Some(b'\\') };
            for needles in [written, usual] {
                for start in 0..WORD {
                    let word: &[u8; WORD] = bytes[start..start + WORD].try_into().expect("a whole word");
                    let expected = Kernel::SCALAR.run(Everything { word, needles, bits });
                    for kernel in Kernel::all() {
                        prop_assert_eq!(&kernel.run(Everything { word, needles, bits }), &expected, "kernel {}", kernel.name());
                    }
                }
            }
        }
    }

    struct Block<'a> {
        words: &'a [[u8; WORD]; BLOCK_WORDS],
        before: Edge,
    }

    impl Task for Block<'_> {
        type Output = Option<CleanBlock>;
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Self::Output {
            simd.clean_block(self.words, b',', b'"', self.before, &mut BlockRoom::default())
        }
    }

    /// `Simd::clean_block` byte after byte.
    fn clean_block_by_bytes(words: &[[u8; WORD]; BLOCK_WORDS], before: Edge) -> Option<CleanBlock> {
        let mut clean = CleanBlock { line_ends: 0, last_record_end: 0, last_ends: 0, edge: before };
        for (index, &byte) in words.as_flattened().iter().enumerate() {
            let Edge { mut inside, quote: last_quote, end: last_end, data: last_data } = clean.edge;
            let (quote, end) = (byte == b'"', byte == b'\n');
            if quote {
                inside = !inside;
            }
            let data = inside == 0 && !quote && !end && byte != b',';
            let is_odd = byte == b'\r' || (end && (inside != 0 || last_end == 1)) || (quote && last_data == 1) || (data && last_quote == 1);
            if is_odd {
                return None;
            }
            clean.line_ends += u64::from(end);
            if end {
                clean.last_record_end = index + 1;
            }
            if index / WORD == BLOCK_WORDS - 1 {
                clean.last_ends |= u64::from(end) << (index % WORD);
            }
            clean.edge = Edge { inside, quote: u64::from(quote), end: u64::from(end), data: u64::from(data) };
        }
        Some(clean)
    }

    proptest! {
        /// Whole blocks of rows, some with a wrong byte in them, from any state.
        #[test]
        fn clean_blocks_are_what_their_bytes_say(
            rows in prop::collection::vec(prop::sample::select(vec!["1,ab\n", "22,\"a,b\"\n", "\"\",\"x\"\"y\"\n", ",\n", "333,a longer field of text\n"]), 420..500),
            start in 0..40_usize,
            wrong in prop::option::of((0..BLOCK_WORDS * WORD, prop::sample::select(b"\r\n,\"a".to_vec()))),
            before in (any::<bool>(), 0..4_u8),
        ) {
            let mut bytes = rows.concat().into_bytes();
            bytes.resize(start + BLOCK_WORDS * WORD, b'x');
            let mut bytes = bytes.split_off(start);
            if let Some((at, byte)) = wrong {
                bytes[at] = byte;
            }
            let words = bytes.as_chunks::<WORD>().0.first_chunk().expect("a whole block");
            let inside = if before.0 { u64::MAX } else { 0 };
            let edge = Edge { inside, quote: u64::from(before.1 == 1), end: u64::from(before.1 == 2 && !before.0), data: u64::from(before.1 == 3 && !before.0) };
            let expected = clean_block_by_bytes(words, edge);
            for kernel in Kernel::all() {
                let found = kernel.run(Block { words, before: edge });
                let is_able = kernel.name() == "avx512vbmi2";
                prop_assert_eq!(found, if is_able { expected } else { None }, "kernel {}", kernel.name());
            }
        }
    }

    #[test]
    fn the_best_kernel_is_known_by_name() {
        assert_eq!(Kernel::from_name(Kernel::best().name()), Some(Kernel::best()));
        assert_eq!(Kernel::from_name("abacus"), None);
    }

    #[test]
    fn places_are_those_of_the_set_bits() {
        let mut places = [0; WORD];
        scalar::Scalar.places(100, 1 << 63 | 0b1001, &mut places);
        assert_eq!(places[..3], [100, 103, 163]);
    }

    #[test]
    fn prefix_xor_is_a_running_parity() {
        assert_eq!(prefix_xor_by_shifts(0), 0);
        assert_eq!(prefix_xor_by_shifts(1), u64::MAX);
        assert_eq!(prefix_xor_by_shifts(0b1001_0000), 0b0111_0000);
    }
}
