//! Whatever stands in the text, the compiler answers with a program or a code of its own, and a program never fails as a whole.

use crate::table::{URI, batch, compile, rows};
use proptest::prelude::*;

/// Words that queries are made of, in and out of place.
const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "input",
    "WHERE",
    "WITH",
    "t",
    "AS",
    "(",
    ")",
    "(",
    ")",
    ",",
    ",",
    "n",
    "m",
    "s",
    "d",
    "f",
    "day",
    "at",
    "b",
    "_line",
    "*",
    "+",
    "-",
    "/",
    "%",
    "||",
    "=",
    "<",
    "~",
    "AND",
    "OR",
    "NOT",
    "IN",
    "BETWEEN",
    "LIKE",
    "IS",
    "NULL",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "CAST",
    "TRY_CAST",
    "BIGINT",
    "DATE",
    "TIMESTAMP",
    "DECIMAL(5, 2)",
    "VARCHAR",
    "'x'",
    "'2024-01-01'",
    "1",
    "1.5",
    "1e9",
    "9223372036854775808",
    "INTERVAL '1 day'",
    "upper",
    "coalesce",
    "concat",
    "to_char",
    "round",
    "count",
    "now()",
    "job_time()",
    "record_id()",
    "GROUP",
    "BY",
    "ORDER",
    "LIMIT",
    "UNION",
    "JOIN",
    "ON",
    "$p",
    "::",
    "[",
    "]",
    "{",
    "}",
    ".",
    ";",
    "--",
    "/*",
    "\"",
    "'",
    "::INT",
    "EXTRACT",
    "AT TIME ZONE",
    "OVER",
];

fn expression() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(WORDS), 1..9).prop_map(|words| words.join(" "))
}

/// Compiles and runs; a refusal must be one of the query's faults.
fn try_query(sql: &str) -> Result<(), TestCaseError> {
    match compile(sql) {
        Err(error) => prop_assert!(error.code.starts_with("SPEC_"), "{sql}: {error:?}"),
        Ok(mut program) => {
            let answer = program.run(&batch(rows()), URI);
            prop_assert!(answer.is_ok(), "{sql}: {answer:?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_words_in_any_order_get_an_answer(words in expression()) {
        try_query(&words)?;
    }

    #[test]
    fn any_words_in_the_place_of_an_expression_get_an_answer(value in expression(), test in expression()) {
        try_query(&format!("SELECT {value} AS x FROM input"))?;
        try_query(&format!("SELECT n FROM input WHERE {test}"))?;
    }

    #[test]
    fn any_call_with_any_arguments_gets_an_answer(
        function in prop::sample::select(millrace_sql::functions::ALLOWED),
        args in prop::collection::vec(prop::sample::select(&["n", "m", "s", "d", "f", "day", "at", "b", "NULL", "-1", "'x'", "'%Q'", "'hex'", "1.5", "INTERVAL '1 day'"][..]), 0..4),
    ) {
        try_query(&format!("SELECT {}({}) AS x FROM input", function.name, args.join(", ")))?;
    }
}
