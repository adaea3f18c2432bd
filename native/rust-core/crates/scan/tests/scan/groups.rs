//! Groups of lines: the division against its plain definition, in blocks of any size, and what planning counts.

use std::sync::Arc;

use millrace_scan::{Counts, Division, Extent, ExtentKind, GroupRules, LineStart, PlanScan, Skip, Step, next_group, skip_group};
use proptest::prelude::*;

use crate::support::Divided;

/// Lines that begin with a digit begin a record.
#[derive(Debug)]
struct Digit;

impl LineStart for Digit {
    fn begins(&self, line: &[u8]) -> bool {
        assert!(!line.contains(&b'\n'), "a line has no terminator");
        line.first().is_some_and(u8::is_ascii_digit)
    }
}

fn rules(max_record_bytes: u64) -> GroupRules {
    GroupRules { max_record_bytes, start: Arc::new(Digit) }
}

/// Offsets behind each LF, and the end.
fn line_ends(data: &[u8]) -> Vec<usize> {
    let mut ends: Vec<usize> = (0..data.len()).filter(|&at| data[at] == b'\n').map(|at| at + 1).collect();
    if ends.last() != Some(&data.len()) && !data.is_empty() {
        ends.push(data.len());
    }
    ends
}

fn physical_lines(bytes: &[u8]) -> u64 {
    let ends = (0..bytes.len()).filter(|&at| bytes[at] == b'\n' || (bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n')));
    ends.count() as u64
}

/// The division by its definition: ranges and whether each is too large, blank or a record.
fn defined(data: &[u8], limit: usize) -> Vec<(usize, usize, &'static str, u64)> {
    let ends = line_ends(data);
    let starts: Vec<usize> = std::iter::once(0).chain(ends.iter().copied()).take(ends.len()).collect();
    let begins = |line: usize| ends[line] - starts[line] <= limit && data[starts[line]].is_ascii_digit();
    let (mut found, mut line) = (Vec::new(), 0);
    while line < ends.len() {
        let start = starts[line];
        let is_blank = matches!(&data[start..ends[line]], b"\n" | b"\r\n");
        line += 1;
        while !is_blank && line < ends.len() && !begins(line) {
            line += 1;
        }
        let end = ends[line - 1];
        let kind = if is_blank {
            "blank"
        } else if end - start > limit {
            "damage"
        } else {
            "record"
        };
        found.push((start, end, kind, physical_lines(&data[start..end])));
    }
    found
}

fn in_blocks(data: &[u8], block: usize, rules: &GroupRules) -> Divided {
    let mut divided = Vec::new();
    let (mut at, mut until) = (0, 0);
    while at < data.len() {
        match next_group(&data[at..until], until == data.len(), at as u64, rules) {
            Step::NeedMore => {
                assert!((until - at) as u64 <= 2 * rules.max_record_bytes + block as u64 + 2, "the look-ahead is bounded");
                until = data.len().min(until + block);
                continue;
            }
            Step::Extent(extent) => divided.push((at as u64, extent)),
            Step::LongLine(extent) => divided.push((at as u64, read_on(data, at, extent, block, rules))),
        }
        at += divided[divided.len() - 1].1.length as usize;
        until = until.max(at);
    }
    divided
}

fn read_on(data: &[u8], start: usize, mut extent: Extent, block: usize, rules: &GroupRules) -> Extent {
    let mut size = block;
    loop {
        let at = start + extent.length as usize;
        let until = data.len().min(at + size);
        let is_inside_line = data[at - 1] != b'\n';
        let (length, lines, is_over) = match skip_group(&data[at..until], until == data.len(), is_inside_line, rules) {
            Skip::End { length, lines } => (length, lines, true),
            Skip::More { length, lines } => (length, lines, false),
        };
        extent.length += length;
        extent.lines += lines;
        if is_over {
            return extent;
        }
        size += block;
    }
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&'static [u8]> = vec![
        b"1 a\n",
        b"2 bbbb\r\n",
        b"3",
        b" x\n",
        b"\n",
        b"\r\n",
        b"\tat y\r\n",
        b"long long long long long\n",
        b"9 long long long long long\n",
        b"a\rb\n",
        b"\r",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(5_000) })]

    #[test]
    fn groups_equal_their_definition(data in data(), limit in prop_oneof![2_u64..40, Just(1_u64 << 20)], block in 1_usize..60, chunk_size in 1_u64..80) {
        let rules = rules(limit);
        let want = defined(&data, limit as usize);
        let kind = |extent: &Extent| match extent.kind {
            ExtentKind::Blank => "blank",
            ExtentKind::Damage { .. } => "damage",
            _ => "record",
        };
        let got: Vec<_> =
            in_blocks(&data, block, &rules).iter().map(|(at, extent)| (*at as usize, *at as usize + extent.length as usize, kind(extent), extent.lines)).collect();
        prop_assert_eq!(&got, &want);
        let mut scan = PlanScan::new(Division::Groups(rules), 0, 1, chunk_size);
        data.chunks(block).for_each(|part| scan.push(part));
        let plan = scan.finish();
        let of_kind = |name| want.iter().filter(|(_, _, kind, _)| *kind == name).count() as u64;
        let totals = Counts {
            records: of_kind("record") + of_kind("damage"), damages: of_kind("damage"), blank_lines: of_kind("blank"), comment_lines: 0, lines: physical_lines(&data),
        };
        prop_assert_eq!(plan.totals, totals);
        prop_assert!(plan.anchors.iter().all(|anchor| want.iter().any(|(start, ..)| *start as u64 == anchor.offset)));
        let mut next = 0;
        for &(start, ..) in &want {
            if start as u64 >= next {
                prop_assert!(plan.anchors.iter().any(|anchor| anchor.offset == start as u64));
                next = (start as u64 / chunk_size + 1) * chunk_size;
            }
        }
    }
}
