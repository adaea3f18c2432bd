//! The elements of a JSON array, by structure alone: strings (quotes not preceded by an odd run of `\`) and the depth of brackets, which
//! kind of bracket they are being no matter. What an element holds is for a parser to judge; here only its range counts.
//!
//! An extent begins behind the `[` or behind a comma at depth 1 and reaches up to and with the next one, or up to the array's `]`.

use crate::lines::count_line_ends;
use crate::masks::{Kernel, Simd, Task, WORD};
use crate::planner::{Anchor, Counts, Tally};

/// Where the structure cannot be followed, and why, as the end of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Structure {
    pub offset: u64,
    pub why: &'static str,
}

/// Blanks between the tokens of JSON.
#[inline(always)]
pub fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Not a byte of the value was seen.
    Unknown,
    /// An object, an array, or what a bracket began.
    Nested,
    Text,
    /// A number, a literal, or something that is no value at all: up to a blank or a structural byte.
    Token,
}

/// Finds the end of one value, piece by piece, with no memory of its bytes.
#[derive(Clone, Copy, Debug)]
pub struct ElementScan {
    form: Form,
    depth: u64,
    /// All ones inside a string.
    inside: u64,
    /// The next byte is escaped: 0 or 1.
    escaped: u64,
    kernel: Kernel,
}

impl Default for ElementScan {
    fn default() -> ElementScan {
        ElementScan::with_kernel(Kernel::best())
    }
}

impl ElementScan {
    pub fn with_kernel(kernel: Kernel) -> ElementScan {
        ElementScan { form: Form::Unknown, depth: 0, inside: 0, escaped: 0, kernel }
    }

    /// Begins inside `depth` open brackets instead of before a value: finds where they are all closed.
    pub fn inside_brackets(depth: u64) -> ElementScan {
        ElementScan { form: Form::Nested, depth, ..ElementScan::default() }
    }

    /// A token ends where the stream does; anything else is cut off there.
    pub fn may_end_with_stream(&self) -> bool {
        self.form == Form::Token
    }

    pub fn is_inside_text(&self) -> bool {
        self.form == Form::Text || self.inside != 0
    }

    /// Takes the next bytes; answers how many of them belong to the value if it ends among them, else all do. The first byte of a value
    /// MUST be no blank and none of `,`, `]` and `}`.
    pub fn take(&mut self, bytes: &[u8]) -> Option<usize> {
        let &first = bytes.first()?;
        let skipped = match self.form {
            Form::Unknown => self.begin(first),
            _ => 0,
        };
        let rest = &bytes[skipped..];
        let length = match self.form {
            Form::Text => self.take_text(rest),
            Form::Token => rest.iter().position(|&byte| is_blank(byte) || matches!(byte, b',' | b']' | b'}' | b'[' | b'{' | b'"')),
            _ => self.kernel.run(NestedTask { scan: self, bytes: rest }),
        };
        length.map(|length| skipped + length)
    }

    /// Says what the value is by its first byte, and how many bytes that took.
    fn begin(&mut self, first: u8) -> usize {
        self.form = match first {
            b'{' | b'[' => Form::Nested,
            b'"' => Form::Text,
            _ => Form::Token,
        };
        usize::from(self.form == Form::Text)
    }

    fn take_text(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, &byte) in bytes.iter().enumerate() {
            match (self.escaped, byte) {
                (1, _) => self.escaped = 0,
                (_, b'\\') => self.escaped = 1,
                (_, b'"') => return Some(at + 1),
                _ => {}
            }
        }
        None
    }

    /// Takes the first `valid` bytes of a word; answers as `take` does.
    #[inline(always)]
    fn word<S: Simd>(&mut self, simd: S, word: &[u8; WORD], valid: usize) -> Option<usize> {
        let masks = simd.json_masks(word);
        let escaped = self.escaped_bits(masks.backslash, valid);
        let inside = simd.prefix_xor(masks.quote & !escaped) ^ self.inside;
        let (open, close) = (masks.open & !inside, masks.close & !inside);
        self.inside = ((inside << (WORD - valid)) as i64 >> 63) as u64;
        if u64::from(close.count_ones()) < self.depth {
            self.depth = self.depth + u64::from(open.count_ones()) - u64::from(close.count_ones());
            return None;
        }
        let mut brackets = open | close;
        while brackets != 0 {
            let bit = brackets & brackets.wrapping_neg();
            if open & bit != 0 {
                self.depth += 1;
            } else {
                // A bracket that closes nothing cannot come: the value ends with the one that opened it.
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    return Some(bit.trailing_zeros() as usize + 1);
                }
            }
            brackets ^= bit;
        }
        None
    }

    /// The bytes that a backslash stands before which is not escaped itself.
    #[inline(always)]
    fn escaped_bits(&mut self, backslashes: u64, valid: usize) -> u64 {
        let mut escaped = self.escaped;
        self.escaped = 0;
        let mut left = backslashes & !escaped;
        while left != 0 {
            let at = left.trailing_zeros() as usize;
            if at + 1 == valid {
                self.escaped = 1;
                break;
            }
            escaped |= 2 << at;
            left &= !(3 << at);
        }
        escaped
    }
}

