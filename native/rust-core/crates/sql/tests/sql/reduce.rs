//! Reduce stages: what they answer, and that neither slicing nor memory shows in a single bit of it.

use crate::partition::{Run, answer, batch_of, run, run_err};

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
    let _ = batch_of;
}
