//! The fast path: record ends from masks of 64-byte words, for as long as it can prove that the canonical rule finds the same.
//!
//! What is proven of each record: every quote opens at a field start and closes before a separator, every escape escapes something
//! it may, a record over several lines has A fields, none is over its limits, and no comment line is met. At the first record for
//! which one of these does not hold the path halts at that record's start, and the caller asks `next_extent`. Nothing found before
//! is in doubt, since no end is taken inside quotes.

use crate::dialect::{Rules, Terminator};
use crate::masks::{BLOCK_WORDS, BlockRoom, Edge, Kernel, Needles, Simd, Task, WORD};

/// Words counted between two looks at the limits: long enough that the state of the scan stays in registers.
const COUNTED_WORDS: usize = BLOCK_WORDS;
/// Words that are counted one by one behind a block that could not be counted at once: where quotes hold line ends, most cannot.
const WORDS_BEHIND_ODD: usize = 8 * BLOCK_WORDS;

/// A proven record or blank line. Offsets count from the window's start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proven {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) fields: usize,
    /// Physical line ends.
    pub(crate) lines: u64,
    pub(crate) is_several_lines: bool,
    pub(crate) is_blank: bool,
}

pub(crate) enum Flow {
    Go,
    /// The record is taken and the last one.
    StopBehind,
    /// The record is not taken.
    StopBefore,
}

/// Who wants to know what is found.
pub(crate) trait Sink {
    /// Whether the separators and quotes of each word are wanted.
    const WANTS_SEPARATORS: bool;
    /// Records that end before this offset may be given in bulk; 0: none.
    fn bulk_before(&self) -> usize;
    fn bulk(&mut self, records: u64, blanks: u64);
    fn record(&mut self, record: Proven) -> Flow;
    /// `base`: offset of the word. Separators: delimiters, and the first byte of each terminator, outside quotes. `quoted`: quotes
    /// at the start of a field; `escaped`: the second of two doubled quotes, and escapes.
    fn separators<S: Simd>(&mut self, simd: S, base: usize, separators: u64, quoted: u64, escaped: u64);
    /// Words that end before this offset may be given in a block: separators alone, and then how many of them are line ends. `from`: what
    /// the first of them begins with.
    fn block_until(&self, from: usize) -> usize {
        from
    }
    /// What `end_block` is to be given, so that it can undo the block.
    fn begin_block(&self) -> usize {
        0
    }
    /// Takes the records that end in a block, each at one of `lines` LF. None, with all separators of the block forgotten, if one of these
    /// records has another number of fields than A.
    fn end_block(&mut self, _begun: usize, _lines: usize) -> Option<OpenRecord> {
        None
    }
}

/// The record that has begun when a block ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenRecord {
    pub(crate) start: usize,
    pub(crate) delimiters: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// Everything that can be proven of the window is given. At the end of the stream: everything.
    WindowEnd,
    /// The record that begins where the path halted needs the canonical rule.
    Unproven,
    /// The sink said stop.
    Sink,
}

/// Where the path stands: `consumed` is an extent start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reached {
    pub(crate) consumed: usize,
    pub(crate) halt: Halt,
}

/// The parts of the rules that the masks need; None for dialects that only the strict machine can read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FastRules {
    needles: Needles,
    /// LF, CR LF and lone CR end records; else LF alone.
    any_terminator: bool,
    double_quote: bool,
    /// Record starts must be looked at one by one.
    has_comments: bool,
    limit: usize,
    max_lines: u64,
    columns: usize,
}

impl FastRules {
    pub(crate) fn of(rules: &Rules) -> Option<FastRules> {
        let dialect = rules.dialect();
        let [delimiter] = dialect.delimiter[..] else { return None };
        let any_terminator = match &dialect.terminator {
            Terminator::Any => true,
            Terminator::Bytes(bytes) if bytes == b"\n" => false,
            Terminator::Bytes(_) => return None,
        };
        // A CR that is a delimiter, quote or escape would be two things in one mask.
        let is_cr_taken = [Some(delimiter), dialect.quote, dialect.escape].contains(&Some(b'\r'));
        (!is_cr_taken).then(|| FastRules {
            needles: Needles { delimiter, quote: dialect.quote, escape: dialect.escape },
            any_terminator,
            double_quote: dialect.double_quote,
            has_comments: dialect.comment.is_some() || !dialect.comment_offsets.is_empty(),
            limit: usize::try_from(rules.limits().max_record_bytes).unwrap_or(usize::MAX),
            max_lines: rules.limits().max_record_lines,
            columns: rules.columns(),
        })
    }
}

