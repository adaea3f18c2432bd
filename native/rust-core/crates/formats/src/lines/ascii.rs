//! A matcher for texts of ASCII alone, several times as fast as the regex engine where groups are asked for.
//!
//! It backtracks, looks one byte ahead before it enters a branch, and takes a repetition of a class in one step. So it finds what the engine finds
//! (leftmost, alternatives in their order: the engine promises to agree with a backtracker), and does not keep a table of states by places, which
//! is what resolving groups costs the engine. A text that leads it astray is given up after steps in proportion to the text, and the engine
//! takes it: time stays linear. Patterns that it has no program for, and texts with other characters, are the engine's too.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

/// A pattern that needs more steps than this is left to the engine.
const OPS: usize = 8 << 10;
/// Steps for each byte of a text, and for each text, before it is given up.
const STEPS_PER_BYTE: usize = 24;
const STEPS: usize = 512;
/// Texts given up, against texts that were not, before nothing is tried any more.
const PATIENCE: i32 = 64;
const COST_OF_GIVING_UP: i32 = 8;

/// Bytes that a step takes, below 128.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Bytes([u64; 2]);

impl Bytes {
    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    #[inline(always)]
    fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6) & 1] >> (byte & 63) & 1 == 1
    }

    fn add(&mut self, other: Bytes) {
        self.0[0] |= other.0[0];
        self.0[1] |= other.0[1];
    }

    fn meets(&self, other: Bytes) -> bool {
        self.0[0] & other.0[0] | self.0[1] & other.0[1] != 0
    }

    fn table(&self) -> Box<[bool; 256]> {
        Box::new(std::array::from_fn(|byte| byte < 128 && self.has(byte as u8)))
    }

    /// None unless `hir` is one character.
    fn one_of(hir: &Hir) -> Option<Bytes> {
        match hir.kind() {
            HirKind::Class(class) => Some(Bytes::of(class)),
            HirKind::Literal(literal) if literal.0.len() == 1 && literal.0[0] < 128 => {
                let mut bytes = Bytes::default();
                bytes.insert(literal.0[0]);
                Some(bytes)
            }
            _ => None,
        }
    }

    fn of(class: &Class) -> Bytes {
        let mut bytes = Bytes::default();
        let mut insert = |first: u32, last: u32| (first..=last.min(127)).for_each(|byte| bytes.insert(byte as u8));
        match class {
            Class::Unicode(class) => class.iter().for_each(|range| insert(range.start().into(), range.end().into())),
            Class::Bytes(class) => class.iter().for_each(|range| insert(range.start().into(), range.end().into())),
        }
        bytes
    }
}

/// What may stand where a step begins.
#[derive(Clone, Copy, Default)]
struct First {
    bytes: Bytes,
    /// The match may end here, whatever follows.
    is_end: bool,
}

impl First {
    #[inline(always)]
    fn allows(&self, text: &[u8], at: usize) -> bool {
        self.is_end || text.get(at).is_some_and(|&byte| self.bytes.has(byte))
    }
}

#[derive(Clone)]
enum Op {
    Byte {
        byte: u8,
        next: usize,
    },
    Class {
        bytes: Bytes,
        next: usize,
    },
    Run(Run),
    /// One byte of a class in a round of a greedy loop that has other ways too. `look_ahead` makes a step that can be taken of it.
    Round {
        bytes: Bytes,
        head: usize,
        others: Vec<usize>,
        next: usize,
    },
    /// Both are steps; `first` is tried before `second`.
    Split {
        first: usize,
        second: usize,
        before_first: First,
        before_second: First,
    },
    Save {
        slot: usize,
        next: usize,
    },
    Look {
        look: Look,
        next: usize,
    },
    Match,
    Fail,
}

/// A class again and again.
#[derive(Clone)]
struct Run {
    bytes: Bytes,
    /// Whether each byte is of the class.
    table: Box<[bool; 256]>,
    min: usize,
    max: usize,
    is_greedy: bool,
    next: usize,
    follow: First,
    /// What follows never begins with a byte of the class: only the longest run can go on.
    is_single: bool,
}

/// What to try when a step fails.
enum Frame {
    Branch { pc: usize, at: usize },
    Shorter { pc: usize, low: usize, at: usize },
    Longer { pc: usize, at: usize, limit: usize },
    Restore { slot: usize, value: usize },
}

