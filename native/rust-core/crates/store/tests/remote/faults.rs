//! Every verb under every answer, for S3: what is asked again, what is looked at, what is told.

use millrace_store::{Access, Deleted, Error, Kind, ListQuery, Place, PutOutcome, Result, Store};

use crate::stub::{Fault, SECRET, Stub, Verb, call, credentials};

const OURS: &[u8] = br#"{"attemptId":"a1"}"#;
const THEIRS: &[u8] = br#"{"attemptId":"a2"}"#;

fn place(store: &Store, key: &str) -> Place {
    store.place(&format!("s3://data/{key}"), None, Access::Write).unwrap()
}

/// Does what a verb is for; `k` is there with eight bytes.
fn run(store: &Store, verb: Verb) -> Result<()> {
    let at = |key: &str| place(store, key);
    match verb {
        Verb::Stat => store.stat(&at("k")).map(|stat| assert_eq!(stat.unwrap().size, 8)),
        Verb::Get => store.get(&at("k"), None).map(|object| assert_eq!(object.unwrap().bytes, b"12345678")),
        Verb::Range => {
            let mut input = store.open_input(&at("k"), None)?;
            let mut bytes = [0; 8];
            input.read_at(0, &mut bytes).map(|count| assert_eq!((count, &bytes), (8, b"12345678")))
        }
        Verb::List => {
            let query = ListQuery { prefix: "k", limit: 10, ..ListQuery::default() };
            store.list(&store.folder("lake").unwrap(), &query).map(|listing| assert_eq!(listing.entries[0].key, "k"))
        }
        Verb::Delete => store.delete(&at("k")).map(|deleted| assert_eq!(deleted, Deleted::Deleted)),
        Verb::Overwrite => store.overwrite(&at("new"), b"x").map(|etag| assert!(!etag.is_empty())),
        Verb::StartUpload | Verb::Piece | Verb::FinishUpload => {
            let mut part = store.open_part(&at("part"))?;
            part.write(&vec![7; 9 << 20])?;
            part.finish().map(|done| assert_eq!(done.bytes, 9 << 20))
        }
        Verb::Create | Verb::Replace | Verb::AbortUpload => panic!("these have tables of their own"),
    }
}

const REPEATED: [Verb; 9] =
    [Verb::Stat, Verb::Get, Verb::Range, Verb::List, Verb::Delete, Verb::Overwrite, Verb::StartUpload, Verb::Piece, Verb::FinishUpload];

/// A fresh store with `k` in it, and what `verb` makes of it when the next requests go wrong as told.
fn under(verb: Verb, faults: &[Fault]) -> (Stub, Result<()>) {
    let stub = Stub::start(Kind::S3);
    stub.put("k", b"12345678");
    stub.plan(verb, faults);
    let store = stub.store();
    let visit = store.enter(call(), &[credentials()]);
    let end = run(&store, verb);
    drop(visit);
    if let Err(error) = &end {
        assert!(!error.to_string().contains("nobody-may-see"), "{error}");
    }
    (stub, end)
}

fn check_passing(fault: &Fault, code: &str) {
    // The answer to HEAD has no body, and so no code: a plain 503.
    let is_named = |verb: &Verb| *verb != Verb::Stat || !matches!(fault, Fault::Status(503, _));
    for verb in REPEATED.into_iter().filter(is_named) {
        let (stub, end) = under(verb, std::slice::from_ref(fault));
        end.unwrap_or_else(|error| panic!("{verb:?} {fault:?}: {error}"));
        let wanted = if verb == Verb::Piece { 3 } else { 2 };
        assert_eq!(stub.asked(verb), wanted, "{verb:?} {fault:?}");
        let all = vec![fault.clone(); 9];
        let (_, end) = under(verb, &all);
        let error = end.unwrap_err();
        assert_eq!((error.code, error.tries), (code, 3), "{verb:?} {fault:?}: {error}");
    }
}

