//! `partitionBy`: how many parts rows make that go to more folders than may be open at once, and that batches do not decide it.

use std::collections::{BTreeMap, BTreeSet};

use millrace_engine::process::Trace;
use millrace_engine::records::PartRecord;
use serde_json::json;

use crate::memory::{Attempt, receipt, run, segment_of, world_of};

/// Parts that may be open at once.
const MAX_OPEN: usize = 64;

struct Spread {
    parts: Vec<PartRecord>,
    /// Rows of each folder without their header, part after part.
    rows: BTreeMap<String, Vec<String>>,
}

fn table(rows: impl Iterator<Item = (u64, String)>) -> String {
    let rows: String = rows.map(|(id, name)| format!("{id},{name}\n")).collect();
    format!("id,name\n{rows}")
}

fn by(column: &str, format: &str) -> Attempt {
    let output = vec![("partitionBy", json!([column])), ("format", json!(format))];
    Attempt { part_size: 64 << 20, output, ..Attempt::default() }
}

fn spread(text: &str, attempt: &Attempt) -> Spread {
    let mut world = world_of(text.as_bytes());
    let end = run(&mut world, &segment_of(text.as_bytes(), 1 << 30), 0, attempt, None).unwrap();
    let parts = receipt(&end).parts;
    let objects = world.objects.lock().unwrap();
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for part in &parts {
        let lines = String::from_utf8_lossy(&objects[&part.uri]).lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
        rows.entry(part.partition.clone().unwrap()).or_default().extend(lines);
    }
    Spread { parts, rows }
}

#[test]
fn each_of_many_interleaved_folders_gets_one_part() {
    let text = table((0..60_000).map(|id| (id, format!("v{}", id * 7_919 % 1_000))));
    let found = spread(&text, &by("name", "csv"));
    assert_eq!((found.parts.len(), found.rows.len()), (1_000, 1_000));
    assert_eq!(found.parts.iter().map(|part| part.rows).sum::<u64>(), 60_000);
    for value in 0..1_000u64 {
        let wanted: Vec<String> = (0..60_000u64).filter(|id| id * 7_919 % 1_000 == value).map(|id| id.to_string()).collect();
        assert_eq!(found.rows[&format!("name=v{value}")], wanted, "all rows of a folder, in their order");
    }
}

#[test]
fn gathered_rows_are_bounded() {
    let long = "x".repeat(2_000);
    let text = table((0..24_000).map(|row| (row % 100, long.clone())));
    let found = spread(&text, &by("id", "csv"));
    assert_eq!(found.parts.len(), 100 + (100 - MAX_OPEN), "48 MB are two gatherings, and what is open stays so from one to the next");
    assert!(found.rows.values().all(|rows| rows.len() == 240));
    let less = spread(&text, &Attempt { less_memory: true, ..by("id", "csv") });
    assert!(less.parts.len() > 4 * 84, "a quarter of the memory makes four times as many gatherings: {}", less.parts.len());
    assert_eq!(less.rows, found.rows);
}

#[test]
fn few_folders_stay_open_and_sorted_ones_come_once() {
    let few = spread(&table((0..50_000).map(|id| (id, format!("v{}", id % 60)))), &by("name", "csv"));
    assert_eq!(few.parts.len(), 60);
    let sorted = spread(&table((0..50_000).map(|id| (id, format!("v{:03}", id / 100)))), &by("name", "csv"));
    assert_eq!(sorted.parts.len(), 500);
}

#[test]
fn folders_that_come_late_are_gathered_from_then_on() {
    let name = |id: u64| if id < 30_000 { format!("v{}", id % 40) } else { format!("v{}", id * 31 % 90) };
    let text = table((0..60_000).map(|id| (id, name(id))));
    let found = spread(&text, &by("name", "csv"));
    assert_eq!(found.rows.len(), 90);
    assert!(found.parts.len() <= 90 + 90 - MAX_OPEN, "{} parts", found.parts.len());
    let sorted = found.rows.values().all(|rows| rows.is_sorted_by_key(|id| id.parse::<u64>().unwrap()));
    assert!(sorted, "rows stand in their order over the parts of a folder");
}

#[test]
fn parts_are_byte_identical_whatever_the_batches() {
    let text = table((0..30_000).map(|id| (id, format!("v{}", id * 7_919 % 211))));
    for format in ["csv", "parquet"] {
        let whole = spread(&text, &by("name", format)).parts;
        let one_by_one = spread(&text, &Attempt { trace: Trace::Record, ..by("name", format) }).parts;
        assert_eq!(whole, one_by_one, "{format}");
        assert_eq!(whole.iter().map(|part| &part.uri).collect::<BTreeSet<_>>().len(), 211);
    }
}

#[test]
fn folders_above_the_limit_are_refused_with_the_one_too_many() {
    let text = table((0..1_000).map(|id| (id, format!("v{id}"))));
    let mut attempt = by("name", "csv");
    attempt.output.push(("maxPartitions", json!(100)));
    let mut world = world_of(text.as_bytes());
    let error = run(&mut world, &segment_of(text.as_bytes(), 1 << 30), 0, &attempt, None).unwrap_err();
    assert_eq!(error.code, "OUTPUT_TOO_MANY_PARTITIONS");
    assert!(error.message.contains("name=v100 is one more"), "{}", error.message);
}
