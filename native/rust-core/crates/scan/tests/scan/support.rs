//! Dialects, hostile bytes, and plain drivers over the public API that the properties compare.

use std::sync::Arc;

use millrace_scan::{
    Extent, ExtentKind, FieldCheck, Kernel, Limits, Profile, RawField, Rules, Run, ScanDialect, Skip, Split, Splitter, Step, Terminator,
    fields_of, next_extent, skip_line,
};
use proptest::prelude::*;

/// Columns set in `mask` hold digits or nothing.
pub struct Digits {
    pub mask: u32,
}

impl FieldCheck for Digits {
    fn is_typed(&self, column: usize) -> bool {
        self.mask >> column & 1 == 1
    }

    fn fits(&self, _column: usize, field: RawField<'_>) -> bool {
        field.text.iter().all(u8::is_ascii_digit)
    }
}

pub fn rules_of(dialect: ScanDialect, limits: Limits, columns: usize, typed: u32) -> Arc<Rules> {
    let profile = Profile { columns, check: Arc::new(Digits { mask: typed }) };
    Arc::new(Rules::new(dialect, limits, profile).expect("a legal dialect"))
}

/// RFC 4180 with `columns` columns, the first of which holds digits.
pub fn plain_rules(columns: usize) -> Arc<Rules> {
    rules_of(ScanDialect::default(), Limits::default(), columns, 1)
}

fn dialects() -> impl Strategy<Value = ScanDialect> {
    let delimiters = prop_oneof![8 => Just(&b","[..]), 1 => Just(&b";"[..]), 1 => Just(&b"||"[..]), 1 => Just(&b",a"[..])];
    let quotes = prop_oneof![6 => Just(Some(b'"')), 1 => Just(Some(b'\'')), 1 => Just(None)];
    let escapes = prop_oneof![3 => Just(None), 2 => Just(Some(b'\\')), 1 => Just(Some(b'"'))];
    let terminators = prop_oneof![
        6 => Just(Terminator::Any),
        2 => Just(Terminator::Bytes(b"\n".to_vec())),
        1 => Just(Terminator::Bytes(b"\r\n".to_vec())),
        1 => Just(Terminator::Bytes(b"\r".to_vec())),
        1 => Just(Terminator::Bytes(b"xx".to_vec())),
    ];
    let comments = prop_oneof![5 => Just(None), 1 => Just(Some(b"#".to_vec())), 1 => Just(Some(b"#a".to_vec()))];
    let offsets = prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec(0_u64..200, 1..20)];
    (delimiters, quotes, any::<bool>(), escapes, terminators, any::<bool>(), (comments, offsets), prop::bool::weighted(0.3)).prop_map(
        |(delimiter, quote, double_quote, escape, terminator, skip_initial_space, (comment, comment_offsets), stray_literal)| ScanDialect {
            delimiter: delimiter.to_vec(),
            quote,
            double_quote,
            escape,
            terminator,
            skip_initial_space,
            comment,
            comment_offsets,
            stray_literal,
        },
    )
}

pub fn any_rules() -> impl Strategy<Value = Arc<Rules>> {
    let bytes = prop_oneof![12_u64..40, 40_u64..300, Just(1_u64 << 20)];
    let lines = prop_oneof![1_u64..5, Just(10_000_u64)];
    (dialects(), bytes, lines, 0_u32..5, 1_usize..5, any::<u32>()).prop_map(|(dialect, bytes, lines, resync, columns, typed)| {
        let limits = Limits { max_record_bytes: bytes, max_record_lines: lines, resync_lines: resync };
        rules_of(dialect, limits, columns, typed)
    })
}

/// Pieces of CSV, right and wrong, in any order.
pub fn hostile_bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    let soup = prop::collection::vec(prop::sample::select(b",,,\"\"\"\n\n\r\r\\a1 #;|x'\0".to_vec()), 0..max);
    let pieces: Vec<&'static [u8]> = vec![
        b"1,a\n",
        b"2,bb\n",
        b"1,a,3\n",
        b"7\n",
        b"\"x\"",
        b"\"x\ny\"",
        b"\"x,\"\"y\"",
        b",",
        b"\n",
        b"\r\n",
        b"\r",
        b"\"",
        b"\\\"",
        b"\\\\",
        b"\\,",
        b"\\\n",
        b"\\q",
        b"1,\"a\nb\"\n",
        b"1,\"a",
        b"\"\n",
        b"#a\"\n",
        b"# \n",
        b" \"a\"",
        b"5, \"b\"\r\n",
        b"1||2||3",
        b"xx",
        b"\"a\"b",
        b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        b"1,2,3,4\n",
        b"1,2,3\n",
        b"4,5,6\n",
        b"12,34,56\r\n",
    ];
    let mixed = prop::collection::vec(prop::sample::select(pieces), 0..max / 3).prop_map(|pieces| pieces.concat());
    prop_oneof![soup, mixed.clone(), mixed]
}

