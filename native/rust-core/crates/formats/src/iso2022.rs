//! ISO-2022-JP, where escape sequences say which set of characters the next bytes are of. One walker divides the bytes for converting and for mapping
//! offsets back, so the two cannot disagree.
//!
//! As the Encoding Standard has it, with three differences that lose nothing: two escapes in a row are no fault, a CR or LF ends a line in every set
//! (in katakana and kanji it is a fault too: RFC 1468 wants the switch back before the end of a line), and behind the first half of a pair a control
//! character or a blank is not swallowed with it.

use encoding_rs::EUC_JP;

/// Which characters bytes stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Set {
    #[default]
    Ascii,
    /// JIS X 0201: ASCII but for two characters.
    Roman,
    Katakana,
    /// Pairs of JIS X 0208.
    Kanji,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Stands for no character.
    Escape,
    Character,
    Illegal,
    /// The bytes end in the middle of it.
    CutOff,
    /// The end of a line in a set that has none: a fault without bytes of its own, then the character.
    LineEnd,
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub length: usize,
    pub kind: Kind,
    /// The set behind it.
    pub set: Set,
}

const ESCAPE: u8 = 0x1b;

fn named_set(sequence: &[u8]) -> Option<Set> {
    match sequence {
        b"\x1b(B" => Some(Set::Ascii),
        b"\x1b(J" => Some(Set::Roman),
        b"\x1b(I" => Some(Set::Katakana),
        b"\x1b$@" | b"\x1b$B" => Some(Set::Kanji),
        _ => None,
    }
}

/// `raw` is not empty.
pub(crate) fn step(set: Set, raw: &[u8]) -> Step {
    let of = |kind, length| Step { length, kind, set };
    match (set, raw[0]) {
        (_, ESCAPE) => escape(set, raw),
        (Set::Ascii | Set::Roman, 0x0e | 0x0f | 0x80..) => of(Kind::Illegal, 1),
        (Set::Ascii | Set::Roman, _) | (Set::Katakana, 0x21..=0x5f) => of(Kind::Character, 1),
        (Set::Katakana | Set::Kanji, b'\n' | b'\r') => of(Kind::LineEnd, 1),
        (Set::Kanji, 0x21..=0x7e) => match raw.get(1) {
            None => of(Kind::CutOff, 1),
            Some(0x21..=0x7e) if pair(raw).is_some() => of(Kind::Character, 2),
            Some(0..=0x20) => of(Kind::Illegal, 1),
            Some(_) => of(Kind::Illegal, 2),
        },
        (Set::Katakana | Set::Kanji, _) => of(Kind::Illegal, 1),
    }
}

fn escape(set: Set, raw: &[u8]) -> Step {
    match named_set(&raw[..raw.len().min(3)]) {
        Some(next) => Step { length: 3, kind: Kind::Escape, set: next },
        None if matches!(raw, [ESCAPE] | [ESCAPE, b'(' | b'$']) => Step { length: raw.len(), kind: Kind::CutOff, set },
        None => Step { length: 1, kind: Kind::Illegal, set },
    }
}

/// EUC-JP has the same pairs, with the high bits set.
fn pair(raw: &[u8]) -> Option<String> {
    let bytes = [raw[0] | 0x80, raw[1] | 0x80];
    EUC_JP.decode_without_bom_handling_and_without_replacement(&bytes).map(std::borrow::Cow::into_owned)
}

/// Appends the character of a step.
pub(crate) fn push(set: Set, raw: &[u8], utf8: &mut Vec<u8>) {
    let mut push_character = |character: char| utf8.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    match (set, raw) {
        (Set::Roman, [b'\\']) => push_character('¥'),
        (Set::Roman, [b'~']) => push_character('‾'),
        (Set::Katakana, [byte @ 0x21..=0x5f]) => push_character(char::from_u32(0xff61 - 0x21 + u32::from(*byte)).unwrap_or('\u{fffd}')),
        (Set::Kanji, [_, _]) => utf8.extend_from_slice(pair(raw).unwrap_or_default().as_bytes()),
        _ => utf8.extend_from_slice(raw),
    }
}

/// The set behind bytes that begin somewhere: what their last escape names. None without one.
pub(crate) fn last_set(raw: &[u8]) -> Option<Set> {
    let mut end = raw.len();
    while let Some(at) = memchr::memrchr(ESCAPE, &raw[..end]) {
        if let Some(set) = raw.get(at..at + 3).and_then(named_set) {
            return Some(set);
        }
        end = at;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(raw: &[u8]) -> (String, usize) {
        let (mut set, mut at, mut utf8, mut faults) = (Set::default(), 0, Vec::new(), 0);
        while at < raw.len() {
            let step = step(set, &raw[at..]);
            match step.kind {
                Kind::Character => push(set, &raw[at..at + step.length], &mut utf8),
                Kind::Escape => {}
                _ => faults += 1,
            }
            (set, at) = (step.set, at + step.length);
        }
        (String::from_utf8(utf8).unwrap(), faults)
    }

    #[test]
    fn sets_are_switched_and_faults_are_counted() {
        assert_eq!(decode(b"a\x1b$B$3$s\x1b(Bb"), ("aこんb".into(), 0));
        assert_eq!(decode(b"\x1b(J\\~\x1b(I1\x1b(B\\"), ("¥‾ｱ\\".into(), 0));
        assert_eq!(decode(b"\x1b$B\x1b(Bx"), ("x".into(), 0));
        for (raw, faults) in [(&b"\x1b$B$"[..], 1), (b"\x1b$", 1), (b"\x1bx", 1), (b"\x80", 1), (b"\x1b$B$ ", 2), (b"\x1b$B$\xff", 1)] {
            assert_eq!(decode(raw).1, faults, "{raw:?}");
        }
        assert_eq!(last_set(b"\x1b$B$3\x1b(B$3\x1bx"), Some(Set::Ascii));
        assert_eq!(last_set(b"none"), None);
    }

    proptest! {
        #[test]
        fn what_others_take_for_legal_is_read_as_they_do(
            pieces in prop::collection::vec(prop::sample::select(vec![
                &b"\x1b(Ba"[..], b"\x1b(J\\", b"\x1b$B$3$s", b"\x1b$@0!", b"\x1b(I1", b"\x1b(B\n", b"\x1b(Bx,y",
            ]), 0..12),
        ) {
            let raw = pieces.concat();
            let theirs = encoding_rs::ISO_2022_JP.decode_without_bom_handling_and_without_replacement(&raw);
            if let Some(theirs) = theirs {
                prop_assert_eq!(decode(&raw), (theirs.into_owned(), 0));
            }
        }

        #[test]
        fn any_bytes_are_walked_to_their_end(raw in prop::collection::vec(prop_oneof![Just(0x1bu8), Just(b'('), Just(b'$'), Just(b'B'), any::<u8>()], 0..60)) {
            let (mut set, mut at) = (Set::default(), 0);
            while at < raw.len() {
                let step = step(set, &raw[at..]);
                prop_assert!(step.length > 0);
                (set, at) = (step.set, at + step.length);
            }
            prop_assert_eq!(at, raw.len());
        }
    }
}