impl FastRules {
    /// The common dialect: any line end, doubled quotes, no escape, no comments, and records longer than a word allowed.
    fn is_plain(&self) -> bool {
        let needles = &self.needles;
        self.any_terminator
            && self.double_quote
            && needles.quote.is_some()
            && needles.escape.is_none()
            && !self.has_comments
            && self.limit >= WORD
    }
}

/// Bytes to be scanned from an extent start, which is their first.
#[derive(Clone, Copy)]
pub(crate) struct Span<'a> {
    pub(crate) window: &'a [u8],
    pub(crate) at_end: bool,
    pub(crate) offset: u64,
    pub(crate) rules: &'a Rules,
    pub(crate) fast: FastRules,
}

/// Gives `sink` the records from the window's start on.
pub(crate) fn scan<K: Sink>(kernel: Kernel, span: Span<'_>, sink: &mut K) -> Reached {
    match span.fast.is_plain() {
        true => kernel.run(ScanTask::<K, true> { span, sink }),
        false => kernel.run(ScanTask::<K, false> { span, sink }),
    }
}

/// `PLAIN`: the dialect is that of `FastRules::is_plain`, so that the compiler drops what other dialects need.
struct ScanTask<'a, 's, K: Sink, const PLAIN: bool> {
    span: Span<'a>,
    sink: &'s mut K,
}

impl<K: Sink, const PLAIN: bool> Task for ScanTask<'_, '_, K, PLAIN> {
    type Output = Reached;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Reached {
        let window = self.span.window;
        let mut scan = Scan::<S, PLAIN>::new(self.span, simd, self.sink.bulk_before());
        if scan.is_comment_at(0) {
            return Reached { consumed: 0, halt: Halt::Unproven };
        }
        let (words, _) = window.as_chunks::<WORD>();
        // The last word has no byte behind it and is judged as a tail.
        let words = &words[..window.len().saturating_sub(1) / WORD];
        let mut at = 0;
        while at < words.len() {
            if PLAIN {
                at = if K::WANTS_SEPARATORS { scan.index_words(words, at, self.sink) } else { scan.count_words(words, at) };
                if at == words.len() {
                    break;
                }
            }
            let base = at * WORD;
            if let Some(halt) = scan.word::<K, false>(base, &words[at], WORD, window[base + WORD] == b'\n', self.sink) {
                return scan.reached(halt, self.sink);
            }
            at += 1;
        }
        let base = words.len() * WORD;
        let tail = &window[base..];
        if !tail.is_empty() {
            let mut word = [0; WORD];
            word[..tail.len()].copy_from_slice(tail);
            if let Some(halt) = scan.word::<K, true>(base, &word, tail.len(), false, self.sink) {
                return scan.reached(halt, self.sink);
            }
        }
        let halt = scan.end_of_window(self.sink);
        scan.reached(halt, self.sink)
    }
}

struct Scan<'a, S: Simd, const PLAIN: bool> {
    span: Span<'a>,
    needles: Needles,
    simd: S,
    /// All ones inside quotes.
    inside: u64,
    /// The bytes right before the word: bit 63 of the masks of the last one.
    last_separator: u64,
    last_close: u64,
    last_cr: u64,
    last_ends: u64,
    escape_carry: u64,
    /// Since the end of the last record: delimiters outside quotes, terminators inside, physical line ends.
    delimiters: usize,
    inner_ends: u64,
    lines: u64,
    last_end: usize,
    /// Counted, but not yet given to the sink: kept here because the sink is in memory and this in registers.
    bulk_records: u64,
    bulk_blanks: u64,
    bulk_before: usize,
    /// A CR was met: lines may end in one.
    has_cr: bool,
    /// Words before this one are not tried as a block: a record in them has another number of fields.
    no_block_before: usize,
    /// As `no_block_before`, of blocks that are counted.
    no_clean_before: usize,
    room: BlockRoom,
}

