//! The verbs against a real directory: races, hostile paths, files that change, disks that are full.

use std::collections::HashSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use millrace_store::{Deleted, Grants, Input, ListQuery, Listing, Object, PartSink, Place, PutOutcome, Result, Stat, Store};

/// A store of local directories, by path.
struct Local(Store);

fn at(path: &Path) -> Place {
    Place::File(path.to_owned())
}

impl Local {
    fn new(read: &[PathBuf], write: &[PathBuf]) -> Result<Local> {
        Store::new(&Grants { read_roots: read.to_vec(), write_roots: write.to_vec(), ..Grants::default() }).map(Local)
    }

    fn put_if_absent(&self, path: &Path, bytes: &[u8], attempt_id: Option<&str>) -> Result<PutOutcome> {
        self.0.put_if_absent(&at(path), bytes, attempt_id)
    }

    fn overwrite(&self, path: &Path, bytes: &[u8]) -> Result<String> {
        self.0.overwrite(&at(path), bytes)
    }

    fn replace(&self, path: &Path, bytes: &[u8], etag: &str) -> Result<PutOutcome> {
        self.0.replace(&at(path), bytes, etag).map(|(outcome, _)| outcome)
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        self.0.stat(&at(path))
    }

    fn get(&self, path: &Path, range: Option<(u64, u64)>) -> Result<Option<Object>> {
        self.0.get(&at(path), range)
    }

    fn open_input(&self, path: &Path, pinned: Option<&str>) -> Result<Input> {
        self.0.open_input(&at(path), pinned)
    }

    fn open_part(&self, path: &Path) -> Result<PartSink> {
        self.0.open_part(&at(path))
    }

    fn list(&self, root: &Path, query: &ListQuery<'_>) -> Result<Listing> {
        self.0.list(&at(root), query)
    }

    fn delete(&self, path: &Path) -> Result<Deleted> {
        self.0.delete(&at(path))
    }

    fn self_test(&self, root: &Path) -> Result<()> {
        self.0.self_test(&at(root))
    }
}

fn directory() -> (tempfile::TempDir, Local) {
    let root = tempfile::tempdir().unwrap();
    let store = Local::new(&[], &[root.path().to_owned()]).unwrap();
    (root, store)
}

