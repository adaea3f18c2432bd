//! Plans of stages that wait for others. A reduce stage's: the receipts of the stages it reads become one chunk for each partition, each with the list of its slices.
//!
//! A function of the verdicts in the journal alone, which do not change any more: whoever plans puts the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use millrace_formats::pins::FilePlan;

use crate::cancel::CancelFlag;
use crate::error::Error;
use crate::hex::sha256_hex;
use crate::io::PutEnd;
use crate::names::{job_folder, replaced_key, slices_key, stage_segment_key, verdict_key};
use crate::plan::{MAX_SEGMENT_CHUNKS, PlanEnd, SegmentRef};
use crate::records::{self, ChunkEntry, ChunkLosers, PartitionChunk, Receipt, RecordHead, RecordRef, Segment, Slice, VerdictHead};
use crate::redriven::{Selected, selected};
use crate::replaced::{MAX_ENTRIES, Replacement, replaced_bytes};
use crate::slices::list_bytes;

/// Slices that are gathered in one pass over the receipts.
const GATHERED_SLICES: usize = 1_000_000;
/// Of a range: its list stays well below the longest.
const MAX_RANGE_SLICES: usize = 10_000;
/// The longest list of slices; as any record of the journal.
const MAX_LIST_BYTES: usize = 8 << 20;

/// The journal as planning a stage sees it.
pub trait StageIo {
    /// All keys below a prefix.
    fn list(&mut self, prefix: &str) -> Result<Vec<String>, Error>;
    fn read(&mut self, key: &str) -> Result<Option<Vec<u8>>, Error>;
    fn put_if_absent(&mut self, key: &str, bytes: &[u8]) -> Result<PutEnd, Error>;
    /// A segment is durable: the host tells the ledger.
    fn announce(&mut self, key: &str, segment: &SegmentRef) -> Result<(), Error>;
}

/// What to plan.
pub struct StageTask<'a> {
    pub job_id: &'a str,
    pub job_key: &'a str,
    pub stage: &'a str,
    pub generation: u32,
    pub spec_digest: &'a str,
    pub pins_digest: &'a str,
    /// The stages it reads, in the order of its tables.
    pub sources: &'a [String],
    pub partitions: u32,
    /// Its one exchange partition is cut in ranges of about so many stored bytes, which are its partitions then.
    pub range_bytes: Option<u64>,
    /// Its rows are keys: its partitions are told which records were read again by replays.
    pub keys: bool,
    pub first_segment: u32,
    pub first_chunk: u32,
}

/// A map stage that waits for the owners of unique keys.
pub struct WaitingTask<'a> {
    pub job_id: &'a str,
    pub job_key: &'a str,
    pub stage: &'a str,
    pub generation: u32,
    pub spec_digest: &'a str,
    pub pins_digest: &'a str,
    /// Numbers of the inputs that the stage reads.
    pub inputs: &'a [u32],
    /// The stage that read the keys, and the one that found their owners.
    pub unique: &'a str,
    pub owners: &'a str,
    pub first_segment: u32,
    pub first_chunk: u32,
}

