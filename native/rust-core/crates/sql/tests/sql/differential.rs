//! The same queries over the same rows in DuckDB, whose answers `scripts/sql-differential.ts` keeps in `expected.ndjson`.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, StringViewArray};
use arrow_schema::DataType;
use millrace_engine::program::{CompileInput, LookupTable};
use serde_json::{Map, Value};

use crate::partition::{Run, texts, try_run};
use crate::table::{URI, batch};

pub fn lines(name: &str) -> Vec<Value> {
    let path = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests/differential").join(name);
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn numbers(rows: &[Value], name: &str) -> ArrayRef {
    Arc::new(rows.iter().map(|row| row[name].as_i64()).collect::<Int64Array>())
}

fn words(rows: &[Value], name: &str) -> ArrayRef {
    Arc::new(rows.iter().map(|row| row[name].as_str()).collect::<StringViewArray>())
}

pub fn orders() -> RecordBatch {
    let rows = lines("orders.ndjson");
    let cents = |row: &Value| row["amount"].as_str().map(|text| text.replace('.', "").parse::<i128>().unwrap());
    // "-0.50" has its sign before the zero, so taking the point out is enough.
    let amounts = rows.iter().map(cents).collect::<Decimal128Array>().with_precision_and_scale(10, 2).unwrap();
    let days: StringArray = rows.iter().map(|row| row["day"].as_str()).collect();
    let columns: [(&str, ArrayRef); 8] = [
        ("id", numbers(&rows, "id")),
        ("k", numbers(&rows, "k")),
        ("city", words(&rows, "city")),
        ("n", numbers(&rows, "n")),
        ("amount", Arc::new(amounts)),
        ("f", Arc::new(rows.iter().map(|row| row["f"].as_f64()).collect::<Float64Array>())),
        ("day", arrow_cast::cast(&days, &DataType::Date32).unwrap()),
        ("ok", Arc::new(rows.iter().map(|row| row["ok"].as_bool()).collect::<BooleanArray>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

pub fn cities() -> LookupTable {
    let rows = lines("cities.ndjson");
    let columns: [(&str, ArrayRef); 3] =
        [("name", words(&rows, "name")), ("country", words(&rows, "country")), ("people", numbers(&rows, "people"))];
    let rows = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap();
    LookupTable { name: "cities".into(), schema: rows.schema(), rows: vec![rows], max_bytes: 1 << 20 }
}

/// Numbers as numbers, so that the number of zeros behind a point and the last bit of a float make no difference.
fn same(ours: &str, theirs: &str) -> bool {
    if ours == theirs {
        return true;
    }
    match (ours.parse::<f64>(), theirs.parse::<f64>()) {
        (Ok(ours), Ok(theirs)) => ours == theirs || (ours - theirs).abs() <= 1e-9 * ours.abs().max(theirs.abs()),
        _ => false,
    }
}

/// Rows that have no order of their own are brought into one that rounding cannot change much: by their texts, floats cut short.
fn compare(query: &str, mut ours: Vec<String>, theirs: &Value) -> Result<(), String> {
    let row = |row: &Value| {
        let cells = row.as_array().unwrap().iter().map(|cell| cell.as_str().unwrap_or("NULL").to_string());
        cells.collect::<Vec<_>>().join("|")
    };
    let mut theirs: Vec<String> = theirs.as_array().unwrap().iter().map(row).collect();
    let is_ordered = query.rsplit(')').next().unwrap().contains("ORDER BY");
    if !is_ordered {
        let key = |row: &String| {
            row.split('|').map(|cell| cell.parse::<f64>().map_or_else(|_| cell.to_string(), |n| format!("{n:.4}"))).collect::<Vec<_>>()
        };
        ours.sort_by_key(key);
        theirs.sort_by_key(key);
    }
    if ours.len() != theirs.len() {
        return Err(format!("{query}: {} rows, DuckDB has {}", ours.len(), theirs.len()));
    }
    for (our, their) in ours.iter().zip(&theirs) {
        let is_same = our.split('|').count() == their.split('|').count() && our.split('|').zip(their.split('|')).all(|(a, b)| same(a, b));
        if !is_same {
            return Err(format!("{query}: {our}, DuckDB has {their}"));
        }
    }
    Ok(())
}

#[test]
fn reduce_stages_answer_as_duckdb_does() {
    let expected = lines("expected.ndjson");
    assert!(expected.len() >= 100);
    let mut differences = Vec::new();
    for answer in &expected {
        let query = answer["query"].as_str().unwrap();
        let run = Run { lookups: vec![cities()], cuts: vec![100, 101, 250], ..Run::over(query, vec![("input".into(), orders())]) };
        match try_run(&run) {
            Ok(ours) if ours.failed.is_empty() => differences.extend(compare(query, ours.rows, &answer["rows"]).err()),
            Ok(ours) => differences.push(format!("{query}: {:?}", ours.failed[0])),
            Err(error) => differences.push(format!("{query}: {error:?}")),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Every query that a map stage takes gives the same rows there, and each row names the record it came from.
#[test]
fn map_stages_answer_as_duckdb_does() {
    let input = orders();
    let mut count = 0;
    let mut differences = Vec::new();
    for answer in lines("expected.ndjson") {
        let query = answer["query"].as_str().unwrap();
        let compiled = millrace_sql::compiler().compile(CompileInput {
            sql: query,
            columns: input.schema(),
            params: &Map::new(),
            accepted_at: "2026-02-03T04:05:06.789Z",
            job_id: "job-1",
            lookups: &[cities()],
            privacy_key: None,
        });
        let mut program = match compiled {
            Ok(program) => program,
            Err(error) if error.code == "SPEC_SQL_NOT_ROWWISE" => continue,
            Err(error) => {
                differences.push(format!("{query}: {error:?}"));
                continue;
            }
        };
        count += 1;
        let transformed = program.run(&batch(input.clone()), URI).unwrap_or_else(|error| panic!("{query}: {error:?}"));
        assert!(transformed.failed.is_empty(), "{query}: {:?}", transformed.failed);
        if let Some(ids) = transformed.rows.column_by_name("id") {
            let ids = ids.as_any().downcast_ref::<Int64Array>().unwrap();
            assert!(ids.iter().zip(&transformed.origin).all(|(id, origin)| id == Some(i64::from(*origin))), "{query}");
        }
        differences.extend(compare(query, texts(&transformed.rows), &answer["rows"]).err());
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(count >= 30, "only {count} queries ran as map stages");
}
