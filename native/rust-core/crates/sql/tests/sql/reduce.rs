//! Reduce stages: what they answer, and that neither slicing nor memory shows in a single bit of it.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, Int8Array, Int16Array, Int32Array, Int64Array, LargeStringArray, RecordBatch, StringArray,
    StringViewArray, TimestampMicrosecondArray, UInt8Array, UInt32Array, UInt64Array,
};

use crate::partition::{Run, answer, run, run_err, try_run};

#[test]
fn groups_come_sorted_by_their_keys() {
    let sql = "SELECT k, count(*) AS c, sum(n) AS s, min(t) AS low, max(t) AS high FROM input GROUP BY k";
    assert_eq!(answer(sql), ["a|3|6|x|z", "b|2|9|y|y", "NULL|1|NULL|q|q"]);
}

#[test]
fn sums_of_floats_and_lists_follow_the_order_of_rows() {
    assert_eq!(
        answer("SELECT k, array_agg(t) AS t, first_value(n) AS f, last_value(n) AS l, string_agg(t, '-') AS j FROM input GROUP BY k")
            .iter()
            .map(|row| row.replace(' ', ""))
            .collect::<Vec<_>>(),
        ["a|[x,z,y]|1|2|x-z-y", "b|[y,y]|4|5|y-y", "NULL|[q]|NULL|NULL|q"]
    );
    assert_eq!(answer("SELECT sum(f) AS f, avg(f) AS a FROM input"), ["21.0|3.5"]);
    assert_eq!(answer("SELECT array_to_string(array_agg(n ORDER BY n DESC), ',') AS l FROM input WHERE n IS NOT NULL"), ["5,4,3,2,1"]);
}

#[test]
fn windows_joins_and_sets() {
    assert_eq!(
        answer("SELECT t, n, row_number() OVER (PARTITION BY k ORDER BY n DESC) AS r FROM input"),
        ["x|1|3", "z|3|1", "y|4|2", "y|5|1", "y|2|2", "q|NULL|1"]
    );
    assert_eq!(
        answer("SELECT k, n FROM input QUALIFY row_number() OVER (PARTITION BY k ORDER BY n DESC) = 1"),
        ["a|3", "b|5", "NULL|NULL"]
    );
    assert_eq!(answer("SELECT a.t, b.t AS u FROM input a JOIN input b ON a.k = b.k AND a.n < b.n"), ["x|z", "x|y", "y|y", "y|z"]);
    assert_eq!(answer("SELECT k FROM input UNION SELECT 'c' AS k FROM input"), ["a", "b", "c", "NULL"]);
    assert_eq!(answer("SELECT t FROM input EXCEPT SELECT 'y' AS t FROM input"), ["q", "x", "z"]);
    assert_eq!(answer("SELECT t FROM input ORDER BY n DESC NULLS LAST LIMIT 2"), ["y", "y"]);
    assert_eq!(answer("SELECT DISTINCT t FROM input"), ["q", "x", "y", "z"]);
    assert_eq!(answer("SELECT t FROM input WHERE n > (SELECT avg(n) FROM input)"), ["y", "y"]);
    assert_eq!(answer("SELECT t FROM input WHERE n NOT IN (SELECT n FROM input WHERE n > 2)"), ["x", "y"]);
}

#[test]
fn a_row_that_fails_is_set_aside_with_its_place() {
    let run = run(Run::of("SELECT k, sum(10 / (n - 3)) AS s FROM input GROUP BY k"));
    assert_eq!(run.rows, ["a|-15", "b|15", "NULL|NULL"]);
    assert_eq!(run.failed.len(), 1);
    assert_eq!((run.failed[0].order, run.failed[0].code), ((0, 10, 0), "TRANSFORM_DIVIDE_BY_ZERO"));
    assert!(run.failed[0].row.contains("\"t\":\"z\""), "{}", run.failed[0].row);
    assert_eq!(run.read, [6]);
}

#[test]
fn overflow_of_a_sum_belongs_to_no_row() {
    assert_eq!(run_err("SELECT sum(n * 4611686018427387904 / 4) AS s FROM input WHERE k = 'zz'"), None);
    assert_eq!(run_err("SELECT sum(9223372036854775807 - n + n) AS s FROM input WHERE k = 'a'"), Some("TRANSFORM_AGGREGATE"));
}

/// What ended a run over the test table.
fn ended(sql: &str) -> (&'static str, String) {
    let error = try_run(&Run::of(sql)).err().unwrap_or_else(|| panic!("{sql} passed"));
    (error.code, error.message)
}