/// Plans the stage over the chunks of `unique`, under new numbers, each with the list of its records that do not own their keys. A chunk that
/// was dead there is a gap here; one that stands in an earlier plan of the stage is not planned again.
pub fn plan_waiting(task: &WaitingTask<'_>, io: &mut dyn StageIo, cancel: &CancelFlag) -> Result<PlanEnd, Error> {
    let sources = [task.unique.to_owned(), task.owners.to_owned()];
    let as_stage = StageTask {
        job_id: task.job_id,
        job_key: task.job_key,
        stage: task.stage,
        generation: task.generation,
        spec_digest: task.spec_digest,
        pins_digest: task.pins_digest,
        sources: &sources,
        partitions: u32::MAX,
        range_bytes: None,
        keys: false,
        first_segment: task.first_segment,
        first_chunk: task.first_chunk,
    };
    let plans = Plans::read(&as_stage, io)?;
    let receipts = newest_receipts(&as_stage, &plans, io, cancel)?;
    let mut losers = losers_by_chunk(&receipts, io, cancel)?;
    let mut end = PlanEnd::default();
    let mut next_chunk = task.first_chunk;
    for mut segment in sources_of(task, &plans, &receipts, io)? {
        let of_inputs = |file: &FilePlan| task.inputs.contains(&file.input);
        segment.files.retain(of_inputs);
        let (mut chunks, mut listed) = (Vec::new(), Vec::new());
        for chunk in std::mem::take(&mut segment.chunks) {
            if !reads(&chunk, &segment, task) {
                continue;
            }
            if let Some(slices) = losers.remove(&chunk.number()) {
                listed.push(put_losers(task, next_chunk, &slices, io)?);
            }
            chunks.push(chunk.renumbered(next_chunk));
            next_chunk += 1;
        }
        if chunks.is_empty() {
            continue;
        }
        let segment = Segment {
            generation: task.generation,
            stage: task.stage.to_owned(),
            segment: task.first_segment + end.segments,
            first_chunk: chunks[0].number(),
            chunks,
            losers: listed,
            spec_digest: task.spec_digest.to_owned(),
            pins_digest: task.pins_digest.to_owned(),
            ended: Vec::new(),
            ..segment
        };
        put_segment(&as_stage, &segment, io, &mut end)?;
    }
    Ok(end)
}

/// Runs of losers by the chunk of `unique` they belong to.
fn losers_by_chunk(receipts: &[Counted], io: &mut dyn StageIo, cancel: &CancelFlag) -> Result<BTreeMap<u32, Vec<Slice>>, Error> {
    let mut found: BTreeMap<u32, Vec<Slice>> = BTreeMap::new();
    for counted in receipts.iter().filter(|counted| counted.table == 1) {
        stop_if(cancel)?;
        let receipt = receipt(counted, io)?;
        let Some(exchange) = receipt.exchange else { continue };
        for run in exchange.runs {
            found.entry(run.partition).or_default().push(Slice {
                table: 0,
                chunk: receipt.chunk,
                generation: receipt.generation,
                object: exchange.object.clone(),
                object_bytes: exchange.bytes,
                run,
            });
        }
    }
    for list in found.values_mut() {
        list.sort_by_key(|slice| (slice.run.first, slice.chunk, slice.run.offset));
    }
    Ok(found)
}

/// The segments of `unique`, each chunk where it stands first, without those that are dead or that the stage has planned before.
fn sources_of(task: &WaitingTask<'_>, plans: &Plans, receipts: &[Counted], io: &mut dyn StageIo) -> Result<Vec<Segment>, Error> {
    let mut committed: BTreeSet<u32> = BTreeSet::new();
    for counted in receipts.iter().filter(|counted| counted.table == 0) {
        committed.insert(receipt(counted, io)?.chunk);
    }
    let (mut sources, mut planned) = (Vec::new(), BTreeSet::new());
    for key in &plans.segments {
        let bytes = io.read(key)?.ok_or_else(|| Error::new("JOURNAL_UNSAFE", format!("{key} was there and is gone")))?;
        let segment: Segment = records::parse(key, &bytes)?;
        if segment.stage == task.unique {
            sources.push(segment);
        } else if segment.stage == task.stage && segment.generation < task.generation {
            planned.extend(segment.chunks.iter().map(place_of_chunk));
        }
    }
    sources.sort_by_key(|segment| (segment.generation, segment.segment));
    let mut met = BTreeSet::new();
    for segment in &mut sources {
        segment
            .chunks
            .retain(|chunk| committed.contains(&chunk.number()) && !planned.contains(&place_of_chunk(chunk)) && met.insert(chunk.number()));
    }
    Ok(sources)
}

/// What a chunk reads, whatever its number.
fn place_of_chunk(chunk: &ChunkEntry) -> (String, u64, u64) {
    match chunk {
        ChunkEntry::Range(range) => (format!("file {}", range.file), range.start, range.end),
        ChunkEntry::Files(group) => {
            let files: Vec<String> = group.files.iter().map(|file| file.file.to_string()).collect();
            (format!("files {}", files.join(" ")), 0, chunk.bytes())
        }
        ChunkEntry::Inline(inline) => (inline.key.clone(), inline.offset, inline.offset + inline.length),
        ChunkEntry::Given(given) => (given.uri.clone(), given.start, given.end),
        ChunkEntry::Rows(rows) => (format!("file {}", rows.file), rows.start, rows.end),
        ChunkEntry::Partition(partition) => (partition.slices.key.clone(), 0, 0),
    }
}