/// The masks of one word that the records are made of.
#[derive(Clone, Copy)]
struct Word {
    base: usize,
    delimiters: u64,
    /// Last byte of each terminator outside quotes.
    ends: u64,
    /// Terminators inside quotes.
    inner: u64,
    /// Physical line ends.
    lines: u64,
    /// The first set bit is where the proof fails.
    violations: u64,
    blanks: u64,
}

impl<'a, S: Simd, const PLAIN: bool> Scan<'a, S, PLAIN> {
    #[inline(always)]
    fn new(span: Span<'a>, simd: S, bulk_before: usize) -> Self {
        let mut needles = span.fast.needles;
        if PLAIN {
            needles = Needles { delimiter: needles.delimiter, quote: Some(needles.quote.unwrap_or(b'"')), escape: None };
        }
        // The start is as good as a terminator right before it.
        Scan {
            span,
            needles,
            simd,
            inside: 0,
            last_separator: 1,
            last_close: 0,
            last_cr: 0,
            last_ends: 1 << 63,
            escape_carry: 0,
            delimiters: 0,
            inner_ends: 0,
            lines: 0,
            last_end: 0,
            bulk_records: 0,
            bulk_blanks: 0,
            bulk_before,
            has_cr: false,
            no_block_before: 0,
            no_clean_before: 0,
            room: BlockRoom::default(),
        }
    }

    #[inline(always)]
    fn reached<K: Sink>(&mut self, halt: Halt, sink: &mut K) -> Reached {
        self.give_bulk(sink);
        Reached { consumed: self.last_end, halt }
    }

    #[inline(always)]
    fn give_bulk<K: Sink>(&mut self, sink: &mut K) {
        if self.bulk_records + self.bulk_blanks > 0 {
            sink.bulk(self.bulk_records, self.bulk_blanks);
            self.bulk_records = 0;
            self.bulk_blanks = 0;
        }
    }

    #[inline(always)]
    fn any_terminator(&self) -> bool {
        PLAIN || self.span.fast.any_terminator
    }

    /// `TAIL`: no byte of the window follows the word, of which `valid` bytes are the window's. `lf_follows`: the byte behind the
    /// word is an LF.
    #[inline(always)]
    fn word<K: Sink, const TAIL: bool>(
        &mut self,
        base: usize,
        bytes: &[u8; WORD],
        valid: usize,
        lf_follows: bool,
        sink: &mut K,
    ) -> Option<Halt> {
        let word = self.classify::<K, TAIL>(base, bytes, valid, lf_follows, sink);
        let is_plain = (word.violations | word.inner | self.inner_ends | (word.lines ^ word.ends) | self.lines) == 0;
        let may_count = PLAIN || (self.span.fast.limit >= WORD && !self.span.fast.has_comments);
        if !TAIL && is_plain && may_count && base + WORD < self.bulk_before {
            return self.bulk(word);
        }
        self.record_by_record(word, sink)
    }

    /// Counts words of the plain dialect in which every record stands on one line of its own, from word `at` on: what most words of
    /// most files are. Gives the first word that is not such a one, or comes too late for bulk. Delimiters are not counted: only
    /// records over several lines need them.
    #[inline(always)]
    fn count_words(&mut self, words: &[[u8; WORD]], mut at: usize) -> usize {
        // As many words as end before `bulk_before`.
        let until = words.len().min(self.bulk_before.saturating_sub(1) / WORD);
        let from = at;
        while at < until && (self.inner_ends | self.lines) == 0 {
            let end = until.min(at + COUNTED_WORDS);
            if end * WORD - self.last_end > self.span.fast.limit {
                break;
            }
            let may_have_cr = self.has_cr || self.last_cr != 0;
            if !may_have_cr && at >= self.no_clean_before && self.count_clean(&words[at..end], at) {
                at = end;
                continue;
            }
            let reached = match may_have_cr {
                true => self.count_block::<true>(words, at, end),
                false => self.count_block::<false>(words, at, end),
            };
            at = reached;
            if reached < end {
                break;
            }
        }
        if at > from {
            self.delimiters = self.count_delimiters(at * WORD);
        }
        at
    }