#[test]
fn an_internal_error_is_asked_again_and_told_after_three() {
    check_passing(&Fault::Status(500, "InternalError"), "STORAGE_UNAVAILABLE");
}

#[test]
fn slow_down_is_throttling() {
    check_passing(&Fault::Status(503, "SlowDown"), "STORAGE_THROTTLED");
}

#[test]
fn a_conflict_is_asked_again() {
    check_passing(&Fault::Status(409, "OperationAborted"), "STORAGE_UNAVAILABLE");
}

#[test]
fn a_broken_connection_is_asked_again() {
    check_passing(&Fault::Reset, "STORAGE_CONNECTION");
}

#[test]
fn silence_is_a_timeout() {
    for verb in [Verb::Stat, Verb::Range, Verb::List, Verb::Overwrite, Verb::FinishUpload] {
        let (stub, end) = under(verb, &[Fault::Silence]);
        end.unwrap();
        assert_eq!(stub.asked(verb), 2, "{verb:?}");
    }
    let (_, end) = under(Verb::Get, &[Fault::Silence, Fault::Silence, Fault::Silence]);
    assert_eq!(end.unwrap_err().code, "STORAGE_TIMEOUT");
}

#[test]
fn who_asks_to_be_left_alone_is_left_alone_and_it_is_passed_on() {
    let started = std::time::Instant::now();
    let (_, end) = under(Verb::Get, &[Fault::Busy(429)]);
    end.unwrap();
    assert!(started.elapsed() >= std::time::Duration::from_secs(1));
    let (_, end) = under(Verb::Stat, &[Fault::Busy(503), Fault::Busy(429), Fault::Busy(429)]);
    let error = end.unwrap_err();
    assert_eq!((error.code, error.retry_after_ms), ("STORAGE_THROTTLED", Some(1_000)));
}

#[test]
fn a_refusal_is_told_at_once() {
    let table = [(403, "AccessDenied", "STORAGE_FORBIDDEN"), (401, "", "STORAGE_FORBIDDEN"), (400, "ExpiredToken", "STORAGE_FORBIDDEN")];
    for (status, named, code) in table {
        for verb in REPEATED.into_iter().filter(|verb| *verb != Verb::Stat || named.is_empty()) {
            let (stub, end) = under(verb, &[Fault::Status(status, named), Fault::Status(status, named)]);
            let error = end.unwrap_err();
            assert_eq!((error.code, error.tries.max(1)), (code, 1), "{verb:?} {status}: {error}");
            assert!(error.to_string().contains(&status.to_string()) && error.to_string().contains("s3://data/"), "{error}");
            assert!(stub.asked(verb) <= if verb == Verb::Piece { 2 } else { 1 }, "{verb:?}");
        }
    }
}

#[test]
fn what_is_absent_is_absent() {
    let stub = Stub::start(Kind::S3);
    let store = stub.store();
    let _visit = store.enter(call(), &[credentials()]);
    let none = place(&store, "none");
    assert_eq!((store.stat(&none), store.get(&none, None)), (Ok(None), Ok(None)));
    assert_eq!(store.open_input(&none, None).err().unwrap().code, "INPUT_NOT_FOUND");
    stub.plan(Verb::Get, &[Fault::Status(404, "NoSuchBucket")]);
    assert_eq!(store.get(&none, None).unwrap_err().code, "STORAGE_UNAVAILABLE");
}

/// One row of the table of the conditional put: what stands there, how the creates and reads go, how it ends.
struct Row {
    standing: Option<&'static [u8]>,
    creates: Vec<Fault>,
    reads: Vec<Fault>,
    end: std::result::Result<PutOutcome, &'static str>,
    /// Creates and reads that were sent.
    asked: (usize, usize),
}

fn row(
    standing: Option<&'static [u8]>,
    creates: &[Fault],
    reads: &[Fault],
    end: std::result::Result<PutOutcome, &'static str>,
    asked: (usize, usize),
) -> Row {
    Row { standing, creates: creates.to_vec(), reads: reads.to_vec(), end, asked }
}

