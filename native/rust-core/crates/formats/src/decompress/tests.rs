use std::io::Write;

use super::*;

macro_rules! fixtures {
    ($($name:literal),* $(,)?) => { [$(($name, include_bytes!(concat!("../../tests/streams/", $name)).as_slice())),*] };
}

const PLAIN: &[u8] = include_bytes!("../../tests/streams/plain.csv");
const FILES: [(&str, &[u8]); 18] = fixtures![
    "python.gz",
    "gzip-cli.gz",
    "members.gz",
    "blocks.bgzf.gz",
    "one.bz2",
    "streams.bz2",
    "crc64.xz",
    "streams-sha256.xz",
    "checked.zst",
    "frames.zst",
    "seekable.zst",
    "independent.lz4",
    "linked.lz4",
    "frames.lz4",
    "deflated.zip",
    "stored.zip",
    "zip64.zip",
    "streamed.zip",
];

/// A source that hands out at most `most` bytes a call.
struct Slow {
    bytes: Vec<u8>,
    most: usize,
}

impl ByteSource for Slow {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let most = self.most.min(buffer.len());
        (&self.bytes[..]).read_at(offset, &mut buffer[..most])
    }
}

/// Everything that comes out before the end or the first error, read in pieces of `piece` bytes.
fn drain(source: &mut DecodedSource, piece: usize) -> (Vec<u8>, Option<SourceError>) {
    let (mut out, mut buffer) = (Vec::new(), vec![0; piece]);
    loop {
        match source.read_at(source.start.stream + out.len() as u64, &mut buffer) {
            Ok(0) => return (out, None),
            Ok(count) => out.extend_from_slice(&buffer[..count]),
            Err(error) => return (out, Some(error)),
        }
        assert!(out.len() < 4 << 20, "a small file became very large");
    }
}

const LIMIT: Option<InflationLimit> = Some(InflationLimit { ratio: 100, free_bytes: FREE_INFLATION_BYTES });

fn decode(bytes: &[u8], compression: Compression, piece: usize, most: usize) -> (Vec<u8>, Option<SourceError>) {
    let slow = Slow { bytes: bytes.to_vec(), most };
    match DecodedSource::open(Box::new(slow), compression, Restart::default(), LIMIT) {
        Ok(mut source) => drain(&mut source, piece),
        Err(error) => (Vec::new(), Some(error)),
    }
}

fn kind(bytes: &[u8]) -> Compression {
    Compression::of_magic(bytes).expect("a compressed file")
}

fn plain_of(name: &str) -> Vec<u8> {
    if name == "linked.lz4" { PLAIN.repeat(12) } else { PLAIN.to_vec() }
}

/// Numbers that look random and are the same every time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }
}

#[test]
fn files_of_other_programs_however_they_are_read() {
    for (name, bytes) in FILES {
        for (piece, most) in [(1 << 20, usize::MAX), (1, 1 << 20), (7, 3), (4096, 17)] {
            let (out, error) = decode(bytes, kind(bytes), piece, most);
            assert_eq!(error, None, "{name}");
            assert!(out == plain_of(name), "{name} by {piece} and {most}");
        }
    }
}

#[test]
fn decoding_starts_at_any_restart() {
    for (name, bytes) in FILES {
        let whole = plain_of(name);
        let mut source = DecodedSource::open(Box::new(bytes), kind(bytes), Restart::default(), None).expect("a file");
        drain(&mut source, 1000);
        let restarts = source.progress().borrow().restarts.clone();
        let members = match name {
            "members.gz" | "streams.bz2" | "streams-sha256.xz" | "frames.zst" | "frames.lz4" => 3,
            "blocks.bgzf.gz" => 13,
            "seekable.zst" => 5,
            _ => 1,
        };
        assert_eq!(restarts.len(), members, "{name}");
        for restart in restarts {
            let mut source = DecodedSource::open(Box::new(bytes), kind(bytes), restart, None).expect("a file");
            assert_eq!(source.first_offset(), restart.stream);
            assert!(drain(&mut source, 100).0 == whole[restart.stream as usize..], "{name} from {restart:?}");
        }
    }
}