    /// All of `words`, which begin with word `from`, at once, if they are a whole block and all is as in most files. Else nothing is counted, and
    /// the next blocks are not tried.
    #[inline(always)]
    fn count_clean(&mut self, words: &[[u8; WORD]], from: usize) -> bool {
        let Ok(block) = words.try_into() else { return false };
        let last_data = !(self.inside | self.last_separator | self.last_close) & 1;
        let before = Edge { inside: self.inside, quote: self.last_close, end: self.last_ends >> 63, data: last_data };
        let quote = self.needles.quote.unwrap_or(b'"');
        let Some(clean) = self.simd.clean_block(block, self.needles.delimiter, quote, before, &mut self.room) else {
            self.no_clean_before = from + WORDS_BEHIND_ODD;
            return false;
        };
        let edge = clean.edge;
        self.inside = edge.inside;
        self.last_close = edge.quote & !edge.inside;
        self.last_separator = !(edge.inside | edge.quote | edge.data) & 1;
        self.last_ends = clean.last_ends;
        self.bulk_records += clean.line_ends;
        if clean.last_record_end > 0 {
            self.last_end = from * WORD + clean.last_record_end;
        }
        true
    }

    /// Some words of `count_words`, too few for a record over the limit. Neither quotes nor line ends cost a branch: which words hold
    /// any is hard to foretell. Without `CR`, a word with a CR or a blank line is left to others.
    ///
    /// P1 and P2 together: outside quotes, no byte of data stands right before or behind a quote. The data byte shows that the quote
    /// beside it opens or closes, so that the two need not be told apart.
    #[inline(always)]
    fn count_block<const CR: bool>(&mut self, words: &[[u8; WORD]], from: usize, until: usize) -> usize {
        let needles = self.needles;
        let mut inside = self.inside;
        // Of the byte before the word, each 0 or 1.
        let (mut last_quote, mut last_cr, mut last_end) = (self.last_close, self.last_cr, self.last_ends >> 63);
        let mut last_data = !(inside | self.last_separator | self.last_close) & 1;
        let mut line_ends = 0;
        let mut blanks = 0;
        let mut before_last_end = self.last_ends >> 62;
        let mut ends_of = [0_u64; COUNTED_WORDS];
        let mut counted = 0;
        for (word, slot) in words[from..until].iter().zip(&mut ends_of) {
            let masks = self.simd.masks(word, &needles);
            let now_inside = self.simd.prefix_xor(masks.quote) ^ inside;
            let mut data = !(now_inside | masks.delimiter | masks.lf | masks.quote);
            let mut ends = masks.lf;
            if CR {
                let lf_follows = self.span.window[(from + counted + 1) * WORD] == b'\n';
                ends |= masks.cr & !(masks.lf >> 1 | u64::from(lf_follows) << 63);
                data &= !masks.cr;
            }
            let badly_quoted = (behind(data, last_data) & masks.quote) | (behind(masks.quote, last_quote) & data);
            let blank_by_one = behind(ends, last_end) & ends;
            // Line ends inside quotes are left to others, so that all the rest end records.
            let odd = badly_quoted | (ends & now_inside) | if CR { 0 } else { masks.cr | blank_by_one };
            if odd != 0 {
                break;
            }
            if CR {
                let blank_by_two = masks.lf & behind(masks.cr, last_cr) & (ends << 2 | before_last_end);
                blanks += u64::from((blank_by_one | blank_by_two).count_ones());
                last_cr = masks.cr >> 63;
                before_last_end = ends >> 62;
            }
            *slot = ends;
            line_ends += u64::from(ends.count_ones());
            inside = ((now_inside as i64) >> 63) as u64;
            (last_quote, last_data, last_end) = (masks.quote >> 63, data >> 63, ends >> 63);
            counted += 1;
        }
        if counted == 0 {
            self.has_cr |= words[from].contains(&b'\r');
            return from;
        }
        self.inside = inside;
        self.last_close = last_quote & !inside;
        self.last_separator = !(inside | last_quote | last_data) & 1;
        self.last_cr = last_cr;
        self.last_ends = ends_of[counted - 1];
        self.bulk_records += line_ends - blanks;
        self.bulk_blanks += blanks;
        if let Some(last) = ends_of[..counted].iter().rposition(|&ends| ends != 0) {
            self.last_end = (from + last + 1) * WORD - ends_of[last].leading_zeros() as usize;
        }
        from + counted
    }

