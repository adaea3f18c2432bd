//! Mutated inputs for every reader, decoder and the probe, from seeds and fixtures: `npm run fuzz -- --minutes N [--seed S]`.
//!
//! No coverage is measured; an input stays in the pool when what came of it (codes, counts by magnitude) was not seen before. A panic, a wrong
//! account, a cut that changes what is read and a case that takes too long are kept in the directory named, with the input. The input in hand is
//! written before it is tried, so one that ends the process (memory, stack) is known too; the process runs under a limit of memory.

mod mutate;
mod seeds;
mod targets;

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use mutate::{Random, mutate};
use targets::{TARGETS, Target};

/// Inputs kept for each target.
const MAX_POOL: usize = 3_000;
/// Cases of one target before the next one has its turn.
const CASES_A_TURN: usize = 32;
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
}

fn options() -> Options {
    let mut options = Options { seconds: 60, seed: 1, out: PathBuf::from("fuzz-findings"), only: None };
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
    codes: BTreeMap<String, u64>,
    findings: BTreeMap<String, u64>,
}

fn main() {
    let options = options();
    std::fs::create_dir_all(&options.out).expect("findings can be written");
    std::panic::set_hook(Box::new(|info| {
        *LAST_PANIC.lock().expect("no panic holds it") = info.to_string();
    }));
    let mut random = Random::new(options.seed);
    let targets: Vec<&Target> = TARGETS.iter().filter(|target| options.only.as_deref().is_none_or(|only| only == target.name)).collect();
    let mut pools: Vec<Vec<Vec<u8>>> = targets.iter().map(|target| seeds::of(target.name)).collect();
    let mut tallies: Vec<Tally> = targets.iter().map(|_| Tally::default()).collect();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(options.seconds) {
        for (index, target) in targets.iter().enumerate() {
            for _ in 0..CASES_A_TURN {
                let mut input = mutate(&pools[index], &mut random);
                input.truncate(LARGEST_INPUT);
                let choice = random.next();
                if try_one(target, &input, choice, &options, &mut tallies[index]) && pools[index].len() < MAX_POOL {
                    pools[index].push(input);
                }
            }
        }
    }
    report(&targets, &pools, &tallies, begun.elapsed(), &options);
}

/// Whether what came of the input is new.
fn try_one(target: &Target, input: &[u8], choice: u64, options: &Options, tally: &mut Tally) -> bool {
    let current = options.out.join("current.bin");
    std::fs::write(&current, [&choice.to_le_bytes()[..], target.name.as_bytes(), b"\n", input].concat()).expect("findings can be written");
    let started = thread_time();
    let end = catch_unwind(AssertUnwindSafe(|| (target.run)(input, &mut Random::new(choice))));
    tally.cases += 1;
    let finding = match (&end, thread_time().saturating_sub(started)) {
        (Err(_), _) => Some(LAST_PANIC.lock().expect("no panic holds it").clone()),
        (Ok(_), took) if took > SLOW => Some(format!("slow: {} s", took.as_secs())),
        _ => None,
    };
    if let Some(finding) = finding {
        keep(target, &finding, &current, options, tally);
    }
    let Ok(seen) = end else { return false };
    *tally.codes.entry(seen.code.into()).or_default() += 1;
    tally.kinds.insert(seen.kind())
}

/// Time this thread ran: neighbours on the machine do not count.
fn thread_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split_whitespace().next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

fn keep(target: &Target, finding: &str, current: &std::path::Path, options: &Options, tally: &mut Tally) {
    // The place tells panics apart, not their text.
    let place: String =
        finding.lines().next().unwrap_or_default().chars().filter(|c| !c.is_ascii_digit() || finding.contains(".rs:")).collect();
    let count = tally.findings.entry(place).or_default();
    *count += 1;
    let count = *count;
    if count <= 3 {
        let number = tally.findings.len();
        let path = options.out.join(format!("{}-{number}-{count}.bin", target.name));
        let _ = std::fs::copy(current, &path);
        eprintln!("{}: {finding}\n  kept as {}", target.name, path.display());
    }
}

fn report(targets: &[&Target], pools: &[Vec<Vec<u8>>], tallies: &[Tally], took: Duration, options: &Options) {
    let of_target = |index: usize| {
        let tally = &tallies[index];
        let entry = serde_json::json!({
            "cases": tally.cases, "pool": pools[index].len(), "kinds": tally.kinds.len(), "codes": tally.codes, "findings": tally.findings,
        });
        (targets[index].name.to_owned(), entry)
    };
    let by_target: serde_json::Map<String, serde_json::Value> = (0..targets.len()).map(of_target).collect();
    println!("{}", serde_json::json!({ "seed": options.seed, "seconds": took.as_secs(), "targets": by_target }));
    let _ = std::fs::remove_file(options.out.join("current.bin"));
}
