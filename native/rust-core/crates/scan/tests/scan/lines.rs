use millrace_scan::lines::{LineRun, next_line, skip_long_line};
use millrace_scan::{DamageCode, Extent, ExtentKind, Kernel, LineRules, LineSplit, LineSplitter, Skip, Step};
use proptest::prelude::*;

use crate::support::Divided;

pub fn hostile_lines(max: usize) -> impl Strategy<Value = Vec<u8>> {
    let soup = prop::collection::vec(prop::sample::select(b"{}\n\n\r\r \t\x0b1a".to_vec()), 0..max);
    let pieces: Vec<&'static [u8]> = vec![
        b"{\"a\":1}\n",
        b"\n",
        b"\r\n",
        b"  \t\n",
        b" {}\n",
        b"\r",
        b"{}\r\n",
        b"1\r2\n",
        b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ];
    prop_oneof![soup, prop::collection::vec(prop::sample::select(pieces), 0..max / 4).prop_map(|pieces| pieces.concat())]
}

pub fn canonical_lines(data: &[u8], rules: &LineRules) -> Divided {
    let mut divided = Vec::new();
    let mut at = 0;
    while at < data.len() {
        let Step::Extent(extent) = next_line(&data[at..], true, at as u64, rules) else { panic!("undecided with all in view") };
        divided.push((at as u64, extent));
        at += extent.length as usize;
    }
    divided
}

fn read_on(data: &[u8], start: usize, mut extent: Extent, block: usize) -> Extent {
    let mut size = block;
    loop {
        let at = start + extent.length as usize;
        let until = data.len().min(at + size);
        let (length, lines, is_over) = match skip_long_line(&data[at..until], until == data.len()) {
            Skip::End { length, lines } => (length, lines, true),
            Skip::More { length, lines } => (length, lines, false),
        };
        extent.length += length;
        extent.lines += lines;
        if is_over {
            return extent;
        }
        size += usize::from(length == 0);
    }
}

fn split_lines(data: &[u8], rules: LineRules, block: usize, max_lines: usize, kernel: Kernel) -> Divided {
    let splitter = LineSplitter::with_kernel(rules, kernel);
    let mut run = LineRun::new();
    let mut divided: Divided = Vec::new();
    let (mut at, mut until) = (0, 0);
    loop {
        match splitter.next(&data[at..until], until == data.len(), at as u64, u64::MAX, max_lines, &mut run) {
            LineSplit::Done => return divided,
            LineSplit::NeedMore => until = data.len().min(until + block),
            LineSplit::Extent(extent) => {
                divided.push((at as u64, extent));
                at += extent.length as usize;
            }
            LineSplit::LongLine(extent) => {
                let extent = read_on(data, at, extent, block);
                divided.push((at as u64, extent));
                at += extent.length as usize;
                until = until.max(at);
            }
            LineSplit::Run => {
                let mut start = 0;
                let mut total = 0;
                for (index, &end) in run.ends().iter().enumerate() {
                    let lines = run.odd_lines().iter().find(|odd| odd.0 == index as u32).map_or(1, |odd| u64::from(odd.1));
                    total += lines;
                    let length = u64::from(end) - start;
                    let extent =
                        Extent { kind: ExtentKind::Record, length, lines, fields: 1, first_error: None, suspect: false, literal: false };
                    divided.push((at as u64 + start, extent));
                    start = u64::from(end);
                }
                assert_eq!(total, run.lines());
                at += run.length();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(10_000) })]

    #[test]
    fn fast_lines_equal_canonical(
        limit in prop_oneof![3_u64..40, Just(1_u64 << 20)], data in hostile_lines(900), block in 1_usize..300, max_lines in 1_usize..60,
        is_text in any::<bool>(),
    ) {
        let rules = if is_text { LineRules::text(limit) } else { LineRules::json(limit) };
        let expected = canonical_lines(&data, &rules);
        for kernel in Kernel::all() {
            prop_assert_eq!(&split_lines(&data, rules, block, max_lines, kernel), &expected, "kernel {}", kernel.name());
        }
    }
}

#[test]
fn lines_by_hand() {
    let rules = LineRules::json(8);
    let data = b"{}\r\n \t\r\n\n{\"a\":1}\n{\"abc\":1}\n1\r2\n3";
    let kinds: Vec<(u64, ExtentKind, u64)> = canonical_lines(data, &rules).iter().map(|(at, line)| (*at, line.kind, line.lines)).collect();
    let too_large = ExtentKind::Damage { code: DamageCode::JsonRecordTooLarge, error_offset: 25 };
    assert_eq!(
        kinds,
        [
            (0, ExtentKind::Record, 1),
            (4, ExtentKind::Blank, 1),
            (8, ExtentKind::Blank, 1),
            (9, ExtentKind::Record, 1),
            (17, too_large, 1),
            (27, ExtentKind::Record, 2),
            (31, ExtentKind::Record, 0),
        ]
    );
}

#[test]
fn only_an_empty_text_line_is_blank() {
    let data = b"\n\r\n \n\t\r\n\r\rx\n0123456789\n";
    let kinds: Vec<ExtentKind> = canonical_lines(data, &LineRules::text(8)).iter().map(|(_, line)| line.kind).collect();
    let too_large = ExtentKind::Damage { code: DamageCode::LinesRecordTooLarge, error_offset: 20 };
    assert_eq!(kinds, [ExtentKind::Blank, ExtentKind::Blank, ExtentKind::Record, ExtentKind::Record, ExtentKind::Record, too_large]);
}
