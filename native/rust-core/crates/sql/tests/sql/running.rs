//! Ranks and running totals in one pass answer as the engine's own window operators do, to the bit, however rows are cut and whatever the memory.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch};
use proptest::prelude::*;

use crate::partition::{Run, run, try_run};
use crate::same_bits;

/// The test rows with ties, a condition, and floats that are neither smaller nor larger than others.
fn rows(count: usize, keys: u64, seed: u64) -> RecordBatch {
    let rows = same_bits::rows(count, keys, 1, seed);
    let schema = rows.schema();
    let mut columns: Vec<(&str, ArrayRef)> =
        schema.fields().iter().map(|field| field.name().as_str()).zip(rows.columns().iter().cloned()).collect();
    let odd: Float64Array =
        (0..count).map(|row| [None, Some(-0.0), Some(f64::NAN), Some(0.1), Some(1e300)][(row * 7 + seed as usize % 3) % 5]).collect();
    let ok: BooleanArray = (0..count).map(|row| [Some(true), Some(false), None][(row / 2) % 3]).collect();
    columns.push(("odd", Arc::new(odd)));
    columns.push(("ok", Arc::new(ok)));
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

const CALLS: &[&str] = &[
    "count(*)",
    "count(t)",
    "sum(n)",
    "sum(d)",
    "sum(f)",
    "sum(odd)",
    "avg(n)",
    "avg(f)",
    "avg(d)",
    "min(n)",
    "max(t)",
    "min(t)",
    "max(d)",
    "min(day)",
    "min(odd)",
    "max(ok)",
    "first_value(t)",
    "last_value(t)",
    "first_value(n) IGNORE NULLS",
    "last_value(d) IGNORE NULLS",
    "count(*) FILTER (WHERE ok)",
    "sum(n) FILTER (WHERE n > 0)",
    "max(t) FILTER (WHERE ok)",
];

const WINDOWS: &[&str] = &[
    "PARTITION BY k ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "PARTITION BY k ORDER BY n % 5",
    "PARTITION BY k ORDER BY n % 5 DESC NULLS FIRST, ok RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "PARTITION BY k ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    "PARTITION BY k",
    "ORDER BY odd",
    "",
];

fn of(sql: &str, rows: &RecordBatch, cuts: Vec<usize>) -> Vec<String> {
    run(Run { cuts, ..Run::over(sql, vec![("input".into(), rows.clone())]) }).rows
}

/// Beside a function that is none of one pass, its neighbours are none either: `lag` streams, `ntile` takes each window partition as a whole.
fn beside(call: &str, other: &str, window: &str) -> String {
    format!("SELECT r FROM (SELECT {call} OVER ({window}) AS r, {other} OVER ({window}) AS other FROM input) AS w")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn one_pass_answers_as_the_engine_does(
        seed in any::<u64>(),
        count in prop_oneof![Just(1usize), 2usize..40, 8_000usize..20_000],
        keys in prop_oneof![Just(1u64), 1u64..8, Just(5_000u64)],
        cuts in prop::collection::vec(0usize..20_000, 0..6),
    ) {
        let rows = rows(count, keys, seed);
        for window in WINDOWS {
            for call in CALLS {
                let own = of(&format!("SELECT {call} OVER ({window}) AS r FROM input"), &rows, cuts.clone());
                let engines = of(&beside(call, "ntile(2)", window), &rows, vec![]);
                prop_assert_eq!(own.len(), engines.len());
                for (row, (own, engines)) in own.iter().zip(&engines).enumerate() {
                    prop_assert_eq!(own, engines, "{} OVER ({}), row {}", call, window, row);
                }
            }
        }
    }
}

#[test]
fn functions_of_one_window_are_answered_together() {
    let rows = rows(3_000, 20, 11);
    for window in WINDOWS {
        let ranks = ["row_number()", "rank()", "dense_rank()"];
        let all: Vec<&str> = ranks.iter().chain(CALLS.iter().filter(|call| !call.contains("avg"))).copied().collect();
        let whole: Vec<String> = all.iter().enumerate().map(|(index, call)| format!("{call} OVER ({window}) AS r{index}")).collect();
        let together = of(&format!("SELECT {} FROM input", whole.join(", ")), &rows, vec![100, 101, 2_000]);
        let alone: Vec<Vec<String>> =
            all.iter().map(|call| of(&format!("SELECT {call} OVER ({window}) AS r FROM input"), &rows, vec![])).collect();
        for (row, together) in together.iter().enumerate() {
            let alone: Vec<&str> = alone.iter().map(|rows| rows[row].as_str()).collect();
            assert_eq!(*together, alone.join("|"), "{window}, row {row}");
        }
    }
}

/// Rows wait for the last of their peers, and there are more of them than their share of memory holds.
#[test]
fn rows_that_wait_go_to_scratch() {
    let rows = rows(120_000, 1, 5);
    for window in ["", "ORDER BY n % 2", "PARTITION BY k", "PARTITION BY n % 2 ORDER BY k"] {
        let sql =
            format!("SELECT t, sum(n) OVER ({window}) AS s, max(t) OVER ({window}) AS m, row_number() OVER ({window}) AS r FROM input");
        let of = |memory_bytes, scratch| {
            let cuts = (0..120_000).step_by(5_000).collect();
            try_run(&Run { cuts, memory_bytes, scratch, ..Run::over(&sql, vec![("input".into(), rows.clone())]) })
        };
        let roomy = of(1 << 30, None).unwrap();
        let tight = of(20 << 20, Some(std::env::temp_dir())).unwrap();
        assert!(roomy.rows == tight.rows, "{sql}");
        // Nothing is sorted for the first, so it is the waiting rows that need scratch.
        assert!(of(20 << 20, None).is_err(), "{sql}");
    }
}

#[test]
fn a_running_sum_that_overflows_names_itself() {
    let rows = rows(3, 1, 1);
    for window in ["ORDER BY day ROWS UNBOUNDED PRECEDING", "ORDER BY day", ""] {
        let sql = format!("SELECT sum(9223372036854775807 + 0 * coalesce(n, 0)) OVER ({window}) AS s FROM input");
        let error = try_run(&Run::over(&sql, vec![("input".into(), rows.clone())])).unwrap_err();
        assert_eq!(error.code, "TRANSFORM_AGGREGATE");
        assert!(error.message.starts_with("cannot evaluate sum("), "{}", error.message);
    }
    let one = "SELECT sum(9223372036854775807 + 0 * coalesce(n, 0)) OVER (PARTITION BY t, f ORDER BY day) AS s FROM input";
    assert_eq!(of(one, &rows, vec![]), ["9223372036854775807"; 3]);
}