pub type Divided = Vec<(u64, Extent)>;

/// The division by its definition: the canonical rule from each extent start on, the whole rest in view.
pub fn canonical(data: &[u8], start: usize, rules: &Rules) -> Divided {
    let mut divided = Vec::new();
    let mut at = start;
    while at < data.len() {
        match next_extent(&data[at..], true, at as u64, rules) {
            Step::Extent(extent) => {
                assert!(extent.length > 0);
                divided.push((at as u64, extent));
                at += extent.length as usize;
            }
            step => panic!("{step:?} with the whole stream in view"),
        }
    }
    assert_eq!(at, data.len());
    divided
}

/// Follows a long line from `settled` on with windows that grow by `block`.
fn read_on(data: &[u8], start: u64, settled: Extent, block: usize, rules: &Rules) -> Extent {
    let mut extent = settled;
    let mut size = block;
    loop {
        let at = (start + extent.length) as usize;
        let until = data.len().min(at + size);
        match skip_line(&data[at..until], until == data.len(), rules) {
            Skip::End { length, lines } => {
                return Extent { length: extent.length + length, lines: extent.lines + lines, ..extent };
            }
            Skip::More { length: 0, .. } => size += block,
            Skip::More { length, lines } => {
                extent.length += length;
                extent.lines += lines;
            }
        }
    }
}

/// The division as a reader of blocks meets it, by the canonical rule alone.
pub fn canonical_in_blocks(data: &[u8], block: usize, rules: &Rules) -> Divided {
    let mut divided = Vec::new();
    let (mut at, mut until) = (0, 0);
    while at < data.len() {
        let at_end = until == data.len();
        match next_extent(&data[at..until], at_end, at as u64, rules) {
            Step::Extent(extent) => divided.push((at as u64, extent)),
            Step::LongLine(extent) => divided.push((at as u64, read_on(data, at as u64, extent, block, rules))),
            Step::NeedMore => {
                assert!(!at_end, "nothing more can come");
                assert!(((until - at) as u64) < 4 * rules.limits().max_record_bytes + 16, "the look-ahead is bounded");
                until = data.len().min(until + block);
                continue;
            }
        }
        at += divided[divided.len() - 1].1.length as usize;
        until = until.max(at);
    }
    divided
}

/// The division as the splitter gives it, each run checked against the strict machine field by field.
pub fn split(data: &[u8], block: usize, max_records: usize, kernel: Kernel, rules: &Arc<Rules>) -> Divided {
    let splitter = Splitter::with_kernel(rules.clone(), kernel);
    let mut run = Run::new();
    let mut divided = Vec::new();
    let (mut at, mut until) = (0, 0);
    loop {
        let window = &data[at..until];
        match splitter.next(window, until == data.len(), at as u64, u64::MAX, max_records, &mut run) {
            Split::Done => return divided,
            Split::Extent(extent) => {
                divided.push((at as u64, extent));
                at += extent.length as usize;
            }
            Split::LongLine(extent) => {
                let extent = read_on(data, at as u64, extent, block, rules);
                divided.push((at as u64, extent));
                at += extent.length as usize;
                until = until.max(at);
            }
            Split::NeedMore => until = data.len().min(until + block),
            Split::Run => {
                assert!(run.records() <= max_records);
                divided.extend(extents_of_run(window, at as u64, &run, rules));
                at += run.length();
            }
        }
    }
}

fn extents_of_run(window: &[u8], offset: u64, run: &Run, rules: &Rules) -> Divided {
    let mut odd_lines = run.odd_lines().iter().peekable();
    let mut suspects = run.suspects().iter().peekable();
    let mut total = 0;
    let mut divided = Vec::new();
    for record in 0..run.records() {
        let (start, end) = (run.record_start(record), run.record_ends()[record] as usize);
        let fields = fields_of(&window[start..end], rules);
        assert_eq!(fields.len(), run.columns());
        for (column, field) in fields.iter().enumerate() {
            assert_eq!(run.field(window, record, column), field.raw(&window[start..end]), "record {record}, column {column}");
        }
        let lines = odd_lines.next_if(|odd| odd.0 == record as u32).map_or(1, |odd| u64::from(odd.1));
        let suspect = suspects.next_if(|suspect| **suspect == record as u32).is_some();
        total += lines;
        let extent = Extent {
            kind: ExtentKind::Record,
            length: (end - start) as u64,
            lines,
            fields: run.columns() as u32,
            first_error: None,
            suspect,
            literal: false,
        };
        divided.push((offset + start as u64, extent));
    }
    assert_eq!(total, run.lines());
    divided
}
