//! Digests of what fixed queries answer over fixed rows: every function, aggregates, windows, joins, sets, sorting, rows that fail. A digest that
//! moves, with an upgrade of the engine or a change of ours, is a result that changed, and that needs a new result version.
//!
//! The digests stand in `tests/golden.json` with the version they belong to. `MILLRACE_GOLDEN=write` writes them anew, after
//! `RESULT_VERSION` was raised (or, before the first release, without).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use arrow_schema::Schema;
use millrace_engine::program::FailedRow;
use millrace_engine::{RESULT_VERSION, sha256_hex};
use millrace_sql::functions::ALLOWED;
use serde_json::{Value, json};

use crate::differential::{cities, lines, orders};
use crate::partition::{self, Run, texts};
use crate::{same_bits, table};

/// Map stages whose records fail, or whose values are near the edge of their type.
const MAPS: &[&str] = &[
    "SELECT *, _record, _line, _byte, _file FROM input",
    "SELECT s, 10 / n AS x FROM input",
    "SELECT CAST(s AS BIGINT) AS x FROM input",
    "SELECT CAST(s AS DECIMAL(4, 1)) AS x, TRY_CAST(s AS DATE) AS y FROM input",
    "SELECT n * 9223372036854775807 AS x FROM input",
    "SELECT CAST(m * 10 AS TINYINT) AS x FROM input",
    "SELECT CAST(f AS BIGINT) AS x FROM input",
    "SELECT d / 3 AS a, d * d AS b, d + n AS c, d * f AS e, -d AS g, d % 2 AS h FROM input",
    "SELECT m / 7 AS a, m % 7 AS b, n / 2.0 AS c, f / 0 AS e FROM input",
    "SELECT CAST(f AS VARCHAR) AS a, CAST(d AS VARCHAR) AS b, CAST(at AS VARCHAR) AS c, CAST(b AS VARCHAR) AS e FROM input",
    "SELECT CAST(day AS TIMESTAMP) AS a, CAST(at AS DATE) AS b, CAST(at AS TIME) AS c, at - INTERVAL '36 hours' AS e FROM input",
    "SELECT day + INTERVAL '1 month' AS a, day - INTERVAL '1 year' AS b, extract(week FROM day) AS c, extract(dow FROM day) AS e FROM input",
    "SELECT s LIKE '%a%' AS a, s ILIKE 'A%' AS b, s ~ '^a' AS c, s !~* 'LONG' AS e, s SIMILAR TO '%(n|t)%' AS g FROM input",
    "SELECT n = f AS a, d < f AS b, day > at AS c, s < 'b' AS e, n IS DISTINCT FROM m AS g FROM input",
    "SELECT CASE WHEN b THEN n ELSE d END AS a, coalesce(f, n, 1.5) AS c, greatest(n, d, f) AS e FROM input WHERE m > 10",
    "SELECT s || n || d || f || day || at || b AS x FROM input",
];

/// Further reduce stages over the orders.
const REDUCES: &[&str] = &[
    "SELECT k, sum(10 / (n - 3)) AS s, count(*) AS c FROM input GROUP BY k",
    "SELECT id, CAST(city AS BIGINT) AS x FROM input WHERE id < 20 ORDER BY id DESC",
    "SELECT city, sum(f) AS s, avg(f) AS a, stddev(f) AS d, var_pop(f) AS v, avg(amount) AS m FROM input GROUP BY city",
    "SELECT id, avg(f) OVER (ORDER BY id ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS a FROM input",
    "SELECT city, amount, id FROM input ORDER BY amount DESC NULLS LAST, city, id",
    "SELECT DISTINCT city, ok FROM input",
    "SELECT pseudonym(city, 'city') AS p, count(*) AS c FROM input GROUP BY pseudonym(city, 'city')",
    "SELECT mask(city, 1, 1) AS m, record FROM (SELECT city, min(id) AS record FROM input GROUP BY city) AS t",
];

/// What a query answered, in a form that shows each bit: columns with their types, rows, and rows that failed.
struct Answer(String);

impl Answer {
    fn new(schema: &Schema) -> Answer {
        let mut text = String::new();
        for field in schema.fields() {
            let nullable = if field.is_nullable() { "?" } else { "" };
            writeln!(text, "{} {}{nullable}", field.name(), field.data_type()).unwrap();
        }
        Answer(text)
    }

    fn rows(mut self, rows: impl IntoIterator<Item = String>) -> Answer {
        rows.into_iter().for_each(|row| writeln!(self.0, "{row}").unwrap());
        self
    }

    fn failed(mut self, failed: &[FailedRow]) -> Answer {
        for FailedRow { order, code, message, row, .. } in failed {
            writeln!(self.0, "failed {order:?} {code} {message} {row}").unwrap();
        }
        self
    }
}