const UNSET: usize = usize::MAX;

/// A compiled pattern.
pub(super) struct Program {
    ops: Vec<Op>,
    start: usize,
    first: First,
    /// It begins with the start of the text.
    is_anchored: bool,
    slots: usize,
}

/// What a search needs besides, kept from text to text.
pub(super) struct Search {
    slots: Vec<usize>,
    stack: Vec<Frame>,
    patience: i32,
}

/// What became of a search.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Yes,
    No,
    /// Nothing is known.
    GivenUp,
}

impl Search {
    /// Where a group matched.
    pub(super) fn group(&self, number: usize) -> Option<(usize, usize)> {
        match (self.slots.get(2 * number), self.slots.get(2 * number + 1)) {
            (Some(&start), Some(&end)) if start != UNSET && end != UNSET => Some((start, end)),
            _ => None,
        }
    }

    /// False once too many texts were given up.
    pub(super) fn is_worthwhile(&self) -> bool {
        self.patience > 0
    }
}

impl Program {
    /// None: the engine must do it.
    pub(super) fn compile(pattern: &str) -> Option<Program> {
        let hir = regex_syntax::parse(pattern).ok()?;
        let mut builder = Builder { ops: vec![Op::Match] };
        let slots = 2 + 2 * hir.properties().explicit_captures_len();
        let end = builder.push(Op::Save { slot: 1, next: 0 })?;
        let whole = builder.step(&hir, end)?;
        let start = builder.push(Op::Save { slot: 0, next: whole })?;
        builder.look_ahead();
        let first = builder.first(start);
        let is_anchored = hir.properties().look_set_prefix().contains(Look::Start);
        Some(Program { ops: builder.ops, start, first, is_anchored, slots })
    }

    pub(super) fn search_state(&self) -> Search {
        Search { slots: vec![UNSET; self.slots], stack: Vec::new(), patience: PATIENCE }
    }

    /// Looks for the pattern in `text`, which must be ASCII; the groups stand in `search`.
    pub(super) fn find(&self, search: &mut Search, text: &[u8]) -> Found {
        debug_assert!(text.is_ascii());
        let mut steps = STEPS + STEPS_PER_BYTE * text.len();
        let last = if self.is_anchored { 0 } else { text.len() };
        for at in 0..=last {
            if !self.first.allows(text, at) {
                continue;
            }
            match self.find_at(search, text, at, &mut steps) {
                Found::No => {}
                Found::Yes => {
                    search.patience = PATIENCE.min(search.patience + 1);
                    return Found::Yes;
                }
                Found::GivenUp => {
                    search.patience -= COST_OF_GIVING_UP;
                    return Found::GivenUp;
                }
            }
        }
        Found::No
    }

    fn find_at(&self, search: &mut Search, text: &[u8], start: usize, steps: &mut usize) -> Found {
        let Search { slots, stack, .. } = search;
        slots.fill(UNSET);
        stack.clear();
        let (mut pc, mut at) = (self.start, start);
        loop {
            let went = match &self.ops[pc] {
                &Op::Byte { byte, next } => (text.get(at) == Some(&byte)).then_some((next, at + 1)),
                &Op::Class { bytes, next } => text.get(at).is_some_and(|&byte| bytes.has(byte)).then_some((next, at + 1)),
                Op::Run(run) => {
                    let (end, low, limit) = run.extent(text, at);
                    *steps = steps.saturating_sub(end.saturating_sub(at) / 8);
                    match low {
                        Some(low) if run.is_greedy => run.shorter(text, pc, low, end, stack),
                        Some(low) => run.longer(text, pc, low, limit, stack),
                        None => None,
                    }
                }
                Op::Split { first, second, before_first, before_second } => {
                    match (before_first.allows(text, at), before_second.allows(text, at)) {
                        (true, true) => {
                            stack.push(Frame::Branch { pc: *second, at });
                            Some((*first, at))
                        }
                        (true, false) => Some((*first, at)),
                        (false, true) => Some((*second, at)),
                        (false, false) => None,
                    }
                }
                &Op::Save { slot, next } => {
                    if !stack.is_empty() {
                        stack.push(Frame::Restore { slot, value: slots[slot] });
                    }
                    slots[slot] = at;
                    Some((next, at))
                }
                &Op::Look { look, next } => holds(look, text, at).then_some((next, at)),
                Op::Match => return Found::Yes,
                Op::Fail | Op::Round { .. } => None,
            };
            let went = went.or_else(|| self.back(slots, stack, text));
            let Some(went) = went else { return Found::No };
            (pc, at) = went;
            *steps = steps.saturating_sub(1);
            if *steps == 0 {
                return Found::GivenUp;
            }
        }
    }

