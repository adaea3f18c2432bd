//! Planning: dense chunks, segments that are continued, planners that meet.

use millrace_engine::records::ChunkEntry;

use crate::memory::{From, PlanWorld, chunks, plan, segments};

fn text(rows: u32) -> Vec<u8> {
    let mut text = String::from("id,name\n");
    (0..rows).for_each(|id| text.push_str(&format!("{id},name\n")));
    text.into_bytes()
}

fn world(files: &[(&str, Vec<u8>)]) -> PlanWorld {
    PlanWorld {
        files: files.iter().map(|(uri, bytes)| ((*uri).to_owned(), bytes.clone())).collect(),
        generation: 1,
        ..PlanWorld::default()
    }
}

fn ranges(world: &PlanWorld) -> Vec<(u32, u32, u64, u64)> {
    let of = |chunk: ChunkEntry| match chunk {
        ChunkEntry::Range(range) => (range.chunk, range.file, range.start, range.end),
        ChunkEntry::Inline(_) | ChunkEntry::Partition(_) | ChunkEntry::Rows(_) => panic!("planned chunks of text are ranges"),
    };
    chunks(world).into_iter().map(of).collect()
}

const FILES: [(u32, &str); 2] = [(0, "a"), (1, "b")];

#[test]
fn chunks_are_dense_and_cover_every_data_byte_of_every_file() {
    let mut world = world(&[("a", text(50)), ("b", text(20))]);
    let end = plan(&mut world, &FILES, 64, From::default()).unwrap();
    let ranges = ranges(&world);
    assert!(ranges.iter().enumerate().all(|(index, range)| range.0 == index as u32));
    for (file, uri) in FILES {
        let own: Vec<_> = ranges.iter().filter(|range| range.1 == file).collect();
        assert_eq!(own.first().unwrap().2, 8);
        assert_eq!(own.last().unwrap().3, world.files[uri].len() as u64);
        assert!(own.windows(2).all(|pair| pair[0].3 == pair[1].2));
    }
    assert_eq!((end.records, end.chunks, end.segments), (70, ranges.len() as u32, 1));
    assert_eq!(segments(&world)[0].ended.len(), 2);
    assert_eq!(end.bytes, (world.files["a"].len() + world.files["b"].len() - 16) as u64);
}

#[test]
fn segments_hold_a_thousand_chunks_or_what_is_due() {
    let mut full = world(&[("a", text(1_500))]);
    plan(&mut full, &FILES[..1], 1, From::default()).unwrap();
    let sizes: Vec<usize> = segments(&full).iter().map(|segment| segment.chunks.len()).collect();
    assert_eq!(sizes, [1_000, 500]);
    assert_eq!(segments(&full)[1].first_chunk, 1_000);
    let mut due = PlanWorld { always_due: true, ..world(&[("a", text(5))]) };
    plan(&mut due, &FILES[..1], 1, From::default()).unwrap();
    assert!(segments(&due).iter().all(|segment| segment.chunks.len() <= 1 && segment.files.len() == 1));
    assert_eq!(due.announced.len(), segments(&due).len());
}

#[test]
fn a_second_planner_continues_behind_what_stands_and_announces_it_again() {
    let mut whole = world(&[("a", text(40)), ("b", text(40))]);
    whole.always_due = true;
    let end = plan(&mut whole, &FILES, 64, From::default()).unwrap();
    for kept in 0..whole.segments.len() as u32 {
        let mut again = world(&[("a", text(40)), ("b", text(40))]);
        again.always_due = true;
        again.segments =
            whole.segments.iter().filter(|((_, number), _)| *number < kept).map(|(key, bytes)| (*key, bytes.clone())).collect();
        assert_eq!(plan(&mut again, &FILES, 64, From::default()).unwrap(), end, "{kept} segments stood");
        assert_eq!(ranges(&again), ranges(&whole), "{kept} segments stood");
        assert_eq!(again.announced, whole.announced, "{kept} segments stood");
    }
}

#[test]
fn planners_that_cut_segments_elsewhere_agree_on_the_chunks() {
    let files = [("a", text(40)), ("b", text(40))];
    let mut small = PlanWorld { always_due: true, ..world(&files) };
    plan(&mut small, &FILES, 64, From::default()).unwrap();
    let mut large = world(&files);
    plan(&mut large, &FILES, 64, From::default()).unwrap();
    assert!(small.segments.len() > 3 && large.segments.len() == 1);

    // The slow planner holds everything in one segment and loses to a planner of small ones, and the other way round.
    let mut behind = world(&files);
    behind.faster = small.segments.values().take(3).cloned().collect();
    plan(&mut behind, &FILES, 64, From::default()).unwrap();
    assert_eq!(ranges(&behind), ranges(&small));
    let mut ahead = PlanWorld { always_due: true, ..world(&files) };
    ahead.faster = large.segments.values().cloned().collect();
    plan(&mut ahead, &FILES, 64, From::default()).unwrap();
    assert_eq!(ranges(&ahead), ranges(&large));
    assert_eq!(ahead.segments.len(), 1);
}

#[test]
fn a_segment_of_other_bytes_is_a_conflict() {
    let mut other = world(&[("a", text(41))]);
    plan(&mut other, &FILES[..1], 64, From::default()).unwrap();
    let mut mine = world(&[("a", text(40))]);
    mine.faster = other.segments.values().cloned().collect();
    assert_eq!(plan(&mut mine, &FILES[..1], 64, From::default()).unwrap_err().code, "PLAN_CONFLICT");
}

#[test]
fn a_file_that_cannot_be_planned_leaves_the_others_alone() {
    let mut world = world(&[("a", text(5)), ("c", b"other,columns\n1,2\n".to_vec()), ("d", text(3))]);
    let end = plan(&mut world, &[(0, "a"), (1, "gone"), (2, "c"), (3, "d")], 1 << 20, From::default()).unwrap();
    let codes: Vec<_> = end.unplannable.iter().map(|file| (file.file, file.code)).collect();
    assert_eq!(codes, [(1, "INPUT_NOT_FOUND"), (2, "SCHEMA_MISSING_COLUMN")]);
    assert_eq!(ranges(&world).iter().map(|range| range.1).collect::<Vec<_>>(), [0, 3]);
    assert_eq!(end.records, 8);
}

#[test]
fn what_another_request_planned_is_never_planned_again() {
    // One request planned both files; a later one, cut into two requests, must not give them new numbers.
    let mut world = world(&[("a", text(40)), ("b", text(40))]);
    let first = plan(&mut world, &FILES, 64, From::default()).unwrap();
    let before = ranges(&world);
    let run = plan(&mut world, &FILES[..1], 64, From::default()).unwrap();
    let rest = From { segment: run.segments, chunk: run.chunks };
    let second = plan(&mut world, &FILES[1..], 64, rest).unwrap();
    assert_eq!(ranges(&world), before);
    assert_eq!((run.chunks + second.chunks, run.segments + second.segments), (first.chunks, first.segments));

    // A later generation finds them too.
    world.generation = 2;
    let again = plan(&mut world, &FILES, 64, From { segment: 0, chunk: before.len() as u32 }).unwrap();
    assert_eq!((again.chunks, ranges(&world)), (0, before));
}

#[test]
fn an_empty_file_with_a_header_ends_without_chunks() {
    let mut world = world(&[("a", b"id,name\n".to_vec())]);
    let end = plan(&mut world, &FILES[..1], 64, From::default()).unwrap();
    assert_eq!((end.chunks, end.records, end.unplannable.len()), (0, 0, 0));
    assert_eq!(segments(&world)[0].ended[0].lines, 1);
}