    /// Gives the separators of words like those that `count_words` counts, from word `at` on, as long as every CR stands before an LF and every
    /// record has A fields: a block at a time, since to look at each record where it ends costs as much as all the rest. Gives the first word
    /// that belongs to no such block.
    #[inline(always)]
    fn index_words<K: Sink>(&mut self, words: &[[u8; WORD]], mut at: usize, sink: &mut K) -> usize {
        while at >= self.no_block_before && (self.inner_ends | self.lines | self.last_cr) == 0 {
            let end = (at + COUNTED_WORDS).min(words.len()).min(sink.block_until(at * WORD) / WORD);
            if end <= at || end * WORD - self.last_end > self.span.fast.limit {
                break;
            }
            let had_cr = self.has_cr;
            let reached = match had_cr {
                true => self.index_block::<K, true>(words, at, end, sink),
                false => self.index_block::<K, false>(words, at, end, sink),
            };
            if reached == at && self.has_cr && !had_cr {
                continue;
            }
            at = reached;
            if reached < end {
                break;
            }
        }
        at
    }

    /// As `count_block`, which says why the one look at quotes proves the same. Without `CR`, a word with a CR is left to others.
    #[inline(always)]
    fn index_block<K: Sink, const CR: bool>(&mut self, words: &[[u8; WORD]], from: usize, until: usize, sink: &mut K) -> usize {
        let needles = self.needles;
        let mut inside = self.inside;
        let (mut last_close, mut last_separator, mut last_ends) = (self.last_close, self.last_separator, self.last_ends);
        let (mut last_quote, mut last_data) = (last_close, !(inside | last_separator | last_close) & 1);
        let mut last_cr = 0;
        let mut lines = 0;
        let mut at = from;
        let begun = sink.begin_block();
        while at < until {
            let masks = self.simd.masks(&words[at], &needles);
            let now_inside = self.simd.prefix_xor(masks.quote) ^ inside;
            // Without `CR` there is none.
            let cr = if CR { masks.cr } else { 0 };
            let separators = (masks.delimiter | masks.lf | cr) & !now_inside;
            let data = !(now_inside | masks.delimiter | masks.lf | cr | masks.quote);
            let badly_quoted = (behind(data, last_data) & masks.quote) | (behind(masks.quote, last_quote) & data);
            let blank = behind(masks.lf, last_ends >> 63) & (masks.lf | cr);
            let odd_cr = match CR {
                false => masks.cr,
                true => {
                    let lf_follows = self.span.window[(at + 1) * WORD] == b'\n';
                    let lone = cr & !(masks.lf >> 1 | u64::from(lf_follows) << 63);
                    // The LF of the last word's CR would be another block's.
                    lone | if at + 1 == until { cr & 1 << 63 } else { 0 }
                }
            };
            if (badly_quoted | ((masks.lf | cr) & now_inside) | odd_cr | blank) != 0 {
                break;
            }
            let (mut opens_field, mut doubled) = (0, 0);
            if masks.quote != 0 {
                let opening = masks.quote & now_inside;
                opens_field = opening & behind(separators, last_separator);
                doubled = opening & behind(masks.quote & !now_inside, last_close);
            }
            // A terminator begins with its CR.
            let starts = if CR { separators & !(masks.lf & behind(cr, last_cr)) } else { separators };
            sink.separators(self.simd, at * WORD, starts, opens_field, doubled);
            lines += (starts & (masks.lf | cr)).count_ones() as usize;
            inside = ((now_inside as i64) >> 63) as u64;
            (last_close, last_separator, last_ends) = ((masks.quote & !now_inside) >> 63, separators >> 63, masks.lf);
            (last_quote, last_data) = (masks.quote >> 63, data >> 63);
            last_cr = cr >> 63;
            at += 1;
        }
        if at == from {
            self.has_cr |= words[from].contains(&b'\r');
            return from;
        }
        // A record that is cut between its CR and its LF is as good as one with another number of fields.
        let Some(open) = sink.end_block(begun, if last_cr == 0 { lines } else { usize::MAX }) else {
            self.no_block_before = at;
            return from;
        };
        self.inside = inside;
        (self.last_close, self.last_separator, self.last_ends) = (last_close, last_separator, last_ends);
        (self.last_end, self.delimiters) = (open.start, open.delimiters);
        at
    }

