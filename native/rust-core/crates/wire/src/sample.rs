//! Random valid messages for tests. What each field may hold is generated into `samples.rs`; this draws the values.

/// A small generator of its own (splitmix64), so that a seed printed by a failing test gives the same message again.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Draw {
        Draw(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }

    pub(crate) fn number<T: TryFrom<u64>>(&mut self, least: u64, most: u64) -> T {
        let number = least + self.below(most - least + 1);
        T::try_from(number).unwrap_or_else(|_| panic!("the schema's bound {most} does not fit its type"))
    }

    pub(crate) fn list<T: Sample>(&mut self, least: u64, most: u64) -> Vec<T> {
        let count = least + self.below(most - least + 1);
        (0..count).map(|_| T::sample(self)).collect()
    }

    pub(crate) fn maybe<T>(&mut self, draw: impl FnOnce(&mut Draw) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| draw(self))
    }

    pub(crate) fn digest(&mut self) -> String {
        (0..64).map(|_| *self.one_of(b"0123456789abcdef") as char).collect()
    }

    pub(crate) fn filled(&mut self) -> String {
        format!("{}é", String::sample(self))
    }
}

pub(crate) trait Sample {
    fn sample(draw: &mut Draw) -> Self;
}

impl Sample for bool {
    fn sample(draw: &mut Draw) -> bool {
        draw.below(2) == 0
    }
}

macro_rules! small_numbers {
    ($($number:ty),*) => { $(impl Sample for $number {
        fn sample(draw: &mut Draw) -> $number { *draw.one_of(&[0, 1, <$number>::MAX, 77]) }
    })* };
}
small_numbers!(u8, u16, u32);

impl Sample for u64 {
    fn sample(draw: &mut Draw) -> u64 {
        let any = draw.below(crate::limits::MAX_NUMBER + 1);
        *draw.one_of(&[0, 1, crate::limits::MAX_NUMBER, any])
    }
}

impl Sample for String {
    fn sample(draw: &mut Draw) -> String {
        (0..draw.below(9)).map(|_| *draw.one_of(&['a', '\0', '\n', '"', 'ß', '語', '😀', '\u{feff}'])).collect()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(draw: &mut Draw) -> Option<T> {
        draw.maybe(T::sample)
    }
}

impl<const N: usize> Sample for [u8; N] {
    fn sample(draw: &mut Draw) -> [u8; N] {
        std::array::from_fn(|_| draw.next() as u8)
    }
}
