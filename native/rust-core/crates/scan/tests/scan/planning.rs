use std::convert::Infallible;
use std::sync::Arc;

use millrace_scan::{Anchor, Counts, Division, ExtentKind, Kernel, LineRules, Plan, PlanScan, Rules};
use proptest::prelude::*;

use crate::lines::{canonical_lines, hostile_lines};
use crate::support::{Divided, any_rules, canonical, hostile_bytes, plain_rules, split};

/// The plan by its definition.
fn defined_plan(divided: &Divided, data_start: u64, first_line: u64, chunk_size: u64, end: u64) -> Plan {
    let mut before = Counts::default();
    let mut anchors: Vec<Anchor> = Vec::new();
    let mut target = data_start;
    for (start, extent) in divided {
        if *start >= target {
            anchors.push(Anchor { offset: *start, record: before.records + 1, line: first_line + before.lines, before });
            while target <= *start {
                target += chunk_size;
            }
        }
        before.lines += extent.lines;
        match extent.kind {
            ExtentKind::Record => before.records += 1,
            ExtentKind::Damage { .. } => (before.records, before.damages) = (before.records + 1, before.damages + 1),
            ExtentKind::Blank => before.blank_lines += 1,
            ExtentKind::Comment => before.comment_lines += 1,
        }
    }
    Plan { anchors, totals: before, end }
}

fn pushed(division: &Division, data: &[u8], data_start: usize, chunk_size: u64, block: usize, kernel: Kernel) -> Plan {
    let mut scan = PlanScan::with_kernel(division.clone(), data_start as u64, 3, chunk_size, kernel);
    let mut early = Vec::new();
    for part in data[data_start..].chunks(block) {
        scan.push(part);
        early.extend(scan.take_anchors());
    }
    let plan = scan.finish();
    early.extend(plan.anchors);
    Plan { anchors: early, ..plan }
}

fn pulled(division: Division, data: &[u8], data_start: usize, chunk_size: u64, step: usize) -> Plan {
    let read = |offset: u64, buffer: &mut [u8]| {
        let rest = &data[data.len().min(offset as usize)..];
        let count = rest.len().min(buffer.len()).min(step);
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok::<usize, Infallible>(count)
    };
    match PlanScan::new(division, data_start as u64, 3, chunk_size).scan(read) {
        Ok(plan) => plan,
    }
}

fn csv(rules: Arc<Rules>) -> Division {
    Division::Csv(rules)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(10_000) })]

    #[test]
    fn csv_anchors_are_those_of_the_definition(
        rules in any_rules(), data in hostile_bytes(900), start in 0_usize..20, chunk_size in 1_u64..400, block in 1_usize..300,
    ) {
        let start = start.min(data.len());
        let expected = defined_plan(&canonical(&data, start, &rules), start as u64, 3, chunk_size, data.len() as u64);
        for kernel in Kernel::all() {
            let plan = pushed(&csv(rules.clone()), &data, start, chunk_size, block, kernel);
            prop_assert_eq!(&plan, &expected, "kernel {}", kernel.name());
        }
        prop_assert_eq!(pulled(csv(rules), &data, start, chunk_size, block), expected);
    }

    #[test]
    fn line_anchors_are_those_of_the_definition(
        limit in prop_oneof![3_u64..40, Just(1_u64 << 20)], data in hostile_lines(900), chunk_size in 1_u64..400, block in 1_usize..300,
    ) {
        let rules = LineRules::json(limit);
        let expected = defined_plan(&canonical_lines(&data, &rules), 0, 3, chunk_size, data.len() as u64);
        for kernel in Kernel::all() {
            let plan = pushed(&Division::Lines(rules), &data, 0, chunk_size, block, kernel);
            prop_assert_eq!(&plan, &expected, "kernel {}", kernel.name());
        }
        prop_assert_eq!(pulled(Division::Lines(rules), &data, 0, chunk_size, block), expected);
    }
}