    /// The last choice that was left.
    fn back(&self, slots: &mut [usize], stack: &mut Vec<Frame>, text: &[u8]) -> Option<(usize, usize)> {
        while let Some(frame) = stack.pop() {
            let went = match frame {
                Frame::Branch { pc, at } => Some((pc, at)),
                Frame::Restore { slot, value } => {
                    slots[slot] = value;
                    None
                }
                Frame::Shorter { pc, low, at } => self.run(pc).and_then(|run| run.shorter(text, pc, low, at, stack)),
                Frame::Longer { pc, at, limit } => self.run(pc).and_then(|run| run.longer(text, pc, at, limit, stack)),
            };
            if went.is_some() {
                return went;
            }
        }
        None
    }

    fn run(&self, pc: usize) -> Option<&Run> {
        if let Op::Run(run) = &self.ops[pc] { Some(run) } else { None }
    }
}

impl Run {
    fn new(bytes: Bytes, min: usize, max: usize, is_greedy: bool, next: usize) -> Run {
        Run { bytes, table: bytes.table(), min, max, is_greedy, next, follow: First::default(), is_single: false }
    }

    /// Where the longest run from `at` ends, the earliest place it may end at, and the last place it may reach. Runs that prefer to be short are not
    /// followed beyond their least length here.
    #[inline(always)]
    fn extent(&self, text: &[u8], at: usize) -> (usize, Option<usize>, usize) {
        let limit = text.len().min(at.saturating_add(self.max));
        let wanted = if self.is_greedy { limit } else { limit.min(at.saturating_add(self.min)) };
        let end = text[at..wanted].iter().position(|&byte| !self.table[usize::from(byte)]).map_or(wanted, |length| at + length);
        (end, (end - at >= self.min).then_some(at + self.min), limit)
    }

    /// Goes on from the last place in `low..=at` where what follows may begin.
    #[inline(always)]
    fn shorter(&self, text: &[u8], pc: usize, low: usize, mut at: usize, stack: &mut Vec<Frame>) -> Option<(usize, usize)> {
        if self.is_single {
            return self.follow.allows(text, at).then_some((self.next, at));
        }
        while !self.follow.allows(text, at) {
            if at == low {
                return None;
            }
            at -= 1;
        }
        if at > low {
            stack.push(Frame::Shorter { pc, low, at: at - 1 });
        }
        Some((self.next, at))
    }

    /// Goes on from the first place from `at` on where what follows may begin; the run reaches at most to `limit`.
    fn longer(&self, text: &[u8], pc: usize, mut at: usize, limit: usize, stack: &mut Vec<Frame>) -> Option<(usize, usize)> {
        let grows = |at: usize| at < limit && self.bytes.has(text[at]);
        while !self.follow.allows(text, at) {
            if !grows(at) {
                return None;
            }
            at += 1;
        }
        if grows(at) {
            stack.push(Frame::Longer { pc, at: at + 1, limit });
        }
        Some((self.next, at))
    }
}

fn holds(look: Look, text: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| text[before]);
    let after = text.get(at).copied();
    let is_word = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match look {
        Look::Start => before.is_none(),
        Look::End => after.is_none(),
        Look::StartLF => before.is_none_or(|byte| byte == b'\n'),
        Look::EndLF => after.is_none_or(|byte| byte == b'\n'),
        Look::WordAscii | Look::WordUnicode => is_word(before) != is_word(after),
        Look::WordAsciiNegate | Look::WordUnicodeNegate => is_word(before) == is_word(after),
        // The builder lets no other through.
        _ => false,
    }
}

/// Makes steps from the end to the start: each knows the one behind it.
struct Builder {
    ops: Vec<Op>,
}

impl Builder {
    fn push(&mut self, op: Op) -> Option<usize> {
        self.ops.push(op);
        (self.ops.len() <= OPS).then_some(self.ops.len() - 1)
    }