struct NestedTask<'a> {
    scan: &'a mut ElementScan,
    bytes: &'a [u8],
}

impl Task for NestedTask<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Option<usize> {
        let mut scan = *self.scan;
        let (words, tail) = self.bytes.as_chunks::<WORD>();
        let mut found = None;
        for (index, word) in words.iter().enumerate() {
            if let Some(length) = scan.word(simd, word, WORD) {
                found = Some(index * WORD + length);
                break;
            }
        }
        if found.is_none() && !tail.is_empty() {
            let mut word = [b' '; WORD];
            word[..tail.len()].copy_from_slice(tail);
            found = scan.word(simd, &word, tail.len()).map(|length| words.len() * WORD + length);
        }
        *self.scan = scan;
        found
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Behind the `[`.
    First,
    /// Behind a comma.
    Next,
    Element,
    /// Behind an element.
    Behind,
    /// Behind the array's `]`, inside the brackets around it.
    Around,
    /// Behind everything: only blanks may follow.
    After,
}

/// Planning: one pass over an array that checks its structure, counts its elements and finds the anchors. Holds no bytes.
#[derive(Debug)]
pub struct ArrayScan {
    place: Place,
    element: ElementScan,
    kernel: Kernel,
    max_record_bytes: u64,
    /// Brackets around the array.
    outer: u64,
    /// Stream offset of the next byte to come.
    offset: u64,
    element_start: u64,
    tally: Tally,
    /// Line ends of bytes passed beyond those that `tally` has.
    ends_in_cr: bool,
    array_end: Option<(u64, Counts)>,
}

/// The result of a whole pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayEnd {
    /// Stream offset of the array's `]`.
    pub end: u64,
    /// What lies between `data_start` and `end`.
    pub totals: Counts,
    /// Physical line ends from `data_start` to the end of the stream.
    pub lines: u64,
}

impl ArrayScan {
    /// `data_start`: behind the array's `[`, on the physical line `first_line`; `outer`: brackets that are open around the array.
    pub fn new(data_start: u64, first_line: u64, chunk_size: u64, max_record_bytes: u64, outer: u64) -> ArrayScan {
        ArrayScan::with_kernel(data_start, first_line, chunk_size, max_record_bytes, outer, Kernel::best())
    }

    pub fn with_kernel(data_start: u64, first_line: u64, chunk_size: u64, max_record_bytes: u64, outer: u64, kernel: Kernel) -> ArrayScan {
        ArrayScan {
            place: Place::First,
            element: ElementScan::with_kernel(kernel),
            kernel,
            max_record_bytes,
            outer,
            offset: data_start,
            element_start: data_start,
            tally: Tally::new(data_start, first_line, chunk_size),
            ends_in_cr: false,
            array_end: None,
        }
    }

    /// Stream offset up to which bytes were taken.
    pub fn position(&self) -> u64 {
        self.offset
    }

    /// What was passed so far.
    pub fn counts(&self) -> Counts {
        self.tally.counts
    }

    /// Hands out the anchors found, each once.
    pub fn take_anchors(&mut self) -> Vec<Anchor> {
        std::mem::take(&mut self.tally.anchors)
    }

    /// Stream offset of the array's `]`, once it was passed.
    pub fn array_end(&self) -> Option<u64> {
        self.array_end.map(|(end, _)| end)
    }