fn names(root: &Path) -> Vec<String> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(root, &mut found);
    let mut names: Vec<String> = found.iter().map(|path| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn of_many_creates_one_wins_and_all_others_read_the_winner() {
    let (root, store) = directory();
    for round in 0..25 {
        let path = root.path().join(format!("verdicts/read/{round:06}.json"));
        let outcomes: Vec<(String, PutOutcome)> = std::thread::scope(|scope| {
            let put = |number: usize| {
                let (store, path) = (&store, &path);
                move || {
                    let attempt = format!("a{number:02}");
                    let outcome = store.put_if_absent(path, attempt.as_bytes(), Some(&attempt)).unwrap();
                    (attempt, outcome)
                }
            };
            let threads: Vec<_> = (0..16).map(|number| scope.spawn(put(number))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let winners: Vec<_> = outcomes.iter().filter(|(_, outcome)| *outcome == PutOutcome::Won).collect();
        assert_eq!(winners.len(), 1);
        let winner = winners[0].0.clone();
        for (attempt, outcome) in outcomes.iter().filter(|(attempt, _)| *attempt != winner) {
            assert_eq!(*outcome, PutOutcome::Lost(winner.clone().into_bytes()), "{attempt}");
        }
    }
    assert!(names(root.path()).iter().all(|name| !name.contains(".tmp-")));
}

#[test]
fn putting_the_same_receipt_again_is_won_and_another_one_is_lost() {
    let (root, store) = directory();
    let path = root.path().join("a/b/c.json");
    assert_eq!(store.put_if_absent(&path, b"{\"attemptId\":\"a1\"}", Some("a1")), Ok(PutOutcome::Won));
    assert_eq!(store.put_if_absent(&path, b"{\"attemptId\":\"a1\"}", Some("a1")), Ok(PutOutcome::Won));
    assert!(matches!(store.put_if_absent(&path, b"{\"attemptId\":\"a2\"}", Some("a2")), Ok(PutOutcome::Lost(_))));
    assert_eq!(store.put_if_absent(&path, b"{\"attemptId\":\"a1\",\"x\":1}", Some("a1")).unwrap_err().code, "CORE_PANIC");
    assert_eq!(names(root.path()), ["a/b/c.json"]);
}

#[test]
fn only_the_current_version_is_replaced_and_overwrite_always_wins() {
    let (root, store) = directory();
    let path = root.path().join("x");
    store.overwrite(&path, b"one").unwrap();
    let first = store.stat(&path).unwrap().unwrap();
    assert_eq!(store.replace(&path, b"three", &first.etag), Ok(PutOutcome::Won));
    assert_eq!(store.replace(&path, b"two", &first.etag), Ok(PutOutcome::Lost(b"three".to_vec())));
    assert_eq!(store.replace(&root.path().join("y"), b"two", &first.etag), Ok(PutOutcome::Lost(Vec::new())));
    store.overwrite(&path, b"four").unwrap();
    assert_eq!(store.get(&path, None).unwrap().unwrap().bytes, b"four");
    assert_eq!(store.get(&path, Some((1, 3))).unwrap().unwrap().bytes, b"ou");
    assert_eq!(store.get(&path, Some((3, 99))).unwrap().unwrap().bytes, b"r");
    assert_eq!(store.delete(&path), Ok(Deleted::Deleted));
    assert_eq!(store.delete(&path), Ok(Deleted::Absent));
    assert_eq!(store.get(&path, None), Ok(None));
}

#[test]
fn an_etag_is_device_inode_size_and_time_and_survives_moving_the_file_away_and_back() {
    let (root, store) = directory();
    let path = root.path().join("in.csv");
    std::fs::write(&path, "a,b\n1,2\n").unwrap();
    let meta = std::fs::metadata(&path).unwrap();
    let time = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
    let etag = format!("{:x}-{:x}-8-{time:x}", meta.dev(), meta.ino());
    let mut opened = store.open_input(&path, Some(&etag)).unwrap();
    let mut buffer = [0; 16];
    assert_eq!(opened.read_at(4, &mut buffer).unwrap(), 4);
    assert_eq!(&buffer[..4], b"1,2\n");
    opened.check_unchanged().unwrap();
    std::fs::rename(&path, root.path().join("away")).unwrap();
    assert_eq!(store.open_input(&path, Some(&etag)).err().unwrap().code, "INPUT_NOT_FOUND");
    opened.check_unchanged().unwrap();
    std::fs::rename(root.path().join("away"), &path).unwrap();
    assert!(store.open_input(&path, Some(&etag)).is_ok());
}

#[test]
fn a_file_that_changes_while_it_is_read_is_found_out() {
    let (root, store) = directory();
    let path = root.path().join("in.csv");
    std::fs::write(&path, "a,b\n1,2\n").unwrap();
    let mut opened = store.open_input(&path, None).unwrap();
    let etag = opened.stat().etag.clone();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(4).unwrap();
    assert_eq!(opened.read_at(0, &mut [0; 8]).unwrap_err().code, "INPUT_CHANGED");
    assert_eq!(opened.check_unchanged().unwrap_err().code, "INPUT_CHANGED");
    assert_eq!(store.open_input(&path, Some(&etag)).err().unwrap().code, "INPUT_CHANGED");
}

#[test]
fn what_is_no_regular_file_is_never_read_and_never_waited_for() {
    let (root, store) = directory();
    assert!(Command::new("mkfifo").arg(root.path().join("pipe")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
    std::fs::create_dir(root.path().join("folder")).unwrap();
    for name in ["pipe", "socket", "folder"] {
        let path = root.path().join(name);
        assert_eq!(store.open_input(&path, None).err().unwrap().code, "INPUT_MAGIC", "{name}");
        assert_eq!(store.open_input(&path, Some("1-2-3-4")).err().unwrap().code, "INPUT_CHANGED", "{name}");
    }
    assert_eq!(store.open_input(&root.path().join("none"), None).err().unwrap().code, "INPUT_NOT_FOUND");
}

#[test]
fn no_verb_leaves_its_roots() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "s").unwrap();
    let read_only = tempfile::tempdir().unwrap();
    let (root, _) = directory();
    let store = Local::new(&[read_only.path().to_owned()], &[root.path().to_owned()]).unwrap();
    symlink(outside.path(), root.path().join("link")).unwrap();
    symlink(outside.path().join("secret"), root.path().join("alias")).unwrap();
    let hostile = ["link/secret", "alias", "../x", "a/../../x"].map(|name| root.path().join(name));
    for path in hostile.iter().chain([&outside.path().join("secret"), &PathBuf::from("relative")]) {
        assert_eq!(store.get(path, None).unwrap_err().code, "STORAGE_FORBIDDEN", "{path:?}");
        assert_eq!(store.open_input(path, None).err().unwrap().code, "STORAGE_FORBIDDEN", "{path:?}");
    }
    let new = [root.path().join("link/new"), outside.path().join("new"), root.path().join("../new"), read_only.path().join("new")];
    for path in &new {
        assert_eq!(store.put_if_absent(path, b"x", None).unwrap_err().code, "STORAGE_FORBIDDEN", "{path:?}");
        assert_eq!(store.overwrite(path, b"x").unwrap_err().code, "STORAGE_FORBIDDEN", "{path:?}");
        assert_eq!(store.open_part(path).err().unwrap().code, "STORAGE_FORBIDDEN", "{path:?}");
        assert_eq!(store.delete(path).unwrap_err().code, "STORAGE_FORBIDDEN", "{path:?}");
    }
    // A link under the final name is a name that is taken: never followed, never written through.
    assert!(store.put_if_absent(&root.path().join("alias"), b"x", None).is_err());
    store.overwrite(&root.path().join("alias"), b"x").unwrap();
    assert_eq!(std::fs::read(outside.path().join("secret")).unwrap(), b"s");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn a_part_appears_whole_with_its_digest_or_not_at_all() {
    let (root, store) = directory();
    let path = root.path().join("out/part-read-000000-0-j1-a1.csv");
    let mut part = store.open_part(&path).unwrap();
    part.write(b"abc").unwrap();
    assert!(names(root.path())[0].starts_with("out/.tmp-part-read-000000-0-j1-a1.csv-"), "a kill would leave whose it was");
    let done = part.finish().unwrap();
    assert_eq!((done.bytes, done.sha256.as_str()), (3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    assert_eq!(std::fs::read(&path).unwrap(), b"abc");

    let mut second = store.open_part(&path).unwrap();
    second.write(b"xyz").unwrap();
    assert_eq!(second.finish().unwrap_err().code, "STORAGE_CHECKSUM");
    assert_eq!(std::fs::read(&path).unwrap(), b"abc", "a name that is taken is never overwritten");

    let mut third = store.open_part(&root.path().join("out/other")).unwrap();
    third.write(b"xyz").unwrap();
    third.abort();
    assert_eq!(names(root.path()), ["out/part-read-000000-0-j1-a1.csv"]);
}

#[test]
fn listing_is_in_byte_order_pages_and_stops_at_slashes() {
    let (root, store) = directory();
    let keys = ["a", "a-b/x", "a.b", "a/b", "a/c/d", "a0", "b/.tmp-a1-0", "b/1", "b/10", "b/2", "z"];
    for key in keys {
        store.overwrite(&root.path().join(key), b"x").unwrap_or_else(|_| panic!("{key}"));
        if key == "a" {
            std::fs::remove_file(root.path().join("a")).unwrap();
        }
    }
    symlink("z", root.path().join("link")).unwrap();
    let list = |query: ListQuery<'_>| store.list(root.path(), &query).unwrap();
    let of = |query| list(query).entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>();
    let all = ["a-b/x", "a.b", "a/b", "a/c/d", "a0", "b/1", "b/10", "b/2", "z"];
    let mut sorted = all;
    sorted.sort_unstable();
    assert_eq!(all, sorted, "the expectation itself is in byte order");
    assert_eq!(of(ListQuery { limit: 100, ..ListQuery::default() }), all);
    for limit in 1..10 {
        let (mut seen, mut start_after) = (Vec::new(), String::new());
        loop {
            let page = list(ListQuery { start_after: &start_after, limit, ..ListQuery::default() });
            assert!(page.entries.len() <= limit);
            seen.extend(page.entries.into_iter().map(|entry| entry.key));
            if !page.more {
                break;
            }
            start_after = seen.last().unwrap().clone();
        }
        assert_eq!(seen, all, "pages of {limit}");
    }
    assert_eq!(of(ListQuery { prefix: "a", limit: 100, delimiter: true, ..ListQuery::default() }), ["a-b/", "a.b", "a/", "a0"]);
    assert_eq!(of(ListQuery { prefix: "a/", limit: 100, delimiter: true, ..ListQuery::default() }), ["a/b", "a/c/"]);
    assert_eq!(of(ListQuery { prefix: "b/1", limit: 100, ..ListQuery::default() }), ["b/1", "b/10"]);
    assert_eq!(of(ListQuery { prefix: "b/.tmp-", limit: 100, ..ListQuery::default() }), ["b/.tmp-a1-0"]);
    assert_eq!(of(ListQuery { prefix: "none/", limit: 100, ..ListQuery::default() }), [""; 0]);
    assert_eq!(
        store.list(root.path(), &ListQuery { prefix: "../", limit: 1, ..ListQuery::default() }).unwrap_err().code,
        "STORAGE_FORBIDDEN"
    );
}

#[test]
fn a_listing_of_very_many_goes_on_where_it_stopped_and_a_new_one_sees_what_is_new() {
    let (root, store) = directory();
    let folder = root.path().join("parts");
    std::fs::create_dir(&folder).unwrap();
    let name = |number: usize| format!("parts/{number:06}");
    for number in 0..5_000 {
        std::fs::write(root.path().join(name(number * 2)), b"x").unwrap();
    }
    let page = |start_after: &str, delimiter: bool| {
        store.list(root.path(), &ListQuery { prefix: "parts/", start_after, limit: 700, delimiter }).unwrap()
    };
    for delimiter in [false, true] {
        let first = page("", delimiter);
        // Gone before its page, and come behind the cursor.
        let (gone, come) = (root.path().join(name(6_000)), root.path().join(name(9_999)));
        std::fs::remove_file(&gone).unwrap();
        std::fs::write(&come, b"x").unwrap();
        let mut seen: Vec<String> = first.entries.into_iter().map(|entry| entry.key).collect();
        loop {
            let next = page(seen.last().unwrap(), delimiter);
            seen.extend(next.entries.into_iter().map(|entry| entry.key));
            if !next.more {
                break;
            }
        }
        let standing = (0..5_000).map(|number| name(number * 2)).filter(|key| *key != name(6_000));
        assert_eq!(seen.iter().filter(|key| **key != name(9_999)).cloned().collect::<Vec<_>>(), standing.collect::<Vec<_>>());
        // Who asks behind a key where no page ended hears of all that stands there now, and so does a page that is asked for twice.
        let after = |key: &str| page(key, delimiter).entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>();
        assert_eq!(after(&name(9_996)), [name(9_998), name(9_999)]);
        let second = after(&seen[699]);
        assert_eq!(after(&seen[699]), second);
        std::fs::remove_file(&come).unwrap();
        std::fs::write(&gone, b"x").unwrap();
    }
}

#[test]
fn a_store_on_a_local_directory_passes_its_self_test_and_leaves_nothing() {
    let (root, store) = directory();
    let journal = root.path().join("journal");
    store.self_test(&journal).unwrap();
    store.self_test(&journal).unwrap();
    assert_eq!(names(root.path()), [""; 0]);
    assert_eq!(std::fs::read_dir(&journal).unwrap().count(), 0);
}

#[test]
fn a_root_that_does_not_exist_is_made_by_the_first_write() {
    let (root, _) = directory();
    let deep = root.path().join("not/there/yet");
    let store = Local::new(&[], std::slice::from_ref(&deep)).unwrap();
    assert_eq!(store.get(&deep.join("x"), None), Ok(None));
    store.put_if_absent(&deep.join("k/x"), b"1", None).unwrap();
    assert_eq!(store.get(&deep.join("k/x"), None).unwrap().unwrap().bytes, b"1");
}

#[test]
fn a_directory_that_was_removed_is_made_again() {
    let (root, store) = directory();
    let path = root.path().join("d/x");
    store.put_if_absent(&path, b"1", None).unwrap();
    std::fs::remove_dir_all(root.path().join("d")).unwrap();
    assert_eq!(store.put_if_absent(&path, b"2", None), Ok(PutOutcome::Won));
}

#[test]
fn a_directory_without_the_right_to_write_is_forbidden() {
    if rustix::process::geteuid().is_root() {
        // Root may write anywhere; a read-only file system answers like a missing right.
        let Ok(store) = Local::new(&[], &[PathBuf::from("/proc/self")]) else { panic!("a root is only checked when it is used") };
        assert!(store.put_if_absent(Path::new("/proc/self/x"), b"1", None).is_err());
        return;
    }
    let (root, store) = directory();
    std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
    assert_eq!(store.put_if_absent(&root.path().join("x"), b"1", None).unwrap_err().code, "STORAGE_FORBIDDEN");
    std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The limit on file size stands in for a full disk: the kernel refuses the write the same way. The test runs itself under the limit.
#[test]
fn a_full_disk_is_storage_full_and_leaves_nothing() {
    const INNER: &str = "MILLRACE_STORE_TEST_LIMITED";
    if let Some(root) = std::env::var_os(INNER) {
        let root = PathBuf::from(root);
        let store = Local::new(&[], std::slice::from_ref(&root)).unwrap();
        let large = vec![7; 1 << 20];
        assert_eq!(store.put_if_absent(&root.join("put"), &large, Some("a1")).unwrap_err().code, "STORAGE_FULL");
        assert_eq!(store.overwrite(&root.join("over"), &large).unwrap_err().code, "STORAGE_FULL");
        let mut part = store.open_part(&root.join("part")).unwrap();
        assert_eq!(part.write(&large).unwrap_err().code, "STORAGE_FULL");
        drop(part);
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let name = "a_full_disk_is_storage_full_and_leaves_nothing";
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact \"$1\"";
    let run = Command::new("sh").args(["-c", script]).arg(std::env::current_exe().unwrap()).arg(name).env(INNER, root.path()).output();
    let run = run.unwrap();
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn temporary_names_of_a_killed_process_are_passed_over() {
    let (root, store) = directory();
    let taken: HashSet<String> = (0..2_000).map(|number| format!(".tmp-a1-{number}")).collect();
    for name in &taken {
        std::fs::write(root.path().join(name), "left").unwrap();
    }
    assert_eq!(store.put_if_absent(&root.path().join("x"), b"1", Some("a1")), Ok(PutOutcome::Won));
    assert_eq!(names(root.path()).len(), taken.len() + 1);
}
