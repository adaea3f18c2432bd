//! Mutated inputs for every reader, decoder and the probe, from seeds and fixtures: `npm run fuzz -- --minutes N [--seed S]`.
//!
//! An input stays in the pool when it ran code, or ran it as often, as none before it did (`coverage`: `scripts/fuzz.ts` has the crates compiled with
//! counters), or when what came of it (codes, counts by magnitude) was not seen before. A panic, a wrong account, a cut that changes what is read
//! and a case that takes too long are kept in the directory named, with the input. The input in hand is written before it is tried, so one that
//! ends the process (memory, stack) is known too; the process runs under a limit of memory. Pools are kept too, and the next run begins with them.

mod coverage;
mod mutate;
mod seeds;
mod targets;

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use mutate::{Random, mutate};
use targets::{TARGETS, Target};

/// Inputs kept for each target.
const MAX_POOL: usize = 3_000;
/// Of this thread, before the next target has its turn: slow targets would take most of the time else.
const TURN: Duration = Duration::from_millis(200);
/// A case that takes longer is reported.
const SLOW: Duration = Duration::from_secs(10);
/// Longer ones are cut.
const LARGEST_INPUT: usize = 256 << 10;

static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

struct Options {
    seconds: u64,
    seed: u64,
    out: PathBuf,
    only: Option<String>,
    /// Stays open: to truncate and close it for each case would wait for the disk.
    held: Option<File>,
}

impl Options {
    fn current(&self) -> PathBuf {
        self.out.join("current.bin")
    }

    /// Notes the case in hand.
    fn hold(&self, case: &[u8]) {
        let file = self.held.as_ref().expect("opened at the start");
        file.write_all_at(case, 0).and_then(|()| file.set_len(case.len() as u64)).expect("findings can be written");
    }
}

fn options() -> Options {
    let mut options = Options { seconds: 60, seed: 1, out: PathBuf::from("fuzz-findings"), only: None, held: None };
    let args: Vec<String> = std::env::args().skip(1).collect();
    for pair in args.chunks(2) {
        let [name, value] = pair else { panic!("expected --name value, got {pair:?}") };
        match name.as_str() {
            "--seconds" => options.seconds = value.parse().expect("a number of seconds"),
            "--seed" => options.seed = value.parse().expect("a whole number"),
            "--out" => options.out = value.into(),
            "--only" => options.only = Some(value.clone()),
            other => panic!("unknown option {other}; expected --seconds, --seed, --out or --only"),
        }
    }
    options
}

#[derive(Default)]
struct Tally {
    cases: u64,
    kinds: HashSet<u64>,
    coverage: coverage::Coverage,
    codes: BTreeMap<String, u64>,
    findings: BTreeMap<String, u64>,
}

fn main() {
    let mut options = options();
    std::fs::create_dir_all(&options.out).expect("findings can be written");
    options.held = Some(File::create(options.current()).expect("findings can be written"));
    std::panic::set_hook(Box::new(|info| {
        *LAST_PANIC.lock().expect("no panic holds it") = info.to_string();
    }));
    let mut random = Random::new(options.seed);
    let targets: Vec<&Target> = TARGETS.iter().filter(|target| options.only.as_deref().is_none_or(|only| only == target.name)).collect();
    let mut pools: Vec<Vec<Vec<u8>>> =
        targets.iter().map(|target| [seeds::of(target.name), kept_pool(target, &options)].concat()).collect();
    let mut tallies: Vec<Tally> = targets.iter().map(|_| Tally::default()).collect();
    for (index, target) in targets.iter().enumerate() {
        for seed in &pools[index] {
            try_one(target, seed, random.next(), &options, &mut tallies[index]);
        }
    }
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(options.seconds) {
        for (index, target) in targets.iter().enumerate() {
            let turn = thread_time();
            while thread_time().saturating_sub(turn) < TURN {
                let mut input = mutate(&pools[index], &mut random);
                input.truncate(LARGEST_INPUT);
                let choice = random.next();
                if try_one(target, &input, choice, &options, &mut tallies[index]) && pools[index].len() < MAX_POOL {
                    keep_in_pool(target, &input, &options);
                    pools[index].push(input);
                }
            }
        }
    }
    report(&targets, &pools, &tallies, begun.elapsed(), &options);
}

/// Whether what came of the input is new.
fn try_one(target: &Target, input: &[u8], choice: u64, options: &Options, tally: &mut Tally) -> bool {
    options.hold(&[&choice.to_le_bytes()[..], target.name.as_bytes(), b"\n", input].concat());
    coverage::reset();
    let started = thread_time();
    let end = catch_unwind(AssertUnwindSafe(|| (target.run)(input, &mut Random::new(choice))));
    tally.cases += 1;
    let finding = match (&end, thread_time().saturating_sub(started)) {
        (Err(_), _) => Some(LAST_PANIC.lock().expect("no panic holds it").clone()),
        (Ok(_), took) if took > SLOW => Some(format!("slow: {} s", took.as_secs())),
        _ => None,
    };
    if let Some(finding) = finding {
        keep(target, &finding, options, tally);
    }
    let Ok(seen) = end else { return false };
    *tally.codes.entry(seen.code.into()).or_default() += 1;
    let is_new_code = tally.coverage.add();
    tally.kinds.insert(seen.kind()) | is_new_code
}

fn pool_folder(target: &Target, options: &Options) -> PathBuf {
    options.out.join("pool").join(target.name)
}

/// What earlier runs found worth keeping.
fn kept_pool(target: &Target, options: &Options) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(pool_folder(target, options)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.iter().take(MAX_POOL / 2).filter_map(|path| std::fs::read(path).ok()).collect()
}

fn keep_in_pool(target: &Target, input: &[u8], options: &Options) {
    let folder = pool_folder(target, options);
    std::fs::create_dir_all(&folder).expect("findings can be written");
    std::fs::write(folder.join(format!("{:016x}", fnv(input))), input).expect("findings can be written");
}

/// FNV-1a.
pub fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Time this thread ran: neighbours on the machine do not count.
fn thread_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split_whitespace().next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

fn keep(target: &Target, finding: &str, options: &Options, tally: &mut Tally) {
    // The place tells panics apart, not their text.
    let place: String =
        finding.lines().next().unwrap_or_default().chars().filter(|c| !c.is_ascii_digit() || finding.contains(".rs:")).collect();
    let count = tally.findings.entry(place).or_default();
    *count += 1;
    let count = *count;
    if count <= 3 {
        let number = tally.findings.len();
        let path = options.out.join(format!("{}-{number}-{count}.bin", target.name));
        let _ = std::fs::copy(options.current(), &path);
        eprintln!("{}: {finding}\n  kept as {}", target.name, path.display());
    }
}

fn report(targets: &[&Target], pools: &[Vec<Vec<u8>>], tallies: &[Tally], took: Duration, options: &Options) {
    let of_target = |index: usize| {
        let tally = &tallies[index];
        let entry = serde_json::json!({
            "cases": tally.cases, "pool": pools[index].len(), "kinds": tally.kinds.len(),
            "counters": tally.coverage.reached(), "codes": tally.codes, "findings": tally.findings,
        });
        (targets[index].name.to_owned(), entry)
    };
    let by_target: serde_json::Map<String, serde_json::Value> = (0..targets.len()).map(of_target).collect();
    println!(
        "{}",
        serde_json::json!({ "seed": options.seed, "seconds": took.as_secs(), "counters": coverage::counters(), "targets": by_target })
    );
    let _ = std::fs::remove_file(options.current());
}