    /// Nothing before this offset is an anchor, or the array's end, that was not handed out yet.
    pub fn settled(&self) -> u64 {
        self.array_end().unwrap_or_else(|| self.element_start.min(self.offset))
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, block: &[u8]) -> Result<(), Structure> {
        let mut pass = Pass { scan: self, block, at: 0, counted: 0 };
        let end = pass.run();
        pass.count_to(pass.at);
        let passed = pass.at;
        self.offset += passed as u64;
        end
    }

    /// The stream ends here.
    pub fn finish(&self) -> Result<ArrayEnd, Structure> {
        let why = match (self.place, self.array_end) {
            (Place::After, Some((end, totals))) => return Ok(ArrayEnd { end, totals, lines: self.tally.counts.lines }),
            (Place::Element, _) if self.element.is_inside_text() => "it ends inside a string",
            (Place::Around, _) => "it ends inside the brackets around the array",
            _ => "it ends before the array does",
        };
        Err(Structure { offset: self.offset, why })
    }
}

/// One block on its way.
struct Pass<'a> {
    scan: &'a mut ArrayScan,
    block: &'a [u8],
    at: usize,
    /// Line ends are counted up to here.
    counted: usize,
}

impl Pass<'_> {
    fn run(&mut self) -> Result<(), Structure> {
        while self.at < self.block.len() {
            match self.scan.place {
                Place::Element => self.element(),
                Place::Around => self.around(),
                _ => self.gap()?,
            }
        }
        Ok(())
    }

    fn count_to(&mut self, end: usize) {
        let piece = &self.block[self.counted..end];
        let (Some(&first), Some(&last)) = (piece.first(), piece.last()) else { return };
        let joined = u64::from(self.scan.ends_in_cr && first == b'\n');
        self.scan.tally.counts.lines += count_line_ends(piece, None) - joined;
        self.scan.ends_in_cr = last == b'\r';
        self.counted = end;
    }

    fn offset(&self) -> u64 {
        self.scan.offset + self.at as u64
    }

    fn element(&mut self) {
        match self.scan.element.take(&self.block[self.at..]) {
            None => self.at = self.block.len(),
            Some(length) => {
                self.at += length;
                let scan = &mut *self.scan;
                let is_too_large = scan.offset + self.at as u64 - scan.element_start > scan.max_record_bytes;
                scan.tally.counts.records += 1;
                scan.tally.counts.damages += u64::from(is_too_large);
                scan.place = Place::Behind;
            }
        }
    }

    fn around(&mut self) {
        let taken = self.scan.element.take(&self.block[self.at..]);
        self.at = taken.map_or(self.block.len(), |length| self.at + length);
        if taken.is_some() {
            self.scan.place = Place::After;
        }
    }

    /// Between elements: blanks, and one byte that says how it goes on.
    fn gap(&mut self) -> Result<(), Structure> {
        let rest = &self.block[self.at..];
        let blanks = rest.iter().position(|&byte| !is_blank(byte)).unwrap_or(rest.len());
        self.at += blanks;
        let Some(&byte) = self.block.get(self.at) else { return Ok(()) };
        let broken = |why| Err(Structure { offset: self.scan.offset + self.at as u64, why });
        match (self.scan.place, byte) {
            (Place::First | Place::Behind, b']') => self.array_end(),
            (Place::Behind, b',') => self.comma(),
            (Place::Behind, _) => return broken("expected a comma or the end of the array behind an element"),
            (Place::After, _) => return broken("expected nothing behind the array"),
            (_, b',' | b']' | b'}') => return broken("expected an element"),
            _ => self.begin(),
        }
        Ok(())
    }

    fn begin(&mut self) {
        let scan = &mut *self.scan;
        if scan.place == Place::First {
            // The anchor of the first extent is known to hold an element only now.
            let counts = std::mem::take(&mut scan.tally.counts);
            let data_start = scan.tally.data_start();
            scan.tally.pass(data_start);
            scan.tally.counts = counts;
        }
        scan.element_start = scan.offset + self.at as u64;
        scan.element = ElementScan::with_kernel(scan.kernel);
        scan.place = Place::Element;
    }

    fn comma(&mut self) {
        self.at += 1;
        if self.offset() >= self.scan.tally.target() {
            self.count_to(self.at);
            let offset = self.offset();
            self.scan.tally.pass(offset);
        }
        self.scan.place = Place::Next;
    }

    fn array_end(&mut self) {
        self.count_to(self.at);
        let scan = &mut *self.scan;
        scan.array_end = Some((scan.offset + self.at as u64, scan.tally.counts));
        self.at += 1;
        scan.element = ElementScan { kernel: scan.kernel, ..ElementScan::inside_brackets(scan.outer) };
        scan.place = if scan.outer == 0 { Place::After } else { Place::Around };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Plan by definition: bytes one by one.
    #[derive(Debug, PartialEq)]
    struct Plain {
        elements: Vec<(usize, usize)>,
        end: usize,
    }

    fn plain(bytes: &[u8], outer: u64) -> Result<Plain, Structure> {
        let broken = |offset: usize, why| Err(Structure { offset: offset as u64, why });
        let (mut at, mut elements) = (0, Vec::new());
        let mut is_first = true;
        let end = loop {
            while at < bytes.len() && is_blank(bytes[at]) {
                at += 1;
            }
            match bytes.get(at) {
                None => return broken(at, "it ends before the array does"),
                Some(b']') if is_first => break at,
                Some(b',' | b']' | b'}') => return broken(at, "expected an element"),
                Some(_) => {}
            }
            is_first = false;
            let start = at;
            at = plain_value(bytes, at, 0)?;
            elements.push((start, at));
            while at < bytes.len() && is_blank(bytes[at]) {
                at += 1;
            }
            match bytes.get(at) {
                None => return broken(at, "it ends before the array does"),
                Some(b',') => at += 1,
                Some(b']') => break at,
                Some(_) => return broken(at, "expected a comma or the end of the array behind an element"),
            }
        };
        at = end + 1;
        if outer > 0 {
            at = plain_value(bytes, at, outer)
                .map_err(|error| Structure { why: "it ends inside the brackets around the array", ..error })?;
        }
        match bytes[at..].iter().position(|&byte| !is_blank(byte)) {
            Some(extra) => broken(at + extra, "expected nothing behind the array"),
            None => Ok(Plain { elements, end }),
        }
    }

    fn plain_value(bytes: &[u8], start: usize, outer: u64) -> Result<usize, Structure> {
        let (mut depth, mut inside, mut escaped) = (outer, false, false);
        let is_token = outer == 0 && !matches!(bytes[start], b'{' | b'[' | b'"');
        let is_text = outer == 0 && bytes[start] == b'"';
        for (at, &byte) in bytes.iter().enumerate().skip(start) {
            if is_token {
                if is_blank(byte) || b",]}[{\"".contains(&byte) {
                    return Ok(at);
                }
                continue;
            }
            let was_escaped = std::mem::replace(&mut escaped, false);
            match byte {
                b'\\' => escaped = !was_escaped,
                b'"' if was_escaped => {}
                b'"' => {
                    inside = !inside;
                    if is_text && !inside {
                        return Ok(at + 1);
                    }
                }
                b'{' | b'[' if !inside && !is_text => depth += 1,
                b'}' | b']' if !inside && !is_text => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(at + 1);
                    }
                }
                _ => {}
            }
        }
        let why = if inside { "it ends inside a string" } else { "it ends before the array does" };
        Err(Structure { offset: bytes.len() as u64, why })
    }

    fn pushed(
        bytes: &[u8],
        start: usize,
        chunk_size: u64,
        outer: u64,
        block: usize,
        kernel: Kernel,
    ) -> Result<(Vec<Anchor>, ArrayEnd), Structure> {
        let mut scan = ArrayScan::with_kernel(start as u64, 3, chunk_size, 12, outer, kernel);
        let mut anchors = Vec::new();
        for block in bytes[start..].chunks(block) {
            scan.push(block)?;
            anchors.extend(scan.take_anchors());
        }
        scan.finish().map(|end| (anchors, end))
    }

    fn lines(bytes: &[u8]) -> u64 {
        count_line_ends(bytes, None)
    }

    fn defined(bytes: &[u8], start: usize, chunk_size: u64, outer: u64) -> Result<(Vec<Anchor>, ArrayEnd), Structure> {
        let shifted = |error: Structure| Structure { offset: error.offset + start as u64, ..error };
        let found = plain(&bytes[start..], outer).map_err(shifted)?;
        let mut anchors = Vec::new();
        let (mut counts, mut extent_start, mut target) = (Counts::default(), start, start as u64);
        for &(from, to) in &found.elements {
            if extent_start as u64 >= target {
                counts.lines = lines(&bytes[start..extent_start]);
                anchors.push(Anchor { offset: extent_start as u64, record: counts.records + 1, line: 3 + counts.lines, before: counts });
                while target <= extent_start as u64 {
                    target += chunk_size;
                }
            }
            counts.records += 1;
            counts.damages += u64::from(to - from > 12);
            extent_start = start + to + bytes[start + to..].iter().position(|&byte| byte == b',').map_or(0, |at| at + 1);
        }
        let end = start + found.end;
        counts.lines = lines(&bytes[start..end]);
        Ok((anchors, ArrayEnd { end: end as u64, totals: counts, lines: lines(&bytes[start..]) }))
    }

    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let pieces: Vec<&'static [u8]> = vec![
            b"{\"a\":1}",
            b"{\"a\":[1,{\"b\":\"}]\"}],\"c\":\"x\\\"y\\\\\"}",
            b"{\"long\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\\\\\\"\"}",
            b"\"a\\\"b\"",
            b"12",
            b"null",
            b"abc",
            b"[[],[]]",
            b"{\"a\":1]",
            b"{",
            b"}",
            b"\"",
            b"\\",
            b"]",
            b",",
        ];
        let separators: Vec<&'static [u8]> = vec![b",", b",", b",", b",\n  ", b" ,\r\n", b"\r,\n", b"", b" "];
        let element = (prop::sample::select(pieces), prop::sample::select(separators));
        let ends: Vec<&'static [u8]> = vec![b"1]", b"{}\r\n]\r\n", b"]", b"1]}}", b"1] ,\"k\":{\"x\":[1]}}}", b"2", b"1]x"];
        (prop::collection::vec(element, 0..8), prop::sample::select(ends), any::<bool>()).prop_map(|(elements, end, tame)| {
            let mut bytes: Vec<u8> = Vec::new();
            for (element, separator) in elements {
                bytes.extend_from_slice(element);
                bytes.extend_from_slice(if tame && !separator.contains(&b',') { b"," } else { separator });
            }
            bytes.extend_from_slice(end);
            bytes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8_000) })]

        #[test]
        fn any_block_equals_the_definition(
            bytes in hostile(), start in 0_usize..70, chunk_size in 1_u64..60, outer in 0_u64..3, block in 1_usize..200,
        ) {
            let mut all = vec![b'\n'; start];
            all.extend_from_slice(&bytes);
            let want = defined(&all, start, chunk_size, outer);
            for kernel in Kernel::all() {
                prop_assert_eq!(&pushed(&all, start, chunk_size, outer, block, kernel), &want, "kernel {}", kernel.name());
            }
        }
    }

    #[test]
    fn structures_by_hand() {
        for (text, want) in [
            ("]", Ok(0)),
            (" ] \n", Ok(0)),
            ("{},{}]", Ok(2)),
            ("{},]", Err((3, "expected an element"))),
            (",{}]", Err((0, "expected an element"))),
            ("{} {}]", Err((3, "expected a comma or the end of the array behind an element"))),
            ("{}}", Err((2, "expected a comma or the end of the array behind an element"))),
            ("1 2]", Err((2, "expected a comma or the end of the array behind an element"))),
            ("{\"a\":\"]", Err((7, "it ends inside a string"))),
            ("{\"a\":[1]", Err((8, "it ends before the array does"))),
            ("{}", Err((2, "it ends before the array does"))),
            ("{}]]", Err((3, "expected nothing behind the array"))),
            ("\"a", Err((2, "it ends inside a string"))),
            ("tru,nope,-]", Ok(3)),
        ] {
            let found = pushed(text.as_bytes(), 0, 1, 0, 3, Kernel::best());
            let found = found.map(|(_, end)| end.totals.records).map_err(|error| (error.offset, error.why));
            assert_eq!(found, want, "{text:?}");
        }
    }
}
