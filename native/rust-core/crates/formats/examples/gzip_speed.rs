//! Speed of reading a gzip file beside inflating alone: `gzip_speed <file.gz>` prints one line of JSON, GB/s of what comes out, medians of thread time.
//! The file has one member with the shortest header, as `gzip -n` writes it from its standard input.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use flate2::{Decompress, FlushDecompress, Status};
use millrace_formats::decompress::{Compression, DecodedSource, Restart};
use millrace_formats::source::{ByteSource, SourceError};

const PASSES: usize = 5;
const HEADER_BYTES: usize = 10;
const BUFFER_BYTES: usize = 256 << 10;

#[derive(Clone)]
struct Shared(std::sync::Arc<Vec<u8>>);

impl ByteSource for Shared {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        (&self.0[..]).read_at(offset, buffer)
    }
}

/// Time this thread ran, where the system says so: neighbours on the machine do not count.
fn seconds(start: Instant) -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = stat.and_then(|text| text.split_whitespace().next().and_then(|first| first.parse::<f64>().ok()));
    nanoseconds.map_or_else(|| start.elapsed().as_secs_f64(), |nanoseconds| nanoseconds / 1e9)
}

fn inflate(bytes: &[u8]) -> Result<u64, Box<dyn Error>> {
    let mut inflate = Decompress::new(false);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let used = HEADER_BYTES + inflate.total_in() as usize;
        let status = inflate.decompress(&bytes[used..], &mut buffer, FlushDecompress::None)?;
        black_box(&buffer);
        if status == Status::StreamEnd {
            return Ok(inflate.total_out());
        }
    }
}

fn read(source: &Shared) -> Result<u64, Box<dyn Error>> {
    let mut stream =
        DecodedSource::open(Box::new(source.clone()), Compression::Gzip, Restart::default(), None).map_err(|error| error.message)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut at = 0;
    loop {
        let count = stream.read_at(at, &mut buffer).map_err(|error| error.message)?;
        black_box(&buffer);
        if count == 0 {
            return Ok(at);
        }
        at += count as u64;
    }
}

fn median(start: Instant, mut pass: impl FnMut() -> Result<u64, Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let mut speeds = Vec::new();
    for _ in 0..PASSES {
        let before = seconds(start);
        let bytes = pass()?;
        speeds.push(bytes as f64 / (seconds(start) - before) / 1e9);
    }
    speeds.sort_by(f64::total_cmp);
    Ok(speeds[PASSES / 2])
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("gzip_speed <file.gz>")?;
    let source = Shared(std::sync::Arc::new(std::fs::read(path)?));
    let start = Instant::now();
    let alone = median(start, || inflate(&source.0))?;
    let reading = median(start, || read(&source))?;
    println!("{{\"inflateGbs\":{alone:.3},\"readGbs\":{reading:.3},\"share\":{:.3}}}", reading / alone);
    Ok(())
}
