//! Handshake, violations, the end.

use std::io::Write;
use std::time::{Duration, Instant};

use millrace_wire::message::{
    Cancel, CancelReason, ChunkOutcome, CoreHello, DoneBody, Event, HostHello, Ping, SandboxState, SandboxWish, StoreStat,
};
use millrace_wire::{decode_core_hello, encode_host_hello, encode_request, read_frame, write_frame};
use serde_json::Value;

use crate::folder::Folder;
use crate::host::{Host, exit_of, hello_of, spawn};
use crate::jobs::{Job, Order, files_below};

fn greet_with(change: impl FnOnce(&mut HostHello)) -> (Option<millrace_wire::message::CoreHello>, Option<i32>) {
    let root = Folder::create();
    let mut hello = hello_of(root.path());
    change(&mut hello);
    let mut child = spawn();
    let mut stdin = child.stdin.take().unwrap();
    write_frame(&mut stdin, &encode_host_hello(&hello).unwrap()).unwrap();
    let answer = read_frame(&mut child.stdout.take().unwrap()).unwrap().map(|frame| decode_core_hello(&frame).unwrap());
    drop(stdin);
    (answer, exit_of(&mut child).0)
}

#[test]
fn both_sides_greet_and_the_end_of_stdin_is_the_end() {
    let root = Folder::create();
    let host = Host::start(root.path());
    assert_eq!((host.hello.nonce, host.hello.pid), ([7; 16], host.child.id()));
    assert_eq!(host.hello.result_version, millrace_engine::RESULT_VERSION);
    assert_eq!(host.hello.features.contains(&"sql".to_owned()), cfg!(feature = "sql"));
    assert_eq!(host.end().0, Some(0));
}

#[test]
fn another_version_is_answered_and_refused() {
    let (answer, code) = greet_with(|hello| hello.schema_hash[0] ^= 1);
    assert_eq!((answer.unwrap().protocol, code), (millrace_wire::hello::PROTOCOL, Some(64)));
    let (answer, code) = greet_with(|hello| hello.protocol += 1);
    assert_eq!((answer.unwrap().schema_hash, code), (millrace_wire::hello::SCHEMA_HASH, Some(64)));
}

#[test]
fn a_sandbox_that_is_required_and_not_there_ends_the_core() {
    let is_full = |hello: &CoreHello| hello.sandbox == SandboxState::Full;
    let (answer, code) = greet_with(|hello| hello.sandbox = SandboxWish::BestEffort);
    let (required, ended) = greet_with(|hello| hello.sandbox = SandboxWish::Required);
    assert_eq!(code, Some(0));
    let answer = answer.unwrap();
    assert_eq!(is_full(&answer), answer.sandbox_missing.is_empty(), "{answer:?}");
    assert_eq!(required.as_ref().map(is_full), is_full(&answer).then_some(true));
    assert_eq!(ended, Some(if is_full(&answer) { 0 } else { 71 }));
    let (off, _) = greet_with(|hello| hello.sandbox = SandboxWish::Off);
    assert_eq!(off.unwrap().sandbox, SandboxState::None);
}

#[test]
fn a_parent_that_is_another_process_ends_the_core() {
    assert_eq!(greet_with(|hello| hello.parent_pid = 1).1, Some(72));
}

#[test]
fn no_hello_at_all_is_a_quiet_end() {
    let mut child = spawn();
    drop(child.stdin.take());
    assert_eq!(exit_of(&mut child), (Some(0), String::new()));
}

#[test]
fn every_violation_ends_with_its_code_and_one_line_of_the_log() {
    let stat = || encode_request(1, stat_request().into(), Vec::new()).unwrap();
    let bytes_of = |frame: &millrace_wire::Frame| {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, frame).unwrap();
        bytes
    };
    let mut flipped = bytes_of(&stat());
    flipped[40] ^= 1;
    let cut = bytes_of(&stat())[..50].to_vec();
    let twice = [bytes_of(&stat()), bytes_of(&stat())].concat();
    let root = Folder::create();
    let again = bytes_of(&encode_host_hello(&hello_of(root.path())).unwrap());
    for violation in [b"text that somebody printed, long enough for a prefix".to_vec(), flipped, cut, twice, again] {
        let mut host = Host::start(root.path());
        host.send_bytes(&violation);
        let (code, stderr) = host.end();
        assert_eq!(code, Some(65), "{stderr}");
        let line: Value = serde_json::from_str(stderr.lines().last().unwrap()).unwrap();
        assert_eq!((line["level"].as_str(), line["message"].as_str()), (Some("error"), Some("host broke the protocol")));
    }
}

fn stat_request() -> StoreStat {
    let scope = millrace_wire::message::Scope { connection: "journal".into(), ..Default::default() };
    StoreStat { scope, key: "x".into(), ..StoreStat::default() }
}

#[test]
fn frames_may_come_byte_by_byte_or_many_at_once() {
    let root = Folder::create();
    let mut host = Host::start(root.path());
    let mut bytes = Vec::new();
    for id in 1..=3 {
        write_frame(&mut bytes, &encode_request(id, Ping::default().into(), Vec::new()).unwrap()).unwrap();
    }
    let (slow, fast) = bytes.split_at(bytes.len() / 3);
    slow.iter().for_each(|byte| host.send_bytes(&[*byte]));
    host.send_bytes(fast);
    let ids: Vec<u64> = (0..3).map(|_| host.next().0).collect();
    assert_eq!(ids, [1, 2, 3]);
}

