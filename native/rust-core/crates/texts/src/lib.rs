//! A column of texts, made from pieces of text without judging any of them again: Arrow's own checked way looks at each of them as UTF-8 a
//! second time, which takes longer than to copy it (decision 30).
//!
//! The only `unsafe` is the call in `TextColumn::finish`. What it needs to be sound is kept by this module alone: views come only from `&str`.

#![deny(unsafe_code)]

use arrow_array::StringViewArray;
use arrow_buffer::{Buffer, NullBuffer};

/// Bytes that an Arrow view holds itself.
const INLINE_BYTES: usize = 12;
/// Texts up to this length are copied as so many bytes, whatever stands behind them: without a branch on their length.
const PIECE_BYTES: usize = 32;
/// A buffer takes no more text than this, as offsets in it are 32 bits wide.
const MAX_BUFFER_BYTES: usize = 1 << 30;

/// By length: which of the first 16 bytes of a text stand in its view. Of longer texts than a view holds these are the first four.
const IN_VIEW: [u128; INLINE_BYTES + 2] = {
    let mut masks = [u32::MAX as u128; INLINE_BYTES + 2];
    let mut length = 0;
    while length <= INLINE_BYTES {
        masks[length] = (1 << (8 * length)) - 1;
        length += 1;
    }
    masks
};

/// A `StringViewArray` under construction.
pub struct TextColumn {
    views: Vec<u128>,
    /// Bytes of the texts that do not fit their views, up to `at`; behind it, room.
    bytes: Vec<u8>,
    at: usize,
    /// Buffers that are full.
    full: Vec<Buffer>,
    max_buffer_bytes: usize,
}

impl TextColumn {
    pub fn with_capacity(rows: usize) -> TextColumn {
        TextColumn {
            views: Vec::with_capacity(rows),
            bytes: vec![0; rows * 16 + PIECE_BYTES],
            at: 0,
            full: Vec::new(),
            max_buffer_bytes: MAX_BUFFER_BYTES,
        }
    }

    /// Appends a text. `around`: what it is a part of, if anything, so that what stands behind the text may be read with it.
    ///
    /// # Panics
    ///
    /// For a text of 2 GiB and more, which no view can name.
    #[inline(always)]
    pub fn push(&mut self, text: &str, around: &str) {
        // Outside of `around` this is no place in it, or one that is too near to its end.
        let start = (text.as_ptr() as usize).wrapping_sub(around.as_ptr() as usize);
        let piece = around.as_bytes().get(start..).and_then(<[u8]>::first_chunk::<PIECE_BYTES>);
        match piece {
            Some(piece) if text.len() <= PIECE_BYTES => self.push_piece(piece, text.len()),
            _ => self.push_alone(text),
        }
    }

