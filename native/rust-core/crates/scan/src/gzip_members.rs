//! Headers of gzip members, RFC 1952, with the block size that BGZF puts into their extra field.

/// A header longer than this is damage: names and comments have no bound of their own.
pub const MAX_HEADER_BYTES: usize = 1 << 20;

const FIXED_BYTES: usize = 10;
const HAS_HEADER_CRC: u8 = 1 << 1;
const HAS_EXTRA: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;

/// What stands at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GzipHeader {
    Whole {
        /// Bytes of the header; the deflate data follow.
        length: usize,
        /// Bytes of the whole member, if it is a BGZF block.
        block_bytes: Option<u32>,
        /// CRC-16 of the header but for its last two bytes, if it carries one.
        crc16: Option<u16>,
    },
    NeedMore,
    Bad(&'static str),
}

/// Reads the header of a member. `bytes` may hold more than it, or only a part.
pub fn gzip_header(bytes: &[u8]) -> GzipHeader {
    let Some(fixed) = bytes.first_chunk::<FIXED_BYTES>() else { return cut(bytes) };
    let [0x1f, 0x8b, method, flags, ..] = *fixed else { return GzipHeader::Bad("it does not begin like gzip") };
    if method != 8 {
        return GzipHeader::Bad("its compression method is not deflate");
    }
    if flags & RESERVED != 0 {
        return GzipHeader::Bad("reserved flags are set");
    }
    let mut at = FIXED_BYTES;
    let mut block_bytes = None;
    if flags & HAS_EXTRA != 0 {
        let Some(length) = u16_at(bytes, at) else { return cut(bytes) };
        let Some(extra) = bytes.get(at + 2..at + 2 + usize::from(length)) else { return cut(bytes) };
        block_bytes = bgzf_block_bytes(extra);
        at += 2 + extra.len();
    }
    for flag in [HAS_NAME, HAS_COMMENT] {
        if flags & flag != 0 {
            let Some(end) = bytes[at..].iter().position(|byte| *byte == 0) else { return cut(bytes) };
            at += end + 1;
        }
    }
    let mut crc16 = None;
    if flags & HAS_HEADER_CRC != 0 {
        crc16 = u16_at(bytes, at);
        if crc16.is_none() {
            return cut(bytes);
        }
        at += 2;
    }
    GzipHeader::Whole { length: at, block_bytes, crc16 }
}

fn cut(bytes: &[u8]) -> GzipHeader {
    if bytes.len() > MAX_HEADER_BYTES {
        return GzipHeader::Bad("its header does not end");
    }
    if [0x1f, 0x8b].iter().zip(bytes).any(|(want, have)| want != have) {
        return GzipHeader::Bad("it does not begin like gzip");
    }
    GzipHeader::NeedMore
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|pair| u16::from_le_bytes(*pair))
}

/// The subfield `BC` holds the size of the block less one (SAM specification, section 4.1).
fn bgzf_block_bytes(extra: &[u8]) -> Option<u32> {
    let mut rest = extra;
    while let [first, second, low, high, tail @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let value = tail.get(..length)?;
        if (*first, *second, length) == (b'B', b'C', 2) {
            return u16_at(value, 0).map(|size| u32::from(size) + 1);
        }
        rest = &tail[length..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(length: usize, block_bytes: Option<u32>, crc16: Option<u16>) -> GzipHeader {
        GzipHeader::Whole { length, block_bytes, crc16 }
    }

    #[test]
    fn headers_with_every_field() {
        let plain = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff";
        assert_eq!(gzip_header(plain), whole(10, None, None));
        let mut bgzf = b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff\x06\x00BC\x02\x00\x1b\x00".to_vec();
        assert_eq!(gzip_header(&bgzf), whole(18, Some(28), None));
        bgzf[3] |= HAS_NAME | HAS_COMMENT | HAS_HEADER_CRC;
        bgzf.extend_from_slice(b"name\0comment\0\x34\x12data");
        assert_eq!(gzip_header(&bgzf), whole(33, Some(28), Some(0x1234)));
        for length in 0..33 {
            assert_eq!(gzip_header(&bgzf[..length]), GzipHeader::NeedMore, "{length} bytes");
        }
    }

    #[test]
    fn what_is_no_header_is_named() {
        for bytes in [&b"\x1f\x8c"[..], b"PK", b"\x1f\x8b\x07\0\0\0\0\0\0\0", b"\x1f\x8b\x08\xe0\0\0\0\0\0\0"] {
            assert!(matches!(gzip_header(bytes), GzipHeader::Bad(_)), "{bytes:?}");
        }
        let mut endless = b"\x1f\x8b\x08\x08\0\0\0\0\0\0".to_vec();
        endless.resize(MAX_HEADER_BYTES + 1, b'a');
        assert!(matches!(gzip_header(&endless), GzipHeader::Bad(_)));
    }

    #[test]
    fn extra_fields_that_are_cut_or_of_others_are_no_bgzf() {
        assert_eq!(bgzf_block_bytes(b"AB\x01\0xBC\x02\0\x01\x02"), Some(0x202));
        for extra in [&b"BC\x02\0\x01"[..], b"BC\x03\0\x01\x02\x03", b"B", b"AB\xff\xff"] {
            assert_eq!(bgzf_block_bytes(extra), None, "{extra:?}");
        }
    }
}
