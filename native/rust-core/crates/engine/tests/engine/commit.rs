//! The commit against a store that answers every way, and what stands afterwards.

use millrace_engine::Error;
use millrace_engine::cancel::Reason;
use millrace_engine::process::Outcome;

use crate::memory::{Attempt, DIRTY, PutAnswer, World, receipt, run, segment_of, world_of};

const OTHER: &str = r#"{"record":"verdict","outcome":"committed","attemptId":"a2"}"#;
const DEAD: &str = r#"{"record":"verdict","outcome":"dead","code":"CORE_CRASH"}"#;

fn attempt(world: &mut World) -> Result<millrace_engine::ChunkEnd, Error> {
    run(world, &segment_of(DIRTY.as_bytes(), 1 << 20), 0, &Attempt::default(), None)
}

fn names(world: &World) -> Vec<String> {
    world.objects.lock().unwrap().keys().cloned().collect()
}

#[test]
fn the_winner_has_its_parts_named_in_the_verdict() {
    let mut world = world_of(DIRTY.as_bytes());
    let end = attempt(&mut world).unwrap();
    assert_eq!(end.outcome, Outcome::Committed);
    assert_eq!(world.verdict, end.verdict);
    let receipt = receipt(&end);
    let named: Vec<&str> = receipt.parts.iter().chain(&receipt.rejects).map(|part| part.uri.as_str()).collect();
    assert_eq!(named, ["file:///out/part-read-000000-0-j1-a1.csv", "file:///out/_rejects/rejects-read-000000-j1-a1.pq"]);
    assert_eq!(names(&world).len(), 2);
    for part in receipt.parts.iter().chain(&receipt.rejects) {
        let objects = world.objects.lock().unwrap();
        let bytes = &objects[&part.uri];
        assert_eq!((part.bytes, part.sha256.clone()), (bytes.len() as u64, millrace_engine::sha256_hex(bytes)));
    }
}

#[test]
fn a_filled_verdict_is_answered_before_anything_is_read() {
    for (stands, outcome) in [(OTHER, Outcome::Superseded), (DEAD, Outcome::Superseded)] {
        let mut world = World { verdict: Some(stands.into()), ..world_of(DIRTY.as_bytes()) };
        let end = attempt(&mut world).unwrap();
        assert_eq!((end.outcome, world.opened, world.puts), (outcome, 0, 0));
        assert_eq!(end.verdict.as_deref(), Some(stands.as_bytes()));
    }
}

#[test]
fn our_own_verdict_is_a_commit_whose_answer_was_lost() {
    let mut world = world_of(DIRTY.as_bytes());
    let first = attempt(&mut world).unwrap();
    let again = attempt(&mut world).unwrap();
    assert_eq!((again.outcome, again.counts, again.verdict), (Outcome::Committed, first.counts, first.verdict));
    assert_eq!(world.opened, 1);
}

#[test]
fn a_loser_deletes_its_own_parts_only_after_it_read_another_winner() {
    for winner in [OTHER, DEAD] {
        let mut world = World { answer: Some(PutAnswer::Lost(winner.into())), ..world_of(DIRTY.as_bytes()) };
        let end = attempt(&mut world).unwrap();
        assert_eq!(end.outcome, Outcome::Superseded);
        assert_eq!(end.verdict.as_deref(), Some(winner.as_bytes()));
        assert_eq!(world.deleted.len(), 2);
        assert!(names(&world).is_empty());
    }
}

#[test]
fn after_an_unknown_put_nothing_is_deleted() {
    let mut world = World { answer: Some(PutAnswer::Unknown), ..world_of(DIRTY.as_bytes()) };
    assert_eq!(attempt(&mut world).unwrap_err().code, "STORAGE_TIMEOUT");
    assert_eq!((world.deleted.len(), names(&world).len()), (0, 2));
}

#[test]
fn a_verdict_that_names_us_with_other_bytes_deletes_nothing() {
    let ours = r#"{"record":"verdict","outcome":"committed","attemptId":"a1"}"#;
    let mut world = World { answer: Some(PutAnswer::Lost(ours.into())), ..world_of(DIRTY.as_bytes()) };
    assert_eq!(attempt(&mut world).unwrap_err().code, "CORE_PANIC");
    assert_eq!(names(&world).len(), 2);
}

#[test]
fn without_a_lease_nothing_is_put() {
    for code in ["LEASE_LOST", "CORE_TIME_LIMIT"] {
        let mut world = World { lease: Some(Error::new(code, "told to")), ..world_of(DIRTY.as_bytes()) };
        assert_eq!(attempt(&mut world).unwrap_err().code, code);
        assert_eq!((world.puts, names(&world).len()), (0, 2));
    }
}

#[test]
fn a_cancelled_attempt_puts_nothing() {
    for reason in [Reason::Cancel, Reason::Drain, Reason::Fence] {
        let mut world = world_of(DIRTY.as_bytes());
        world.cancel.set(reason);
        let end = attempt(&mut world).unwrap();
        assert_eq!((end.outcome, end.verdict, world.puts), (Outcome::Cancelled, None, 0));
    }
}

#[test]
fn an_input_that_changed_while_it_was_read_commits_nothing() {
    let mut world = World { input_changed: true, ..world_of(DIRTY.as_bytes()) };
    assert_eq!(attempt(&mut world).unwrap_err().code, "INPUT_CHANGED");
    assert_eq!(world.puts, 0);
}

#[test]
fn a_missing_input_is_told_as_such() {
    let mut world = World::default();
    assert_eq!(attempt(&mut world).unwrap_err().code, "INPUT_NOT_FOUND");
}
