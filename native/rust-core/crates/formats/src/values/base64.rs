//! Text of format `binary`: base64 (RFC 4648, section 4) with padding and without line ends.

use super::ValueError;

const NOT: ValueError = ValueError::new("TYPE_FORMAT", "no base64 with padding");

/// Checks the text without making bytes of it.
pub fn check(text: &[u8]) -> Result<(), ValueError> {
    decode_into(text, &mut |_| {})
}

pub fn decode(text: &[u8]) -> Result<Vec<u8>, ValueError> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    decode_into(text, &mut |byte| bytes.push(byte))?;
    Ok(bytes)
}

fn decode_into(text: &[u8], push: &mut dyn FnMut(u8)) -> Result<(), ValueError> {
    let (groups, rest) = text.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(NOT);
    }
    for (index, group) in groups.iter().enumerate() {
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        if padding > 2 || (padding > 0 && index + 1 < groups.len()) {
            return Err(NOT);
        }
        let mut bits = 0u32;
        for byte in &group[..4 - padding] {
            bits = bits << 6 | u32::from(letter(*byte).ok_or(NOT)?);
        }
        bits <<= 6 * padding;
        // Bits that stand for no byte are zero, or two texts would be one value.
        if bits & ((1 << (8 * padding)) - 1) != 0 {
            return Err(NOT);
        }
        bits.to_be_bytes()[1..4 - padding].iter().for_each(|byte| push(*byte));
    }
    Ok(())
}

fn letter(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_from_base64() {
        let good: [(&str, &[u8]); 5] = [("", b""), ("YQ==", b"a"), ("YWI=", b"ab"), ("YWJj", b"abc"), ("//79/A==", b"\xff\xfe\xfd\xfc")];
        for (text, want) in good {
            assert_eq!(decode(text.as_bytes()).as_deref(), Ok(want), "{text:?}");
            assert_eq!(check(text.as_bytes()), Ok(()));
        }
        for text in ["Y", "YQ", "YQ=", "YR==", "YWJ=", "YQ==YQ==", "====", "Y===", "YW J", "YQ-_", "YWJj\n"] {
            assert_eq!(decode(text.as_bytes()).map_err(|error| error.code), Err("TYPE_FORMAT"), "{text:?}");
        }
    }
}