    /// Delimiters outside quotes from the end of the last record to `until`, in the plain dialect.
    #[inline(always)]
    fn count_delimiters(&self, until: usize) -> usize {
        let (words, tail) = self.span.window[self.last_end..until].as_chunks::<WORD>();
        let mut last = [0; WORD];
        last[..tail.len()].copy_from_slice(tail);
        let behind_tail = u64::MAX.checked_shl(tail.len() as u32).unwrap_or(0);
        let (mut inside, mut count) = (0, 0);
        for (word, ignored) in words.iter().map(|word| (word, 0)).chain([(&last, behind_tail)]) {
            let masks = self.simd.masks(word, &self.needles);
            let now_inside = self.simd.prefix_xor(masks.quote) ^ inside;
            count += (masks.delimiter & !now_inside & !ignored).count_ones() as usize;
            inside = ((now_inside as i64) >> 63) as u64;
        }
        count
    }

    #[inline(always)]
    fn classify<K: Sink, const TAIL: bool>(
        &mut self,
        base: usize,
        bytes: &[u8; WORD],
        valid: usize,
        lf_follows: bool,
        sink: &mut K,
    ) -> Word {
        let mut masks = self.simd.masks(bytes, &self.needles);
        let in_window = if TAIL { u64::MAX >> (WORD - valid) } else { u64::MAX };
        masks.delimiter &= in_window;
        masks.quote &= in_window;
        masks.escape &= in_window;
        let mut bad_escapes = 0;
        let mut escaped = 0;
        if self.needles.escape.is_some() {
            escaped = find_escaped(masks.escape, &mut self.escape_carry);
            // Escaped line ends are legal but rare, and a CR LF is escaped as one: left to the canonical rule.
            bad_escapes = escaped & !(masks.quote | masks.escape | masks.delimiter) & in_window;
        }
        let quotes = masks.quote & !escaped;
        let inside = self.simd.prefix_xor(quotes) ^ self.inside;
        self.inside = ((inside as i64) >> 63) as u64;
        let opening = quotes & inside;
        let closing = quotes & !inside;

        let mut lone_cr = masks.cr & !(masks.lf >> 1 | u64::from(lf_follows) << 63);
        if TAIL && !self.span.at_end {
            // An LF may follow: whoever has the next bytes will see.
            lone_cr &= !(1 << (valid - 1));
        }
        let lines = masks.lf | lone_cr;
        let delimiters = masks.delimiter & !inside & !escaped;
        let (terminators, ends, inner) = match self.any_terminator() {
            true => ((masks.lf | masks.cr) & !inside, lines & !inside, lines & inside),
            false => (masks.lf & !inside, masks.lf & !inside, masks.lf & inside),
        };

        let separators = delimiters | terminators;
        let behind_separator = separators << 1 | self.last_separator;
        let behind_close = closing << 1 | self.last_close;
        let (may_open, may_follow) = match PLAIN || self.span.fast.double_quote {
            true => (behind_separator | behind_close, separators | quotes),
            false => (behind_separator, separators),
        };
        let violations = (opening & !may_open) | (behind_close & !may_follow & in_window) | bad_escapes;

        let cr_before = masks.cr << 1 | self.last_cr;
        let blank_by_one = ends & (ends << 1 | self.last_ends >> 63);
        let blank_by_two = if self.any_terminator() { ends & masks.lf & cr_before & (ends << 2 | self.last_ends >> 62) } else { 0 };

        if K::WANTS_SEPARATORS {
            let starts = if self.any_terminator() { separators & !(masks.lf & cr_before) } else { separators };
            sink.separators(self.simd, base, starts, opening & behind_separator, (opening & behind_close) | masks.escape);
        }
        self.last_separator = separators >> 63;
        self.last_close = closing >> 63;
        self.last_cr = masks.cr >> 63;
        self.last_ends = ends;
        Word { base, delimiters, ends, inner, lines, violations, blanks: blank_by_one | blank_by_two }
    }

