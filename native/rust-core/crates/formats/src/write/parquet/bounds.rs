//! The least and the greatest value of a column chunk, as statistics name them.

use super::views::prefix_of;

/// Bounds of text are cut to this many bytes.
pub const TEXT_BYTES: usize = 64;

/// Least and greatest number so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds<T>(Option<(T, T)>);

pub trait NumberBounds<T> {
    fn widen(&mut self, values: &[T]);
    fn pair(&self) -> Option<(T, T)>;
}

macro_rules! integer_bounds {
    ($($type:ty)*) => { $(
        impl NumberBounds<$type> for Bounds<$type> {
            fn widen(&mut self, values: &[$type]) {
                let Some(&first) = values.first() else { return };
                let start = self.0.unwrap_or((first, first));
                self.0 = Some(values.iter().fold(start, |(least, most), &value| (least.min(value), most.max(value))));
            }

            fn pair(&self) -> Option<($type, $type)> {
                self.0
            }
        }
    )* };
}

macro_rules! float_bounds {
    ($($type:ty)*) => { $(
        impl NumberBounds<$type> for Bounds<$type> {
            /// NaN has no place in an order.
            fn widen(&mut self, values: &[$type]) {
                let start = self.0.unwrap_or((<$type>::INFINITY, <$type>::NEG_INFINITY));
                let least_and_most = values.iter().fold(start, |(least, most), &value| {
                    (if value < least { value } else { least }, if value > most { value } else { most })
                });
                // Where only NaN has come so far, the start is as it was.
                if least_and_most.0 <= least_and_most.1 {
                    self.0 = Some(least_and_most);
                }
            }

            /// As the format asks: a zero is the least as -0.0 and the greatest as 0.0.
            fn pair(&self) -> Option<($type, $type)> {
                self.0.map(|(least, most)| (if least == 0.0 { -0.0 } else { least }, if most == 0.0 { 0.0 } else { most }))
            }
        }
    )* };
}

integer_bounds!(i32 i64);
float_bounds!(f32 f64);

/// Least and greatest text so far, in the order of their bytes.
#[derive(Debug, Default)]
pub struct TextBounds {
    bounds: Option<(Vec<u8>, Vec<u8>)>,
    least_prefix: u32,
    most_prefix: u32,
}

/// A bound as it is stored, and whether it is a value of the column and not cut.
type Cut = Option<(Vec<u8>, bool)>;

impl TextBounds {
    /// False if the value with this view cannot be a new bound: its first four bytes stand between those of the bounds.
    #[inline(always)]
    pub fn may_widen(&self, view: u128) -> bool {
        let prefix = prefix_of(view);
        !(prefix > self.least_prefix && prefix < self.most_prefix)
    }

    pub fn widen(&mut self, value: &[u8]) {
        let Some((least, most)) = &mut self.bounds else {
            self.bounds = Some((value.to_vec(), value.to_vec()));
            (self.least_prefix, self.most_prefix) = (prefix(value), prefix(value));
            return;
        };
        if value < &least[..] {
            least.clear();
            least.extend_from_slice(value);
            self.least_prefix = prefix(value);
        } else if value > &most[..] {
            most.clear();
            most.extend_from_slice(value);
            self.most_prefix = prefix(value);
        }
    }

    /// Both bounds, cut so that the first is not above any value and the second not below. A greatest value that has no short bound above it
    /// is kept whole.
    pub fn cut(&self, is_text: bool) -> (Cut, Cut) {
        let Some((least, most)) = &self.bounds else { return (None, None) };
        (Some(cut_least(least, is_text)), Some(cut_most(most, is_text)))
    }
}

fn prefix(value: &[u8]) -> u32 {
    let mut four = [0; 4];
    let length = value.len().min(4);
    four[..length].copy_from_slice(&value[..length]);
    u32::from_be_bytes(four)
}

fn cut_least(value: &[u8], is_text: bool) -> (Vec<u8>, bool) {
    if value.len() <= TEXT_BYTES {
        return (value.to_vec(), true);
    }
    (value[..cut_at(value, is_text)].to_vec(), false)
}

