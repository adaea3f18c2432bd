//! Overflow, division and casts, as columns and as constants, through the whole path: the right code, the right records, and no others.

use std::sync::Arc;

use crate::table::{column, failures, run, run_on};
use arrow_array::{ArrayRef, Decimal128Array, Int8Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringViewArray};

/// Smallest and largest value, and one.
fn extremes() -> Vec<(&'static str, ArrayRef, String)> {
    let nines = 10i128.pow(38) - 1;
    let decimal =
        |values: Vec<i128>, scale| Arc::new(Decimal128Array::from(values).with_precision_and_scale(38, scale).unwrap()) as ArrayRef;
    vec![
        ("TINYINT", Arc::new(Int8Array::from(vec![i8::MIN, i8::MAX, 1])) as ArrayRef, i8::MAX.to_string()),
        ("SMALLINT", Arc::new(Int16Array::from(vec![i16::MIN, i16::MAX, 1])), i16::MAX.to_string()),
        ("INT", Arc::new(Int32Array::from(vec![i32::MIN, i32::MAX, 1])), i32::MAX.to_string()),
        ("BIGINT", Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX, 1])), i64::MAX.to_string()),
        ("DECIMAL(38, 0)", decimal(vec![-nines, nines, 1], 0), "9".repeat(38)),
    ]
}

const OVERFLOW: &str = "TRANSFORM_OVERFLOW";
const ZERO: &str = "TRANSFORM_DIVIDE_BY_ZERO";

#[test]
fn columns_never_wrap() {
    for (name, values, _) in extremes() {
        let is_decimal = name.starts_with("DECIMAL");
        let one = format!("CAST(1 AS {name})");
        let two = format!("CAST(2 AS {name})");
        let mut cases = vec![
            (format!("x + {one}"), vec![(1, OVERFLOW)]),
            (format!("x - {one}"), vec![(0, OVERFLOW)]),
            (format!("{one} - x"), vec![(0, OVERFLOW)]),
            (format!("x * {two}"), vec![(0, OVERFLOW), (1, OVERFLOW)]),
            (format!("x / CAST(0 AS {name})"), vec![(0, ZERO), (1, ZERO), (2, ZERO)]),
            (format!("x % CAST(0 AS {name})"), vec![(0, ZERO), (1, ZERO), (2, ZERO)]),
            (format!("{one} / (x - x)"), vec![(0, ZERO), (1, ZERO), (2, ZERO)]),
        ];
        // The range of a decimal is symmetric: its negatives all exist.
        let smallest = if is_decimal { vec![] } else { vec![(0, OVERFLOW)] };
        cases.push(("-x".into(), smallest.clone()));
        cases.push(("abs(x)".into(), smallest.clone()));
        if !is_decimal {
            cases.push((format!("x / CAST(-1 AS {name})"), smallest));
        }
        for (expr, expected) in cases {
            let rows = RecordBatch::try_from_iter([("x", Arc::clone(&values))]).unwrap();
            let answer = run_on(&format!("SELECT {expr} AS y FROM input"), rows);
            assert_eq!(failures(&answer), expected, "{name}: {expr}");
            assert_eq!(answer.rows.num_rows(), 3 - expected.len(), "{name}: {expr}");
        }
    }
}

