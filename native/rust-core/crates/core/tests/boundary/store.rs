//! The store verbs over the wire.

use millrace_engine::sha256_hex;
use millrace_store::uri_of_path;
use millrace_wire::message::{
    DeleteOutcome, DoneBody, Inspect, InspectKind, PutMode, PutOutcome, Scope, ScopeKind, Span, StoreDelete, StoreGet, StoreList, StorePut,
};

use crate::folder::Folder;
use crate::host::Host;
use crate::jobs::{JOB_KEY, Job, Order, files_below};

fn journal() -> Scope {
    Scope { connection: "journal".into(), ..Scope::default() }
}

fn put(key: &str, bytes: &[u8], scope: Scope, mode: PutMode) -> StorePut {
    StorePut { scope, key: key.into(), mode, sha256: sha256_hex(bytes), ..StorePut::default() }
}

fn outcome(answered: &crate::host::Answered) -> PutOutcome {
    let DoneBody::StorePutDone(done) = answered.done() else { panic!("{:?}", answered.response) };
    assert!(!done.etag.is_empty());
    done.outcome
}

#[test]
fn who_creates_first_wins_and_the_other_reads_the_winner() {
    let root = Folder::create();
    let mut host = Host::start(root.path());
    let first = host.ask_with(put("commands/000000.json", b"first", journal(), PutMode::Create), b"first");
    assert_eq!((outcome(&first), first.payload.len()), (PutOutcome::Won, 0));
    let second = host.ask_with(put("commands/000000.json", b"second", journal(), PutMode::Create), b"second");
    assert_eq!((outcome(&second), &second.payload[..]), (PutOutcome::Lost, &b"first"[..]));
    let over = host.ask_with(put("commands/000000.json", b"third", journal(), PutMode::Overwrite), b"third");
    assert_eq!(outcome(&over), PutOutcome::Won);
    let got = host.ask(StoreGet {
        scope: journal(),
        key: "commands/000000.json".into(),
        range: Some(Span { start: 1, end: 3 }),
        ..StoreGet::default()
    });
    assert_eq!(&got.payload[..], b"hi");
    let DoneBody::StoreGetDone(done) = got.done() else { panic!() };
    assert_eq!(done.object.as_ref().unwrap().size, 5);
    let none = host.ask(StoreGet { scope: journal(), key: "none".into(), ..StoreGet::default() });
    assert!(matches!(none.done(), DoneBody::StoreGetDone(done) if done.object.is_none()));
}

#[test]
fn keys_and_bytes_that_do_not_fit_are_refused() {
    let root = Folder::create();
    let mut host = Host::start(root.path());
    for key in ["../x", "/etc/passwd", "a//b", "file:///etc/passwd"] {
        let answered = host.ask_with(put(key, b"x", journal(), PutMode::Create), b"x");
        assert_eq!(answered.failed().code, "STORAGE_FORBIDDEN", "{key}");
    }
    assert_eq!(host.ask_with(put("a", b"x", journal(), PutMode::Create), b"y").failed().code, "STORAGE_CHECKSUM");
    let other = Scope { connection: "elsewhere".into(), ..Scope::default() };
    assert_eq!(host.ask_with(put("a", b"x", other, PutMode::Create), b"x").failed().code, "SPEC_CONNECTION_UNKNOWN");
}

#[test]
fn lists_and_deletes_keep_the_records_of_a_job() {
    let (job, mut host) = Job::prepare(&Order { text: "id,name\n1,a\n", ..Order::default() });
    let list = StoreList { scope: journal(), prefix: "jobs/j1/".into(), limit: 2, ..StoreList::default() };
    let page = host.ask(list.clone());
    let DoneBody::StoreListDone(done) = page.done() else { panic!("{:?}", page.response) };
    let keys: Vec<_> = done.entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!((keys, done.more), (vec!["jobs/j1/inputs/000000.json", JOB_KEY], true));
    let folded = host.ask(StoreList { delimiter: true, limit: 9, ..list });
    let DoneBody::StoreListDone(done) = folded.done() else { panic!() };
    assert_eq!(done.entries[0].key, "jobs/j1/inputs/");
    job.put_bytes("open/j1", b"{}");
    let keys = vec![JOB_KEY.to_owned(), "open/j1".into(), "open/j2".into()];
    let deleted = host.ask(StoreDelete { scope: journal(), keys, ..StoreDelete::default() });
    let DoneBody::StoreDeleteDone(done) = deleted.done() else { panic!() };
    let outcomes: Vec<_> = done.results.iter().map(|result| result.outcome).collect();
    assert_eq!(outcomes, [DeleteOutcome::Refused, DeleteOutcome::Deleted, DeleteOutcome::Absent]);
}

#[test]
fn output_is_reached_by_uri_and_only_below_the_places_of_its_job() {
    let (job, mut host) = Job::prepare(&Order { text: "id,name\n1,a\nx,b\n", ..Order::default() });
    job.run(&mut host);
    let scope = || Scope {
        connection: "files".into(),
        kind: ScopeKind::Output,
        job_key: Some(JOB_KEY.into()),
        spec_digest: Some(job.spec_digest.clone()),
    };
    let output = uri_of_path(&job.path("out/data")) + "/";
    let listed = host.ask(StoreList { scope: scope(), prefix: format!("{output}part-"), limit: 10, ..StoreList::default() });
    let DoneBody::StoreListDone(done) = listed.done() else { panic!("{:?}", listed.response) };
    assert_eq!(done.entries.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), [format!("{output}part-read-000000-0-j1-a0.csv")]);
    let done = host.ask_with(put(&format!("{output}_SUCCESS"), b"{}", scope(), PutMode::Overwrite), b"{}");
    assert_eq!(outcome(&done), PutOutcome::Won);
    let outside = uri_of_path(&job.path("out/other"));
    assert_eq!(host.ask_with(put(&outside, b"{}", scope(), PutMode::Overwrite), b"{}").failed().code, "STORAGE_FORBIDDEN");
    assert_eq!(
        files_below(&job.path("out")),
        ["data/_SUCCESS", "data/_rejects/rejects-read-000000-j1-a0.pq", "data/part-read-000000-0-j1-a0.csv"]
    );
}

#[test]
fn inputs_can_be_listed_and_never_written() {
    let (job, mut host) = Job::prepare(&Order { text: "id,name\n1,a\n", ..Order::default() });
    let scope = || Scope { connection: "files".into(), kind: ScopeKind::Inputs, ..Scope::default() };
    let folder = uri_of_path(&job.path("in")) + "/";
    let listed = host.ask(StoreList { scope: scope(), prefix: folder.clone(), limit: 10, ..StoreList::default() });
    let DoneBody::StoreListDone(done) = listed.done() else { panic!("{:?}", listed.response) };
    assert_eq!(done.entries[0].key, format!("{folder}data.csv"));
    assert_eq!(host.ask_with(put(&format!("{folder}new"), b"x", scope(), PutMode::Create), b"x").failed().code, "STORAGE_FORBIDDEN");
}

#[test]
fn a_journal_passes_its_self_test() {
    let root = Folder::create();
    let mut host = Host::start(root.path());
    let answered = host.ask(Inspect { what: InspectKind::SelfTest, connection: Some("journal".into()), ..Inspect::default() });
    assert_eq!(&answered.payload[..], br#"{"ok":true}"#, "{:?}", answered.response);
    assert!(files_below(root.path()).is_empty());
}