fn reads(chunk: &ChunkEntry, segment: &Segment, task: &WaitingTask<'_>) -> bool {
    match chunk {
        ChunkEntry::Range(range) => segment.files.iter().any(|file| file.file == range.file),
        // All are of one input.
        ChunkEntry::Files(group) => group.files.first().is_some_and(|first| segment.files.iter().any(|file| file.file == first.file)),
        ChunkEntry::Rows(rows) => segment.files.iter().any(|file| file.file == rows.file),
        // Replayed records are all of one stage, and read as their files are.
        ChunkEntry::Inline(inline) if inline.is_replay() => {
            inline.origins().any(|origin| segment.files.iter().any(|file| file.file == origin.file))
        }
        // Payloads are read with the first input's pins.
        ChunkEntry::Inline(_) | ChunkEntry::Given(_) => task.inputs.contains(&0),
        ChunkEntry::Partition(_) => false,
    }
}

fn put_losers(task: &WaitingTask<'_>, chunk: u32, slices: &[Slice], io: &mut dyn StageIo) -> Result<ChunkLosers, Error> {
    let list = list_bytes(slices);
    if list.len() > MAX_LIST_BYTES {
        let message = format!("chunk {chunk}: records that lost their keys stand in {} slices, whose list is too long", slices.len());
        return Err(Error::new("OVER_LIMIT", message));
    }
    let key = slices_key(task.job_key, task.stage, task.generation, chunk);
    put_same(&key, &list, io)?;
    let rows = slices.iter().map(|slice| slice.run.rows).sum();
    Ok(ChunkLosers { chunk, rows, slices: RecordRef { key, digest: sha256_hex(&list) } })
}

/// A chunk where its newest plan lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    generation: u32,
    entry: Option<PartitionChunk>,
}

/// Plans the stage. Every chunk of the stages it reads must have an outcome; one that is dead is a gap.
pub fn plan_stage(task: &StageTask<'_>, io: &mut dyn StageIo, cancel: &CancelFlag) -> Result<PlanEnd, Error> {
    let plans = Plans::read(task, io)?;
    let receipts = newest_receipts(task, &plans, io, cancel)?;
    let sizes = measure(task, &receipts, io, cancel)?;
    let selected = selected(task.job_key, task.generation, io)?;
    let mut chunks = Vec::new();
    let replaced = put_replaced(task, &plans, &receipts, io)?;
    for group in groups(&sizes) {
        let mut lists = gather(&receipts, group.clone(), io, cancel)?;
        if let Some(bytes) = task.range_bytes {
            lists = ranges(lists.into_iter().flatten(), bytes);
            // Ranges that an earlier generation had and this one has not are empty now.
            let known = plans.own.last_key_value().map_or(0, |(partition, _)| *partition as usize + 1);
            lists.resize(lists.len().max(known), Vec::new());
        }
        for (partition, slices) in (group.start..).zip(lists) {
            let entered = enter(task, partition, &slices, &plans, &selected, io)?;
            chunks.extend(entered.map(|chunk| PartitionChunk { replaced: replaced.clone(), ..chunk }));
        }
    }
    let mut numbers = task.first_chunk..;
    for chunk in chunks.iter_mut().filter(|chunk| chunk.chunk == u32::MAX) {
        chunk.chunk = numbers.next().unwrap_or(u32::MAX);
    }
    chunks.sort_by_key(|chunk| chunk.chunk);
    put_segments(task, chunks, io)
}

