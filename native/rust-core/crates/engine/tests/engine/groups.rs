//! Small files of one chunk: they yield what they yield alone, and one that cannot be read does not take the others with it.

use millrace_engine::process::Outcome;
use millrace_engine::records::{ChunkEntry, FileFates, Segment};
use millrace_formats::read::{ExcludedRange, ReadRange};
use proptest::prelude::*;

use crate::memory::{Attempt, DIRTY, From, PlanWorld, World, pins, plan, receipt, rejects, rows, run, segments};

/// File and place of a reject, and its bytes.
type Place = (String, u64, Option<u64>, Option<u64>, String, Vec<u8>);

#[derive(Debug, Default, PartialEq)]
struct Read {
    rows: Vec<String>,
    rejects: Vec<Place>,
    files: Vec<FileFates>,
    bytes: u64,
}

fn names(files: &[Vec<u8>]) -> Vec<(u32, String)> {
    (0..files.len() as u32).map(|file| (file, format!("file:///in{file}.csv"))).collect()
}

fn planned(files: &[Vec<u8>], compression: &str, chunk_size: u64) -> PlanWorld {
    let mut pins = pins();
    pins[0].compression = compression.into();
    let names = names(files);
    let mut world = PlanWorld { pins: Some(pins), ..PlanWorld::default() };
    world.files = names.iter().zip(files).map(|((_, name), bytes)| (name.clone(), bytes.clone())).collect();
    let wanted: Vec<(u32, &str)> = names.iter().map(|(file, name)| (*file, name.as_str())).collect();
    let end = plan(&mut world, &wanted, chunk_size, From::default()).unwrap();
    assert_eq!(end.unplannable, []);
    world
}

fn world_of(planned: &PlanWorld) -> World {
    World { pins: planned.pins.clone(), files: planned.files.clone(), staged: planned.staged.clone(), ..World::default() }
}

fn read(planned: &PlanWorld, attempt: &Attempt) -> Read {
    let mut read = Read::default();
    for segment in segments(planned) {
        for chunk in &segment.chunks {
            let mut world = world_of(planned);
            let end = run(&mut world, &segment, chunk.number(), attempt, None).unwrap();
            assert_eq!(end.outcome, Outcome::Committed);
            let receipt = receipt(&end);
            assert_eq!(receipt.counts.records_in, chunk.parts().iter().map(|part| part.records).sum::<u64>());
            read.rows.extend(rows(&world.objects));
            read.bytes += receipt.counts.bytes_in;
            read.files.extend(receipt.files);
            let place = |row: &millrace_formats::write::rejects::RejectRow| {
                (row.file.clone(), row.record, row.line, row.byte, row.code.clone(), row.raw.clone())
            };
            read.rejects.extend(rejects(&world.objects).iter().map(place));
        }
    }
    read
}

/// A file of records of which some are wrong, some span lines, and whose columns may stand the other way round.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let record = prop_oneof![
        4 => (0u32..1000).prop_map(|id| (id.to_string(), "plain".to_owned())),
        1 => Just(("x".to_owned(), "bad".to_owned())),
        1 => (0u32..9).prop_map(|id| (id.to_string(), "\"two\nlines\"".to_owned())),
        1 => Just((String::new(), "nothing".to_owned())),
    ];
    (prop::collection::vec(record, 0..12), any::<bool>()).prop_map(|(records, swapped)| {
        let line = |(id, name): &(String, String)| if swapped { format!("{name},{id}\n") } else { format!("{id},{name}\n") };
        let head = if swapped { "name,id\n" } else { "id,name\n" };
        format!("{head}{}", records.iter().map(line).collect::<String>()).into_bytes()
    })
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn grouped_files_yield_what_they_yield_alone(files in prop::collection::vec(file(), 1..12), chunk_size in 100u64..4_000) {
        // So small a chunk size groups nothing.
        let alone = read(&planned(&files, "none", 1 << 20), &Attempt::default());
        let separate: Read = files.iter().enumerate().fold(Read::default(), |mut sum, (number, bytes)| {
            let mut single = PlanWorld::default();
            let name = format!("file:///in{number}.csv");
            single.files.insert(name.clone(), bytes.clone());
            plan(&mut single, &[(number as u32, &name)], 4, From::default()).unwrap();
            let one = read(&single, &Attempt::default());
            sum.rows.extend(one.rows);
            sum.rejects.extend(one.rejects);
            sum.bytes += one.bytes;
            sum
        });
        prop_assert_eq!((&alone.rejects, alone.bytes), (&separate.rejects, separate.bytes));
        let sorted = |rows: &[String]| { let mut rows = rows.to_vec(); rows.sort(); rows };
        prop_assert_eq!(sorted(&alone.rows), sorted(&separate.rows));
        for compression in ["none", "zstd"] {
            let stored: Vec<Vec<u8>> = if compression == "none" { files.clone() } else { files.iter().map(|bytes| packed(bytes)).collect() };
            let cut = read(&planned(&stored, compression, chunk_size), &Attempt::default());
            prop_assert_eq!((&cut.rows, &cut.rejects, cut.bytes), (&alone.rows, &alone.rejects, alone.bytes), "{}", compression);
            let fates = |read: &Read| {
                let mut sums = std::collections::BTreeMap::<_, (u64, u64, u64)>::new();
                for one in &read.files {
                    let sum = sums.entry(one.file).or_default();
                    *sum = (sum.0 + one.records_in, sum.1 + one.emitted, sum.2 + one.rejected);
                }
                sums
            };
            prop_assert_eq!(fates(&cut), fates(&alone));
        }
    }
}