#[test]
fn reads_may_go_back_and_jump() {
    for (name, bytes) in FILES {
        let whole = plain_of(name);
        let mut source = DecodedSource::open(Box::new(bytes), kind(bytes), Restart::default(), LIMIT).expect("a file");
        let mut draw = Draw(5);
        for _ in 0..40 {
            let (offset, length) = (draw.below(whole.len() + 20), draw.below(3000));
            let mut buffer = vec![0; length];
            let count = source.read_at(offset as u64, &mut buffer).expect("the file is sound");
            let want = &whole[offset.min(whole.len())..(offset + length).min(whole.len())];
            assert!(&buffer[..count] == want, "{name} from {offset}");
        }
    }
}

#[test]
fn a_file_that_ends_early_is_named_and_keeps_what_came_before() {
    for (name, bytes) in FILES {
        let whole = plain_of(name);
        let compression = kind(bytes);
        // Zeros at the end are padding, the last frame of the seekable format an index.
        let data = match name {
            "members.gz" => bytes.len() - 512,
            "streams-sha256.xz" => bytes.len() - 8,
            _ => bytes.len(),
        };
        let mut draw = Draw(11);
        for cut in (0..64.min(data)).chain((0..120).map(|_| draw.below(data))) {
            let (out, error) = decode(&bytes[..cut], compression, 1 << 16, usize::MAX);
            assert!(whole.starts_with(&out), "{name} cut at {cut}");
            let (again, _) = decode(&bytes[..cut], compression, 13, 5);
            assert!(again == out, "{name} cut at {cut}: what comes out must not depend on how it is read");
            let code = error.as_ref().map(|error| error.code);
            let is_member_end = code.is_none() && out.len() < whole.len() || name == "seekable.zst" && code.is_none();
            assert!(code == Some("INPUT_TRUNCATED") || is_member_end, "{name} cut at {cut}: {error:?}");
        }
    }
}

#[test]
fn no_flipped_bit_gives_other_data() {
    for (name, bytes) in FILES {
        let whole = plain_of(name);
        let mut draw = Draw(23);
        for _ in 0..400 {
            let mut broken = bytes.to_vec();
            let at = draw.below(broken.len());
            broken[at] ^= 1 << draw.below(8);
            let (out, error) = decode(&broken, kind(bytes), 1 << 16, usize::MAX);
            match error {
                // Seekable frames carry no checksum: only what the format itself finds is found.
                None => assert!(out == whole || name == "seekable.zst", "{name} with byte {at} flipped"),
                Some(error) => {
                    assert!(["INPUT_TRUNCATED", "INPUT_CORRUPT", "INPUT_MAGIC", "OVER_LIMIT"].contains(&error.code), "{error:?}");
                    let (again, _) = decode(&broken, kind(bytes), 977, 41);
                    assert!(again == out, "{name} with byte {at} flipped: {error:?}");
                }
            }
        }
    }
}

#[test]
fn garbage_behind_every_magic_ends_in_an_error() {
    let mut draw = Draw(31);
    for (_, bytes) in FILES {
        for _ in 0..60 {
            let mut garbage = bytes[..draw.below(40)].to_vec();
            garbage.extend((0..draw.below(5000)).map(|_| draw.below(256) as u8));
            let (out, _) = decode(&garbage, kind(bytes), 4096, usize::MAX);
            assert!(out.len() < 1 << 20);
        }
    }
}