fn cut_most(value: &[u8], is_text: bool) -> (Vec<u8>, bool) {
    if value.len() <= TEXT_BYTES {
        return (value.to_vec(), true);
    }
    let head = &value[..cut_at(value, is_text)];
    let next = match std::str::from_utf8(head) {
        Ok(text) if is_text => next_text(text),
        _ => next_bytes(head),
    };
    next.map_or_else(|| (value.to_vec(), true), |next| (next, false))
}

/// Where a long value is cut: never inside a character.
fn cut_at(value: &[u8], is_text: bool) -> usize {
    let mut end = TEXT_BYTES;
    while is_text && end > 0 && value[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    end
}

/// The text with its last character raised that can be raised without growing; what follows that one is dropped.
fn next_text(text: &str) -> Option<Vec<u8>> {
    text.char_indices().rev().find_map(|(at, character)| {
        let next = char::from_u32(u32::from(character) + 1).filter(|next| next.len_utf8() == character.len_utf8())?;
        let mut out = text.as_bytes()[..at].to_vec();
        out.extend_from_slice(next.encode_utf8(&mut [0; 4]).as_bytes());
        Some(out)
    })
}

fn next_bytes(bytes: &[u8]) -> Option<Vec<u8>> {
    let last = bytes.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut out = bytes[..=last].to_vec();
    out[last] += 1;
    Some(out)
}

#[cfg(test)]
mod tests {
    use arrow_array::StringViewArray;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn floats_leave_nan_out_and_widen_zero() {
        let of = |values: &[f64]| {
            let mut bounds = Bounds::default();
            values.iter().for_each(|value| bounds.widen(&[*value]));
            bounds.pair().map(|(least, most)| (least.to_bits(), most.to_bits()))
        };
        let bits = |least: f64, most: f64| Some((least.to_bits(), most.to_bits()));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[f64::NAN]), None);
        assert_eq!(of(&[f64::NAN, 1.5, -2.0]), bits(-2.0, 1.5));
        assert_eq!(of(&[0.0]), bits(-0.0, 0.0));
        assert_eq!(of(&[f64::INFINITY]), bits(f64::INFINITY, f64::INFINITY));
        assert_eq!(of(&[f64::NEG_INFINITY, f64::NAN]), bits(f64::NEG_INFINITY, f64::NEG_INFINITY));
    }

    #[test]
    fn long_bounds_are_cut_around_their_values() {
        let most = |text: &str| cut_most(text.as_bytes(), true);
        assert_eq!(most(&"a".repeat(64)), ("a".repeat(64).into_bytes(), true));
        assert_eq!(most(&"a".repeat(65)), (format!("{}b", "a".repeat(63)).into_bytes(), false));
        assert_eq!(most(&format!("{}ä!", "a".repeat(63))), (format!("{}b", "a".repeat(62)).into_bytes(), false));
        assert_eq!(most(&"\u{10ffff}".repeat(30)), ("\u{10ffff}".repeat(30).into_bytes(), true));
        assert_eq!(cut_most(&[0xff; 70], false), (vec![0xff; 70], true));
        assert_eq!(cut_least(format!("{}ä!", "a".repeat(63)).as_bytes(), true), ("a".repeat(63).into_bytes(), false));
    }

    proptest! {
        #[test]
        fn text_bounds_hold_every_value(texts in prop::collection::vec("[a-c\u{0}ä]{0,6}|\\PC{60,70}", 1..40)) {
            let array = StringViewArray::from_iter_values(&texts);
            let mut bounds = TextBounds::default();
            for (row, text) in texts.iter().enumerate() {
                if bounds.may_widen(array.views()[row]) {
                    bounds.widen(text.as_bytes());
                }
            }
            let (least, most) = (texts.iter().min().unwrap().as_bytes(), texts.iter().max().unwrap().as_bytes());
            let (cut_least, cut_most) = bounds.cut(true);
            let ((cut_least, is_least), (cut_most, is_most)) = (cut_least.unwrap(), cut_most.unwrap());
            prop_assert!(cut_least == least || (!is_least && &cut_least[..] < least));
            prop_assert!(cut_most == most || (!is_most && &cut_most[..] > most));
            prop_assert!(std::str::from_utf8(&cut_least).is_ok() && std::str::from_utf8(&cut_most).is_ok());
        }
    }
}
