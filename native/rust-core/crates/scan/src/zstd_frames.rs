//! Headers of zstd frames, RFC 8878 section 3.1: what a frame demands before any of it is decoded.

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What stands at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZstdFrame {
    Data {
        /// Bytes of decoded data that the decoder must keep.
        window_bytes: u64,
        /// Decoded bytes of the whole frame, where it says so.
        content_bytes: Option<u64>,
        /// 0: none.
        dictionary: u32,
    },
    /// No data: an index, or what another program put there. `bytes` counts its header.
    Skippable {
        bytes: u64,
    },
    NeedMore,
    Bad(&'static str),
}

/// Whether four bytes begin a frame that is skipped.
pub fn is_skippable(magic: [u8; 4]) -> bool {
    matches!(magic, [0x50..=0x5f, 0x2a, 0x4d, 0x18])
}

/// Reads the header of a frame. `bytes` may hold more than it, or only a part.
pub fn zstd_frame(bytes: &[u8]) -> ZstdFrame {
    let Some(magic) = bytes.first_chunk::<4>() else {
        let could_be = MAGIC.starts_with(bytes) || bytes.first().is_none_or(|first| matches!(first, 0x50..=0x5f));
        return if could_be { ZstdFrame::NeedMore } else { ZstdFrame::Bad("it does not begin like zstd") };
    };
    if is_skippable(*magic) {
        let length = bytes.get(4..).and_then(<[u8]>::first_chunk::<4>);
        return length.map_or(ZstdFrame::NeedMore, |length| ZstdFrame::Skippable { bytes: 8 + u64::from(u32::from_le_bytes(*length)) });
    }
    if *magic != MAGIC {
        return ZstdFrame::Bad("it does not begin like zstd");
    }
    let Some(&descriptor) = bytes.get(4) else { return ZstdFrame::NeedMore };
    if descriptor & 0x08 != 0 {
        return ZstdFrame::Bad("a reserved bit is set");
    }
    data_frame(descriptor, &bytes[5..])
}

fn data_frame(descriptor: u8, rest: &[u8]) -> ZstdFrame {
    let is_single = descriptor & 0x20 != 0;
    let dictionary_bytes = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let content_size_bytes = match descriptor >> 6 {
        0 => usize::from(is_single),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    let window_bytes = usize::from(!is_single);
    if rest.len() < window_bytes + dictionary_bytes + content_size_bytes {
        return ZstdFrame::NeedMore;
    }
    let (window, rest) = rest.split_at(window_bytes);
    let (dictionary, rest) = rest.split_at(dictionary_bytes);
    let content = (content_size_bytes > 0).then(|| {
        let plain = little_endian(&rest[..content_size_bytes]);
        if content_size_bytes == 2 { plain + 256 } else { plain }
    });
    let window_bytes = window.first().map_or(content.unwrap_or_default(), |byte| window_of(*byte));
    ZstdFrame::Data { window_bytes, content_bytes: content, dictionary: little_endian(dictionary) as u32 }
}

/// Exponent and mantissa of a window descriptor.
fn window_of(byte: u8) -> u64 {
    let base = 1u64 << (10 + (byte >> 3));
    base + base / 8 * u64::from(byte & 7)
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_say_what_they_demand() {
        let frame = |rest: &[u8]| zstd_frame(&[&MAGIC[..], rest].concat());
        let data = |window_bytes, content_bytes, dictionary| ZstdFrame::Data { window_bytes, content_bytes, dictionary };
        assert_eq!(frame(&[0x00, 0x58]), data(2 << 20, None, 0));
        assert_eq!(frame(&[0x00, 0x8b]), data((128 << 20) + 3 * (16 << 20), None, 0));
        assert_eq!(frame(&[0x20, 7]), data(7, Some(7), 0));
        assert_eq!(frame(&[0x60, 1, 0]), data(257, Some(257), 0));
        assert_eq!(frame(&[0xe3, 1, 2, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]), data(9, Some(9), 0x201));
        assert_eq!(zstd_frame(&[0x5e, 0x2a, 0x4d, 0x18, 9, 1, 0, 0]), ZstdFrame::Skippable { bytes: 8 + 265 });
        assert!(matches!(frame(&[0x08]), ZstdFrame::Bad(_)));
    }

    #[test]
    fn a_part_of_a_header_is_not_judged_early() {
        let whole = [&MAGIC[..], &[0xe3, 1, 2, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]].concat();
        for length in 0..whole.len() {
            assert_eq!(zstd_frame(&whole[..length]), ZstdFrame::NeedMore, "{length} bytes");
        }
        assert_eq!(zstd_frame(&[0x5e, 0x2a, 0x4d, 0x18, 9]), ZstdFrame::NeedMore);
        for bytes in [&b"a"[..], b"\x28\xb6", b"\x28\xb5\x2f\xfe\0\0"] {
            assert!(matches!(zstd_frame(bytes), ZstdFrame::Bad(_)), "{bytes:?}");
        }
    }
}
