//! Joins whose second table is held, and the same joins with too little memory for it: not a bit differs, nor does the order of rows.

use arrow_array::RecordBatch;
use proptest::prelude::*;

use crate::partition::{Answer, Run, run};
use crate::same_bits::rows;

const JOINS: &[&str] = &[
    "SELECT a.n AS x, a.t, b.n AS y, b.d FROM a JOIN b ON a.k = b.k",
    "SELECT a.n AS x, b.n AS y, b.t FROM a JOIN b ON a.t = b.t AND a.n % 3 = b.n % 3",
    "SELECT a.n AS x, b.n AS y FROM a JOIN b ON a.day = b.day",
    "SELECT a.n AS x, b.n AS y FROM a JOIN b ON a.d = b.n",
    "SELECT a.n AS x, b.n AS y FROM a JOIN b ON (a.k IS NOT DISTINCT FROM b.k) AND a.t = b.t",
    "SELECT a.n AS x, b.n AS y FROM a JOIN b ON a.f = b.f",
    "SELECT b.n AS x, c.n AS y, a.t FROM a JOIN b ON a.t = b.t JOIN b AS c ON a.k = c.k AND b.day = c.day",
    "SELECT x, count(*) AS c, sum(y) AS s FROM (SELECT a.k AS x, b.f AS y FROM a JOIN b ON a.k = b.k) AS pairs GROUP BY x",
    "SELECT a.n AS x, s FROM a JOIN (SELECT k, sum(f) AS s FROM b GROUP BY k) AS sums ON a.k = sums.k",
    "SELECT a.n AS x, b.n AS y FROM (SELECT * FROM a WHERE n > 0 ORDER BY t) AS a JOIN b ON a.k = b.k",
];

/// Too little for a quarter of it to hold a table, enough for three sorts.
const TIGHT: u64 = 32 << 20;

fn of(sql: &str, tables: [&RecordBatch; 2], cuts: Vec<usize>, memory_bytes: u64) -> Answer {
    let tables = ["a", "b"]
        .into_iter()
        .zip(tables)
        .filter(|(name, _)| sql.contains(&format!("FROM {name}")) || sql.contains(&format!("JOIN {name}")));
    let tables = tables.map(|(name, rows)| (name.to_string(), rows.clone())).collect();
    run(Run { cuts, memory_bytes, scratch: Some(std::env::temp_dir()), ..Run::over(sql, tables) })
}

/// The number of a row is no column of it, so the order of equal rows is seen by their other columns.
fn same(sql: &str, tables: [&RecordBatch; 2], cuts: Vec<usize>, memory_bytes: u64) -> bool {
    let (roomy, other) = (of(sql, tables, vec![], 1 << 30), of(sql, tables, cuts, memory_bytes));
    assert_eq!(roomy.rows.len(), other.rows.len(), "{sql}");
    for (row, (roomy, other)) in roomy.rows.iter().zip(&other.rows).enumerate() {
        assert_eq!(roomy, other, "{sql}, row {row}");
    }
    assert_eq!(roomy.end.spilled_bytes, 0, "{sql}");
    other.end.spilled_bytes > 0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn cuts_change_no_bit_of_a_join(
        seed in any::<u64>(), counts in (0usize..2_000, 0usize..600), keys in 1u64..400, cuts in prop::collection::vec(0usize..2_000, 0..10),
    ) {
        let (a, b) = (rows(counts.0, keys, 1, seed), rows(counts.1, keys, 1, seed ^ 0x5555));
        for sql in JOINS {
            same(sql, [&a, &b], cuts.clone(), 256 << 20);
        }
    }
}

#[test]
fn a_table_that_cannot_be_held_is_merged_into_the_same_rows() {
    let (a, b) = (rows(120_000, 60_000, 1_000_003, 3), rows(120_000, 60_000, 1_000_003, 4));
    let cuts: Vec<usize> = (0..120_000).step_by(5_000).collect();
    let joins = JOINS.iter().filter(|sql| sql.contains("ON a.k = ") && !sql.contains("AS c ON"));
    let spilled = joins.filter(|sql| same(sql, [&a, &b], cuts.clone(), TIGHT)).count();
    assert!(spilled >= 3, "only {spilled} joins spilled");
}
