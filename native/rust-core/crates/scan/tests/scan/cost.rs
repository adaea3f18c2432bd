//! The canonical rule looks at a bounded number of bytes per byte of input, whatever the input. That holds where stray quotes are
//! rejected: as literal data they end no quoted field, and each unclosed one is followed to the record limits.

use std::sync::Arc;

use millrace_scan::extent::next_extent_counted;
use millrace_scan::{Limits, Rules, ScanDialect, Step};
use proptest::prelude::*;

use crate::support::{hostile_bytes, rules_of};

const BOUND: f64 = 64.0;

/// Bytes looked at per byte of `data`.
fn cost(data: &[u8], rules: &Rules) -> f64 {
    let mut at = 0;
    let mut total = 0;
    while at < data.len() {
        let (step, examined) = next_extent_counted(&data[at..], true, at as u64, rules);
        let Step::Extent(extent) = step else { panic!("undecided with all in view") };
        total += examined;
        at += extent.length as usize;
    }
    total as f64 / data.len().max(1) as f64
}

fn rules(columns: usize, typed: u32, max_record_bytes: u64, escape: Option<u8>) -> Arc<Rules> {
    let dialect = ScanDialect { escape, ..ScanDialect::default() };
    rules_of(dialect, Limits::with_record_bytes(max_record_bytes), columns, typed)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

    /// A short pattern repeated is what makes every trial go as far as it can.
    #[test]
    fn cost_is_bounded(
        pattern in prop_oneof![
            prop::collection::vec(prop::sample::select(b",\"\n1a\\".to_vec()), 1..16),
            hostile_bytes(24).prop_map(|mut bytes| { bytes.push(b'"'); bytes }),
        ],
        prefix in hostile_bytes(12),
        columns in 1_usize..6,
        typed in any::<u32>(),
        limit in prop_oneof![Just(200_u64), Just(3_000), Just(1 << 20)],
        escape in prop_oneof![2 => Just(None), 1 => Just(Some(b'\\'))],
    ) {
        let mut data = prefix;
        data.extend(pattern.iter().cycle().take(12_000));
        let rules = rules(columns, typed, limit, escape);
        let cost = cost(&data, &rules);
        prop_assert!(cost <= BOUND, "{cost} bytes examined per byte");
    }
}