    /// A word in which every record stands on one line of its own: counted, not looked at one by one.
    #[inline(always)]
    fn bulk(&mut self, word: Word) -> Option<Halt> {
        if word.ends == 0 {
            self.delimiters += word.delimiters.count_ones() as usize;
            return (word.base + WORD - self.last_end > self.span.fast.limit).then_some(Halt::Unproven);
        }
        let first_end = word.base + word.ends.trailing_zeros() as usize + 1;
        if first_end - self.last_end > self.span.fast.limit {
            return Some(Halt::Unproven);
        }
        let behind = word.ends.leading_zeros();
        self.last_end = word.base + WORD - behind as usize;
        self.delimiters = (word.delimiters & !(u64::MAX >> behind)).count_ones() as usize;
        let blanks = u64::from(word.blanks.count_ones());
        self.bulk_records += u64::from(word.ends.count_ones()) - blanks;
        self.bulk_blanks += blanks;
        None
    }

    #[inline(always)]
    fn record_by_record<K: Sink>(&mut self, word: Word, sink: &mut K) -> Option<Halt> {
        self.give_bulk(sink);
        let proven = match word.violations {
            0 => u64::MAX,
            violations => (violations & violations.wrapping_neg()) - 1,
        };
        let mut ends = word.ends & proven;
        let mut from = u64::MAX;
        // Most words hold no line end but those that end records; then the masks of the others need no counting.
        let has_odd_lines = (word.inner | self.inner_ends | self.lines | (word.lines ^ word.ends)) != 0;
        while ends != 0 {
            let up_to = ends ^ (ends - 1);
            let part = from & up_to;
            let record = Proven {
                start: self.last_end,
                end: word.base + ends.trailing_zeros() as usize + 1,
                fields: self.delimiters + (word.delimiters & part).count_ones() as usize + 1,
                lines: if has_odd_lines { self.lines + u64::from((word.lines & part).count_ones()) } else { 1 },
                is_several_lines: false,
                is_blank: false,
            };
            let inner_ends = if has_odd_lines { self.inner_ends + u64::from((word.inner & part).count_ones()) } else { 0 };
            if let Some(halt) = self.take(record, inner_ends, sink) {
                return Some(halt);
            }
            from = !up_to;
            ends &= from;
        }
        if word.violations != 0 {
            return Some(Halt::Unproven);
        }
        self.delimiters += (word.delimiters & from).count_ones() as usize;
        if has_odd_lines {
            self.inner_ends += u64::from((word.inner & from).count_ones());
            self.lines += u64::from((word.lines & from).count_ones());
        }
        self.bulk_before = sink.bulk_before();
        let reached = (word.base + WORD).min(self.span.window.len());
        (reached - self.last_end > self.span.fast.limit || self.inner_ends >= self.span.fast.max_lines).then_some(Halt::Unproven)
    }

    /// Proves the rest of a record whose end is known, and gives it to the sink.
    #[inline(always)]
    fn take<K: Sink>(&mut self, mut record: Proven, inner_ends: u64, sink: &mut K) -> Option<Halt> {
        let length = record.end - record.start;
        if length > self.span.fast.limit {
            return Some(Halt::Unproven);
        }
        if inner_ends > 0 {
            if record.fields != self.span.fast.columns || inner_ends >= self.span.fast.max_lines {
                return Some(Halt::Unproven);
            }
            record.is_several_lines = true;
        }
        record.is_blank = length <= 2 && is_blank(&self.span.window[record.start..record.end], self.any_terminator());
        let flow = sink.record(record);
        if matches!(flow, Flow::StopBefore) {
            return Some(Halt::Sink);
        }
        self.last_end = record.end;
        self.delimiters = 0;
        self.inner_ends = 0;
        self.lines = 0;
        if matches!(flow, Flow::StopBehind) {
            return Some(Halt::Sink);
        }
        self.is_comment_at(record.end).then_some(Halt::Unproven)
    }

