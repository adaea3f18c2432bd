//! A record is rejected if and only if evaluating it alone fails, whatever stands beside it.

use std::sync::Arc;

use crate::table::{batch, compile_with, failures, run_on};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringViewArray, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use millrace_engine::program::RowFailure;
use proptest::prelude::*;
use serde_json::Map;

fn rows(values: &[(Option<i64>, Option<i64>, Option<String>)]) -> RecordBatch {
    let a: Int64Array = values.iter().map(|value| value.0).collect();
    let b: Int64Array = values.iter().map(|value| value.1).collect();
    let s: StringViewArray = values.iter().map(|value| value.2.clone()).collect();
    let columns: [(&str, ArrayRef); 3] = [("a", Arc::new(a)), ("b", Arc::new(b)), ("s", Arc::new(s))];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

fn integer() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![6 => (-3i64..4).prop_map(Some), 1 => Just(None), 1 => Just(Some(i64::MAX)), 1 => Just(Some(i64::MIN))]
}

fn text() -> impl Strategy<Value = Option<String>> {
    prop_oneof![3 => (-5i64..99).prop_map(|n| Some(n.to_string())), 1 => Just(None), 1 => "[a-z0-9 ]{0,14}".prop_map(Some)]
}

/// Text of a random integer expression.
fn number() -> impl Strategy<Value = String> + Clone {
    let leaf = prop_oneof![
        Just("a".to_string()),
        Just("b".to_string()),
        Just("CAST(s AS BIGINT)".to_string()),
        (-2i64..5).prop_map(|n| n.to_string())
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (inner.clone(), prop_oneof![Just("+"), Just("-"), Just("*"), Just("/"), Just("%")], inner.clone())
                .prop_map(|(left, op, right)| format!("({left} {op} {right})")),
            inner.clone().prop_map(|value| format!("(-({value}))")),
            inner.clone().prop_map(|value| format!("abs({value})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("coalesce({left}, {right})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("nullif({left}, {right})")),
            (condition(inner.clone()), inner.clone(), inner.clone())
                .prop_map(|(test, yes, no)| format!("CASE WHEN {test} THEN {yes} ELSE {no} END")),
            (inner.clone(), inner.clone(), inner.clone(), inner)
                .prop_map(|(value, one, first, second)| format!("CASE {value} WHEN {one} THEN {first} WHEN 1 THEN {second} END")),
        ]
    })
}

fn condition(number: impl Strategy<Value = String> + Clone + 'static) -> impl Strategy<Value = String> {
    let compare = (number.clone(), prop_oneof![Just("="), Just("<"), Just(">=")], number.clone())
        .prop_map(|(left, op, right)| format!("{left} {op} {right}"));
    let leaf = prop_oneof![
        compare,
        (number.clone(), number.clone(), number.clone()).prop_map(|(value, low, high)| format!("{value} BETWEEN {low} AND {high}")),
        (number.clone(), number.clone()).prop_map(|(value, member)| format!("{value} IN (1, {member}, 3)")),
        number.prop_map(|value| format!("{value} IS NULL")),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} AND {right})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} OR {right})")),
            inner.prop_map(|test| format!("(NOT {test})")),
        ]
    })
}

/// Each record in a batch of its own.
fn one_by_one(sql: &str, input: &RecordBatch) -> (RecordBatch, Vec<u32>, Vec<RowFailure>) {
    let mut program = compile_with(sql, input, &Map::new()).unwrap();
    let (mut pieces, mut origin, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..input.num_rows() {
        let alone = program.run(&batch(input.slice(row, 1)), crate::table::URI).unwrap();
        origin.extend(alone.origin.iter().map(|_| row as u32));
        failed.extend(alone.failed.into_iter().map(|failure| RowFailure { row: row as u32, ..failure }));
        pieces.push(alone.rows);
    }
    (concat_batches(&program.output_schema(), &pieces).unwrap(), origin, failed)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn isolation_equals_one_by_one(
        value in number(),
        test in condition(number()),
        values in prop::collection::vec((integer(), integer(), text()), 0..60),
    ) {
        let input = rows(&values);
        let sql = format!("SELECT {value} AS x, s FROM input WHERE {test}");
        let compiled = compile_with(&sql, &input, &Map::new());
        // A constant cast that fails is refused before any record is read.
        prop_assume!(!matches!(&compiled, Err(error) if error.code == "SPEC_SQL_TYPE"));
        let together = compiled.unwrap().run(&batch(input.clone()), crate::table::URI).unwrap();
        let (rows, origin, failed) = one_by_one(&sql, &input);
        prop_assert_eq!(&together.failed, &failed, "{}", sql);
        prop_assert_eq!(&together.origin, &origin, "{}", sql);
        prop_assert_eq!(&together.rows, &rows, "{}", sql);
        for failure in &failed {
            prop_assert!(failure.message.starts_with("cannot evaluate"), "{}", failure.message);
        }
    }

    #[test]
    fn the_order_of_records_does_not_matter(values in prop::collection::vec((integer(), integer(), text()), 1..200), seed in any::<u64>()) {
        let input = rows(&values);
        let count = values.len() as u64;
        let mut order: Vec<u32> = (0..values.len() as u32).collect();
        order.sort_by_key(|row| (u64::from(*row) + 1).wrapping_mul(seed | 1) % (2 * count + 1));
        let mixed = take_record_batch(&input, &UInt32Array::from(order.clone())).unwrap();
        let sql = "SELECT a / b AS x, CAST(s AS BIGINT) AS y FROM input WHERE a + 1 > b";
        let plain = run_on(sql, input);
        let shuffled = run_on(sql, mixed);
        let mut back: Vec<(u32, &str)> = failures(&shuffled).into_iter().map(|(row, code)| (order[row as usize], code)).collect();
        back.sort_unstable();
        prop_assert_eq!(back, failures(&plain));
    }
}

#[test]
fn every_share_of_failing_records_is_found() {
    for step in [1usize, 2, 10, 17, 100, 999] {
        let values: Vec<_> = (0..1_000).map(|row| (Some(1), Some(i64::from(row % step != 0)), None)).collect();
        let answer = run_on("SELECT a / b AS x FROM input", rows(&values));
        let expected: Vec<u32> = (0..1_000u32).filter(|row| (*row as usize).is_multiple_of(step)).collect();
        assert_eq!(answer.failed.iter().map(|failure| failure.row).collect::<Vec<_>>(), expected);
        assert_eq!(answer.rows.num_rows(), 1_000 - expected.len());
    }
}
