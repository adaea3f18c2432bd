//! What a map stage may say and what it answers, and the code, place and words of every refusal.

use std::sync::Arc;

use crate::table::{URI, batch, column, compile, compile_with, names, rows, run, run_on};
use arrow_array::{Int64Array, RecordBatch, cast::AsArray};
use arrow_schema::{DataType, TimeUnit};
use millrace_engine::program::StageKind;
use serde_json::{Map, json};

/// Text, code, line and column if they matter, and words of the message.
type Refusal = (&'static str, &'static str, Option<(u64, u64)>, &'static str);

#[test]
fn a_plain_selection_shares_the_columns_of_the_batch() {
    let input = rows();
    let all = run_on("SELECT * FROM input", input.clone());
    assert_eq!(all.rows.schema(), input.schema());
    assert_eq!(all.origin, [0, 1, 2, 3]);
    for (given, taken) in input.columns().iter().zip(all.rows.columns()) {
        assert!(Arc::ptr_eq(given, taken));
    }
    let some = run_on("SELECT d, i.s AS name FROM input AS i", input.clone());
    assert_eq!(names(&some.rows), ["d", "name"]);
    assert!(Arc::ptr_eq(some.rows.column(1), input.column(0)));
}

#[test]
fn filtered_records_have_no_row() {
    let kept = run("SELECT n FROM input WHERE n >= 0");
    assert_eq!(kept.origin, [0, 1]);
    assert!(kept.failed.is_empty());
    assert!(run("SELECT n FROM input WHERE false").origin.is_empty());
    assert!(run("SELECT n FROM input WHERE null").origin.is_empty());
    assert_eq!(run("SELECT n FROM input WHERE true").origin.len(), 4);
    assert_eq!(run("SELECT n FROM (SELECT n FROM input WHERE n IS NOT NULL) AS t WHERE n <> 0").origin, [0, 2]);
}

#[test]
fn hidden_columns_are_there_by_name_only() {
    let places = run("SELECT _record, _line, _byte, _file FROM input WHERE _record > 2");
    assert_eq!(column(&places.rows, 0), ["3", "4"]);
    assert_eq!(column(&places.rows, 1), ["4", "5"]);
    assert_eq!(column(&places.rows, 2), ["20", "30"]);
    assert_eq!(column(&places.rows, 3), [URI, URI]);
    assert_eq!(names(&run("SELECT *, _line FROM input").rows).last().map(String::as_str), Some("_line"));
    assert_eq!(names(&run("SELECT * EXCLUDE (s, d) FROM input").rows), ["n", "m", "f", "day", "at", "b"]);
    assert_eq!(names(&run("SELECT i.* FROM input i").rows).len(), 8);
    assert_eq!(names(&run("WITH t AS (SELECT *, _line AS place FROM input) SELECT * FROM t").rows).len(), 9);
}

#[test]
fn a_data_column_with_a_hidden_name_wins() {
    let given = RecordBatch::try_from_iter([("_line", Arc::new(Int64Array::from(vec![77])) as _)]).unwrap();
    assert_eq!(column(&run_on("SELECT * FROM input", given.clone()).rows, 0), ["77"]);
    assert_eq!(column(&run_on("SELECT _line, _record FROM input", given).rows, 1), ["1"]);
}

#[test]
fn with_and_subqueries_stay_row_wise() {
    let sql = "WITH a AS (SELECT n AS x, m FROM input WHERE n IS NOT NULL), b AS (SELECT x + m AS y FROM a) SELECT y * 2 AS z FROM b WHERE y > 20";
    assert_eq!(column(&run(sql).rows, 0), ["46"]);
    assert_eq!(run(sql).origin, [2]);
    assert_eq!(run("SELECT q.x FROM (SELECT m AS x FROM input) AS q").origin.len(), 4);
    assert_eq!(names(&run("WITH t(a, b) AS (SELECT n, m FROM input) SELECT b FROM t").rows), ["b"]);
}

#[test]
fn columns_without_alias_are_named_as_written() {
    let named = run("SELECT n + 1, upper(s), m FROM input");
    assert_eq!(names(&named.rows), ["n + 1", "upper(s)", "m"]);
    assert_eq!(names(&run("SELECT \"n + 1\" FROM (SELECT n + 1 FROM input) AS t").rows), ["n + 1"]);
}

#[test]
fn names_are_matched_exactly_as_written() {
    let given = RecordBatch::try_from_iter([("OrderID", Arc::new(Int64Array::from(vec![1])) as _)]).unwrap();
    assert_eq!(names(&run_on("SELECT OrderID FROM input", given.clone()).rows), ["OrderID"]);
    let error = compile_with("SELECT\n  orderid FROM input", &given, &Map::new()).err().unwrap();
    assert_eq!((error.code, error.at), ("SPEC_SQL_UNKNOWN_COLUMN", Some((2, 3))));
    assert!(error.message.contains("did you mean OrderID?"), "{}", error.message);
}

#[test]
fn parameters_are_typed_values() {
    let params = json!({ "min": -7, "share": 0.5, "name": "o'hara", "on": true, "none": null, "small": i64::MIN });
    let params = params.as_object().unwrap();
    let sql =
        "SELECT $name AS name, m - $min AS a, m * $share AS b, $on AS c, coalesce($none, 's') AS d, $small AS e FROM input WHERE n = $min";
    let mut program = compile_with(sql, &rows(), params).unwrap();
    let answer = program.run(&batch(rows()), URI).unwrap();
    let first = |index| column(&answer.rows, index).remove(0);
    assert_eq!([first(0), first(1), first(2), first(3), first(4), first(5)], ["o'hara", "37", "15.0", "true", "s", "-9223372036854775808"]);
    assert_eq!(answer.origin, [2]);
    let error = compile_with("SELECT $nmae AS x FROM input", &rows(), params).err().unwrap();
    assert_eq!((error.code, error.at), ("SPEC_PARAM_UNKNOWN", Some((1, 8))));
    assert!(error.message.contains("did you mean name?"));
}

#[test]
fn results_have_types_that_every_writer_knows() {
    let types = |sql: &str| compile(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}")).output_schema().field(0).data_type().clone();
    let micros = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    let expected = [
        ("'x'", DataType::Utf8View),
        ("NULL", DataType::Utf8View),
        ("upper(s)", DataType::Utf8View),
        ("concat(s, 'x')", DataType::Utf8View),
        ("s || 'x'", DataType::Utf8View),
        ("n + 1", DataType::Int64),
        ("CAST(n AS SMALLINT)", DataType::Int32),
        ("CAST(n AS BIGINT UNSIGNED)", DataType::Decimal128(20, 0)),
        ("1.25", DataType::Decimal128(3, 2)),
        ("d * 2.5", DataType::Decimal128(13, 3)),
        ("CAST(s AS REAL)", DataType::Float64),
        ("f + 1.5", DataType::Float64),
        ("1e3", DataType::Float64),
        ("CAST(s AS DATE)", DataType::Date32),
        ("CAST(s AS TIMESTAMP)", micros(None)),
        ("CAST(s AS TIMESTAMP WITH TIME ZONE)", micros(Some("UTC"))),
        ("to_timestamp(s)", micros(Some("UTC"))),
        ("job_time()", micros(Some("UTC"))),
        ("date_trunc('day', at)", micros(Some("UTC"))),
        ("CAST(s AS TIME)", DataType::Time64(TimeUnit::Microsecond)),
        ("sha256(s)", DataType::Binary),
        ("b AND n > 1", DataType::Boolean),
    ];
    for (expr, data_type) in expected {
        assert_eq!(types(&format!("SELECT {expr} AS x FROM input")), data_type, "{expr}");
    }
    let error = compile("SELECT at - at AS x FROM input").err().unwrap();
    assert_eq!(error.code, "SPEC_SQL_TYPE");
}

#[test]
fn expressions_give_the_expected_values() {
    let cases: &[(&str, [&str; 4])] = &[
        ("CASE WHEN n > 0 THEN 'plus' WHEN n < 0 THEN 'minus' ELSE s END", ["plus", "12", "minus", "a longer text than twelve bytes"]),
        ("CASE n WHEN 1 THEN 'one' ELSE 'other' END", ["one", "other", "other", "other"]),
        ("TRY_CAST(s AS BIGINT)", ["∅", "12", "∅", "∅"]),
        ("coalesce(n, m)", ["1", "0", "-7", "40"]),
        ("nvl2(n, 'there', 'gone')", ["there", "there", "there", "gone"]),
        ("s LIKE 'a%a'", ["true", "false", "∅", "false"]),
        ("s ~ '^[0-9]+$'", ["false", "true", "∅", "false"]),
        ("n IN (1, -7)", ["true", "false", "true", "∅"]),
        ("m BETWEEN 15 AND 30", ["false", "true", "true", "false"]),
        ("n IS NULL OR m = 10", ["true", "false", "false", "true"]),
        ("b IS NOT TRUE", ["false", "true", "true", "false"]),
        ("-n", ["-1", "0", "7", "∅"]),
        ("d / 3", ["0.500000", "-0.083333", "∅", "0.000000"]),
        ("m / 3", ["3", "6", "10", "13"]),
        ("m % 3", ["1", "2", "0", "1"]),
        ("extract(year FROM day)", ["2022", "1970", "∅", "1969"]),
        ("CAST(day AS VARCHAR)", ["2022-01-08", "1970-01-01", "∅", "1969-12-31"]),
        ("day + INTERVAL '1 day'", ["2022-01-09", "1970-01-02", "∅", "1970-01-01"]),
        ("at >= '2020-01-01'", ["true", "false", "∅", "false"]),
        ("d = 1.5", ["true", "false", "∅", "false"]),
        ("mask(s, 1, 1)", ["a**a", "**", "∅", "a*****************************s"]),
        ("bucket(n, 5)", ["0", "0", "-10", "∅"]),
        ("bucket(d, 0.5)", ["1.50", "-0.50", "∅", "0.00"]),
        ("CAST(job_time() AS VARCHAR)", ["2026-02-03T04:05:06.789Z"; 4]),
        ("substring(s FROM 2 FOR 2)", ["nn", "2", "∅", " l"]),
        ("trim(both 'a' from s)", ["nn", "12", "∅", " longer text than twelve bytes"]),
        ("position('n' IN s)", ["2", "0", "∅", "5"]),
        ("s || '!'", ["anna!", "12!", "∅", "a longer text than twelve bytes!"]),
    ];
    for (expr, expected) in cases {
        let answer = run(&format!("SELECT {expr} AS x FROM input"));
        assert!(answer.failed.is_empty(), "{expr}: {:?}", answer.failed);
        assert_eq!(column(&answer.rows, 0), expected, "{expr}");
    }
}

#[test]
fn a_record_id_depends_on_the_place_alone() {
    let ids = run("SELECT record_id() AS id, m FROM input");
    let later = run("SELECT record_id() AS id FROM input WHERE m = 40");
    assert_eq!(column(&ids.rows, 0)[3], column(&later.rows, 0)[0]);
    assert_eq!(ids.rows.column(0).as_string_view().value(0).len(), 36);
    let error = compile("SELECT record_id() AS id FROM (SELECT m FROM input) AS t").err().unwrap();
    assert_eq!(error.code, "SPEC_SQL_UNSUPPORTED");
    assert!(error.message.contains("select that reads input"));
}

#[test]
fn queries_that_no_map_stage_may_ask() {
    let cases: &[Refusal] = &[
        ("SELEC n FROM input", "SPEC_SQL_SYNTAX", Some((1, 1)), "SELEC"),
        ("SELECT n\nFROM input WHERE (n > 1", "SPEC_SQL_SYNTAX", None, ""),
        ("SELECT n FROM input WHERE s = 'open", "SPEC_SQL_SYNTAX", Some((1, 31)), "Unterminated"),
        ("", "SPEC_SQL_SYNTAX", None, "empty"),
        ("DROP TABLE input", "SPEC_SQL_UNSUPPORTED", Some((1, 1)), "one SELECT"),
        ("COPY input TO 'x'", "SPEC_SQL_UNSUPPORTED", Some((1, 1)), "one SELECT"),
        ("SELECT n FROM input; SELECT m FROM input", "SPEC_SQL_UNSUPPORTED", Some((1, 1)), "several"),
        ("SELECT n FROM input\n  GROUP BY n", "SPEC_SQL_NOT_ROWWISE", Some((2, 3)), "GROUP BY"),
        ("SELECT sum(n) AS x FROM input", "SPEC_SQL_NOT_ROWWISE", Some((1, 8)), "aggregate sum"),
        ("SELECT DISTINCT n FROM input", "SPEC_SQL_NOT_ROWWISE", Some((1, 8)), "DISTINCT"),
        ("SELECT row_number() OVER () AS x FROM input", "SPEC_SQL_NOT_ROWWISE", Some((1, 8)), "row_number"),
        ("SELECT n FROM input ORDER BY n", "SPEC_SQL_NOT_ROWWISE", Some((1, 21)), "ORDER BY"),
        ("SELECT n FROM input LIMIT 3", "SPEC_SQL_NOT_ROWWISE", Some((1, 21)), "LIMIT"),
        ("SELECT n FROM input OFFSET 3", "SPEC_SQL_NOT_ROWWISE", Some((1, 21)), "LIMIT"),
        ("SELECT n FROM input HAVING n > 1", "SPEC_SQL_NOT_ROWWISE", Some((1, 21)), "HAVING"),
        ("SELECT n FROM input UNION ALL SELECT m FROM input", "SPEC_SQL_NOT_ROWWISE", Some((1, 21)), "UNION"),
        ("VALUES (1)", "SPEC_SQL_NOT_ROWWISE", Some((1, 1)), "VALUES"),
        ("SELECT 1 AS x", "SPEC_SQL_NOT_ROWWISE", Some((1, 1)), "FROM input"),
        ("SELECT a.n FROM input a JOIN input b ON a.n = b.n", "SPEC_SQL_NOT_ROWWISE", Some((1, 30)), "joined to itself"),
        ("SELECT n FROM input, input", "SPEC_SQL_NOT_ROWWISE", Some((1, 22)), "joined to itself"),
        ("SELECT n FROM input WHERE EXISTS (SELECT 1 FROM input)", "SPEC_SQL_NOT_ROWWISE", Some((1, 35)), "subquery"),
        ("SELECT n,\n now() AS x FROM input", "SPEC_SQL_NONDETERMINISTIC", Some((2, 2)), "job_time()"),
        ("SELECT current_date AS x FROM input", "SPEC_SQL_NONDETERMINISTIC", Some((1, 8)), "record_id()"),
        ("SELECT RANDOM() AS x FROM input", "SPEC_SQL_NONDETERMINISTIC", Some((1, 8)), "random"),
        ("SELECT uuid() AS x FROM input", "SPEC_SQL_NONDETERMINISTIC", Some((1, 8)), "uuid"),
        ("SELECT * FROM read_csv('/etc/passwd')", "SPEC_SQL_UNSUPPORTED", Some((1, 15)), "read_csv"),
        ("SELECT read_text('/etc/passwd') AS x FROM input", "SPEC_SQL_UNSUPPORTED", Some((1, 8)), "reads files"),
        ("SELECT n FROM '/etc/passwd'", "SPEC_SQL_UNSUPPORTED", Some((1, 10)), "no table"),
        ("SELECT n FROM Input", "SPEC_SQL_UNSUPPORTED", Some((1, 15)), "did you mean input?"),
        ("SELECT n FROM information_schema.tables", "SPEC_SQL_UNSUPPORTED", Some((1, 15)), "no table"),
        ("SELECT uper(s) AS x FROM input", "SPEC_SQL_UNSUPPORTED", Some((1, 8)), "did you mean upper?"),
        ("WITH RECURSIVE t AS (SELECT n FROM input) SELECT n FROM t", "SPEC_SQL_UNSUPPORTED", Some((1, 1)), "RECURSIVE"),
        ("WITH input AS (SELECT n FROM input) SELECT n FROM input", "SPEC_SQL_UNSUPPORTED", Some((1, 6)), "named input"),
        ("SELECT n AS x, m AS x FROM input", "SPEC_SQL_UNSUPPORTED", Some((1, 21)), "two output columns are named x"),
        ("SELECT n INTO t FROM input", "SPEC_SQL_UNSUPPORTED", Some((1, 10)), "INTO"),
    ];
    for (sql, code, at, words) in cases {
        let error = millrace_sql::compiler().check(sql, StageKind::Map).err().unwrap_or_else(|| panic!("{sql}: accepted"));
        assert_eq!(error.code, *code, "{sql}: {}", error.message);
        assert!(error.message.contains(words), "{sql}: {}", error.message);
        if at.is_some() {
            assert_eq!(error.at, *at, "{sql}: {}", error.message);
        }
        assert_eq!(compile(sql).err().map(|error| error.code), Some(*code), "{sql}");
    }
}

#[test]
fn queries_that_do_not_fit_the_schema() {
    let cases: &[Refusal] = &[
        ("SELECT nn FROM input", "SPEC_SQL_UNKNOWN_COLUMN", Some((1, 8)), "did you mean n?"),
        ("SELECT n FROM input\nWHERE dai > '2020-01-01'", "SPEC_SQL_UNKNOWN_COLUMN", Some((2, 7)), "did you mean day?"),
        ("SELECT x.n FROM input", "SPEC_SQL_UNKNOWN_COLUMN", None, ""),
        ("SELECT b * day AS x FROM input", "SPEC_SQL_TYPE", None, ""),
        ("SELECT upper(s, s) AS x FROM input", "SPEC_SQL_TYPE", None, "upper"),
        ("SELECT -s AS x FROM input", "SPEC_SQL_TYPE", None, ""),
        ("SELECT NULL LIKE 1 AS x FROM input", "SPEC_SQL_TYPE", None, "not text"),
        ("SELECT n FROM input WHERE s", "SPEC_SQL_TYPE", None, ""),
        ("SELECT CAST('x' AS BIGINT) AS x FROM input", "SPEC_SQL_TYPE", None, "CAST('x' AS BIGINT)"),
        ("SELECT n FROM input WHERE day = 'monday'", "SPEC_SQL_TYPE", None, "'monday'"),
        ("SELECT *, n FROM input", "SPEC_SQL_TYPE", None, "n"),
        ("SELECT n FROM input JOIN regions r ON r.n = n", "SPEC_SQL_UNSUPPORTED", None, "no table regions"),
        ("SELECT n FROM input WHERE n IN (SELECT n FROM regions)", "SPEC_SQL_UNSUPPORTED", None, "no table regions"),
        ("SELECT unnest(s) AS x FROM input", "SPEC_SQL_TYPE", None, ""),
    ];
    for (sql, code, at, words) in cases {
        assert_eq!(millrace_sql::compiler().check(sql, StageKind::Map), Ok(()), "{sql}");
        let error = compile(sql).err().unwrap_or_else(|| panic!("{sql}: accepted"));
        assert_eq!(error.code, *code, "{sql}: {}", error.message);
        assert!(error.message.contains(words), "{sql}: {}", error.message);
        if at.is_some() {
            assert_eq!(error.at, *at, "{sql}: {}", error.message);
        }
    }
}

#[test]
fn size_and_depth_are_limited_before_they_hurt() {
    let check = |sql: &str| millrace_sql::compiler().check(sql, StageKind::Map).map_err(|error| error.code);
    let chain = |count: usize| format!("SELECT n FROM input WHERE {}n = 0", "n = 1 OR ".repeat(count));
    assert_eq!(check(&chain(5_000)), Err("SPEC_SQL_UNSUPPORTED"));
    assert_eq!(check(&chain(900)), Ok(()));
    assert_eq!(check(&format!("SELECT {}n{} AS x FROM input", "(".repeat(200), ")".repeat(200))), Err("SPEC_SQL_UNSUPPORTED"));
    assert_eq!(check(&format!("SELECT n FROM input -- {}", "x".repeat(70_000))), Err("SPEC_SQL_UNSUPPORTED"));
    assert_eq!(run(&chain(900)).origin, [0, 1]);
    let sum = format!("SELECT {}n AS x FROM input", "n + ".repeat(900));
    let answer = std::thread::Builder::new().stack_size(32 << 20).spawn(move || column(&run(&sum).rows, 0)).unwrap().join().unwrap();
    assert_eq!(answer, ["901", "0", "-6307", "∅"]);
}