/// Lists of the records that replays have read in place of rejected ones, each with the generation in which its chunk committed. A partition
/// needs those of all keys: what a record held before lies in another one than what it asks for now.
fn put_replaced(task: &StageTask<'_>, plans: &Plans, receipts: &[Counted], io: &mut dyn StageIo) -> Result<Vec<RecordRef>, Error> {
    let [source] = task.sources else { return Ok(Vec::new()) };
    let mut verdicts = BTreeMap::new();
    for (chunk, places) in &plans.replays {
        let Some(listed) = plans.sources[0].get(chunk) else { continue };
        verdicts.insert(verdict_key(task.job_key, source, *chunk, listed.generation), (listed.generation, places));
    }
    let mut found: Vec<Replacement> = Vec::new();
    for (generation, places) in receipts.iter().filter_map(|counted| verdicts.get(&counted.key)) {
        found.extend(places.iter().map(|(file, record)| (*file, *record, *generation)));
    }
    found.sort_unstable();
    let put = |(number, entries): (usize, &[Replacement])| {
        let (key, bytes) = (replaced_key(task.job_key, task.stage, task.generation, number), replaced_bytes(entries));
        put_same(&key, &bytes, io)?;
        Ok(RecordRef { key, digest: sha256_hex(&bytes) })
    };
    found.chunks(MAX_ENTRIES).enumerate().map(put).collect()
}

/// Cuts a list of slices in its order.
fn ranges(slices: impl Iterator<Item = Slice>, bytes: u64) -> Vec<Vec<Slice>> {
    let mut ranges: Vec<Vec<Slice>> = Vec::new();
    let mut held = 0;
    for slice in slices {
        let length = slice.run.length;
        match ranges.last_mut().filter(|range| held + length <= bytes && range.len() < MAX_RANGE_SLICES) {
            Some(range) => {
                held += length;
                range.push(slice);
            }
            None => {
                held = length;
                ranges.push(vec![slice]);
            }
        }
    }
    ranges
}

/// What the plans of all generations up to this one list, by stage and chunk.
struct Plans {
    sources: Vec<BTreeMap<u32, Listed>>,
    /// Of the stage itself, from earlier generations, by partition.
    own: BTreeMap<u32, (u32, Listed)>,
    /// Where the stage reads keys: chunks of replayed records, with the places of those.
    replays: BTreeMap<u32, Vec<(u32, u64)>>,
    /// Keys of all segments that were read.
    segments: Vec<String>,
}

impl Plans {
    fn read(task: &StageTask<'_>, io: &mut dyn StageIo) -> Result<Plans, Error> {
        let folder = format!("{}plan/", job_folder(task.job_key));
        let mut plans = Plans {
            sources: vec![BTreeMap::new(); task.sources.len()],
            own: BTreeMap::new(),
            replays: BTreeMap::new(),
            segments: Vec::new(),
        };
        for key in io.list(&folder)? {
            let Some(place) = place_of(&key[folder.len()..]) else { continue };
            let of_others = place.stage.is_some_and(|stage| stage != task.stage && !task.sources.iter().any(|source| source == stage));
            if place.generation > task.generation || of_others {
                continue;
            }
            let bytes = io.read(&key)?.ok_or_else(|| Error::new("JOURNAL_UNSAFE", format!("{key} was listed and is gone")))?;
            let head: RecordHead = records::parse(&key, &bytes)?;
            if head.record == "segment" {
                plans.note(task, &records::parse(&key, &bytes)?);
                plans.segments.push(key);
            }
        }
        Ok(plans)
    }