#[test]
fn constants_never_wrap_and_never_stop_the_query() {
    for (name, _, largest) in extremes() {
        let is_decimal = name.starts_with("DECIMAL");
        let largest = format!("CAST({largest} AS {name})");
        let smallest = if is_decimal { format!("(-{largest})") } else { format!("(-{largest} - CAST(1 AS {name}))") };
        let one = format!("CAST(1 AS {name})");
        let mut cases = vec![
            (format!("{largest} + {one}"), Some(OVERFLOW)),
            (format!("{smallest} - {one}"), Some(OVERFLOW)),
            (format!("{largest} * CAST(2 AS {name})"), Some(OVERFLOW)),
            (format!("{one} / CAST(0 AS {name})"), Some(ZERO)),
            (format!("{one} % CAST(0 AS {name})"), Some(ZERO)),
            (format!("{largest} - {one}"), None),
        ];
        let smallest_code = if is_decimal { None } else { Some(OVERFLOW) };
        cases.push((format!("-{smallest}"), smallest_code));
        cases.push((format!("abs({smallest})"), smallest_code));
        for (expr, code) in cases {
            let answer = run(&format!("SELECT {expr} AS y FROM input"));
            let expected: Vec<_> = code.into_iter().flat_map(|code| (0..4).map(move |row| (row, code))).collect();
            assert_eq!(failures(&answer), expected, "{name}: {expr}");
            // Where no record comes, nothing fails.
            let behind = run(&format!("SELECT CASE WHEN m < 0 THEN {expr} ELSE {one} END AS y FROM input"));
            assert_eq!(failures(&behind), [], "{name}: {expr} behind a case");
            let filtered = run(&format!("SELECT {expr} AS y FROM input WHERE m < 0"));
            assert_eq!(failures(&filtered), [], "{name}: {expr} behind a filter");
        }
    }
    assert_eq!(failures(&run("SELECT 9223372036854775807 + 1 AS y FROM input")).len(), 4);
    assert_eq!(failures(&run("SELECT -(-9223372036854775808) AS y FROM input")).len(), 4);
    assert_eq!(column(&run("SELECT -9223372036854775808 AS y FROM input").rows, 0)[0], "-9223372036854775808");
}

#[test]
fn a_message_names_the_expression_and_its_operands() {
    let only = |sql: &str| run(sql).failed.remove(0);
    let failure = only("SELECT m / n AS x FROM input");
    assert_eq!((failure.row, failure.code), (1, ZERO));
    assert_eq!(failure.message, "cannot evaluate m / n: division by zero (m = 20, n = 0)");
    let failure = only("SELECT CAST(s AS BIGINT) AS x FROM input");
    assert_eq!((failure.row, failure.code), (0, "TRANSFORM_CAST"));
    assert!(failure.message.starts_with("cannot evaluate CAST(s AS BIGINT): "), "{}", failure.message);
    assert!(failure.message.ends_with("(s = 'anna')"), "{}", failure.message);
    let failure = only("SELECT (m + 1) * (n - 1000000000000000000) * 9 AS x FROM input");
    assert!(failure.message.starts_with("cannot evaluate (m + 1) * (n - 1000000000000000000)"), "{}", failure.message);
    let failure = only("SELECT bucket(m, n) AS x FROM input");
    assert_eq!((failure.row, failure.code), (1, OVERFLOW));
    let failure = only("SELECT decode(s, 'hex') AS x FROM input");
    assert_eq!((failure.row, failure.code), (0, "TRANSFORM_FUNCTION"));
    assert!(failure.message.contains("s = 'anna'"), "{}", failure.message);
}

#[test]
fn a_message_is_at_most_a_kibibyte() {
    let long = "ä".repeat(5_000);
    let rows = RecordBatch::try_from_iter([("s", Arc::new(StringViewArray::from(vec![long.as_str()])) as ArrayRef)]).unwrap();
    let wide = (0..50).map(|index| format!("'{index}'")).collect::<Vec<_>>().join(", ");
    for expr in ["CAST(s AS BIGINT)".to_string(), format!("CAST(concat(s, {wide}) AS DATE)"), "repeat(s, 1000)".to_string()] {
        let answer = run_on(&format!("SELECT {expr} AS x FROM input"), rows.clone());
        let message = &answer.failed[0].message;
        assert!(message.len() <= 1024, "{}", message.len());
        assert!(message.contains("cannot evaluate"), "{message}");
    }
}

