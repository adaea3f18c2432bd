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
        ChunkEntry::Files(_) | ChunkEntry::Inline(_) | ChunkEntry::Partition(_) | ChunkEntry::Rows(_) | ChunkEntry::Given(_) => {
            panic!("planned chunks of text are ranges")
        }
    };
    chunks(world).into_iter().map(of).collect()
}

/// Files that each chunk reads.
fn files_of(chunks: &[ChunkEntry]) -> Vec<Vec<u32>> {
    chunks.iter().map(|chunk| chunk.parts().iter().map(|part| part.file).collect()).collect()
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
    assert_eq!(files_of(&chunks(&world)), [[0, 3]]);
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

fn many(count: u32, rows: u32) -> (PlanWorld, Vec<(u32, String)>) {
    let names: Vec<(u32, String)> = (0..count).map(|file| (file, format!("f{file}"))).collect();
    let files: Vec<(&str, Vec<u8>)> = names.iter().map(|(file, name)| (name.as_str(), text(rows + file % 3))).collect();
    (world(&files), names.clone())
}

fn plan_all(world: &mut PlanWorld, names: &[(u32, String)], chunk_size: u64) -> millrace_engine::plan::PlanEnd {
    let files: Vec<(u32, &str)> = names.iter().map(|(file, name)| (*file, name.as_str())).collect();
    plan(world, &files, chunk_size, From::default()).unwrap()
}

#[test]
fn small_files_are_one_chunk_up_to_its_size_and_a_thousand_files() {
    let (mut world, names) = many(10, 5);
    let size = |file: u32| world.files[&names[file as usize].1].len() as u64 - 8;
    let (four, all): (u64, u64) = ((0..4).map(size).sum(), (0..10).map(size).sum());
    let end = plan_all(&mut world, &names, four.max(300));
    let found = chunks(&world);
    assert!(found.len() > 1 && found.iter().all(|chunk| matches!(chunk, ChunkEntry::Files(_))), "{found:?}");
    assert!(found.iter().all(|chunk| chunk.bytes() <= four.max(300)));
    assert_eq!(files_of(&found).concat(), (0..10).collect::<Vec<_>>());
    assert_eq!((end.bytes, end.records), (all, (0..10).map(|file| 5 + file % 3).sum()));

    let (mut world, names) = many(2_500, 1);
    let end = plan_all(&mut world, &names, 1 << 20);
    assert_eq!(files_of(&chunks(&world)).iter().map(Vec::len).collect::<Vec<_>>(), [1_000, 1_000, 500]);
    assert!(segments(&world).iter().all(|segment| segment.ended.len() == segment.files.len() && segment.files.len() <= 1_000));
    assert_eq!((end.chunks, end.segments), (3, 3));
}

#[test]
fn a_large_file_among_small_ones_has_chunks_of_its_own() {
    let mut world =
        world(&[("a", text(2)), ("b", text(3)), ("large", text(400)), ("c", text(2)), ("empty", b"id,name\n".to_vec()), ("d", text(1))]);
    plan(&mut world, &[(0, "a"), (1, "b"), (2, "large"), (3, "c"), (4, "empty"), (5, "d")], 1 << 10, From::default()).unwrap();
    let found = files_of(&chunks(&world));
    assert_eq!((&found[0][..], &found[found.len() - 1][..]), (&[0, 1][..], &[3, 5][..]));
    assert!(found.len() > 4 && found[1..found.len() - 1].iter().all(|files| files[..] == [2]));
    assert_eq!(segments(&world).iter().map(|segment| segment.ended.len()).sum::<usize>(), 6);
}

#[test]
fn planners_of_groups_continue_one_another_and_agree() {
    let (mut whole, names) = many(40, 3);
    whole.always_due = true;
    let end = plan_all(&mut whole, &names, 200);
    for kept in 0..whole.segments.len() as u32 {
        let (mut again, _) = many(40, 3);
        again.segments =
            whole.segments.iter().filter(|((_, number), _)| *number < kept).map(|(key, bytes)| (*key, bytes.clone())).collect();
        let second = plan_all(&mut again, &names, 200);
        assert_eq!((second.records, second.chunks, second.bytes), (end.records, end.chunks, end.bytes), "{kept} segments stood");
        assert_eq!(chunks(&again), chunks(&whole), "{kept} segments stood");
    }
    let (mut large, _) = many(40, 3);
    plan_all(&mut large, &names, 200);
    let (mut behind, _) = many(40, 3);
    behind.faster = whole.segments.values().take(2).cloned().collect();
    plan_all(&mut behind, &names, 200);
    assert_eq!(chunks(&behind), chunks(&whole));
    let (mut ahead, _) = many(40, 3);
    (ahead.always_due, ahead.faster) = (true, large.segments.values().cloned().collect());
    plan_all(&mut ahead, &names, 200);
    assert_eq!(chunks(&ahead), chunks(&whole));
}
