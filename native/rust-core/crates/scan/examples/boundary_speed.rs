//! Speed of the boundary scan and of the separator index, per kernel: `cargo run --release -p millrace-scan --example boundary_speed`.
//! Prints GB/s, the median of several passes over bytes in memory. A kernel's name as argument measures that one alone.
//! `boundary_speed <file> <columns>` measures one CSV file instead, in memory and from the page cache, next to what memory and `read` alone
//! give, and prints one line of JSON.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use millrace_scan::planner::BLOCK;
use millrace_scan::{Division, Kernel, Limits, LineRules, NoTypes, PlanScan, Profile, Rules, Run, ScanDialect, Split, Splitter};

const SIZE: usize = 256 << 20;
const PASSES: usize = 5;
const PAGE: usize = 4 << 10;
/// Times a pass goes over the bytes: the clock of a thread may tick every 4 ms only.
const REPEATS: usize = 5;

fn fill(row: impl Fn(usize) -> String) -> Vec<u8> {
    let mut data = Vec::with_capacity(SIZE + 4096);
    let mut index = 0;
    while data.len() < SIZE {
        data.extend_from_slice(row(index).as_bytes());
        index += 1;
    }
    data
}

fn rules(columns: usize) -> Arc<Rules> {
    let profile = Profile { columns, check: Arc::new(NoTypes) };
    Arc::new(Rules::new(ScanDialect::default(), Limits::default(), profile).expect("the default dialect"))
}

/// Time this thread ran, where the system says so: neighbours on the machine do not count.
fn processor_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

