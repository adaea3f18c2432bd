//! The main verbs in the three dialects: create, replace, race, parts, ranges, listings.

use millrace_store::{Access, Kind, ListQuery, Place, PutOutcome, Store};

use crate::stub::{Stub, call, credentials};

const KINDS: [Kind; 3] = [Kind::S3, Kind::Gcs, Kind::Azure];

fn each(test: impl Fn(&Stub, &Store, &dyn Fn(&str) -> Place)) {
    for kind in KINDS {
        let stub = Stub::start(kind);
        let store = stub.store();
        let _visit = store.enter(call(), &[credentials()]);
        let scheme = match kind {
            Kind::Gcs => "gs",
            Kind::Azure => "az",
            _ => "s3",
        };
        test(&stub, &store, &|key| store.place(&format!("{scheme}://data/{key}"), None, Access::Write).unwrap());
    }
}

#[test]
fn the_self_test_passes_and_leaves_nothing() {
    each(|stub, store, _| {
        let folder = store.below(&store.folder("lake").unwrap(), "journal").unwrap();
        let Place::Object { connection, key } = folder else { panic!("a bucket holds objects") };
        store.self_test(&Place::Object { connection, key: format!("{key}/") }).unwrap_or_else(|error| panic!("{:?}: {error}", stub.kind));
        assert!(stub.state().objects.is_empty());
    });
}

#[test]
fn small_objects_are_created_once_replaced_by_version_and_read_in_part() {
    each(|stub, store, at| {
        let kind = stub.kind;
        let (first, etag) = store.create(&at("a b/ü?.json"), b"one", None).unwrap();
        assert_eq!(first, PutOutcome::Won, "{kind:?}");
        assert_eq!(store.put_if_absent(&at("a b/ü?.json"), b"two", None), Ok(PutOutcome::Lost(b"one".to_vec())), "{kind:?}");
        assert_eq!(store.replace(&at("a b/ü?.json"), b"three", &etag).unwrap().0, PutOutcome::Won, "{kind:?}");
        assert_eq!(store.replace(&at("a b/ü?.json"), b"four", &etag).unwrap().0, PutOutcome::Lost(b"three".to_vec()), "{kind:?}");
        assert_eq!(store.replace(&at("none"), b"x", &etag).unwrap().0, PutOutcome::Lost(Vec::new()), "{kind:?}");
        let part = store.get(&at("a b/ü?.json"), Some((1, 3))).unwrap().unwrap();
        assert_eq!((&part.bytes[..], part.stat.size), (&b"hr"[..], 5), "{kind:?}");
        assert_eq!(store.get(&at("a b/ü?.json"), Some((4, 99))).unwrap().unwrap().bytes, b"e", "{kind:?}");
        assert!(store.get(&at("a b/ü?.json"), Some((9, 99))).unwrap().unwrap().bytes.is_empty(), "{kind:?}");
        assert_eq!(store.put_if_absent(&at("large"), &vec![0; (8 << 20) + 1], None).unwrap_err().code, "OVER_LIMIT", "{kind:?}");
        stub.put("large", &vec![0; (8 << 20) + 1]);
        assert_eq!(store.get(&at("large"), None).unwrap_err().code, "OVER_LIMIT", "{kind:?}");
    });
}

#[test]
fn parts_of_every_size_arrive_whole_with_their_digest() {
    each(|stub, store, at| {
        for size in [0_usize, 5, 8 << 20, (8 << 20) + 1, 27 << 20] {
            let content: Vec<u8> = (0..size).map(|number| (number / 7) as u8).collect();
            let key = format!("out/part-{size}");
            let mut part = store.open_part(&at(&key)).unwrap();
            content.chunks(3_000_000).for_each(|block| part.write(block).unwrap());
            assert_eq!(part.written_bytes(), size as u64);
            let done = part.finish().unwrap_or_else(|error| panic!("{:?} {size}: {error}", stub.kind));
            assert_eq!(stub.state().objects[&key].0, content, "{:?} {size}", stub.kind);
            assert_eq!(done.sha256, millrace_store::Object { stat: store.stat(&at(&key)).unwrap().unwrap(), bytes: content }.sha256());
        }
        assert!(stub.state().uploads.is_empty(), "{:?}", stub.kind);
    });
}