#[test]
fn a_clean_file_is_cut_at_record_starts() {
    let rules = plain_rules(2);
    let data: Vec<u8> = (0..300_000).flat_map(|row| format!("{row},name of {row}\r\n").into_bytes()).collect();
    let plan = pulled(csv(rules.clone()), &data, 0, 1 << 20, usize::MAX);
    assert_eq!(plan.totals, Counts { records: 300_000, lines: 300_000, ..Counts::default() });
    assert_eq!(plan.anchors.len(), data.len().div_ceil(1 << 20));
    for (index, anchor) in plan.anchors.iter().enumerate() {
        assert!(anchor.offset >= (index as u64) << 20 && anchor.offset < ((index as u64) << 20) + 32);
        assert_eq!(anchor.line, anchor.before.lines + 3);
        let text = std::str::from_utf8(&data[anchor.offset as usize..]).expect("ASCII");
        assert!(text.starts_with(&format!("{},", anchor.record - 1)));
    }
    for kernel in Kernel::all() {
        assert_eq!(pushed(&csv(rules.clone()), &data, 0, 1 << 20, 99_991, kernel), plan);
    }
}

#[test]
fn an_empty_stream_has_no_chunks() {
    let plan = pulled(csv(plain_rules(2)), b"a,b\n", 4, 10, 100);
    assert_eq!(plan, Plan { anchors: Vec::new(), totals: Counts::default(), end: 4 });
}

#[test]
fn a_long_line_is_not_held() {
    let rules = plain_rules(2);
    let mut scan = PlanScan::new(csv(rules), 0, 1, 1 << 20);
    let filler = vec![b'x'; 1 << 20];
    scan.push(b"1,a\n2,");
    for _ in 0..80 {
        scan.push(&filler);
    }
    scan.push(b"\n3,b\n");
    let plan = scan.finish();
    assert_eq!(plan.totals, Counts { records: 3, damages: 1, lines: 3, ..Counts::default() });
    assert_eq!(plan.anchors.len(), 2, "the damage lies across all other targets");
    assert_eq!(plan.anchors[1].record, 3);
}

/// Records of many words, clean but for a rare surprise: long stretches are counted a block of words at a time.
fn long_and_mostly_clean() -> impl Strategy<Value = Vec<u8>> {
    let end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    let field = prop_oneof![
        6 => "[a-z0-9 ]{0,30}",
        3 => "\"[a-z, ]{0,90}\"",
        1 => "\"([a-z]{0,9}\"\"){1,4}[a-z]{0,9}\"",
    ];
    let row = prop::collection::vec(field, 3).prop_map(|fields| fields.join(","));
    let surprise =
        prop_oneof![Just("\n"), Just("\r\n"), Just("a\"b,c,d\n"), Just("\"a\"b,c,d\r\n"), Just("a,\"b\nc\",d\n"), Just("\r"), Just("\"")];
    (prop::collection::vec(row, 1..40), end, prop::collection::vec((any::<prop::sample::Index>(), surprise), 0..3), 1..12_usize).prop_map(
        |(rows, end, surprises, copies)| {
            let mut lines: Vec<String> = (0..copies).flat_map(|_| rows.iter().map(|row| format!("{row}{end}"))).collect();
            for (at, surprise) in surprises {
                let at = at.index(lines.len());
                lines.insert(at, surprise.to_string());
            }
            lines.concat().into_bytes()
        },
    )
}

proptest! {
    #[test]
    fn memory_is_read_as_defined(data in long_and_mostly_clean(), block in 1..20_000_usize, max_records in 1..2_000_usize) {
        let rules = plain_rules(3);
        let expected = canonical(&data, 0, &rules);
        for kernel in Kernel::all() {
            prop_assert_eq!(&split(&data, data.len(), max_records, kernel, &rules), &expected, "kernel {}", kernel.name());
            prop_assert_eq!(&split(&data, block, usize::MAX, kernel, &rules), &expected, "kernel {}", kernel.name());
        }
    }

    #[test]
    fn memory_is_divided_as_defined(data in long_and_mostly_clean(), chunk_size in 1..20_000_u64) {
        let rules = plain_rules(3);
        let expected = defined_plan(&canonical(&data, 0, &rules), 0, 1, chunk_size, data.len() as u64);
        for kernel in Kernel::all() {
            let plan = PlanScan::with_kernel(csv(rules.clone()), 0, 1, chunk_size, kernel).scan_slice(&data);
            prop_assert_eq!(&plan, &expected, "kernel {}", kernel.name());
        }
    }
}
