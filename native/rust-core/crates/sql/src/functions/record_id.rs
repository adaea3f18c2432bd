//! `record_id()`: a UUID of version 5 over job, file, byte and ordinal. It depends on the place of the record alone, never on the cut.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::StringViewBuilder;
use millrace_formats::position::Place;

/// Namespace of all record identifiers: the UUID of version 5 of `millrace:record` in the URL namespace of RFC 9562.
const NAMESPACE: [u8; 16] = [0xc1, 0x48, 0x54, 0x26, 0x49, 0xe9, 0x50, 0x2c, 0x81, 0x19, 0xf1, 0xef, 0x80, 0x43, 0x9c, 0x0c];
/// A map stage without unnesting has one row per record.
const ORDINAL: u64 = 0;

/// The identifiers of the records at `places`.
pub fn column(job_id: &str, file_uri: &str, places: &[Place]) -> ArrayRef {
    let mut builder = StringViewBuilder::with_capacity(places.len());
    let prefix = [job_id.as_bytes(), file_uri.as_bytes()].join(&0);
    for place in places {
        let mut name = prefix.clone();
        name.extend(format!("\0{}\0{ORDINAL}", place.byte).bytes());
        builder.append_value(uuid_v5(&NAMESPACE, &name));
    }
    Arc::new(builder.finish())
}

fn uuid_v5(namespace: &[u8; 16], name: &[u8]) -> String {
    let digest = sha1(&[namespace, name].concat());
    let mut id: [u8; 16] = std::array::from_fn(|index| digest[index]);
    id[6] = (id[6] & 0x0f) | 0x50;
    id[8] = (id[8] & 0x3f) | 0x80;
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// SHA-1 as RFC 3174 has it. UUIDs of version 5 are defined by it; nothing here relies on its strength.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize((padded.len() + 8).next_multiple_of(64), 0);
    let end = padded.len();
    padded[end - 8..].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    let mut state: [u32; 5] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
    for block in padded.chunks_exact(64) {
        add_block(&mut state, block);
    }
    std::array::from_fn(|index| state[index / 4].to_be_bytes()[index % 4])
}

fn add_block(state: &mut [u32; 5], block: &[u8]) {
    let mut words = [0u32; 80];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    for index in 16..80 {
        words[index] = (words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16]).rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (round, word) in words.iter().enumerate() {
        let (mixed, constant) = match round {
            0..20 => ((b & c) | (!b & d), 0x5a827999),
            20..40 => (b ^ c ^ d, 0x6ed9eba1),
            40..60 => ((b & c) | (b & d) | (c & d), 0x8f1bbcdc),
            _ => (b ^ c ^ d, 0xca62c1d6u32),
        };
        let next = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(constant).wrapping_add(*word);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
    }
    for (sum, part) in state.iter_mut().zip([a, b, c, d, e]) {
        *sum = sum.wrapping_add(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn sha1_agrees_with_the_published_vectors() {
        assert_eq!(hex(&sha1(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex(&sha1(b"")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(hex(&sha1(b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
        assert_eq!(hex(&sha1(&b"a".repeat(1_000_000))), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    }

    #[test]
    fn the_namespace_is_what_it_says() {
        let url = [0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];
        assert_eq!(uuid_v5(&url, b"millrace:record").replace('-', ""), hex(&NAMESPACE));
    }

    #[test]
    fn an_identifier_depends_on_the_place_alone() {
        let at = |byte| Place { byte, ..Place::default() };
        let ids = column("job", "file:///a.csv", &[at(0), at(10), at(0)]);
        let ids = arrow_array::cast::AsArray::as_string_view(&ids);
        assert_eq!(ids.value(0), ids.value(2));
        assert_ne!(ids.value(0), ids.value(1));
        assert_eq!(ids.value(0).as_bytes()[14], b'5');
    }
}
