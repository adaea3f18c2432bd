//! Queries and values made to use up memory: a record that becomes too large fails alone, a partition or a batch that does ends its attempt with
//! a code of the class `resource`, and what goes on for ever can be cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
use millrace_engine::program::{ProgramError, ReduceContext};
use serde_json::Map;

use crate::partition::{Collect, Run, compile, slices, try_run};
use crate::table::{URI, batch, compile_with, failures, run_on};

/// Texts `s` of the given lengths, and `n`, which numbers them.
fn texts(lengths: &[usize]) -> RecordBatch {
    let texts: StringViewArray = lengths.iter().map(|length| Some("a".repeat(*length))).collect();
    let numbers: Int64Array = (0..lengths.len() as i64).map(Some).collect();
    let columns: [(&str, ArrayRef); 2] = [("s", Arc::new(texts)), ("n", Arc::new(numbers))];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

const MIB: usize = 1 << 20;

/// Each makes more than 64 MiB of a text of a mebibyte.
fn growths() -> Vec<String> {
    let many = |count: usize| vec!["s"; count].join(", ");
    let mut doubled = "(SELECT s AS s0, n FROM input) t0".to_string();
    for level in 0..7 {
        doubled = format!("(SELECT s{level} || s{level} AS s{}, n FROM {doubled}) t{}", level + 1, level + 1);
    }
    let long = "b".repeat(100);
    vec![
        format!("SELECT concat({}) AS x FROM input", many(65)),
        format!("SELECT concat_ws(s, {}) AS x FROM input", many(33)),
        format!("SELECT {} AS x FROM input", vec!["s"; 65].join(" || ")),
        format!("SELECT s7 AS x FROM {doubled}"),
        format!("SELECT replace(s, 'a', '{long}') AS x FROM input"),
        format!("SELECT regexp_replace(s, 'A', '{long}', 'gi') AS x FROM input"),
        "SELECT regexp_replace(s, '(a+)', '${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}${1}', 'g') AS x FROM input".to_string(),
        format!("SELECT make_array({}) AS x FROM input", many(65)),
        format!("SELECT array_to_string(make_array({}), s) AS x FROM input", many(33)),
        format!("SELECT named_struct({}) AS x FROM input", (0..65).map(|at| format!("'{at}', s")).collect::<Vec<_>>().join(", ")),
        format!("SELECT {} FROM input", (0..65).map(|at| format!("concat(s, '{at}') AS x{at}")).collect::<Vec<_>>().join(", ")),
        format!("SELECT unnest(make_array(1, 2)) AS u, {} FROM input", (0..65).map(|at| format!("s AS x{at}")).collect::<Vec<_>>().join(", ")),
    ]
}

#[test]
fn a_record_that_becomes_too_large_fails_alone() {
    for sql in growths() {
        let answer = run_on(&sql, texts(&[3, MIB, 0]));
        assert_eq!(failures(&answer), [(1, "TRANSFORM_ROW_TOO_LARGE")], "{sql}: {:?}", answer.failed);
        assert!(answer.failed[0].message.contains("more than 64 MiB"), "{sql}: {}", answer.failed[0].message);
        assert!(answer.rows.num_rows() >= 2, "{sql}");
        let rows = vec![("input".to_string(), texts(&[3, MIB, 0]))];
        let reduced = try_run(&Run::over(&sql, rows)).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        assert_eq!(reduced.failed.iter().map(|row| row.code).collect::<Vec<_>>(), ["TRANSFORM_ROW_TOO_LARGE"], "{sql}");
    }
}

#[test]
fn texts_that_stay_small_enough_are_not_refused() {
    let sql = "SELECT length(replace(s, 'b', repeat('c', 10000))) AS a, length(concat(s, s, s)) AS b, length(regexp_replace(s, '^a', 'bb')) AS c FROM input";
    let answer = run_on(sql, texts(&[MIB]));
    assert_eq!(failures(&answer), []);
    assert_eq!(crate::partition::texts(&answer.rows), [format!("{MIB}|{}|{}", 3 * MIB, MIB + 1)]);
}

fn map_error(sql: &str, rows: RecordBatch) -> ProgramError {
    let mut program = compile_with(sql, &rows, &Map::new()).unwrap();
    program.run(&batch(rows), URI).expect_err(sql)
}

#[test]
fn a_batch_that_becomes_too_large_ends_its_attempt() {
    let error = map_error("SELECT repeat(s, 1048576) AS x FROM input", texts(&[1; 300]));
    assert_eq!(error.code, "CORE_MEMORY", "{}", error.message);
    assert!(error.message.contains("256 MiB"), "{}", error.message);
}

fn reduce_error(sql: &str, rows: RecordBatch, memory_bytes: u64) -> ProgramError {
    let run = Run { memory_bytes, scratch: Some(std::env::temp_dir()), ..Run::over(sql, vec![("input".into(), rows)]) };
    try_run(&run).map(|answer| answer.rows.len()).expect_err(sql)
}

#[test]
fn aggregates_that_outgrow_memory_end_their_attempt() {
    for sql in [
        "SELECT string_agg(repeat(s, 100000), ',') AS x FROM input",
        "SELECT n % 3 AS k, string_agg(repeat(s, 100000), ',') AS x FROM input GROUP BY n % 3",
        "SELECT n % 3 AS k, array_agg(repeat(s, 100000)) AS x FROM input GROUP BY n % 3",
        "SELECT array_agg(repeat(s, 100000) ORDER BY n DESC) AS x FROM input",
        "SELECT n, string_agg(repeat(s, 100000), ',') OVER (ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS x FROM input",
    ] {
        let error = reduce_error(sql, texts(&[5; 100]), 16 << 20);
        assert_eq!(error.code, "CORE_MEMORY", "{sql}: {}", error.message);
    }
}

#[test]
fn a_row_of_a_result_that_is_too_large_is_named() {
    let error = reduce_error("SELECT string_agg(s, ',') AS x FROM input", texts(&[MIB; 65]), 1 << 30);
    assert_eq!(error.code, "TRANSFORM_AGGREGATE");
    assert!(error.message.contains("64 MiB"), "{}", error.message);
}

#[test]
fn joins_without_an_equality_hold_a_bounded_table() {
    let rows = texts(&[MIB; 70]);
    let error = reduce_error("SELECT a.n FROM input a JOIN input b ON a.s < b.s", rows, 1 << 30);
    assert_eq!(error.code, "CORE_MEMORY");
    assert!(error.message.contains("without an equality"), "{}", error.message);
}

/// 10^10 pairs, of which none is a row: nothing comes out that somebody could look at between.
const NOTHING: &str = "SELECT a.n FROM input a JOIN input b ON a.n * 2 = b.n * 2 + 1 AND a.n < b.n OR a.n + b.n < 0";
/// 10^10 rows, which an aggregate swallows.
const EVERYTHING: &str = "SELECT count(*) AS c FROM input a, input b";

#[test]
fn a_join_that_goes_on_for_ever_can_be_cancelled() {
    for sql in [NOTHING, EVERYTHING] {
        let run = Run::over(sql, vec![("input".into(), texts(&[1; 100_000]))]);
        let mut program = compile(&run).unwrap();
        let streams = run.tables.iter().map(|(_, rows)| slices(rows, &[])).collect();
        let turns = AtomicUsize::new(0);
        let cancelled = Arc::new(move || turns.fetch_add(1, Ordering::Relaxed) > 200);
        let context = ReduceContext { memory_bytes: 1 << 30, scratch: Some(std::env::temp_dir()), scratch_bytes: 1 << 30, cancelled };
        let error = program.run(streams, &context, &mut Collect::default()).unwrap_err();
        assert_eq!(error.code, millrace_engine::error::CANCELLED, "{sql}: {}", error.message);
    }
}