const THREE: [&str; 3] = ["id,name\n1,a\n2,b\n", "name,id\nc,3\nd,x\n", "id,name\n5,e\n6,f\n7,g\n"];

fn three() -> (PlanWorld, Segment) {
    let files: Vec<Vec<u8>> = THREE.iter().map(|text| text.as_bytes().to_vec()).collect();
    let planned = planned(&files, "none", 1 << 20);
    let segment = segments(&planned).remove(0);
    assert!(matches!(&segment.chunks[..], [ChunkEntry::Files(group)] if group.files.len() == 3));
    (planned, segment)
}

#[test]
fn a_file_that_changed_or_is_gone_is_left_out_and_named() {
    let (planned, segment) = three();
    for gone in [false, true] {
        let mut world = world_of(&planned);
        if gone {
            world.files.remove("file:///in1.csv");
        } else {
            world.changed.push("file:///in1.csv".into());
        }
        let receipt = receipt(&run(&mut world, &segment, 0, &Attempt::default(), None).unwrap());
        assert_eq!(rows(&world.objects), ["1,a", "2,b", "5,e", "6,f", "7,g"]);
        assert_eq!((receipt.counts.records_in, receipt.counts.rejected), (5, 0));
        let unread: Vec<_> = receipt.unread.iter().map(|file| (file.file, file.code.as_str())).collect();
        assert_eq!(unread, [(1, if gone { "INPUT_NOT_FOUND" } else { "INPUT_CHANGED" })]);
        assert_eq!(receipt.files.iter().map(|file| file.file).collect::<Vec<_>>(), [Some(0), Some(2)]);
    }
    // A file that grew was not planned from these bytes; its version says so before they are read, its length if nothing else does.
    let mut world = world_of(&planned);
    world.files.insert("file:///in1.csv".into(), b"name,id\n".to_vec());
    assert_eq!(receipt(&run(&mut world, &segment, 0, &Attempt::default(), None).unwrap()).unread[0].code, "INPUT_CHANGED");
}

#[test]
fn trials_and_exclusions_count_as_if_the_files_stood_one_after_another() {
    let (planned, segment) = three();
    let bytes = segment.chunks[0].bytes();
    let trial = |start, end| {
        let range = Some(ReadRange { start, end, record: 1, line: 1 });
        let end = run(&mut world_of(&planned), &segment, 0, &Attempt { trial: true, range, ..Attempt::default() }, None)?;
        Ok::<_, millrace_engine::Error>((end.outcome, end.counts.records_in))
    };
    assert_eq!(trial(0, bytes).unwrap(), (Outcome::TrialOk, 7));
    // Two records of four bytes in each of the first two files.
    assert_eq!(trial(0, 8).unwrap(), (Outcome::TrialOk, 2));
    assert_eq!(trial(8, 16).unwrap(), (Outcome::TrialOk, 2));
    assert_eq!(trial(12, 16).unwrap(), (Outcome::TrialOk, 1));
    assert_eq!(trial(8, bytes).unwrap(), (Outcome::TrialOk, 5));
    assert_eq!(trial(0, bytes + 1).unwrap_err().code, "PLAN_CONFLICT");

    let excluded = vec![ExcludedRange { start: 8, end: 12, code: "CORE_CRASH" }];
    let mut world = world_of(&planned);
    let receipt = receipt(&run(&mut world, &segment, 0, &Attempt { excluded, ..Attempt::default() }, None).unwrap());
    assert_eq!((receipt.counts.records_in, receipt.counts.rejected), (7, 2));
    let found: Vec<_> = rejects(&world.objects).iter().map(|row| (row.file.clone(), row.code.clone(), row.byte)).collect();
    let of = |code: &str, byte| ("file:///in1.csv".to_owned(), code.to_owned(), Some(byte));
    assert_eq!(found, [of("CORE_CRASH", 8), of("TYPE_INTEGER", 12)]);
}

#[test]
fn dirt_keeps_its_place_in_its_own_file() {
    let files = vec![DIRTY.as_bytes().to_vec(), b"id,name\n1,ok\n".to_vec(), DIRTY.as_bytes().to_vec()];
    let read = read(&planned(&files, "none", 1 << 20), &Attempt::default());
    let of = |uri: &str| read.rejects.iter().filter(|place| place.0 == uri).map(|place| (place.1, place.2, place.3)).collect::<Vec<_>>();
    assert_eq!(of("file:///in0.csv"), of("file:///in2.csv"));
    assert_eq!(of("file:///in0.csv").len(), 5);
}
