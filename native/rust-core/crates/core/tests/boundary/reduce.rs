//! Reduce stages: `Plan` over the receipts of the stages before, `Reduce` over each partition, down to the parts of the last stage.

use millrace_engine::records::{ChunkEntry, PartitionChunk, Receipt};
use millrace_wire::message::{DoneBody, Event, FailureClass, Plan, PlanMode, PlanSegment, Reduce};
use serde_json::{Value, json};

use crate::host::Host;
use crate::jobs::{JOB_KEY, Job, Order, receipt};

fn stage(name: &str, partitions: u32, keys: &[&str], body: &Value) -> Value {
    let mut stage =
        json!({ "name": name, "from": null, "sql": null, "dedupe": null, "exchange": { "keys": keys, "partitions": partitions } });
    for (key, value) in body.as_object().unwrap() {
        stage[key] = value.clone();
    }
    stage
}

/// Where a stage continues the numbering.
#[derive(Clone, Copy)]
struct Next {
    segment: u32,
    chunk: u32,
}

fn plan(job: &Job, stage: &str, next: Next) -> Plan {
    Plan {
        mode: PlanMode::Stage,
        stage: Some(stage.into()),
        input_count: 0,
        first_segment: next.segment,
        first_chunk: next.chunk,
        ..job.plan()
    }
}

fn planned(job: &Job, host: &mut Host, stage: &str, next: Next) -> Vec<(PlanSegment, PartitionChunk)> {
    let answered = host.ask(plan(job, stage, next));
    let DoneBody::PlanDone(done) = answered.done() else { panic!("{:?}", answered.response) };
    let mut chunks = Vec::new();
    for event in &answered.events {
        let Event::PlanSegment(announced) = event else { continue };
        for entry in job.segment(announced).chunks {
            let ChunkEntry::Partition(chunk) = entry else { panic!("{entry:?} is no partition") };
            chunks.push((announced.clone(), chunk));
        }
    }
    assert_eq!((done.chunks as usize, done.records), (chunks.len(), chunks.iter().map(|(_, chunk)| chunk.rows).sum()));
    chunks
}

fn reduce(job: &Job, stage: &str, segment: &PlanSegment, chunk: &PartitionChunk) -> Reduce {
    Reduce {
        job_key: JOB_KEY.into(),
        spec_digest: job.spec_digest.clone(),
        segment_key: segment.key.clone(),
        segment_digest: segment.digest.clone(),
        chunk_index: chunk.chunk,
        stage: stage.into(),
        generation: 1,
        attempt_id: format!("a{}", chunk.chunk),
        verdict_key: format!("jobs/j1/verdicts/{stage}/{:06}.json", chunk.chunk),
        partition: chunk.partition,
        ..Reduce::default()
    }
}

