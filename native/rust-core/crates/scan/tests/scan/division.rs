use millrace_scan::{DamageCode, ExtentKind, Kernel, fields_of, unescape_into};
use proptest::prelude::*;

use crate::support::{any_rules, canonical, canonical_in_blocks, hostile_bytes, plain_rules, split};

fn cases(count: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(count) }
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn any_cut_equals_whole(rules in any_rules(), data in hostile_bytes(240)) {
        let whole = canonical(&data, 0, &rules);
        for (index, (start, _)) in whole.iter().enumerate() {
            prop_assert_eq!(&canonical(&data, *start as usize, &rules)[..], &whole[index..]);
        }
    }

    #[test]
    fn windows_change_nothing(rules in any_rules(), data in hostile_bytes(240), block in 1_usize..90) {
        prop_assert_eq!(canonical_in_blocks(&data, block, &rules), canonical(&data, 0, &rules));
    }

    #[test]
    fn fast_equals_canonical(rules in any_rules(), data in hostile_bytes(900), block in 1_usize..300, max_records in 1_usize..60) {
        let expected = canonical(&data, 0, &rules);
        for kernel in Kernel::all() {
            prop_assert_eq!(&split(&data, block, max_records, kernel, &rules), &expected, "kernel {}", kernel.name());
            prop_assert_eq!(&split(&data, data.len().max(1), usize::MAX, kernel, &rules), &expected, "kernel {}", kernel.name());
        }
    }
}

fn rows(count: usize, row: impl Fn(usize) -> String) -> Vec<u8> {
    (0..count).map(row).collect::<String>().into_bytes()
}

#[test]
fn one_stray_quote_costs_one_record() {
    let stray = 100_000;
    let rules = plain_rules(3);
    let data = rows(200_000, |row| match row {
        _ if row == stray => format!("{row},\"name {row},x\n"),
        _ if row % 4 == 1 => format!("{row},\"name, {row}\",\"x\ny\"\n"),
        _ => format!("{row},name {row},x\n"),
    });
    let divided = split(&data, 1 << 20, 8_192, Kernel::best(), &rules);
    assert_eq!(divided.len(), 200_000);
    for (index, (start, extent)) in divided.iter().enumerate() {
        match extent.kind {
            ExtentKind::Record => assert!(index != stray && extent.fields == 3),
            ExtentKind::Damage { code, error_offset } => {
                // The next quote of the file closes it, in the row behind, and text follows.
                assert_eq!((index, code), (stray, DamageCode::StrayQuote));
                assert_eq!(error_offset, start + 22 + "100001,\"".len() as u64);
                assert_eq!(extent.length, "100000,\"name 100000,x\n".len() as u64);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn one_stray_quote_in_a_hundred_costs_those_records_only() {
    let rules = plain_rules(3);
    let data = rows(20_000, |row| if row % 100 == 50 { format!("{row},a\"b,\"x\n") } else { format!("{row},\"a, {row}\",x\n") });
    let divided = split(&data, 1 << 20, 8_192, Kernel::best(), &rules);
    let damaged = divided.iter().filter(|(_, extent)| extent.kind != ExtentKind::Record).count();
    assert_eq!((divided.len(), damaged), (20_000, 200));
}

#[test]
fn a_lone_quote_at_the_start_is_followed_to_the_first_line_that_fits() {
    let rules = plain_rules(2);
    let mut data = b"\"\n".to_vec();
    data.extend(rows(50_000, |row| format!("{row},a\n")));
    let divided = split(&data, 1 << 16, 1_000, Kernel::best(), &rules);
    assert_eq!(divided.len(), 50_001);
    assert_eq!(divided[0].1.length, 2);
}

#[test]
fn values_are_unescaped() {
    let rules = plain_rules(2);
    let record = b"\"a \"\"b\"\"\",c\"\"\r\n";
    let fields = fields_of(record, &rules);
    let values: Vec<Vec<u8>> = fields
        .iter()
        .map(|field| {
            let mut value = Vec::new();
            unescape_into(field.raw(record), &rules, &mut value);
            value
        })
        .collect();
    assert_eq!(values, [b"a \"b\"".to_vec(), b"c\"\"".to_vec()]);
}
