//! Compressed files: whatever their layout and however they are cut, they hold what the plain file holds.

use millrace_engine::Error;
use millrace_engine::process::Outcome;
use millrace_engine::records::{ChunkEntry, DecodeFrom, RangeChunk};
use millrace_formats::write::rejects::RejectRow;

use crate::memory::{Attempt, DIRTY, From, PlanWorld, World, chunks, pins, plan, receipt, rejects, rows, run, segments};

const URI: &str = "file:///in.csv";

/// A file packed as zstd frames of `frame_bytes` decoded bytes each.
fn frames(bytes: &[u8], frame_bytes: usize) -> Vec<u8> {
    let pack = |piece: &[u8]| {
        let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
        compressor.include_checksum(true).unwrap();
        compressor.compress(piece).unwrap()
    };
    bytes.chunks(frame_bytes).flat_map(pack).collect()
}

struct Read {
    rows: Vec<String>,
    rejects: Vec<RejectRow>,
    chunks: Vec<RangeChunk>,
    records: u64,
}

/// Plans a file and runs every chunk of it.
fn read(bytes: Vec<u8>, compression: &str, keep: bool, chunk_size: u64) -> Result<Read, &'static str> {
    let mut pins = pins();
    pins[0].compression = compression.into();
    pins[0].keep_intact_prefix = keep;
    let mut planned = PlanWorld { pins: Some(pins.clone()), ..PlanWorld::default() };
    planned.files.insert(URI.into(), bytes);
    let end = plan(&mut planned, &[(0, URI)], chunk_size, From::default()).unwrap();
    if let Some(file) = end.unplannable.first() {
        assert!(chunks(&planned).is_empty(), "nothing of a damaged file may run");
        return Err(file.code);
    }
    let mut read = Read { rows: Vec::new(), rejects: Vec::new(), chunks: Vec::new(), records: end.records };
    for segment in segments(&planned) {
        for entry in &segment.chunks {
            let ChunkEntry::Range(chunk) = entry else { panic!("planned chunks are ranges") };
            let mut world =
                World { pins: Some(pins.clone()), files: planned.files.clone(), staged: planned.staged.clone(), ..World::default() };
            let done = run(&mut world, &segment, chunk.chunk, &Attempt::default(), None).unwrap();
            assert_eq!(done.outcome, Outcome::Committed);
            assert_eq!(receipt(&done).counts.records_in, chunk.records);
            read.rows.extend(rows(&world.objects));
            read.rejects.extend(rejects(&world.objects));
            read.chunks.push(chunk.clone());
        }
    }
    Ok(read)
}

/// Record, line, byte, code and bytes of a reject.
type Place = (u64, Option<u64>, Option<u64>, String, Vec<u8>);

fn places(read: &Read) -> Vec<Place> {
    let place = |row: &RejectRow| (row.record, row.line, row.byte, row.code.clone(), row.raw.clone());
    read.rejects.iter().map(place).collect()
}

fn same(packed: &Read, plain: &Read) {
    // Parts are listed by name, of which the tenth comes before the second.
    let sorted = |read: &Read| {
        let mut rows = read.rows.clone();
        rows.sort_unstable();
        rows
    };
    assert!(sorted(packed) == sorted(plain), "{} rows, {} in the plain file", packed.rows.len(), plain.rows.len());
    assert!(places(packed) == places(plain), "{} rejects, {} in the plain file", packed.rejects.len(), plain.rejects.len());
    assert_eq!(packed.records, plain.records);
}

fn text(records: u32) -> Vec<u8> {
    let mut text = String::from("id,name\n");
    (0..records).for_each(|id| text.push_str(&if id % 97 == 5 { format!("x{id},bad\n") } else { format!("{id},\"name {id}\"\n") }));
    text.into_bytes()
}

#[test]
fn every_layout_and_every_cut_gives_what_the_plain_file_gives() {
    let dirty = [DIRTY.as_bytes(), &text(40)[8..]].concat();
    let plain = read(dirty.clone(), "none", false, 1 << 20).unwrap();
    assert!(plain.rejects.len() > 5);
    for frame_bytes in [7, 60, 300, usize::MAX >> 1] {
        let packed = frames(&dirty, frame_bytes);
        for chunk_size in [1, 20, 64, 200, 1 << 20] {
            same(&read(packed.clone(), "zstd", false, chunk_size).unwrap(), &plain);
        }
    }
}

#[test]
fn members_are_split_small_streams_are_one_chunk_and_large_ones_are_staged() {
    let text = text(200);
    let layout = |frame_bytes, chunk_size| {
        let read = read(frames(&text, frame_bytes), "zstd", false, chunk_size).unwrap();
        let staged = read.chunks.iter().filter(|chunk| matches!(chunk.decode, Some(DecodeFrom::Staged { .. }))).count();
        (read.chunks.len(), staged)
    };
    let bytes = text.len() as u64;
    assert_eq!(layout(usize::MAX >> 1, bytes / 3), (1, 0));
    let (chunks, staged) = layout(usize::MAX >> 1, bytes / 9);
    assert!(chunks >= 8 && staged == chunks, "{chunks} {staged}");
    let (chunks, staged) = layout(bytes as usize / 20, bytes / 9);
    assert!(chunks >= 8 && staged == 0, "{chunks} {staged}");
}