/// Runs the map stage and then each reduce stage; the receipts of the last.
fn run(job: &Job, host: &mut Host, stages: &[&str]) -> Vec<Receipt> {
    let mut receipts = job.run(host);
    assert!(receipts.iter().all(|receipt| receipt.parts.is_empty()), "rows that are handed on are no parts");
    let mut next = Next { segment: 1, chunk: receipts.len() as u32 };
    for stage in stages {
        let chunks = planned(job, host, stage, next);
        next = Next { segment: next.segment + 1, chunk: next.chunk + chunks.len() as u32 };
        receipts = chunks.iter().map(|(segment, chunk)| receipt(&host.ask(reduce(job, stage, segment, chunk)))).collect();
    }
    receipts
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

const EVENTS: &str = "id,name\n1,a\n2,b\n1,c\n3,d\nx,bad\n2,b\n1,a\n4,e\n";

#[test]
fn dedupe_keeps_the_first_of_each_key_for_every_chunk_size() {
    let dedupe = json!({ "dedupe": { "keys": null, "orderBy": null, "keep": "first" } });
    for (chunk_size, partitions) in [(1 << 20, 1), (5, 1), (5, 7)] {
        let pipeline = json!([stage("once", partitions, &["id"], &dedupe)]);
        let order = Order { text: EVENTS, chunk_size, pipeline, partitions: json!({ "once": partitions }), ..Order::default() };
        let (job, mut host) = Job::prepare(&order);
        let receipts = run(&job, &mut host, &["once"]);
        assert_eq!(sorted(job.rows(&receipts)), ["1,a", "2,b", "3,d", "4,e"]);
        let sum = |of: fn(&Receipt) -> u64| receipts.iter().map(of).sum::<u64>();
        assert_eq!((sum(|r| r.counts.records_in), sum(|r| r.counts.emitted), sum(|r| r.counts.deduplicated)), (7, 4, 3));
    }
}

#[test]
fn order_by_decides_which_row_stays() {
    let dedupe = json!({ "dedupe": { "keys": null, "orderBy": "name DESC", "keep": "first" } });
    let order = Order {
        text: EVENTS,
        chunk_size: 5,
        pipeline: json!([stage("once", 3, &["id"], &dedupe)]),
        partitions: json!({ "once": 3 }),
        ..Order::default()
    };
    let (job, mut host) = Job::prepare(&order);
    assert_eq!(sorted(job.rows(&run(&job, &mut host, &["once"]))), ["1,c", "2,b", "3,d", "4,e"]);
}

#[test]
fn groups_are_counted_and_counted_again() {
    let pipeline = json!([
        { "name": "clean", "from": null, "sql": "SELECT id, name FROM input WHERE id < 4", "exchange": null, "dedupe": null },
        stage("per", 4, &["id"], &json!({ "sql": "SELECT id, count(*) AS n FROM input GROUP BY id" })),
        stage("total", 1, &[], &json!({ "sql": "SELECT count(*) AS groups, sum(n) AS n FROM input" })),
    ]);
    let order = Order { text: EVENTS, chunk_size: 5, pipeline, partitions: json!({ "per": 4, "total": 1 }), ..Order::default() };
    let (job, mut host) = Job::prepare(&order);
    assert_eq!(job.rows(&run(&job, &mut host, &["per", "total"])), ["3,6"]);
}

#[test]
fn an_aggregate_that_fails_names_stage_partition_and_group() {
    let sql = json!({ "sql": "SELECT name, sum(9223372036854775807 - id) AS s FROM input GROUP BY name" });
    let order = Order {
        text: EVENTS,
        pipeline: json!([stage("totals", 1, &["name"], &sql)]),
        partitions: json!({ "totals": 1 }),
        ..Order::default()
    };
    let (job, mut host) = Job::prepare(&order);
    let receipts = job.run(&mut host);
    let next = Next { segment: 1, chunk: receipts.len() as u32 };
    let (segment, chunk) = &planned(&job, &mut host, "totals", next)[0];
    let answered = host.ask(reduce(&job, "totals", segment, chunk));
    let failed = answered.failed();
    assert_eq!((failed.code.as_str(), failed.class), ("TRANSFORM_AGGREGATE", FailureClass::Input));
    assert!(failed.message.starts_with("stage totals, partition 0: cannot evaluate sum("), "{}", failed.message);
    assert!(failed.message.ends_with(", in the group 'a'"), "{}", failed.message);
}

#[test]
fn a_stage_is_planned_only_over_outcomes_and_the_same_again() {
    let pipeline = json!([stage("total", 1, &[], &json!({ "sql": "SELECT count(*) AS n FROM input" }))]);
    let order = Order { text: EVENTS, chunk_size: 5, pipeline, partitions: json!({ "total": 1 }), ..Order::default() };
    let (job, mut host) = Job::prepare(&order);
    let (_, segments) = job.run_plan(&mut host);
    let failed = host.ask(plan(&job, "total", Next { segment: 1, chunk: 9 }));
    assert_eq!(failed.failed().code, "PLAN_CONFLICT");
    assert!(failed.failed().message.contains("has no outcome yet"), "{}", failed.failed().message);
    for (announced, segment) in &segments {
        for chunk in &segment.chunks {
            receipt(&host.ask(job.process(announced, chunk.number())));
        }
    }
    let next = Next { segment: segments.len() as u32, chunk: 9 };
    let first = planned(&job, &mut host, "total", next);
    assert_eq!(planned(&job, &mut host, "total", next), first);
    let (segment, chunk) = &first[0];
    let wrong = Reduce { partition: 3, ..reduce(&job, "total", segment, chunk) };
    assert_eq!(host.ask(wrong).failed().code, "PLAN_CONFLICT");
    assert_eq!(job.rows(&[receipt(&host.ask(reduce(&job, "total", segment, chunk)))]), ["7"]);
}

#[test]
fn keys_that_are_no_keys_are_refused_when_the_first_stage_is_planned() {
    let sql = json!({ "sql": "SELECT count(*) AS n FROM input" });
    for (keys, clean, code) in [
        (["missing"], "SELECT id FROM input", "SPEC_SQL_UNKNOWN_COLUMN"),
        (["f"], "SELECT CAST(id AS DOUBLE) AS f FROM input", "SPEC_EXCHANGE_KEY"),
    ] {
        let pipeline =
            json!([{ "name": "clean", "from": null, "sql": clean, "exchange": null, "dedupe": null }, stage("total", 2, &keys, &sql)]);
        let (job, mut host) = Job::prepare(&Order { text: EVENTS, pipeline, partitions: json!({ "total": 2 }), ..Order::default() });
        assert_eq!(host.ask(job.plan()).failed().code, code);
    }
}

#[test]
fn a_key_belongs_to_the_first_record_of_the_whole_job() {
    for (chunk_size, partitions) in [(1 << 20, 1), (5, 3)] {
        let id = json!({ "required": true, "unique": true });
        let order = Order { text: EVENTS, chunk_size, partitions: json!({ "owners": partitions }), id, ..Order::default() };
        let (mut job, mut host) = Job::prepare(&order);
        job.stage = "unique".into();
        let answered = host.ask(Plan { stage: Some("unique".into()), ..job.plan() });
        let keys = run_segments(&job, &mut host, &announced(&answered.events));
        assert!(keys.iter().all(|receipt| receipt.rejects.is_empty() && receipt.parts.is_empty()));
        let mut next = Next { segment: 9, chunk: keys.len() as u32 };
        for (segment, chunk) in planned(&job, &mut host, "owners", next) {
            let receipt = receipt(&host.ask(reduce(&job, "owners", &segment, &chunk)));
            assert_eq!((receipt.counts.records_in, receipt.counts.emitted), (chunk.rows, chunk.rows));
            next.chunk = next.chunk.max(chunk.chunk + 1);
        }
        job.stage = "read".into();
        let answered = host.ask(plan(&job, "read", Next { segment: 20, ..next }));
        let receipts = run_segments(&job, &mut host, &announced(&answered.events));
        assert_eq!(receipts[0].chunk, next.chunk);
        assert_eq!(job.rows(&receipts), ["1,a", "2,b", "3,d", "4,e"]);
        let rejects: Vec<(u64, String)> = job.rejects(&receipts).into_iter().map(|row| (row.record, row.code)).collect();
        let lost = |record| (record, "CONSTRAINT_UNIQUE".to_string());
        assert_eq!(rejects, [lost(3), (5, "TYPE_INTEGER".to_string()), lost(6), lost(7)]);
    }
}

fn announced(events: &[Event]) -> Vec<PlanSegment> {
    let segments = events.iter().filter_map(|event| if let Event::PlanSegment(segment) = event { Some(segment.clone()) } else { None });
    segments.collect()
}

fn run_segments(job: &Job, host: &mut Host, segments: &[PlanSegment]) -> Vec<Receipt> {
    let chunks =
        segments.iter().flat_map(|announced| job.segment(announced).chunks.into_iter().map(move |chunk| (announced, chunk.number())));
    chunks.map(|(announced, chunk)| receipt(&host.ask(job.process(announced, chunk)))).collect()
}