    /// The step that `hir` begins with, where `next` follows.
    fn step(&mut self, hir: &Hir, next: usize) -> Option<usize> {
        match hir.kind() {
            HirKind::Empty => Some(next),
            HirKind::Literal(literal) => literal.0.iter().rev().try_fold(next, |next, &byte| self.push(Op::Byte { byte, next })),
            HirKind::Class(class) => self.push(Op::Class { bytes: Bytes::of(class), next }),
            HirKind::Look(look) => {
                let is_known = matches!(
                    look,
                    Look::Start
                        | Look::End
                        | Look::StartLF
                        | Look::EndLF
                        | Look::WordAscii
                        | Look::WordUnicode
                        | Look::WordAsciiNegate
                        | Look::WordUnicodeNegate
                );
                if is_known { self.push(Op::Look { look: *look, next }) } else { None }
            }
            HirKind::Repetition(repetition) => self.repetition(repetition, next),
            HirKind::Capture(capture) => {
                let slot = 2 * capture.index as usize;
                let end = self.push(Op::Save { slot: slot + 1, next })?;
                let inner = self.step(&capture.sub, end)?;
                self.push(Op::Save { slot, next: inner })
            }
            HirKind::Concat(parts) => parts.iter().rev().try_fold(next, |next, part| self.step(part, next)),
            HirKind::Alternation(parts) => {
                let (last, before) = parts.split_last()?;
                let last = self.step(last, next)?;
                before.iter().rev().try_fold(last, |second, part| {
                    let first = self.step(part, next)?;
                    self.split(first, second)
                })
            }
        }
    }

    fn repetition(&mut self, repetition: &Repetition, next: usize) -> Option<usize> {
        let Repetition { min, max, greedy, sub } = repetition;
        if let Some(bytes) = Bytes::one_of(sub) {
            let max = max.map_or(usize::MAX, |max| max as usize);
            return self.push(Op::Run(Run::new(bytes, *min as usize, max, *greedy, next)));
        }
        let ordered = |builder: &mut Builder, body: usize| if *greedy { builder.split(body, next) } else { builder.split(next, body) };
        let mut step = next;
        match max {
            Some(max) => {
                for _ in *min..*max {
                    let body = self.step(sub, step)?;
                    step = ordered(self, body)?;
                }
            }
            // What the engine makes of rounds without a byte is its own affair.
            None if sub.properties().minimum_len() == Some(0) => return None,
            None => {
                step = self.push(Op::Fail)?;
                let body = if *greedy { self.rounds(sub, step, next)? } else { self.step(sub, step)? };
                let (first, second) = if *greedy { (body, next) } else { (next, body) };
                self.ops[step] = Op::Split { first, second, before_first: First::default(), before_second: First::default() };
            }
        }
        (0..*min).try_fold(step, |next, _| self.step(sub, next))
    }

    /// The body of a greedy loop with the step `head`, which `next` follows: where one of its ways is a class, whole runs of it may be taken.
    fn rounds(&mut self, body: &Hir, head: usize, next: usize) -> Option<usize> {
        let HirKind::Alternation(parts) = body.kind() else { return self.step(body, head) };
        let mut ways = Vec::with_capacity(parts.len());
        for part in parts {
            ways.push(match Bytes::one_of(part) {
                Some(bytes) => self.push(Op::Round { bytes, head, others: Vec::new(), next })?,
                None => self.step(part, head)?,
            });
        }
        for &way in &ways {
            let all_others = ways.iter().copied().filter(|&other| other != way).collect();
            if let Op::Round { others, .. } = &mut self.ops[way] {
                *others = all_others;
            }
        }
        let (last, before) = ways.split_last()?;
        before.iter().rev().try_fold(*last, |second, &first| self.split(first, second))
    }

    fn split(&mut self, first: usize, second: usize) -> Option<usize> {
        self.push(Op::Split { first, second, before_first: First::default(), before_second: First::default() })
    }