#[test]
fn guards_protect_the_records_they_are_for() {
    assert_eq!(failures(&run("SELECT m FROM input WHERE n <> 0 AND m / n > 0")), []);
    assert_eq!(run("SELECT m FROM input WHERE n <> 0 AND m / n > 0").origin, [0]);
    assert_eq!(failures(&run("SELECT n = 0 OR m / n > 0 AS x FROM input")), []);
    assert_eq!(failures(&run("SELECT CASE WHEN n = 0 THEN 0 ELSE m / n END AS x FROM input")), []);
    assert_eq!(failures(&run("SELECT coalesce(n, CAST(s AS BIGINT)) AS x FROM input")), [(3, "TRANSFORM_CAST")]);
    assert_eq!(failures(&run("SELECT m / nullif(n, 0) AS x FROM input")), []);
    assert_eq!(failures(&run("SELECT x FROM (SELECT m, m / n AS x FROM input WHERE n <> 0) AS t WHERE m > 0")), []);
    // The text's order counts: here the division comes before the filter.
    assert_eq!(failures(&run("SELECT x FROM (SELECT m, n, m / n AS x FROM input) AS t WHERE n <> 0")), [(1, ZERO)]);
}

#[test]
fn casts_fail_for_their_record_only() {
    let cases = [
        ("CAST(s AS BIGINT)", vec![0, 3]),
        ("CAST(s AS DOUBLE)", vec![0, 3]),
        ("CAST(s AS DECIMAL(10, 2))", vec![0, 3]),
        ("CAST(s AS DATE)", vec![0, 1, 3]),
        ("CAST(s AS TIMESTAMP)", vec![0, 1, 3]),
        ("CAST(s AS BOOLEAN)", vec![0, 1, 3]),
        ("CAST(m * 4 AS TINYINT)", vec![3]),
        ("CAST(d AS DECIMAL(2, 2))", vec![0]),
        ("CAST(m AS DECIMAL(3, 2))", vec![0, 1, 2, 3]),
        ("CAST(f * 1e300 AS BIGINT)", vec![0, 1, 2]),
        ("TRY_CAST(s AS BIGINT)", vec![]),
    ];
    for (expr, rows) in cases {
        let answer = run(&format!("SELECT {expr} AS x FROM input"));
        let expected: Vec<_> = rows.into_iter().map(|row| (row, "TRANSFORM_CAST")).collect();
        assert_eq!(failures(&answer), expected, "{expr}: {:?}", answer.failed);
    }
}

#[test]
fn floats_follow_ieee_754() {
    let answer = run("SELECT 1.0 / CAST(n AS DOUBLE) AS x, CAST(n AS DOUBLE) % 0.0 AS y FROM input");
    assert_eq!(failures(&answer), []);
    assert_eq!(column(&answer.rows, 0)[1], "inf");
    assert_eq!(column(&answer.rows, 1)[0], "NaN");
}

#[test]
fn dates_beyond_the_calendar_fail_for_their_record() {
    for expr in [
        "day + INTERVAL '9000000 years'",
        "at + INTERVAL '900000 years'",
        "CAST(CAST(m AS VARCHAR) || '-01-01' AS DATE) + INTERVAL '2000000000 months'",
        "make_date(m * 100000000, 13, 1)",
        "from_unixtime(m * 900000000000000000)",
        "to_char(at, '%Q')",
        "date_bin(INTERVAL '0 minutes', at)",
        "repeat(s, 9000000000000)",
        "lpad(s, 2000000000, 'x')",
        "chr(-1)",
        "factorial(m + 100)",
        "lcm(m, 9223372036854775807)",
        "to_timestamp(m * 900000000000000)",
        "s ~ concat('(', s)",
        "regexp_replace(s, concat('(', s), 'x')",
    ] {
        let answer = run(&format!("SELECT {expr} AS x FROM input"));
        assert!(!answer.failed.is_empty(), "{expr}: {:?}", column(&answer.rows, 0));
        for failure in &answer.failed {
            assert!(failure.message.starts_with("cannot evaluate "), "{expr}: {}", failure.message);
        }
    }
}