fn median_speed(bytes: usize, mut pass: impl FnMut()) -> f64 {
    let mut seconds: Vec<f64> = (0..PASSES)
        .map(|_| {
            let (wall, processor) = (Instant::now(), processor_seconds());
            (0..REPEATS).for_each(|_| pass());
            match (processor, processor_seconds()) {
                (Some(before), Some(after)) => after - before,
                _ => wall.elapsed().as_secs_f64(),
            }
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    (bytes * REPEATS) as f64 / seconds[PASSES / 2] / 1e9
}

fn plan(data: &[u8], division: &Division, kernel: Kernel) {
    black_box(PlanScan::with_kernel(division.clone(), 0, 1, 32 << 20, kernel).scan_slice(data));
}

fn index(data: &[u8], rules: &Arc<Rules>, kernel: Kernel) {
    let splitter = Splitter::with_kernel(rules.clone(), kernel);
    let mut run = Run::new();
    let (mut at, mut until) = (0, 0);
    loop {
        match splitter.next(&data[at..until], until == data.len(), at as u64, u64::MAX, 8_192, &mut run) {
            Split::Run => at += black_box(&run).length(),
            Split::Extent(extent) | Split::LongLine(extent) => at += extent.length as usize,
            Split::NeedMore => until = data.len().min(until + BLOCK),
            Split::Done => return,
        }
    }
}

/// Adds up all words: what reading memory costs when next to nothing is done with it.
fn read_memory(data: &[u8]) {
    let mut sums = [0u64; 8];
    for words in data.chunks_exact(64) {
        for (sum, word) in sums.iter_mut().zip(words.chunks_exact(8)) {
            *sum = sum.wrapping_add(u64::from_le_bytes(word.try_into().expect("eight bytes")));
        }
    }
    black_box(sums);
}

fn measure_file(path: &str, columns: usize) -> std::io::Result<()> {
    let data = std::fs::read(path)?;
    let division = Division::Csv(rules(columns));
    let kernel = Kernel::best();
    let memory = median_speed(data.len(), || read_memory(&data));
    let scanned = median_speed(data.len(), || plan(&data, &division, kernel));
    let rules = rules(columns);
    let indexed = median_speed(data.len(), || index(&data, &rules, kernel));
    let file = std::fs::File::open(path)?;
    let mut room = vec![0; BLOCK + PAGE];
    // Where `read` is fastest: at the start of a page.
    let start = room.as_ptr().align_offset(PAGE).min(PAGE);
    let block = &mut room[start..start + BLOCK];
    let read_alone = median_speed(data.len(), || {
        let mut at = 0;
        while let Ok(count @ 1..) = std::os::unix::fs::FileExt::read_at(&file, block, at) {
            at += count as u64;
            black_box(&*block);
        }
    });
    let read_and_scanned = median_speed(data.len(), || {
        let read = |offset: u64, buffer: &mut [u8]| std::os::unix::fs::FileExt::read_at(&file, buffer, offset);
        black_box(PlanScan::with_kernel(division.clone(), 0, 1, 32 << 20, kernel).scan(read).expect("the file can be read"));
    });
    println!(
        "{{\"kernel\":\"{}\",\"memoryGbs\":{memory:.2},\"scanGbs\":{scanned:.2},\"indexGbs\":{indexed:.2},\"readGbs\":{read_alone:.2},\"readAndScanGbs\":{read_and_scanned:.2}}}",
        kernel.name()
    );
    Ok(())
}

fn main() {
    let wanted = std::env::args().nth(1);
    if let (Some(file), Some(columns)) = (&wanted, std::env::args().nth(2).and_then(|text| text.parse().ok())) {
        measure_file(file, columns).expect("the file can be read");
        return;
    }
    let mut kernels = Kernel::all();
    kernels.retain(|kernel| wanted.as_deref().is_none_or(|name| name == kernel.name()));
    let text = "the quick brown fox jumps over the lazy dog ".repeat(20);
    let samples: [(&str, usize, Vec<u8>); 5] = [
        ("18 B digit rows", 3, fill(|row| format!("{:07},{:05},{:03}\n", row % 10_000_000, row % 99_991, row % 997))),
        (
            "75 B rows",
            8,
            fill(|row| {
                format!(
                    "{row:09},2024-01-{:02},{:06}.25,name of customer,Berlin,DE,true,some remark {:03}\n",
                    row % 28 + 1,
                    row % 999_983,
                    row % 997
                )
            }),
        ),
        (
            "75 B rows, 1 field quoted",
            8,
            fill(|row| {
                format!(
                    "{row:09},2024-01-{:02},{:06}.25,\"name, customer\",Berlin,DE,true,some remark {:03}\n",
                    row % 28 + 1,
                    row % 999_983,
                    row % 997
                )
            }),
        ),
        ("1 KB quoted rows", 3, fill(|row| format!("{row:09},\"{text}\",\"a \"\"b\"\" {row}\nc\"\n"))),
        (
            "75 B rows, 1 % strays",
            4,
            fill(|row| {
                if row % 100 == 50 {
                    format!("{row:09},\"name {row:020},Berlin, and so it goes on here,{row:09}\n")
                } else {
                    format!("{row:09},name {row:020},\"Berlin, and so it goes on here\",{row:09}\n")
                }
            }),
        ),
    ];
    println!("{:<28} {:<8} {:>10} {:>10}", "sample", "kernel", "plan GB/s", "index GB/s");
    for (name, columns, data) in &samples {
        let rules = rules(*columns);
        for &kernel in &kernels {
            let planned = median_speed(data.len(), || plan(data, &Division::Csv(rules.clone()), kernel));
            let indexed = median_speed(data.len(), || index(data, &rules, kernel));
            println!("{name:<28} {:<8} {planned:>10.2} {indexed:>10.2}", kernel.name());
        }
    }
    let lines = fill(|row| format!("{{\"id\":{row:09},\"name\":\"name of customer\",\"city\":\"Berlin\",\"n\":{:05}}}\n", row % 99_991));
    let division = Division::Lines(LineRules::json(16 << 20));
    for &kernel in &kernels {
        let planned = median_speed(lines.len(), || plan(&lines, &division, kernel));
        println!("{:<28} {:<8} {planned:>10.2} {:>10}", "75 B NDJSON lines", kernel.name(), "-");
    }
}
