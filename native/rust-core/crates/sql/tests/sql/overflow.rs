//! What every operator, cast and function over numbers, dates and instants does at the ends of its types: a defined value, or the failure of that
//! record with its code. Nothing wraps, and nothing fails without a code.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use serde_json::Map;

use crate::table::{column, compile_with, run_on};

fn extremes() -> RecordBatch {
    let nines = 10i128.pow(38) - 1;
    let decimal = |value: i128, precision, scale| {
        Arc::new(Decimal128Array::from(vec![value]).with_precision_and_scale(precision, scale).unwrap()) as ArrayRef
    };
    let instant = |micros: i64| Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC")) as ArrayRef;
    let columns: [(&str, ArrayRef); 13] = [
        ("big", Arc::new(Int64Array::from(vec![i64::MAX]))),
        ("small", Arc::new(Int64Array::from(vec![i64::MIN]))),
        ("huge", Arc::new(Float64Array::from(vec![f64::MAX]))),
        ("inf", Arc::new(Float64Array::from(vec![f64::INFINITY]))),
        ("nan", Arc::new(Float64Array::from(vec![f64::NAN]))),
        ("whole", decimal(nines, 38, 0)),
        ("fine", decimal(nines, 38, 10)),
        ("cents", decimal(9_999, 4, 2)),
        ("last_day", Arc::new(Date32Array::from(vec![i32::MAX]))),
        ("first_day", Arc::new(Date32Array::from(vec![i32::MIN]))),
        ("last", instant(i64::MAX)),
        ("first", instant(i64::MIN)),
        ("text", Arc::new(StringViewArray::from(vec!["999999-12-31"]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

/// An expression, and its value, the code of its failure, or the code with which the query is refused.
const CASES: &[(&str, &str)] = include!("overflow.table");

fn found(expr: &str) -> String {
    let sql = format!("SELECT {expr} AS x FROM input");
    if let Err(error) = compile_with(&sql, &extremes(), &Map::new()) {
        return error.code.to_string();
    }
    let answer = run_on(&sql, extremes());
    answer.failed.first().map_or_else(|| column(&answer.rows, 0).remove(0), |failure| failure.code.to_string())
}

#[test]
fn the_ends_of_every_type_are_defined() {
    let mut differences = Vec::new();
    for (expr, expected) in CASES {
        let found = found(expr);
        if found != *expected {
            differences.push(format!("    ({expr:?}, {found:?}),"));
        }
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

/// A function that may overflow, or makes something of dates, has a case. Those that cannot are the ones that yield small numbers or texts.
#[test]
fn every_function_over_numbers_and_dates_has_a_case() {
    let first = |topic: &str| millrace_sql::functions::ALLOWED.iter().position(|function| function.name == topic).unwrap();
    let numbers = &millrace_sql::functions::ALLOWED[first("abs")..=first("parse_decimal")];
    let dates = &millrace_sql::functions::ALLOWED[first("date_bin")..=first("to_unixtime")];
    let called: HashSet<&str> = CASES.iter().filter_map(|(expr, _)| expr.split_once('(').map(|(name, _)| name)).collect();
    let missing: Vec<&str> = numbers.iter().chain(dates).map(|function| function.name).filter(|name| !called.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
