//! Small random changes of byte strings.

/// SplitMix64: any seed is a good one.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Bytes that mean something to some format.
const TELLING: &[&[u8]] = &[
    b",",
    b";",
    b"\t",
    b"|",
    b"\"",
    b"'",
    b"\\",
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xe2\x82",
    b"[",
    b"]",
    b"{",
    b"}",
    b":",
    b"\"\"",
    b"\x1b$B",
    b"\x1b(B",
    b"\x1b(J",
    b"\x1b",
    b"-",
    b"1e999",
    b"NaN",
    b"null",
    b"\\u",
    b"\\ud800",
    b"#",
    b"\xf0\x9f\x98\x80",
    b"\x81",
    b"\x30",
    b"9999-99-99",
    b"0x",
    b" ",
];

/// One of the pool, changed in one to eight places.
pub fn mutate(pool: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = random.pick(pool).clone();
    for _ in 0..1 + random.below(8) {
        change(&mut bytes, pool, random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, pool: &[Vec<u8>], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    let length = 1 << random.below(8);
    let end = (at + random.below(length) + 1).min(bytes.len());
    match random.below(11) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        1 if at < bytes.len() => bytes[at] = random.next() as u8,
        2 => drop(bytes.splice(at..at, random.pick(TELLING).iter().copied())),
        3 if at < end => drop(bytes.splice(at..end, random.pick(TELLING).iter().copied())),
        4 if at < end => drop(bytes.drain(at..end)),
        5 => bytes.truncate(at),
        6 if at < end => {
            let piece = bytes[at..end].to_vec();
            let most = if random.below(40) == 0 { 3_000 } else { 6 };
            let times = 1 + random.below(most);
            bytes.splice(at..at, piece.repeat(times));
        }
        7 => {
            let other = random.pick(pool);
            let from = random.below(other.len() + 1);
            let to = (from + random.below(512)).min(other.len());
            bytes.splice(at..at, other[from..to].iter().copied());
        }
        8 | 9 => overwrite(bytes, at, random),
        _ => {
            let to = random.below(bytes.len() + 1);
            let piece: Vec<u8> = bytes[at.min(end)..end].to_vec();
            bytes.splice(to..to, piece);
        }
    }
}

/// A number where formats keep lengths and offsets.
fn overwrite(bytes: &mut [u8], at: usize, random: &mut Random) {
    const EDGES: [u64; 10] = [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0xffff_ffff, 0x7fff_ffff_ffff_ffff, u64::MAX, 1 << 40];
    let value = random.pick(&EDGES).wrapping_add(random.below(3) as u64).wrapping_sub(1);
    let width = *random.pick(&[1usize, 2, 4, 8]);
    let number = if random.below(2) == 0 { value.to_le_bytes() } else { value.to_be_bytes() };
    let number = if random.below(2) == 0 { &number[..width] } else { &number[8 - width..] };
    for (slot, byte) in bytes.iter_mut().skip(at).zip(number) {
        *slot = *byte;
    }
}