    /// What may stand before a step: everything that can be reached from it without a byte.
    fn first(&self, pc: usize) -> First {
        let mut first = First::default();
        let mut seen = Vec::new();
        let mut open = vec![pc];
        while let Some(pc) = open.pop() {
            if seen.contains(&pc) {
                continue;
            }
            seen.push(pc);
            match &self.ops[pc] {
                Op::Byte { byte, .. } if *byte < 128 => first.bytes.insert(*byte),
                Op::Byte { .. } | Op::Fail => {}
                Op::Class { bytes, .. } | Op::Round { bytes, .. } => first.bytes.add(*bytes),
                Op::Run(run) => {
                    // A run of no byte at all is none.
                    if run.max > 0 {
                        first.bytes.add(run.bytes);
                    }
                    if run.min == 0 {
                        open.push(run.next);
                    }
                }
                Op::Split { first, second, .. } => open.extend([*first, *second]),
                Op::Save { next, .. } | Op::Look { next, .. } => open.push(*next),
                Op::Match => first.is_end = true,
            }
        }
        first
    }

    fn look_ahead(&mut self) {
        for pc in 0..self.ops.len() {
            self.ops[pc] = match &self.ops[pc] {
                Op::Run(run) => {
                    let follow = self.first(run.next);
                    let is_single = run.is_greedy && !follow.is_end && !follow.bytes.meets(run.bytes);
                    Op::Run(Run { follow, is_single, ..run.clone() })
                }
                &Op::Split { first, second, .. } => {
                    Op::Split { first, second, before_first: self.first(first), before_second: self.first(second) }
                }
                Op::Round { bytes, head, others, next } => self.round(*bytes, *head, others, *next),
                op => op.clone(),
            };
        }
    }