#[test]
fn what_fails_behind_the_rows_names_itself_and_its_group() {
    let big = "9223372036854775807";
    let huge = "CAST('99999999999999999999999999999999999999' AS DECIMAL(38, 0))";
    let cases = [
        (format!("SELECT k, sum({big} - n + n) AS s FROM input GROUP BY k"), "cannot evaluate sum(", ", in the group 'a'"),
        (format!("SELECT k, t, sum({big} - n + n) AS s FROM input GROUP BY k, t"), "cannot evaluate sum(", ", in the group 'b', 'y'"),
        (format!("SELECT n % 2 AS odd, sum({big} - n + n) AS s FROM input GROUP BY n % 2"), "cannot evaluate sum(", ", in the group "),
        (format!("SELECT sum({big} - n + n) AS s FROM input"), "cannot evaluate sum(", ""),
        (format!("SELECT sum({huge} - n + n) AS s FROM input"), "cannot evaluate sum(", ""),
        ("SELECT k, CAST(sum(n) AS TINYINT) / (count(*) - 2) AS s FROM input GROUP BY k".into(), "division by zero", ", in the group 'b'"),
        ("SELECT k, CAST(10000 * sum(n) AS SMALLINT) AS s FROM input GROUP BY k".into(), "cannot evaluate CAST(", ""),
        ("SELECT k, sum(n) * 9223372036854775807 AS s FROM input GROUP BY k".into(), "outside its type", ", in the group 'a'"),
        ("SELECT k FROM input GROUP BY k HAVING 10 / (count(*) - 2) > 0".into(), "division by zero", ", in the group 'b'"),
        ("SELECT k, count(*) AS c FROM input GROUP BY k ORDER BY 10 / (count(*) - 2)".into(), "division by zero", ", in the group 'b'"),
        (format!("SELECT t, sum({big} - n + n) OVER (PARTITION BY k) AS s FROM input"), "cannot evaluate sum(", ""),
        ("SELECT t, 1 / (row_number() OVER (ORDER BY n) - 2) AS s FROM input".into(), "division by zero", ""),
        ("SELECT a.t FROM input a JOIN input b ON a.k = b.k AND 10 / (a.n - b.n) > 0".into(), "division by zero", "(n - n = 0)"),
        ("SELECT a.t FROM input a JOIN input b ON 10 / (a.n - b.n) > 0".into(), "division by zero", "(n - n = 0)"),
        ("SELECT 10 / (a.n - b.n) AS x FROM input a JOIN input b ON a.k = b.k".into(), "division by zero", "n"),
        ("SELECT CAST(x AS TINYINT) AS y FROM (SELECT DISTINCT 1000 * n AS x FROM input) AS d".into(), "cannot evaluate CAST(x", "x = "),
    ];
    for (sql, wanted, group) in cases {
        let (code, message) = ended(&sql);
        assert_eq!(code, "TRANSFORM_AGGREGATE", "{sql}: {message}");
        assert!(message.contains(wanted) && message.contains(group), "{sql}: {message}");
    }
}

#[test]
fn sums_and_means_do_not_wrap() {
    let big = "9223372036854775807";
    let huge = "CAST('99999999999999999999999999999999999999' AS DECIMAL(38, 0))";
    let wider = format!("CAST({huge} AS DECIMAL(76, 0))");
    let ages = "CAST('9000-01-01T00:00:00' AS TIMESTAMP) - CAST('1000-01-01T00:00:00' AS TIMESTAMP)";
    let text = |call: String| format!("CAST({call} AS VARCHAR)");
    let overs = ["", " OVER ()", " OVER (ORDER BY f ROWS BETWEEN 4 PRECEDING AND CURRENT ROW)"];
    let cases = [
        (format!("sum({big} + 0 * n)"), Some("TRANSFORM_AGGREGATE")),
        (format!("sum({huge} + 0 * n)"), Some("TRANSFORM_AGGREGATE")),
        (format!("avg({huge} + 0 * n)"), Some("TRANSFORM_AGGREGATE")),
        (format!("sum({wider})"), Some("SPEC_SQL_UNSUPPORTED")),
        (format!("avg({wider})"), Some("SPEC_SQL_UNSUPPORTED")),
        ("sum(INTERVAL '2000000000 months')".into(), Some("SPEC_SQL_UNSUPPORTED")),
        (format!("avg({big} + 0 * n)"), None),
        (format!("median({big} + 0 * n)"), None),
        (text(format!("sum({ages})")), None),
        (text(format!("avg({ages})")), None),
    ];
    for (call, code) in cases {
        for over in overs {
            let sql = match call.strip_suffix(" AS VARCHAR)") {
                Some(inner) => format!("SELECT {inner}{over} AS VARCHAR) AS x FROM input"),
                None => format!("SELECT {call}{over} AS x FROM input"),
            };
            assert_eq!(run_err(&sql), code, "{sql}");
        }
    }
}