/// Enough rows that a chunk of them takes a while.
fn long_text() -> String {
    let mut text = String::from("id,name\n");
    for id in 0..1_500_000 {
        text.push_str(&format!("{id},a name that is not short {id}\n"));
    }
    text
}

fn long_job() -> (Job, Host, u64) {
    let (job, mut host) = Job::prepare(&Order { text: &long_text(), chunk_size: 1 << 30, format: "parquet", ..Order::default() });
    let (_, segments) = job.run_plan(&mut host);
    let id = host.send(job.process(&segments[0].0, 0), &[]);
    (job, host, id)
}

#[test]
fn ping_and_store_requests_are_answered_while_work_runs_and_a_cancel_ends_it() {
    let (job, mut host, work) = long_job();
    let started = Instant::now();
    let ping = host.send(Ping::default(), &[]);
    let stat = host.send(stat_request(), &[]);
    let mut answered = Vec::new();
    while answered.len() < 2 {
        let (id, message, _) = host.next();
        if matches!(message, millrace_wire::Outbound::Response(_)) {
            answered.push(id);
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, [ping, stat], "the work runs on: {:?}", started.elapsed());
    let cancel = host.send(Cancel { target: work, reason: CancelReason::Cancel }, &[]);
    let asked = Instant::now();
    let mut outcome = None;
    let mut cancelled = false;
    while outcome.is_none() || !cancelled {
        let (id, message, _) = host.next();
        match message {
            millrace_wire::Outbound::Response(response) if id == work => {
                let millrace_wire::message::Response::Done(done) = response else { panic!("{response:?}") };
                let DoneBody::ChunkDone(chunk) = done.body else { panic!("{:?}", done.body) };
                outcome = Some(chunk.outcome);
            }
            millrace_wire::Outbound::Response(_) => cancelled = id == cancel,
            millrace_wire::Outbound::Event(_) => {}
        }
    }
    assert_eq!(outcome, Some(ChunkOutcome::Cancelled));
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    assert!(files_below(&job.path("journal/jobs/j1/verdicts")).is_empty());
    assert!(files_below(&job.path("out")).iter().all(|name| !name.contains(".tmp-")));
}

#[test]
fn the_end_of_stdin_amid_work_ends_the_core_within_a_second_and_leaves_no_temporary() {
    let (job, mut host, _) = long_job();
    std::thread::sleep(Duration::from_millis(100));
    let started = Instant::now();
    host.close_stdin();
    let (code, _) = host.end();
    assert_eq!(code, Some(0));
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(files_below(&job.path("journal/jobs/j1/verdicts")).is_empty());
    assert!(files_below(&job.path("out")).iter().all(|name| !name.contains(".tmp-")), "{:?}", files_below(&job.path("out")));
}

#[test]
fn a_second_work_request_is_a_violation() {
    let (job, mut host, _) = long_job();
    host.send(job.plan(), &[]);
    assert_eq!(host.end().0, Some(65));
}

#[test]
fn progress_comes_while_work_runs_and_never_after_its_answer() {
    let (_job, mut host, work) = long_job();
    let answered = host.wait(work);
    let DoneBody::ChunkDone(done) = answered.done() else { panic!() };
    assert_eq!((done.outcome, done.counts.records_in), (ChunkOutcome::Committed, 1_500_000));
    let seen = answered.events.iter().filter(|event| matches!(event, Event::Progress(progress) if progress.bytes_total > 0)).count();
    let seconds = done.phases.decode_us + done.phases.encode_us + done.phases.write_us + done.phases.read_us;
    assert!(seen as u64 + 1 >= seconds / 1_000_000, "{seen} events in {seconds} µs");
    assert!(host.is_silent(Duration::from_millis(1_500)));
}

#[test]
fn a_deadline_that_passes_is_a_time_limit() {
    let (job, mut host) = Job::prepare(&Order { text: &long_text(), chunk_size: 1 << 30, format: "parquet", ..Order::default() });
    let (_, segments) = job.run_plan(&mut host);
    let mut request = job.process(&segments[0].0, 0);
    request.call.deadline_ms = 1;
    assert_eq!(host.ask(request).failed().code, "CORE_TIME_LIMIT");
    assert!(files_below(&job.path("journal/jobs/j1/verdicts")).is_empty());
}

#[test]
fn what_prints_to_descriptor_one_goes_to_stderr() {
    // The core itself never prints; its descriptor 1 must be stderr all the same, for libraries that do.
    let root = Folder::create();
    let host = Host::start(root.path());
    let link = |descriptor: u32| std::fs::read_link(format!("/proc/{}/fd/{descriptor}", host.child.id()));
    if let (Ok(stdout), Ok(stderr)) = (link(1), link(2)) {
        assert_eq!(stdout, stderr);
    }
    std::io::stdout().flush().unwrap();
    assert_eq!(host.end().0, Some(0));
}