    /// A round takes a whole run where nothing else that the loop may do begins with a byte of the class: a shorter run could only be continued
    /// by the class itself.
    fn round(&self, bytes: Bytes, head: usize, others: &[usize], next: usize) -> Op {
        let meets = |first: First| first.is_end || first.bytes.meets(bytes);
        if others.iter().chain([&next]).any(|&way| meets(self.first(way))) {
            return Op::Class { bytes, next: head };
        }
        let follow = self.first(head);
        Op::Run(Run { follow, is_single: true, ..Run::new(bytes, 1, usize::MAX, true, head) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::super::grok::expand_grok;
    use super::super::patterns::PATTERNS;
    use super::*;

    /// Compares all groups; answers whether the matcher gave an answer.
    fn agree(pattern: &str, texts: &[String]) -> bool {
        let engine = Regex::new(pattern).unwrap();
        let Some(program) = Program::compile(pattern) else { return false };
        let mut search = program.search_state();
        let mut answered = 0;
        for text in texts {
            let expected = engine.captures(text).map(|groups| {
                (0..groups.len()).map(|number| groups.get(number).map(|found| (found.start(), found.end()))).collect::<Vec<_>>()
            });
            let found = match program.find(&mut search, text.as_bytes()) {
                Found::GivenUp => continue,
                Found::No => None,
                Found::Yes => Some((0..engine.captures_len()).map(|number| search.group(number)).collect()),
            };
            answered += 1;
            assert_eq!(found, expected, "{pattern} in {text:?}");
        }
        answered > 0
    }

    const LINES: [&str; 9] = [
        r#"192.168.7.255 - frank [10/Oct/2000:13:55:36 -0700] "GET /a?b=1 HTTP/1.0" 200 2326 "http://e.org/s" "Mozilla/4.08 [en] (Win98; I)""#,
        r#"::ffff:10.0.0.1 a@b.example.org - [01/Jan/2024:00:00:60 +0000] "-" 400 - "-" "a \" b""#,
        "fe80::1%eth0 2001:db8:0:1:1:1:1:1 https://user:pw@example.org:8080/p/q?x=%20#f /var/log/x.log C:\\a\\b",
        "Oct  3 07:09:11 host.example.org sshd[1234]: session opened for user root by (uid=0)",
        "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] [client 72.15.99.187:80] File does not exist",
        "2024-02-29T23:59:60.123+02:00 WARN 550e8400-e29b-41d4-a716-446655440000 00:1a:2B:3c:4D:5e 0xff -1.5e3 .5 'a' `b` \"c\"",
        "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 [a b=\"c\"] failed",
        "  at com.example.Foo$Bar.<init>(Foo.java:42)",
        "a\nb\r\nc\td 10/12/2024 24.12.99 Monday, 3 March 2024 20:00:00 PST",
    ];

    /// Lines as they are, cut, and with one byte exchanged for another.
    fn texts(seed: u64) -> Vec<String> {
        let mut state = seed | 1;
        let mut next = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        let mut texts: Vec<String> = LINES.iter().map(|line| (*line).to_string()).collect();
        for line in LINES.iter().cycle().take(60) {
            let mut bytes = line.as_bytes().to_vec();
            for _ in 0..1 + next(3) {
                let at = next(bytes.len());
                bytes[at] = line.as_bytes()[next(line.len())];
            }
            let start = if next(3) == 0 { next(bytes.len()) } else { 0 };
            texts.push(String::from_utf8(bytes[start..].to_vec()).unwrap());
        }
        texts.push(String::new());
        texts
    }

    #[test]
    fn every_pattern_that_comes_with_us_is_matched_as_the_engine_does() {
        let texts = texts(7);
        for (name, _) in PATTERNS {
            let pattern = expand_grok(&format!("%{{{name}:it}}"), &Default::default()).unwrap();
            assert!(agree(&pattern, &texts), "{name} has no program");
            let anchored = expand_grok(&format!("^%{{WORD:a}}? ?%{{{name}:it}}$"), &Default::default()).unwrap();
            assert!(agree(&anchored, &texts), "{name} between anchors has no program");
        }
    }

    #[test]
    fn what_the_engine_keeps() {
        for pattern in ["(a*)*b", "(?:a|b?)+", "(?mR)^a$", r"\b{start}a"] {
            assert!(Program::compile(pattern).is_none(), "{pattern}");
        }
        assert!(Program::compile(&"(ab|cd){0,50}".repeat(60)).is_none(), "too many steps");
        let program = Program::compile("(?:a|aa|aaa)+b").unwrap();
        let mut search = program.search_state();
        let text = "a".repeat(2_000);
        let mut tries = 0;
        while search.is_worthwhile() {
            assert_eq!(program.find(&mut search, text.as_bytes()), Found::GivenUp);
            tries += 1;
        }
        assert!(tries <= PATIENCE);
    }

    /// All texts of up to seven letters.
    #[test]
    fn rounds_of_loops_are_taken_as_one_run_only_where_that_changes_nothing() {
        let mut texts = vec![String::new()];
        let mut start = 0;
        for _ in 0..7 {
            let end = texts.len();
            (start..end).for_each(|at| "abc".chars().for_each(|letter| texts.push(format!("{}{letter}", texts[at]))));
            start = end;
        }
        let patterns = [
            "(?:ab|c)*b",
            "(?:ab|[bc])*c",
            "(?:[bc]|ab)*c",
            "(?:[ab]|cc)+a",
            "((?:ca|[ab])*)a(c*)",
            "(?:(a)b|(c))*(b?)",
            "(?:[ab]|ca|cb)*$",
            "^(?:(?:[ab]|cc)*c)*$",
            "(?:c|ab|[b])*?b",
            "a(?:b.|[^b])*b",
        ];
        for pattern in patterns {
            assert!(agree(pattern, &texts), "{pattern} has no program");
        }
        let is_run = |pattern: &str| Program::compile(pattern).unwrap().ops.iter().any(|op| matches!(op, Op::Run(run) if run.is_single));
        assert!(is_run("(?:ab|c)*b") && is_run("(?:aa|[bc])*a?\\d") && !is_run("(?:ab|[bc])*c"));
    }

    /// Patterns made of few letters, so that texts of these letters match them in many ways.
    fn pattern() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec!["a", "b", "c", "[ab]", "[^a]", ".", r"\b", r"\B", "^", "$", "ab", "é", r"\w", "", "(?i:B)"]);
        leaf.prop_map(String::from).prop_recursive(5, 40, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
                inner.clone().prop_map(|part| format!("({part})")),
                (inner, prop::sample::select(vec!["*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0,2}?", "{2,}"]))
                    .prop_map(|(part, times)| format!("(?:{part}){times}")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn it_finds_what_the_engine_finds(pattern in pattern(), texts in prop::collection::vec("[abcB \n]{0,12}", 1..12)) {
            prop_assume!(Regex::new(&pattern).is_ok());
            agree(&pattern, &texts);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn grok_finds_what_the_engine_finds(seed in any::<u64>(), a in 0..PATTERNS.len(), b in 0..PATTERNS.len()) {
            let pattern = expand_grok(&format!("%{{{}:a}}[ :]+%{{{}:b}}", PATTERNS[a].0, PATTERNS[b].0), &Default::default()).unwrap();
            agree(&pattern, &texts(seed));
        }
    }
}
