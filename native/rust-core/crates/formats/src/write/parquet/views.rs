//! What the bits of an Arrow view say: the length in the lowest 32 bits, behind it either up to 12 bytes, or the first four and a place.

/// Bytes that a view holds itself.
const INLINE_BYTES: usize = 12;

#[inline(always)]
pub fn length_of(view: u128) -> usize {
    view as u32 as usize
}

#[inline(always)]
pub fn is_inline(view: u128) -> bool {
    length_of(view) <= INLINE_BYTES
}

/// The bytes of an inline view, with zeros behind.
#[inline(always)]
pub fn inline_bytes(view: u128) -> [u8; 16] {
    (view >> 32).to_le_bytes()
}

/// The first four bytes as a number that orders as they do, where shorter texts have zeros.
#[inline(always)]
pub fn prefix_of(view: u128) -> u32 {
    ((view >> 32) as u32).swap_bytes()
}