/// The last bits of these are the C library's, which differ between its versions: twelve digits of them are digested.
const OF_THE_C_LIBRARY: &[&str] = &[
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "cos", "cosh", "cot", "exp", "ln", "log", "log10", "log2", "pow",
    "power", "sin", "sinh", "tan", "tanh",
];

fn map(sql: &str) -> Answer {
    let answer = table::run(sql);
    let rows = texts(&answer.rows).into_iter().zip(&answer.origin).map(|(row, origin)| format!("{origin}: {row}"));
    let failed = answer.failed.iter().map(|failure| format!("failed {} {} {}", failure.row, failure.code, failure.message));
    Answer::new(&answer.rows.schema()).rows(rows).rows(failed)
}

fn rounded(answer: Answer) -> Answer {
    let cell = |text: &str| match text.parse::<f64>() {
        Ok(number) if text.contains('.') => format!("{number:.11e}"),
        _ => text.to_string(),
    };
    let lines = answer.0.lines().map(|line| line.split(' ').map(cell).collect::<Vec<_>>().join(" ") + "\n");
    Answer(lines.collect())
}

fn reduce(run: Run<'_>) -> Answer {
    let answer = partition::run(run);
    let empty = Schema::empty();
    let schema = answer.batches.first().map(arrow_array::RecordBatch::schema);
    Answer::new(schema.as_deref().unwrap_or(&empty)).rows(answer.rows).failed(&answer.failed)
}

fn answers() -> Vec<(String, Answer)> {
    let functions = ALLOWED.iter().map(|entry| {
        let answer = map(&format!("SELECT {} AS x FROM input", entry.example));
        let answer = if OF_THE_C_LIBRARY.contains(&entry.name) { rounded(answer) } else { answer };
        (format!("function {}: {}", entry.name, entry.example), answer)
    });
    let maps = MAPS.iter().map(|sql| (format!("map: {sql}"), map(sql)));
    let asked: Vec<String> = lines("expected.ndjson").iter().map(|answer| answer["query"].as_str().unwrap().to_string()).collect();
    let over_orders = asked.iter().map(String::as_str).chain(REDUCES.iter().copied()).map(|sql| {
        let run = Run { lookups: vec![cities()], cuts: vec![100, 101, 250], ..Run::over(sql, vec![("input".into(), orders())]) };
        (format!("orders: {sql}"), reduce(run))
    });
    let many = same_bits::rows(2_000, 50, 1, 7);
    let over_many =
        same_bits::QUERIES.iter().map(|sql| (format!("many: {sql}"), reduce(Run::over(sql, vec![("input".into(), many.clone())]))));
    functions.chain(maps).chain(over_orders).chain(over_many).collect()
}

fn path() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests/golden.json")
}

#[test]
fn answers_are_those_of_their_version() {
    let answers = answers();
    let found: BTreeMap<String, String> = answers.iter().map(|(name, answer)| (name.clone(), sha256_hex(answer.0.as_bytes()))).collect();
    assert_eq!(found.len(), answers.len(), "two cases have one name");
    if std::env::var("MILLRACE_GOLDEN").is_ok_and(|mode| mode == "write") {
        let golden = json!({ "resultVersion": RESULT_VERSION, "cases": found });
        return std::fs::write(path(), serde_json::to_string_pretty(&golden).unwrap() + "\n").unwrap();
    }
    let golden: Value = serde_json::from_slice(&std::fs::read(path()).unwrap()).unwrap();
    let version = "the digests are of another result version: write them with MILLRACE_GOLDEN=write";
    assert_eq!(golden["resultVersion"], RESULT_VERSION, "{version}");
    let golden = golden["cases"].as_object().unwrap();
    let gone: Vec<&String> = golden.keys().filter(|name| !found.contains_key(*name)).collect();
    assert!(gone.is_empty(), "cases are gone; write the digests with MILLRACE_GOLDEN=write: {gone:#?}");
    let changed: Vec<String> = answers
        .iter()
        .filter(|(name, _)| golden.get(name).and_then(Value::as_str) != Some(&found[name]))
        .map(|(name, Answer(text))| {
            let is_new = if golden.contains_key(name) { "" } else { " (new: write its digest with MILLRACE_GOLDEN=write)" };
            format!("{name}{is_new}\n    {}", text.lines().take(12).collect::<Vec<_>>().join("\n    "))
        })
        .collect();
    let told = "raise RESULT_VERSION in engine/src/result_version.rs, then write the digests with MILLRACE_GOLDEN=write";
    assert!(changed.is_empty(), "answers changed; {told}:\n  {}", changed.join("\n  "));
}