#[test]
fn a_stream_of_several_pieces_is_read_across_them() {
    let text = text(600_000);
    assert!(text.len() > 9 << 20);
    let plain = read(text.clone(), "none", false, 1 << 30).unwrap();
    let staged = read(frames(&text, usize::MAX >> 1), "zstd", false, 2 << 20).unwrap();
    assert!(staged.chunks.len() > 4 && staged.chunks.iter().all(|chunk| matches!(chunk.decode, Some(DecodeFrom::Staged { .. }))));
    same(&staged, &plain);
}

#[test]
fn a_member_that_is_very_long_is_not_decoded_again_for_each_chunk() {
    let text = text(300);
    // Many small frames, then one that holds most of the file.
    let packed = [frames(&text[..1000], 10), frames(&text[1000..], usize::MAX >> 1)].concat();
    let read = read(packed, "zstd", false, 100).unwrap();
    for chunk in &read.chunks {
        let Some(DecodeFrom::Member { stream, .. }) = chunk.decode else { panic!("the file is split") };
        assert!(chunk.start - stream <= 400, "{chunk:?}");
    }
}

#[test]
fn nothing_of_a_damaged_file_is_used_unless_the_spec_says_so() {
    let text = text(300);
    for frame_bytes in [200, usize::MAX >> 1] {
        let packed = frames(&text, frame_bytes);
        let cut = packed[..packed.len() - 3].to_vec();
        for chunk_size in [50, 1 << 20] {
            assert_eq!(read(cut.clone(), "zstd", false, chunk_size).err(), Some("INPUT_TRUNCATED"));
        }
        let mut flipped = packed.clone();
        let at = flipped.len() - 2;
        flipped[at] ^= 1;
        assert_eq!(read(flipped, "zstd", false, 50).err(), Some("INPUT_CORRUPT"));
    }
    assert_eq!(read(b"id,name\n1,a\n".to_vec(), "zstd", false, 50).err(), Some("INPUT_MAGIC"));
}

#[test]
fn an_intact_prefix_is_kept_and_the_rest_is_one_reject() {
    let text = text(300);
    let frame_bytes = 200;
    let packed = frames(&text, frame_bytes);
    let ends: Vec<usize> = (1..=text.len() / frame_bytes).map(|count| frames(&text[..count * frame_bytes], frame_bytes).len()).collect();
    // Cut inside the frame that follows the tenth: 2,000 bytes can be decoded.
    let cut = packed[..ends[9] + 9].to_vec();
    let intact = memchr_last_line(&text[..10 * frame_bytes]);
    let plain = read(text[..intact].to_vec(), "none", false, 1 << 20).unwrap();
    for chunk_size in [50, 300, 1 << 20] {
        let kept = read(cut.clone(), "zstd", true, chunk_size).unwrap();
        assert_eq!(kept.rows, plain.rows);
        assert_eq!(kept.rejects.len(), plain.rejects.len() + 1);
        let rest = kept.rejects.last().unwrap();
        assert_eq!((rest.code.as_str(), rest.byte, rest.record), ("INPUT_TRUNCATED", Some(intact as u64), plain.records + 1));
        assert!(rest.raw == text[intact..2000] || matches!(kept.chunks[0].decode, Some(DecodeFrom::Staged { .. })));
        assert_eq!(kept.records, plain.records + 1);
    }
    // Without a single record there is nothing to keep.
    assert_eq!(read(packed[..9].to_vec(), "zstd", true, 50).err(), Some("INPUT_TRUNCATED"));
}

fn memchr_last_line(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

#[test]
fn a_staged_piece_that_changed_is_not_used() {
    let mut pins = pins();
    pins[0].compression = "zstd".into();
    let mut planned = PlanWorld { pins: Some(pins.clone()), ..PlanWorld::default() };
    planned.files.insert(URI.into(), frames(&text(200), usize::MAX >> 1));
    plan(&mut planned, &[(0, URI)], 100, From::default()).unwrap();
    let segment = segments(&planned).remove(0);
    let code = |staged| {
        let mut world = World { pins: Some(pins.clone()), files: planned.files.clone(), staged, ..World::default() };
        run(&mut world, &segment, 0, &Attempt::default(), None).map(|_| ()).map_err(|error: Error| error.code)
    };
    assert_eq!(code(planned.staged.clone()), Ok(()));
    let mut changed = planned.staged.clone();
    changed.insert((0, 0), frames(&text(201), usize::MAX >> 1));
    assert_eq!(code(changed), Err("STORAGE_CHECKSUM"));
    assert_eq!(code(Default::default()), Err("STORAGE_CHECKSUM"));
}

#[test]
fn a_second_planner_meets_the_pieces_of_the_first() {
    let mut pins = pins();
    pins[0].compression = "zstd".into();
    let mut planned = PlanWorld { pins: Some(pins), ..PlanWorld::default() };
    planned.files.insert(URI.into(), frames(&text(200), usize::MAX >> 1));
    plan(&mut planned, &[(0, URI)], 100, From::default()).unwrap();
    let first = chunks(&planned);
    planned.segments.clear();
    plan(&mut planned, &[(0, URI)], 100, From::default()).unwrap();
    assert_eq!(chunks(&planned), first);
}