    /// Appends the first `length` bytes of `piece`, which are a text.
    #[inline(always)]
    fn push_piece(&mut self, piece: &[u8; PIECE_BYTES], length: usize) {
        let at = self.at;
        let Some(room) = self.bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<PIECE_BYTES>) else {
            return self.push_alone_piece(piece, length);
        };
        *room = *piece;
        let is_long = usize::from(length > INLINE_BYTES).wrapping_neg();
        let head = piece.first_chunk().map_or(0, |head| u128::from_le_bytes(*head));
        let shown = head & IN_VIEW[length.min(INLINE_BYTES + 1)];
        self.views.push(self.view(length, shown, at & is_long, self.full.len() & is_long));
        self.at = at + (length & is_long);
    }

    #[cold]
    #[inline(never)]
    fn push_alone_piece(&mut self, piece: &[u8; PIECE_BYTES], length: usize) {
        self.make_room(PIECE_BYTES);
        self.push_piece(piece, length);
    }

    #[inline(never)]
    fn push_alone(&mut self, text: &str) {
        let length = text.len();
        assert!(i32::try_from(length).is_ok(), "a text of 2 GiB and more in one column");
        if length <= PIECE_BYTES {
            let mut piece = [0; PIECE_BYTES];
            piece[..length].copy_from_slice(text.as_bytes());
            return self.push_piece(&piece, length);
        }
        self.make_room(length);
        let at = self.at;
        self.bytes[at..at + length].copy_from_slice(text.as_bytes());
        let prefix = text.as_bytes().first_chunk().map_or(0, |four| u32::from_le_bytes(*four));
        self.views.push(self.view(length, prefix.into(), at, self.full.len()));
        self.at = at + length;
    }

    /// A null, which has an empty view.
    #[inline]
    pub fn push_null(&mut self) {
        self.views.push(0);
    }

    #[inline(always)]
    fn view(&self, length: usize, shown: u128, at: usize, buffer: usize) -> u128 {
        length as u128 | shown << 32 | (buffer as u128) << 64 | (at as u128) << 96
    }

    /// Room for `count` bytes behind `at`, in another buffer if this one would become too long.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self, count: usize) {
        if self.at + count > self.max_buffer_bytes && self.at > 0 {
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.truncate(self.at);
            self.full.push(Buffer::from_vec(bytes));
            self.at = 0;
        }
        let needed = self.at + count + PIECE_BYTES;
        if self.bytes.len() < needed {
            self.bytes.resize(needed.max((self.bytes.len() * 2).min(self.max_buffer_bytes)), 0);
        }
    }

    /// The column; `nulls` says which rows are null.
    ///
    /// # Panics
    ///
    /// If `nulls` is not as long as the column.
    #[allow(unsafe_code)]
    pub fn finish(mut self, nulls: Option<NullBuffer>) -> StringViewArray {
        assert!(nulls.as_ref().is_none_or(|nulls| nulls.len() == self.views.len()), "as many rows as bits of nulls");
        if self.at > 0 {
            self.bytes.truncate(self.at);
            self.full.push(Buffer::from_vec(self.bytes));
        }
        // SAFETY: `try_new` of the same parts would find nothing wrong. Every view is that of a null, all zeros, or was made by `push` of a `&str`:
        // up to 12 bytes it holds the text with zeros behind; else the first four bytes, the number of the buffer that `bytes` is going to be,
        // and where in it a copy of the text begins. Bytes before `at` are never written again, and `at` stays below 2^32.
        unsafe { StringViewArray::new_unchecked(self.views.into(), self.full, nulls) }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use proptest::prelude::*;

    use super::*;

    /// A column of these parts of `whole`, each of them also from a copy elsewhere, and nulls in between.
    fn column_of(whole: &str, parts: &[(usize, usize)], max_buffer_bytes: usize) -> (StringViewArray, Vec<Option<String>>) {
        let mut column = TextColumn::with_capacity(0);
        column.max_buffer_bytes = max_buffer_bytes;
        let mut wanted = Vec::new();
        for &(start, length) in parts {
            let start = whole.floor_char_boundary(start);
            let text = &whole[start..whole.floor_char_boundary(start + length)];
            let elsewhere = text.to_owned();
            column.push(text, whole);
            column.push(&elsewhere, whole);
            column.push_null();
            wanted.extend([Some(text.to_owned()), Some(text.to_owned()), None]);
        }
        let nulls = NullBuffer::from_iter(wanted.iter().map(Option::is_some));
        (column.finish(Some(nulls)), wanted)
    }

    proptest! {
        #[test]
        fn columns_hold_what_was_pushed(
            whole in "[a-z\u{0}äß€🦀]{0,120}",
            parts in prop::collection::vec((0usize..130, 0usize..80), 0..40),
            max_buffer_bytes in prop_oneof![Just(MAX_BUFFER_BYTES), 1usize..400],
        ) {
            let (array, wanted) = column_of(&whole, &parts, max_buffer_bytes);
            prop_assert_eq!(array.iter().map(|text| text.map(str::to_owned)).collect::<Vec<_>>(), wanted);
            prop_assert!(array.to_data().validate_full().is_ok());
        }
    }

    #[test]
    fn full_buffers_are_followed_by_others() {
        let whole = "a text longer than a view holds, many times over".repeat(4);
        let parts: Vec<_> = (0..60).map(|start| (start, 13 + start)).collect();
        let (array, wanted) = column_of(&whole, &parts, 100);
        assert!(array.data_buffers().len() > 10);
        assert_eq!(array.iter().map(|text| text.map(str::to_owned)).collect::<Vec<_>>(), wanted);
        array.to_data().validate_full().expect("each view is right");
    }

    #[test]
    #[should_panic(expected = "as many rows")]
    fn nulls_of_another_length_are_refused() {
        TextColumn::with_capacity(1).finish(Some(NullBuffer::new_valid(1)));
    }
}