fn rows() -> Vec<Row> {
    let lost = || Ok(PutOutcome::Lost(THEIRS.to_vec()));
    let won = || Ok(PutOutcome::Won);
    let (error, conflict) = (Fault::Status(500, "InternalError"), Fault::Status(409, "ConditionalRequestConflict"));
    let gone = Fault::Status(404, "NoSuchKey");
    vec![
        row(None, &[], &[], won(), (1, 0)),
        // Somebody holds it, perhaps we.
        row(Some(THEIRS), &[], &[], lost(), (1, 1)),
        row(Some(OURS), &[], &[], won(), (1, 1)),
        row(Some(br#"{"attemptId":"a1" }"#), &[], &[], Err("CORE_PANIC"), (1, 1)),
        row(Some(THEIRS), &[Fault::Status(304, "")], &[], lost(), (1, 1)),
        // Another write was in flight.
        row(None, std::slice::from_ref(&conflict), &[], won(), (2, 1)),
        row(Some(THEIRS), std::slice::from_ref(&conflict), &[], lost(), (1, 1)),
        row(None, &[conflict.clone(), conflict.clone(), conflict], &[], Err("STORAGE_UNAVAILABLE"), (3, 3)),
        // It may have been saved, and was.
        row(None, &[Fault::DoneThen(500)], &[], won(), (1, 1)),
        row(None, &[Fault::DoneThen(503)], &[], won(), (1, 1)),
        row(None, &[Fault::DoneThenReset], &[], won(), (1, 1)),
        // It may have been saved, and was not.
        row(None, std::slice::from_ref(&error), &[], won(), (2, 1)),
        row(None, &[Fault::Status(429, "")], &[], won(), (2, 1)),
        row(None, &[Fault::Silence], &[], won(), (2, 1)),
        row(None, &[Fault::Reset], &[], won(), (2, 1)),
        row(None, &[error.clone(), Fault::DoneThen(500)], &[], won(), (2, 2)),
        row(None, &[error.clone(), error.clone(), error.clone()], &[], Err("STORAGE_UNAVAILABLE"), (3, 3)),
        row(None, &[Fault::Silence, Fault::Silence, Fault::Silence], &[], Err("STORAGE_TIMEOUT"), (3, 3)),
        // What is there cannot be read: nothing is concluded.
        row(Some(THEIRS), &[], &[error.clone(), error.clone(), error], Err("STORAGE_UNAVAILABLE"), (1, 3)),
        row(Some(THEIRS), &[], &[Fault::Status(403, "AccessDenied")], Err("STORAGE_FORBIDDEN"), (1, 1)),
        // It exists and is not there.
        row(Some(THEIRS), &[], std::slice::from_ref(&gone), lost(), (1, 2)),
        row(Some(THEIRS), &[], &[gone.clone(), gone.clone(), gone], Err("JOURNAL_UNSAFE"), (1, 3)),
        // Certainly not saved.
        row(None, &[Fault::Status(403, "AccessDenied")], &[], Err("STORAGE_FORBIDDEN"), (1, 0)),
        row(None, &[Fault::Status(501, "NotImplemented")], &[], Err("STORE_IGNORES_CONDITIONS"), (1, 0)),
    ]
}

#[test]
fn every_row_of_the_conditional_put_ends_as_the_table_says() {
    for (number, row) in rows().into_iter().enumerate() {
        let stub = Stub::start(Kind::S3);
        if let Some(bytes) = row.standing {
            stub.put("verdict", bytes);
        }
        stub.plan(Verb::Create, &row.creates);
        stub.plan(Verb::Get, &row.reads);
        let store = stub.store();
        let _visit = store.enter(call(), &[credentials()]);
        let end = store.put_if_absent(&place(&store, "verdict"), OURS, Some("a1")).map_err(|error| error.code);
        assert_eq!(end, row.end, "row {number}: {:?} {:?}", row.creates, row.reads);
        assert_eq!((stub.asked(Verb::Create), stub.asked(Verb::Get)), row.asked, "row {number}");
        assert_eq!(stub.asked(Verb::Delete), 0, "row {number}");
        if row.end == Ok(PutOutcome::Won) {
            assert_eq!(stub.state().objects["verdict"].0, OURS, "row {number}");
        }
    }
}

#[test]
fn a_replace_is_looked_at_when_its_answer_is_lost() {
    let table: [(&[Fault], std::result::Result<bool, &str>, usize); 5] = [
        (&[], Ok(true), 1),
        (&[Fault::DoneThen(500)], Ok(true), 1),
        (&[Fault::Status(500, "")], Ok(true), 2),
        (&[Fault::Status(412, "PreconditionFailed")], Ok(false), 1),
        (&[Fault::Status(500, ""), Fault::Status(500, ""), Fault::Status(500, "")], Err("STORAGE_UNAVAILABLE"), 3),
    ];
    for (faults, end, asked) in table {
        let stub = Stub::start(Kind::S3);
        stub.put("x", b"old");
        let store = stub.store();
        let _visit = store.enter(call(), &[credentials()]);
        let at = place(&store, "x");
        let etag = store.stat(&at).unwrap().unwrap().etag;
        stub.plan(Verb::Replace, faults);
        let outcome = store.replace(&at, b"new", &etag).map(|(outcome, _)| outcome == PutOutcome::Won).map_err(|error| error.code);
        assert_eq!((outcome, stub.asked(Verb::Replace)), (end, asked), "{faults:?}");
    }
}

fn read_under(faults: &[Fault]) -> (Stub, std::result::Result<Vec<u8>, Error>) {
    let stub = Stub::start(Kind::S3);
    let content: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
    stub.put("in", &content);
    let store = stub.store();
    let _visit = store.enter(call(), &[credentials()]);
    let mut input = store.open_input(&place(&store, "in"), Some("v1")).unwrap();
    stub.plan(Verb::Range, faults);
    let mut bytes = vec![0; 50_000];
    input.announce(10_000, 60_000);
    let end = input.read_at(10_000, &mut bytes).map(|_| bytes);
    if let Ok(bytes) = &end {
        assert_eq!(bytes[..], content[10_000..60_000]);
    }
    (stub, end)
}

#[test]
fn a_pinned_read_brings_the_pinned_bytes_or_none() {
    for faults in [&[][..], &[Fault::Whole], &[Fault::Status(500, ""), Fault::Reset]] {
        read_under(faults).1.unwrap_or_else(|error| panic!("{faults:?}: {error}"));
    }
    for fault in [Fault::OtherEtag, Fault::Status(412, "PreconditionFailed"), Fault::Status(416, "InvalidRange")] {
        let error = read_under(std::slice::from_ref(&fault)).1.unwrap_err();
        assert_eq!(error.code, "INPUT_CHANGED", "{fault:?}");
        assert!(error.to_string().contains("expected version v1"), "{error}");
    }
    assert_eq!(read_under(&[Fault::Status(404, "NoSuchKey")]).1.unwrap_err().code, "INPUT_NOT_FOUND");
    assert_eq!(read_under(&[Fault::Whole, Fault::Whole, Fault::Whole]).1.unwrap_err().code, "STORAGE_CONNECTION");
}

#[test]
fn a_read_that_breaks_is_taken_up_where_it_broke() {
    let (stub, end) = read_under(&[Fault::ShortBody]);
    end.unwrap();
    let asked: Vec<_> =
        stub.state().asked.iter().filter(|(verb, _)| *verb == Verb::Range).map(|(_, range)| range.clone().unwrap()).collect();
    assert_eq!(asked, ["bytes=10000-59999", "bytes=35000-59999"]);
}

#[test]
fn an_object_that_is_replaced_while_it_is_read_is_found_out() {
    let stub = Stub::start(Kind::S3);
    stub.put("in", &vec![1; 20 << 20]);
    let store = stub.store();
    let _visit = store.enter(call(), &[credentials()]);
    let mut input = store.open_input(&place(&store, "in"), None).unwrap();
    let mut bytes = vec![0; 1 << 20];
    input.read_at(0, &mut bytes).unwrap();
    stub.put("in", &vec![2; 20 << 20]);
    assert_eq!(input.read_at(19 << 20, &mut bytes).unwrap_err().code, "INPUT_CHANGED");
    assert_eq!(store.open_input(&place(&store, "in"), Some("v1")).err().unwrap().code, "INPUT_CHANGED");
}

#[test]
fn an_upload_that_may_be_complete_is_looked_at_and_one_that_ends_early_is_given_up() {
    for fault in [Fault::DoneThen(500), Fault::DoneThenReset, Fault::ErrorInside] {
        let (stub, end) = under(Verb::FinishUpload, std::slice::from_ref(&fault));
        end.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(stub.state().objects["part"].0.len(), 9 << 20, "{fault:?}");
    }
    let (stub, end) = under(Verb::Piece, &[Fault::Status(403, "AccessDenied")]);
    assert_eq!(end.unwrap_err().code, "STORAGE_FORBIDDEN");
    assert!(stub.state().uploads.is_empty() && stub.asked(Verb::AbortUpload) == 1);
    let stub = Stub::start(Kind::S3);
    let store = stub.store();
    let _visit = store.enter(call(), &[credentials()]);
    let mut part = store.open_part(&place(&store, "part")).unwrap();
    part.write(&vec![7; 17 << 20]).unwrap();
    part.abort();
    assert!(stub.state().uploads.is_empty() && stub.state().objects.is_empty());
}

#[test]
fn a_store_that_ignores_conditions_is_not_trusted() {
    let stub = Stub::start(Kind::S3);
    let store = stub.store();
    let _visit = store.enter(call(), &[credentials()]);
    let journal = store.folder("lake").unwrap();
    store.self_test(&journal).unwrap();
    assert!(stub.state().objects.is_empty());
    stub.state().ignores_conditions = true;
    let error = store.self_test(&journal).unwrap_err();
    assert_eq!(error.code, "STORE_IGNORES_CONDITIONS");
    assert!(error.to_string().contains("the second create must lose"), "{error}");
    assert!(stub.state().objects.is_empty());
}

#[test]
fn credentials_come_with_a_request_go_with_it_and_are_never_told() {
    let stub = Stub::start(Kind::S3);
    let store = stub.store();
    let at = place(&store, "k");
    assert_eq!(store.stat(&at).unwrap_err().code, "STORAGE_FORBIDDEN");
    {
        let _visit = store.enter(call(), &[credentials()]);
        store.stat(&at).unwrap();
        let sent = stub.state().last_authorization.clone().unwrap();
        assert!(sent.contains("key-that-nobody-may-see") && !sent.contains(SECRET));
        let inner = store.enter(call(), &[credentials()]);
        drop(inner);
        store.stat(&at).unwrap();
    }
    let error = store.stat(&at).unwrap_err();
    assert_eq!((error.code, stub.asked(Verb::Stat)), ("STORAGE_FORBIDDEN", 2));
    let expired = millrace_store::Credentials { expires_at_ms: Some(1), ..credentials() };
    let _visit = store.enter(call(), &[expired]);
    assert!(store.stat(&at).unwrap_err().to_string().contains("expired"));
}

#[test]
fn a_cancelled_request_stops_waiting_and_a_put_that_was_sent_does_not() {
    let stub = Stub::start(Kind::S3);
    let store = stub.store();
    let cancelled = millrace_store::Call { deadline: None, is_cancelled: Box::new(|| true) };
    let _visit = store.enter(cancelled, &[credentials()]);
    stub.plan(Verb::Stat, &[Fault::Silence]);
    assert_eq!(store.stat(&place(&store, "k")).unwrap_err().code, "CANCELLED");
    assert_eq!(store.put_if_absent(&place(&store, "k"), OURS, Some("a1")), Ok(PutOutcome::Won));
}
