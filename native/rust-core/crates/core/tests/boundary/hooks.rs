//! Records that kill, hang or are forgotten: what a host sees of them. Needs the feature `test-hooks`.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use millrace_wire::Outbound;
use millrace_wire::message::{Event, Ping, TraceMode};

use crate::host::{Host, hello_of};
use crate::jobs::{Job, Order, files_below};

fn start(root: &Path) -> Host {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace-core-hooks"));
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    Host::greet(child, hello_of(root))
}

fn job_with(marker: &str) -> (Job, Host, millrace_wire::message::Process) {
    let text = format!("id,name\n1,a\n2,{marker}\n3,c\n");
    let (job, mut plain) = Job::prepare(&Order { text: &text, ..Order::default() });
    let (_, segments) = job.run_plan(&mut plain);
    let host = start(job.root.path());
    let request = job.process(&segments[0].0, 0);
    (job, host, request)
}

#[test]
fn after_a_crash_the_last_progress_names_the_record() {
    let (job, mut host, mut request) = job_with("MILLRACE_CORE_CRASH");
    request.trace = TraceMode::Record;
    host.send(request, &[]);
    let mut last = None;
    while let Some((_, message, _)) = host.try_next() {
        let Outbound::Event(Event::Progress(progress)) = message else { panic!("{message:?}") };
        last = Some((progress.record, progress.line, progress.byte));
    }
    assert_eq!(last, Some((2, 3, 12)));
    assert_eq!(host.child.wait().unwrap().signal(), Some(6));
    assert!(files_below(&job.path("journal/jobs/j1/verdicts")).is_empty());
}

#[test]
fn the_product_binary_reads_the_markers_as_text() {
    let (job, _, request) = job_with("MILLRACE_CORE_CRASH");
    let mut plain = Host::start(job.root.path());
    assert_eq!(crate::jobs::receipt(&plain.ask(request)).counts.emitted, 3);
}

#[test]
fn a_core_that_hangs_still_answers_ping() {
    let (_job, mut host, request) = job_with("MILLRACE_CORE_HANG");
    host.send(request, &[]);
    let ping = host.send(Ping::default(), &[]);
    while host.next().0 != ping {}
}

#[test]
fn a_record_that_is_not_counted_is_a_mismatch_and_commits_nothing() {
    let (job, mut host, request) = job_with("MILLRACE_DROP_RECORD");
    assert_eq!(host.ask(request).failed().code, "BALANCE_MISMATCH");
    assert!(files_below(&job.path("journal/jobs/j1/verdicts")).is_empty());
}