/// 40,000 times 8,000 years are more microseconds than 64 bits hold.
#[test]
fn a_sum_of_lengths_of_time_is_exact_or_fails() {
    let ages = "CAST('9000-01-01T00:00:00' AS TIMESTAMP) - CAST('1000-01-01T00:00:00' AS TIMESTAMP)";
    let of = |rows: usize| {
        let ones = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![1; rows])) as ArrayRef)]).unwrap();
        let sql = format!("SELECT CAST(sum({ages}) AS BIGINT) AS s, CAST(avg({ages}) AS BIGINT) AS m, count(n) AS c FROM input");
        try_run(&Run::over(&sql, vec![("input".into(), ones)]))
    };
    let age: i64 = 2_921_940 * 86_400_000_000;
    assert_eq!(of(3).unwrap().rows, [format!("{}|{age}|3", 3 * age)]);
    let error = of(40_000).unwrap_err();
    assert_eq!(error.code, "TRANSFORM_AGGREGATE");
    assert!(error.message.starts_with("cannot evaluate sum("), "{}", error.message);
}

/// The same keys as other types: joins, unions and comparisons bring both sides to a type that holds them.
#[test]
fn tables_meet_on_keys_of_compatible_types() {
    let decimals =
        |scale, values: Vec<i128>| Arc::new(Decimal128Array::from(values).with_precision_and_scale(20, scale).unwrap()) as ArrayRef;
    let day = 86_400_000_000;
    let numbers: Vec<ArrayRef> = vec![
        Arc::new(Int8Array::from(vec![1, 2, 3])),
        Arc::new(Int16Array::from(vec![1, 2, 3])),
        Arc::new(Int32Array::from(vec![1, 2, 3])),
        Arc::new(Int64Array::from(vec![1, 2, 3])),
        Arc::new(UInt8Array::from(vec![1, 2, 3])),
        Arc::new(UInt32Array::from(vec![1, 2, 3])),
        Arc::new(UInt64Array::from(vec![1, 2, 3])),
        decimals(0, vec![1, 2, 3]),
        decimals(2, vec![100, 200, 300]),
        decimals(9, vec![1_000_000_000, 2_000_000_000, 3_000_000_000]),
    ];
    let texts: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["a", "b", "a text longer than a view holds inside"])),
        Arc::new(LargeStringArray::from(vec!["a", "b", "a text longer than a view holds inside"])),
        Arc::new(StringViewArray::from(vec!["a", "b", "a text longer than a view holds inside"])),
    ];
    let instants: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from(vec![1, 2, 3])),
        Arc::new(TimestampMicrosecondArray::from(vec![day, 2 * day, 3 * day])),
        Arc::new(TimestampMicrosecondArray::from(vec![day, 2 * day, 3 * day]).with_timezone("UTC")),
    ];
    for kinds in [numbers, texts, instants] {
        for (left, right) in kinds.iter().flat_map(|left| kinds.iter().map(move |right| (left, right))) {
            let table = |keys: &ArrayRef, offset: i64| {
                let rows: ArrayRef = Arc::new(Int64Array::from(vec![offset, offset + 1, offset + 2]));
                RecordBatch::try_from_iter_with_nullable([("k", Arc::clone(keys), true), ("n", rows, true)]).unwrap()
            };
            let over = |sql: &str| {
                let tables = vec![("a".to_string(), table(left, 0)), ("b".to_string(), table(right, 10))];
                let answer = try_run(&Run::over(sql, tables));
                let types = (left.data_type(), right.data_type());
                answer.unwrap_or_else(|error| panic!("{sql} with {types:?}: {error:?}")).rows
            };
            let pairs = ["0|10", "1|11", "2|12"];
            assert_eq!(over("SELECT a.n, b.n AS m FROM a JOIN b ON a.k = b.k"), pairs);
            assert_eq!(over("SELECT a.n, b.n AS m FROM a FULL JOIN b ON a.k = b.k"), pairs);
            assert_eq!(over("SELECT a.n, b.n AS m FROM a JOIN b USING (k)"), pairs);
            assert_eq!(over("SELECT n FROM a WHERE k IN (SELECT k FROM b WHERE n > 10)"), ["1", "2"]);
            assert_eq!(over("SELECT n FROM a WHERE NOT EXISTS (SELECT k FROM b WHERE b.k = a.k AND b.n > 10)"), ["0"]);
            assert_eq!(over("SELECT count(*) AS c FROM (SELECT k FROM a UNION SELECT k FROM b) AS u"), ["3"]);
            assert_eq!(over("SELECT count(*) AS c FROM (SELECT k FROM a INTERSECT SELECT k FROM b) AS u"), ["3"]);
        }
    }
}
