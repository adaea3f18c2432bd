//! A walk over Thrift's compact form that allocates nothing: it tells whether counts and lengths fit the bytes that are there, so that the real
//! decoder is only ever asked about metadata of sane size.

/// Nesting of structures and lists in a footer: the format needs 7.
const MAX_DEPTH: u32 = 32;

/// Why bytes are no such structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The bytes end before the structure does.
    Cut,
    /// A count or length is larger than what is left, or a type is unknown.
    Wrong,
    Deep,
}

pub(super) struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Types of the compact form, as they stand in a field's header.
pub(super) mod wire {
    pub const TRUE: u8 = 1;
    pub const FALSE: u8 = 2;
    pub const BYTE: u8 = 3;
    pub const I16: u8 = 4;
    pub const I32: u8 = 5;
    pub const I64: u8 = 6;
    pub const DOUBLE: u8 = 7;
    pub const BINARY: u8 = 8;
    pub const LIST: u8 = 9;
    pub const SET: u8 = 10;
    pub const MAP: u8 = 11;
    pub const STRUCT: u8 = 12;
    pub const UUID: u8 = 13;
}

impl<'a> Walk<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Walk<'a> {
        Walk { bytes, at: 0 }
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        let byte = *self.bytes.get(self.at).ok_or(Fault::Cut)?;
        self.at += 1;
        Ok(byte)
    }

    fn pass(&mut self, count: u64) -> Result<(), Fault> {
        if count > self.left() as u64 {
            return Err(Fault::Cut);
        }
        self.at += count as usize;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::Wrong)
    }

    pub(super) fn integer(&mut self) -> Result<i64, Fault> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Walks a structure; `field` is shown each field's number and type and answers whether it has consumed the value itself.
    pub(super) fn structure(
        &mut self,
        depth: u32,
        field: &mut dyn FnMut(&mut Walk<'a>, i64, u8) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::Deep);
        }
        let mut number = 0i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            let kind = head & 0x0f;
            number = if head >> 4 == 0 { self.integer()? } else { number.wrapping_add(i64::from(head >> 4)) };
            if !field(self, number, kind)? {
                self.skip(kind, depth + 1, true)?;
            }
        }
    }

    /// Type and count of a list. Every element takes at least one byte.
    pub(super) fn list(&mut self) -> Result<(u8, u64), Fault> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        if count > self.left() as u64 {
            return Err(Fault::Wrong);
        }
        Ok((head & 0x0f, count))
    }

    /// `in_field`: a boolean of a field stands in the field's header, one of a list takes a byte.
    pub(super) fn skip(&mut self, kind: u8, depth: u32, in_field: bool) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::Deep);
        }
        match kind {
            wire::TRUE | wire::FALSE if in_field => Ok(()),
            wire::TRUE | wire::FALSE | wire::BYTE => self.pass(1),
            wire::I16 | wire::I32 | wire::I64 => self.varint().map(drop),
            wire::DOUBLE => self.pass(8),
            wire::UUID => self.pass(16),
            wire::BINARY => {
                let length = self.varint()?;
                self.pass(length)
            }
            wire::LIST | wire::SET => {
                let (kind, count) = self.list()?;
                (0..count).try_for_each(|_| self.skip(kind, depth + 1, false))
            }
            wire::MAP => {
                let count = self.varint()?;
                if count > self.left() as u64 {
                    return Err(Fault::Wrong);
                }
                let kinds = if count == 0 { 0 } else { self.byte()? };
                (0..count)
                    .try_for_each(|_| self.skip(kinds >> 4, depth + 1, false).and_then(|()| self.skip(kinds & 0x0f, depth + 1, false)))
            }
            wire::STRUCT => self.structure(depth, &mut |_, _, _| Ok(false)),
            _ => Err(Fault::Wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(bytes: &[u8]) -> Result<usize, Fault> {
        let mut walk = Walk::new(bytes);
        walk.structure(0, &mut |_, _, _| Ok(false)).map(|()| walk.at)
    }

    #[test]
    fn what_does_not_fit_is_refused_before_anybody_believes_it() {
        assert_eq!(walk(&[0]), Ok(1));
        assert_eq!(walk(&[0x15, 0x02, 0]), Ok(3));
        assert_eq!(walk(&[0x15, 0x02]), Err(Fault::Cut));
        // Text of 2^31 bytes, a list of 2^31 entries, both in a few bytes.
        assert_eq!(walk(&[0x18, 0x80, 0x80, 0x80, 0x80, 0x08, 0]), Err(Fault::Cut));
        assert_eq!(walk(&[0x19, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x08, 0]), Err(Fault::Wrong));
        assert_eq!(walk(&[0x1f, 0]), Err(Fault::Wrong));
        assert_eq!(walk(&[0x1c; 100]), Err(Fault::Deep));
        assert_eq!(walk(&[0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Err(Fault::Wrong));
    }
}