#[test]
fn what_follows_the_data_is_damage_unless_it_is_padding() {
    for (name, bytes) in FILES {
        let compression = kind(bytes);
        if compression == Compression::Zip {
            continue;
        }
        let code = |tail: &[u8]| decode(&[bytes, tail].concat(), compression, 999, usize::MAX).1.map(|error| error.code);
        let padded = match compression {
            Compression::Gzip | Compression::Bzip2 | Compression::Xz => None,
            _ => Some("INPUT_CORRUPT"),
        };
        assert_eq!(code(&[0; 64]), padded, "{name}");
        assert_eq!(code(b"trailing text"), Some("INPUT_CORRUPT"), "{name}");
    }
    let odd = [FILES[6].1, &[0, 0, 0]].concat();
    assert_eq!(decode(&odd, Compression::Xz, 999, usize::MAX).1.map(|error| error.code), Some("INPUT_CORRUPT"));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn inflation_is_bounded_where_a_limit_is_set() {
    let bomb = gzip(&vec![b'a'; 1 << 20]);
    let limit = |ratio| Some(InflationLimit { ratio, free_bytes: 1 << 16 });
    let run = |limit| {
        let mut source =
            DecodedSource::open(Box::new(Slow { bytes: bomb.clone(), most: 100 }), Compression::Gzip, Restart::default(), limit);
        drain(source.as_mut().expect("a file"), 512)
    };
    let (out, error) = run(limit(10));
    assert_eq!(error.map(|error| error.code), Some("OVER_LIMIT"));
    assert!(out.len() <= 1 << 17, "{}", out.len());
    assert_eq!(run(limit(2000)).1, None);
    assert_eq!(run(None).1, None);
}

#[test]
fn members_that_hold_nothing_are_counted() {
    let many = gzip(b"").repeat(10_001);
    assert_eq!(decode(&many, Compression::Gzip, 999, usize::MAX).1.map(|error| error.code), Some("OVER_LIMIT"));
    let fewer = [gzip(b"").repeat(9_999), gzip(b"x")].concat();
    assert_eq!(decode(&fewer, Compression::Gzip, 999, usize::MAX), (b"x".to_vec(), None));
}

#[test]
fn a_wide_zstd_window_is_refused() {
    let mut wide = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x89];
    wide.extend_from_slice(&[1, 0, 0]);
    let (_, error) = decode(&wide, Compression::Zstd, 999, usize::MAX);
    assert_eq!(error.map(|error| error.code), Some("OVER_LIMIT"));
}

#[test]
fn archives_that_are_not_one_file() {
    let two = include_bytes!("../../tests/streams/two.zip");
    let code = |bytes: &[u8]| decode(bytes, Compression::Zip, 999, usize::MAX).1.map(|error| error.code);
    assert_eq!(code(two), Some("INPUT_MAGIC"));
    assert_eq!(code(b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), Some("INPUT_MAGIC"));
    assert_eq!(code(b"PK\x03\x04 no archive"), Some("INPUT_TRUNCATED"));
    let mut encrypted = FILES[14].1.to_vec();
    let entry = encrypted.windows(4).rposition(|bytes| bytes == b"PK\x01\x02").expect("a directory");
    encrypted[entry + 8] |= 1;
    assert_eq!(code(&encrypted), Some("INPUT_MAGIC"));
}

#[test]
fn another_compression_than_the_one_expected() {
    for (name, bytes) in FILES {
        let other = if kind(bytes) == Compression::Gzip { Compression::Zstd } else { Compression::Gzip };
        let (out, error) = decode(bytes, other, 999, usize::MAX);
        assert_eq!((out.len(), error.map(|error| error.code)), (0, Some("INPUT_MAGIC")), "{name}");
    }
    assert_eq!(Compression::of_magic(b"id,name\n"), None);
    for compression in [Compression::Gzip, Compression::Xz, Compression::Zip] {
        assert_eq!(Compression::from_name(compression.name()), Some(compression));
    }
}

#[test]
fn damage_is_noted_with_both_offsets() {
    let (_, bytes) = FILES[2];
    let mut source = DecodedSource::open(Box::new(&bytes[..2000]), Compression::Gzip, Restart::default(), LIMIT).expect("a file");
    let (out, error) = drain(&mut source, 100);
    let damage = source.progress().borrow().damage.clone().expect("the file is cut");
    assert_eq!((damage.code, damage.stream, damage.compressed), ("INPUT_TRUNCATED", out.len() as u64, 2000));
    assert_eq!(error.expect("an error").message, damage.message);
}
