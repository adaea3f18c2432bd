//! Neither how a partition is cut nor how much memory there is shows in a single bit of the result.

use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringViewArray};
use proptest::prelude::*;

use crate::partition::{Answer, Run, run};

/// Rows with keys that repeat and stand `apart`, floats that round, texts beyond twelve bytes, and nulls in each column.
pub fn rows(count: usize, keys: u64, apart: i64, seed: u64) -> RecordBatch {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let numbers: Vec<[u64; 6]> = (0..count).map(|_| [(); 6].map(|()| next())).collect();
    let some = |row: &[u64; 6], column: usize| !row[column].is_multiple_of(17);
    let columns: [(&str, ArrayRef); 6] = [
        ("k", Arc::new(numbers.iter().map(|row| some(row, 0).then(|| (row[0] % keys) as i64 * apart)).collect::<Int64Array>())),
        (
            "t",
            Arc::new(numbers.iter().map(|row| some(row, 1).then(|| format!("text number {}", row[1] % 999))).collect::<StringViewArray>()),
        ),
        ("n", Arc::new(numbers.iter().map(|row| some(row, 2).then(|| (row[2] % 100_000) as i64 - 50_000)).collect::<Int64Array>())),
        ("f", Arc::new(numbers.iter().map(|row| some(row, 3).then(|| row[3] as f64 / 7e12 - 1e6)).collect::<Float64Array>())),
        (
            "d",
            Arc::new(
                numbers
                    .iter()
                    .map(|row| some(row, 4).then(|| i128::from(row[4] % 1_000_000)))
                    .collect::<Decimal128Array>()
                    .with_precision_and_scale(12, 2)
                    .unwrap(),
            ),
        ),
        ("day", Arc::new(numbers.iter().map(|row| some(row, 5).then(|| (row[5] % 20_000) as i32)).collect::<Date32Array>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

pub const QUERIES: &[&str] = &[
    "SELECT k, count(*) AS c, sum(n) AS s, min(t) AS a, max(d) AS b, avg(d) AS m FROM input GROUP BY k",
    "SELECT k, sum(f) AS s, avg(f) AS a, stddev(f) AS d, corr(f, n) AS r, min(f) AS l FROM input GROUP BY k",
    "SELECT sum(f) AS s, avg(f) AS a, var_pop(f) AS d, covar_samp(f, n) AS r, median(n) AS m FROM input",
    "SELECT k, array_agg(n) AS l, first_value(t) AS a, last_value(t) AS b, string_agg(t, ',') AS c FROM input WHERE n % 7 = 0 GROUP BY k",
    "SELECT k, array_agg(n ORDER BY t) AS l, first_value(n ORDER BY f DESC) AS v, sum(f) AS s FROM input GROUP BY k",
    "SELECT t, n, row_number() OVER (PARTITION BY k ORDER BY day) AS r, sum(f) OVER (PARTITION BY k ORDER BY day) AS s FROM input",
    "SELECT n, lag(n) OVER (ORDER BY day) AS p, sum(n) OVER (ORDER BY day ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) AS s FROM input",
    "SELECT k, day, f FROM input QUALIFY rank() OVER (PARTITION BY k ORDER BY n) = 1",
    "SELECT a.n AS x, b.n AS y FROM input a JOIN input b ON a.t = b.t AND a.day < b.day WHERE a.k % 20 = 3",
    "SELECT a.k, b.s FROM input a LEFT JOIN (SELECT k, sum(f) AS s FROM input WHERE n > 0 GROUP BY k) b ON a.k = b.k WHERE a.n % 50 = 0",
    "SELECT k, t FROM input UNION ALL SELECT n AS k, t FROM input WHERE f > 0",
    "SELECT DISTINCT k % 10 AS k, day FROM input",
    "SELECT t, n, f FROM input ORDER BY t, n LIMIT 1000",
    "SELECT k FROM input WHERE day > (SELECT min(day) + 10000 FROM input) EXCEPT SELECT k FROM input WHERE n > 49000",
    "SELECT k, sum(100 / (n % 5)) AS s, count(*) AS c FROM input GROUP BY k",
];

fn of(sql: &str, rows: &RecordBatch, cuts: Vec<usize>, memory_bytes: u64) -> Answer {
    let scratch = std::env::temp_dir();
    run(Run { cuts, memory_bytes, scratch: Some(scratch), ..Run::over(sql, vec![("input".into(), rows.clone())]) })
}

/// Texts round floats in a way that shows each bit.
fn same(sql: &str, left: &Answer, right: &Answer) {
    assert_eq!(left.rows.len(), right.rows.len(), "{sql}");
    for (left, right) in left.rows.iter().zip(&right.rows) {
        assert_eq!(left, right, "{sql}");
    }
    assert_eq!(left.failed, right.failed, "{sql}");
    assert_eq!(left.read, right.read, "{sql}");
}

/// How many of the queries spilled.
fn spilled(queries: &[&str], rows: &RecordBatch) -> u32 {
    let mut spilled = 0;
    for sql in queries {
        let roomy = of(sql, rows, vec![], 1 << 30);
        assert_eq!(roomy.end.spilled_bytes, 0, "{sql}");
        // Every operator that sorts holds at least a batch twice, and a query with a window has three of them.
        let memory = if sql.contains("GROUP BY") && !sql.contains("JOIN") { 4 << 20 } else { 20 << 20 };
        let tight = of(sql, rows, (0..120_000).step_by(5_000).collect(), memory);
        spilled += u32::from(tight.end.spilled_bytes > 0);
        same(sql, &roomy, &tight);
    }
    spilled
}

#[test]
fn spilling_changes_no_bit() {
    let queries: Vec<&str> = QUERIES.iter().copied().filter(|sql| !sql.contains("JOIN input b")).collect();
    let far_apart = spilled(&queries, &rows(120_000, 30_000, 1_000_003, 7));
    assert!(far_apart >= 6, "only {far_apart} queries spilled");
    // Groups by keys that lie side by side need less memory, and some of them no longer spill.
    let groups: Vec<&str> = queries.into_iter().filter(|sql| sql.ends_with("GROUP BY k") && !sql.contains("WHERE")).collect();
    let side_by_side = spilled(&groups, &rows(120_000, 30_000, 1, 7));
    assert!(side_by_side >= 1, "no group by keys side by side spilled");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn cuts_change_no_bit(seed in any::<u64>(), count in 0usize..3_000, cuts in prop::collection::vec(0usize..3_000, 0..40)) {
        let rows = rows(count, 50, 1, seed);
        for sql in QUERIES {
            same(sql, &of(sql, &rows, vec![], 1 << 30), &of(sql, &rows, cuts.clone(), 64 << 20));
        }
    }
}
