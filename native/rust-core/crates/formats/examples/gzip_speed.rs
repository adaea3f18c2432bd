//! How fast a gzip file becomes a stream, beside inflate alone: `cargo run --release -p millrace-formats --example gzip_speed`.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::{Decompress, FlushDecompress};
use millrace_formats::decompress::{Compression, DecodedSource, Restart};
use millrace_formats::source::ByteSource;

const ROWS: u64 = 1_000_000;
const ROUNDS: usize = 5;
/// As the readers and the planner ask for them.
const BLOCK_BYTES: usize = 1 << 20;

fn main() {
    let text = text();
    let packed: &'static [u8] = Vec::leak(pack(&text));
    let (mut alone, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(time(|| inflate_alone(packed)));
        ours.push(time(|| through_the_source(packed)));
    }
    let speed = |times: &mut Vec<Duration>| {
        times.sort();
        text.len() as f64 / times[ROUNDS / 2].as_secs_f64() / 1e9
    };
    let (alone, ours) = (speed(&mut alone), speed(&mut ours));
    println!("{} bytes from {}: inflate alone {alone:.3} GB/s, source {ours:.3} GB/s, ratio {:.3}", text.len(), packed.len(), ours / alone);
}

fn text() -> Vec<u8> {
    let mut text = b"id,when,customer,amount,note\n".to_vec();
    let mut seed = 7u64;
    for id in 0..ROWS {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let draw = seed >> 33;
        writeln!(
            text,
            "{id},2026-{:02}-{:02},customer {},{}.{:02},note {}",
            draw % 12 + 1,
            draw % 28 + 1,
            draw % 9973,
            draw % 100_000,
            draw % 100,
            draw % 7
        )
        .expect("memory");
    }
    text
}

fn pack(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

fn time(work: impl FnOnce() -> u64) -> Duration {
    let started = Instant::now();
    assert!(work() > 0);
    started.elapsed()
}

/// The deflate data of the one member, without its checksum.
fn inflate_alone(packed: &[u8]) -> u64 {
    let mut inflate = Decompress::new(false);
    let mut buffer = vec![0; BLOCK_BYTES];
    loop {
        let at = 10 + inflate.total_in() as usize;
        let status = inflate.decompress(&packed[at..], &mut buffer, FlushDecompress::None).expect("sound data");
        if status == flate2::Status::StreamEnd {
            return inflate.total_out();
        }
    }
}

fn through_the_source(packed: &'static [u8]) -> u64 {
    let mut source = DecodedSource::open(Box::new(packed), Compression::Gzip, Restart::default(), None).expect("a gzip");
    let mut buffer = vec![0; BLOCK_BYTES];
    let mut at = 0;
    loop {
        match source.read_at(at, &mut buffer).expect("sound data") {
            0 => return at,
            count => at += count as u64,
        }
    }
}