    #[inline(always)]
    fn is_comment_at(&self, start: usize) -> bool {
        !PLAIN && self.span.fast.has_comments && may_be_comment(self.span.window, start, self.span.offset, self.span.rules)
    }

    #[inline(always)]
    fn end_of_window<K: Sink>(&mut self, sink: &mut K) -> Halt {
        let end = self.span.window.len();
        if !self.span.at_end || self.last_end == end {
            return Halt::WindowEnd;
        }
        // Open quotes, or an escape with nothing behind it.
        if self.inside != 0 || self.needles.escape.is_some_and(|escape| ends_in_escape(&self.span.window[self.last_end..], escape)) {
            return Halt::Unproven;
        }
        self.give_bulk(sink);
        if K::WANTS_SEPARATORS {
            sink.separators(self.simd, end, 1, 0, 0);
        }
        let record =
            Proven { start: self.last_end, end, fields: self.delimiters + 1, lines: self.lines, is_several_lines: false, is_blank: false };
        let inner_ends = self.inner_ends;
        self.take(record, inner_ends, sink).unwrap_or(Halt::WindowEnd)
    }
}

/// The places right behind those of `bits`; `carry`, 0 or 1, says whether the last place of the word before is one. An addition, since
/// processors do it in one step.
#[inline(always)]
fn behind(bits: u64, carry: u64) -> u64 {
    (bits << 1).wrapping_add(carry)
}

/// Whether a record of one or two bytes is nothing but a terminator. Only the last one of a stream can be without.
#[inline(never)]
fn is_blank(record: &[u8], any_terminator: bool) -> bool {
    match record {
        b"\n" => true,
        b"\r" | b"\r\n" => any_terminator,
        _ => false,
    }
}

/// Whether a comment begins at `start`, or may, as far as the window shows.
#[inline(never)]
fn may_be_comment(window: &[u8], start: usize, offset: u64, rules: &Rules) -> bool {
    let rest = &window[start..];
    let is_prefixed = rules.dialect().comment.as_ref().is_some_and(|prefix| {
        let seen = prefix.len().min(rest.len());
        seen > 0 && rest[..seen] == prefix[..seen]
    });
    is_prefixed || rules.is_pinned_comment(offset + start as u64)
}

/// Whether the last byte is an escape that is not itself escaped.
#[inline(never)]
fn ends_in_escape(record: &[u8], escape: u8) -> bool {
    record.iter().rev().take_while(|&&byte| byte == escape).count() % 2 == 1
}

/// The bytes that stand behind an escape which is not itself escaped. The carry is bit 0 of the next word's answer.
#[inline(always)]
fn find_escaped(escapes: u64, carry: &mut u64) -> u64 {
    const ODD_BITS: u64 = 0xaaaa_aaaa_aaaa_aaaa;
    if escapes == 0 {
        return std::mem::take(carry);
    }
    // Runs of escapes are told apart by the parity of their first bit: a borrow runs from the start of each to its end.
    let starting = escapes & !*carry;
    let odd_or_behind = starting << 1 | ODD_BITS;
    let marked = odd_or_behind.wrapping_sub(starting) ^ ODD_BITS;
    let escaped = marked ^ (escapes | *carry);
    *carry = (marked & escapes) >> 63;
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn escaped_bytes_are_those_behind_an_odd_run(words in prop::collection::vec(prop_oneof![any::<u64>(), Just(u64::MAX), Just(0)], 1..5)) {
            let mut carry = 0;
            let mut is_escaped = false;
            for word in words {
                let found = find_escaped(word, &mut carry);
                for bit in 0..64 {
                    prop_assert_eq!(found >> bit & 1 == 1, is_escaped);
                    is_escaped = !is_escaped && word >> bit & 1 == 1;
                }
            }
        }
    }
}