    fn note(&mut self, task: &StageTask<'_>, segment: &Segment) {
        let generation = segment.generation;
        if segment.stage == task.stage {
            let earlier = segment.chunks.iter().filter(|_| generation < task.generation);
            for entry in earlier.filter_map(partition_of) {
                let listed = Listed { generation, entry: Some(entry.clone()) };
                keep_newest(self.own.entry(entry.partition).or_insert((entry.chunk, listed.clone())), (entry.chunk, listed));
            }
        }
        for (source, chunks) in task.sources.iter().zip(&mut self.sources) {
            if segment.stage == *source {
                for chunk in &segment.chunks {
                    let known = chunks.entry(chunk.number()).or_insert(Listed { generation, entry: None });
                    known.generation = known.generation.max(generation);
                    match chunk {
                        ChunkEntry::Inline(inline) if task.keys && inline.is_replay() => {
                            self.replays.insert(inline.chunk, inline.origins().map(|origin| (origin.file, origin.record)).collect());
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}

fn keep_newest(known: &mut (u32, Listed), found: (u32, Listed)) {
    if found.1.generation > known.1.generation {
        *known = found;
    }
}

fn partition_of(chunk: &ChunkEntry) -> Option<&PartitionChunk> {
    match chunk {
        ChunkEntry::Partition(partition) => Some(partition),
        _ => None,
    }
}

/// Where a file of a plan stands: `[<gen>/][<stage>/]<segment>.json`.
struct PlanPlace<'a> {
    generation: u32,
    stage: Option<&'a str>,
}

fn place_of(path: &str) -> Option<PlanPlace<'_>> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    number_of(name.strip_suffix(".json")?)?;
    let mut names = folder.split('/').filter(|name| !name.is_empty()).peekable();
    let generation = names.peek().and_then(|name| number_of(name));
    if generation.is_some() {
        names.next();
    }
    Some(PlanPlace { generation: generation.unwrap_or(1), stage: names.next() })
}

fn number_of(name: &str) -> Option<u32> {
    (name.len() >= 6 && name.bytes().all(|byte| byte.is_ascii_digit())).then(|| name.parse().ok()).flatten()
}

/// A receipt that counts, by the key it stands under.
struct Counted {
    table: u32,
    key: String,
}

/// The newest verdict of each chunk of the stages that are read. Their receipts are read again for each pass, because a job may have very many.
fn newest_receipts(task: &StageTask<'_>, plans: &Plans, io: &mut dyn StageIo, cancel: &CancelFlag) -> Result<Vec<Counted>, Error> {
    let mut found = Vec::new();
    for (table, (source, chunks)) in task.sources.iter().zip(&plans.sources).enumerate() {
        for (chunk, listed) in chunks {
            stop_if(cancel)?;
            let key = verdict_key(task.job_key, source, *chunk, listed.generation);
            let bytes = io.read(&key)?;
            let bytes = bytes.ok_or_else(|| Error::new("PLAN_CONFLICT", format!("{source}.{chunk} has no outcome yet ({key})")))?;
            let head: VerdictHead = records::parse(&key, &bytes)?;
            match head.outcome.as_str() {
                "committed" => found.push(Counted { table: table as u32, key }),
                "dead" => {}
                other => return Err(Error::new("PLAN_CONFLICT", format!("{key}: a stage cannot be planned over the outcome {other}"))),
            }
        }
    }
    Ok(found)
}

fn stop_if(cancel: &CancelFlag) -> Result<(), Error> {
    if cancel.is_set() { Err(Error::cancelled()) } else { Ok(()) }
}

fn receipt(counted: &Counted, io: &mut dyn StageIo) -> Result<Receipt, Error> {
    let gone = || Error::new("JOURNAL_UNSAFE", format!("{} was there and is gone", counted.key));
    records::parse(&counted.key, &io.read(&counted.key)?.ok_or_else(gone)?)
}

/// Slices of each partition. Every row a source has put out must stand in one: `BALANCE_MISMATCH`.
fn measure(task: &StageTask<'_>, receipts: &[Counted], io: &mut dyn StageIo, cancel: &CancelFlag) -> Result<Vec<usize>, Error> {
    let mut sizes = vec![0; task.partitions as usize];
    for counted in receipts {
        stop_if(cancel)?;
        let receipt = receipt(counted, io)?;
        let runs = receipt.exchange.as_ref().map_or(&[][..], |exchange| &exchange.runs);
        let rows: u64 = runs.iter().map(|run| run.rows).sum();
        if rows != receipt.counts.rows_out {
            let message = format!("{}: {} rows were put out, its runs hold {rows}", counted.key, receipt.counts.rows_out);
            return Err(Error::new("BALANCE_MISMATCH", message));
        }
        for run in runs {
            let size = sizes.get_mut(run.partition as usize).ok_or_else(|| {
                let message = format!("{}: partition {} where stage {} has {}", counted.key, run.partition, task.stage, task.partitions);
                Error::new("PLAN_CONFLICT", message)
            })?;
            *size += 1;
        }
    }
    Ok(sizes)
}

/// Ranges of partitions whose slices are gathered together.
fn groups(sizes: &[usize]) -> Vec<std::ops::Range<u32>> {
    let (mut groups, mut start, mut sum) = (Vec::new(), 0, 0);
    for (partition, size) in sizes.iter().enumerate() {
        if sum > 0 && sum + size > GATHERED_SLICES {
            groups.push(start..partition as u32);
            (start, sum) = (partition as u32, 0);
        }
        sum += size;
    }
    groups.push(start..sizes.len() as u32);
    groups
}

/// The slices of a range of partitions, each list by table and place.
fn gather(receipts: &[Counted], group: std::ops::Range<u32>, io: &mut dyn StageIo, cancel: &CancelFlag) -> Result<Vec<Vec<Slice>>, Error> {
    let mut lists: Vec<Vec<Slice>> = vec![Vec::new(); group.len()];
    for counted in receipts {
        stop_if(cancel)?;
        let receipt = receipt(counted, io)?;
        let Some(exchange) = receipt.exchange else { continue };
        for run in exchange.runs.into_iter().filter(|run| group.contains(&run.partition)) {
            lists[(run.partition - group.start) as usize].push(Slice {
                table: counted.table,
                chunk: receipt.chunk,
                generation: receipt.generation,
                object: exchange.object.clone(),
                object_bytes: exchange.bytes,
                run,
            });
        }
    }
    for list in &mut lists {
        list.sort_by_key(|slice| (slice.table, slice.run.first, slice.chunk, slice.run.offset));
    }
    Ok(lists)
}

/// The chunk of a partition, if it enters this generation; `u32::MAX` stands for a number that is still to be given.
///
/// A partition without rows yields nothing and gets no chunk, unless it is the only one, where an aggregate over no rows still is a row, or
/// had rows before. Over the same slices one that has committed is done, and one that died enters when it was selected.
fn enter(
    task: &StageTask<'_>,
    partition: u32,
    slices: &[Slice],
    plans: &Plans,
    selected: &Selected,
    io: &mut dyn StageIo,
) -> Result<Option<PartitionChunk>, Error> {
    let earlier = plans.own.get(&partition);
    if slices.is_empty() && task.partitions > 1 && earlier.is_none() {
        return Ok(None);
    }
    let list = list_bytes(slices);
    if list.len() > MAX_LIST_BYTES {
        let message = format!(
            "partition {partition}: {} slices make a list of more than {MAX_LIST_BYTES} bytes; larger chunks make fewer",
            slices.len()
        );
        return Err(Error::new("OVER_LIMIT", message));
    }
    let digest = sha256_hex(&list);
    if let Some((chunk, listed)) = earlier
        && stays(task, *chunk, listed, &digest, selected, io)?
    {
        return Ok(None);
    }
    let key = slices_key(task.job_key, task.stage, task.generation, partition);
    put_same(&key, &list, io)?;
    Ok(Some(PartitionChunk {
        chunk: earlier.map_or(u32::MAX, |(chunk, _)| *chunk),
        partition,
        rows: slices.iter().map(|slice| slice.run.rows).sum(),
        bytes: slices.iter().map(|slice| slice.run.length).sum(),
        slices: RecordRef { key, digest },
        replaced: Vec::new(),
    }))
}

/// The newest verdict of a partition is over these slices and stands.
fn stays(
    task: &StageTask<'_>,
    chunk: u32,
    listed: &Listed,
    digest: &str,
    selected: &Selected,
    io: &mut dyn StageIo,
) -> Result<bool, Error> {
    let key = verdict_key(task.job_key, task.stage, chunk, listed.generation);
    let Some(bytes) = io.read(&key)? else { return Ok(false) };
    match records::parse::<VerdictHead>(&key, &bytes)?.outcome.as_str() {
        "committed" => Ok(records::parse::<Receipt>(&key, &bytes)?.inputs_digest.as_deref() == Some(digest)),
        "dead" => Ok(listed.entry.as_ref().is_some_and(|entry| entry.slices.digest == digest) && !selected.has(task.stage, chunk)),
        _ => Ok(false),
    }
}

fn put_same(key: &str, bytes: &[u8], io: &mut dyn StageIo) -> Result<(), Error> {
    match io.put_if_absent(key, bytes)? {
        PutEnd::Won => Ok(()),
        PutEnd::Lost(standing) if standing == bytes => Ok(()),
        PutEnd::Lost(_) => Err(Error::new("PLAN_CONFLICT", format!("{key} stands with other content than these receipts give"))),
    }
}

/// Chunks of a segment have consecutive numbers, so that first and count name them.
fn put_segments(task: &StageTask<'_>, chunks: Vec<PartitionChunk>, io: &mut dyn StageIo) -> Result<PlanEnd, Error> {
    let mut end = PlanEnd::default();
    for piece in consecutive(&chunks) {
        let segment = Segment {
            record: "segment".into(),
            version: 1,
            job_id: task.job_id.to_owned(),
            generation: task.generation,
            stage: task.stage.to_owned(),
            segment: task.first_segment + end.segments,
            spec_digest: task.spec_digest.to_owned(),
            pins_digest: task.pins_digest.to_owned(),
            first_chunk: piece[0].chunk,
            files: Vec::new(),
            chunks: piece.iter().cloned().map(ChunkEntry::Partition).collect(),
            ended: Vec::new(),
            losers: Vec::new(),
        };
        put_segment(task, &segment, io, &mut end)?;
        end.records += piece.iter().map(|chunk| chunk.rows).sum::<u64>();
    }
    Ok(end)
}

fn put_segment(task: &StageTask<'_>, segment: &Segment, io: &mut dyn StageIo, end: &mut PlanEnd) -> Result<(), Error> {
    let bytes = records::to_bytes(segment);
    let key = stage_segment_key(task.job_key, task.stage, task.generation, segment.segment);
    put_same(&key, &bytes, io)?;
    let covered = segment.chunks.iter().map(ChunkEntry::bytes).sum();
    let named = SegmentRef {
        segment: segment.segment,
        stage: segment.stage.clone(),
        digest: sha256_hex(&bytes),
        first_chunk: segment.first_chunk,
        chunk_count: segment.chunks.len() as u16,
        bytes: covered,
    };
    io.announce(&key, &named)?;
    end.segments += 1;
    end.chunks += segment.chunks.len() as u32;
    end.bytes += covered;
    Ok(())
}

fn consecutive(chunks: &[PartitionChunk]) -> impl Iterator<Item = &[PartitionChunk]> {
    chunks.chunk_by(|a, b| a.chunk + 1 == b.chunk).flat_map(|run| run.chunks(MAX_SEGMENT_CHUNKS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_plans_are_read_from_their_paths() {
        let place = |path| place_of(path).map(|place| (place.generation, place.stage));
        assert_eq!(place("000003.json"), Some((1, None)));
        assert_eq!(place("000002/000003.json"), Some((2, None)));
        assert_eq!(place("total/000003.json"), Some((1, Some("total"))));
        assert_eq!(place("000002/total/000003.json"), Some((2, Some("total"))));
        assert_eq!(place("sealed.json"), None);
        assert_eq!(place("000002/total/sealed.json"), None);
    }

    #[test]
    fn groups_cover_all_partitions_once() {
        assert_eq!(groups(&[1, 2, 3]), vec![0..3]);
        assert_eq!(groups(&[GATHERED_SLICES, 1, GATHERED_SLICES + 5, 0]), [0..1, 1..2, 2..3, 3..4]);
        assert_eq!(groups(&[0]), vec![0..1]);
    }

    #[test]
    fn segments_hold_consecutive_chunks() {
        let slices = RecordRef { key: String::new(), digest: String::new() };
        let chunk = |chunk| PartitionChunk { chunk, partition: 0, rows: 0, bytes: 0, slices: slices.clone(), replaced: Vec::new() };
        let chunks: Vec<PartitionChunk> = [3, 4, 5, 9, 11, 12].into_iter().map(chunk).collect();
        let firsts: Vec<(u32, usize)> = consecutive(&chunks).map(|piece| (piece[0].chunk, piece.len())).collect();
        assert_eq!(firsts, [(3, 3), (9, 1), (11, 2)]);
    }
}