#[test]
fn a_large_object_is_read_in_order_and_at_random() {
    each(|stub, store, at| {
        let content: Vec<u8> = (0..20_000_000_u32).map(|number| (number >> 8) as u8).collect();
        stub.put("in", &content);
        let mut input = store.open_input(&at("in"), None).unwrap();
        input.announce(1_000, 19_000_000);
        let mut bytes = vec![0; 19_000_000 - 1_000];
        assert_eq!(input.read_at(1_000, &mut bytes).unwrap(), bytes.len());
        assert_eq!(bytes, content[1_000..19_000_000], "{:?}", stub.kind);
        assert_eq!(input.read_at(19_999_990, &mut bytes[..100]).unwrap(), 10);
        assert_eq!(bytes[..10], content[19_999_990..]);
        input.check_unchanged().unwrap();
    });
}

#[test]
fn listing_is_in_byte_order_pages_and_stops_at_slashes() {
    let keys = ["a-b/x", "a.b", "a/b", "a/c/d", "a0", "b/1", "b/10", "b/2", "m&<\"/x", "z"];
    each(|stub, store, _| {
        keys.iter().for_each(|key| stub.put(&format!("in/{key}"), b"x"));
        stub.put("other", b"x");
        let root = store.below(&store.folder("lake").unwrap(), "in").unwrap();
        let Place::Object { connection, .. } = root else { panic!("a bucket holds objects") };
        let root = Place::Object { connection, key: "in/".into() };
        let of = |query: ListQuery<'_>| {
            let listing = store.list(&root, &query).unwrap();
            (listing.entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>(), listing.more)
        };
        assert_eq!(of(ListQuery { limit: 100, ..ListQuery::default() }), (keys.map(str::to_owned).to_vec(), false), "{:?}", stub.kind);
        for limit in 1..=keys.len() {
            let (mut seen, mut start_after) = (Vec::new(), String::new());
            loop {
                let (page, more) = of(ListQuery { start_after: &start_after, limit, ..ListQuery::default() });
                assert!(page.len() <= limit);
                seen.extend(page);
                if !more {
                    break;
                }
                start_after = seen.last().cloned().unwrap();
            }
            assert_eq!(seen, keys, "{:?}: pages of {limit}", stub.kind);
        }
        let folded = |prefix, start_after, limit| of(ListQuery { prefix, start_after, limit, delimiter: true }).0;
        assert_eq!(folded("a", "", 100), ["a-b/", "a.b", "a/", "a0"], "{:?}", stub.kind);
        assert_eq!(folded("a", "a-b/", 1), ["a.b"], "{:?}", stub.kind);
        assert_eq!(folded("a", "a/", 100), ["a0"], "{:?}", stub.kind);
        assert_eq!(folded("b/1", "", 100), ["b/1", "b/10"], "{:?}", stub.kind);
        assert_eq!(of(ListQuery { prefix: "none/", limit: 9, ..ListQuery::default() }), (Vec::new(), false));
    });
}

#[test]
fn folders_that_consoles_make_are_no_objects() {
    let stub = Stub::start(Kind::S3);
    let store = stub.store();
    let _visit = store.enter(call(), &[credentials()]);
    for (key, bytes) in [("in/", &b""[..]), ("in/empty.csv", b""), ("in/lone/", b""), ("in/sub/", b""), ("in/sub/x.csv", b"x")] {
        stub.put(key, bytes);
    }
    let listing = store.list(&store.folder("lake").unwrap(), &ListQuery { prefix: "in/", limit: 9, ..ListQuery::default() }).unwrap();
    let keys: Vec<_> = listing.entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["in/empty.csv", "in/sub/x.csv"]);
}

#[test]
fn what_no_connection_grants_is_never_asked() {
    let stub = Stub::start(Kind::S3);
    let connection = millrace_store::Connection { prefix: "mine".into(), mode: millrace_store::Mode::Read, ..stub.connection() };
    let store = crate::stub::store_of(connection);
    let _visit = store.enter(call(), &[credentials()]);
    assert_eq!(store.place("s3://data/yours/x", None, Access::Read).unwrap_err().code, "STORAGE_FORBIDDEN");
    let at = store.place("s3://data/mine/x", Some("lake"), Access::Write).unwrap();
    assert_eq!(store.overwrite(&at, b"x").unwrap_err().code, "STORAGE_FORBIDDEN");
    assert_eq!(store.delete(&at).unwrap_err().code, "STORAGE_FORBIDDEN");
    assert_eq!(store.open_part(&at).err().unwrap().code, "STORAGE_FORBIDDEN");
    assert_eq!(store.put_if_absent(&at, b"x", None).unwrap_err().code, "STORAGE_FORBIDDEN");
    assert!(stub.state().asked.is_empty());
}
