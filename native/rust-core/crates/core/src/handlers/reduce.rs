//! `Reduce`: one attempt at one partition of a reduce stage.

use millrace_engine::Error;
use millrace_engine::names::Author;
use millrace_engine::process::Context;
use millrace_engine::program::{ReduceProgram, SortKeys};
use millrace_engine::records::{ChunkEntry, PartitionChunk, Segment};
use millrace_engine::reduce::{ReduceTask, Reducer, Spill, reduce_partition};
use millrace_engine::stages::Keep;
use millrace_engine::unique::loser_exchange;
use millrace_wire::message::{MemoryMode, ProcessMode, Reduce};

use super::process::answer;
use super::stages::{self, StagePlan};
use super::{Answer, Work};
use crate::CORE_VERSION;
use crate::journal::{Job, Pins};
use crate::local::{LocalChunkIo, Stopwatch};
use crate::running::Running;

pub fn reduce(work: &mut Work, request: &Reduce, running: &Running) -> Answer {
    let job = work.journal.job(&work.places, &request.job_key, &request.spec_digest)?;
    let pins = work.journal.pins(&work.places, &request.job_key)?;
    let segment = work.journal.segment(&work.places, &request.segment_key, &request.segment_digest)?;
    let chunk = chunk_of(request, &job, &pins, &segment)?;
    let plan = stages::plan_of(work, &request.stage, &job, &pins)?;
    let slices = stages::read_slices(work, &chunk.slices)?;
    let chunks = slices.iter().map(|slice| slice.chunk + 1).max().unwrap_or(1);
    let losers = (request.stage == stages::OWNERS).then(|| loser_exchange(chunks));
    let task = ReduceTask {
        author: Author {
            job_id: job.record.job_id.clone(),
            stage: request.stage.clone(),
            chunk: request.chunk_index,
            generation: request.generation,
            attempt_id: request.attempt_id.clone(),
        },
        spec: &job.spec,
        spec_digest: &job.spec_digest,
        segment_digest: &request.segment_digest,
        chunk,
        tables: &plan.tables,
        slices,
        replaced: stages::read_replaced(work, &chunk.replaced)?,
        exchange: losers.as_ref().or(plan.exchange.as_ref()),
        trial: request.mode == ProcessMode::Trial,
        less_memory: request.memory == MemoryMode::Less,
        core_version: CORE_VERSION,
    };
    let mut compiled = Compiled::of(work, &plan, &job, &pins)?;
    let context = Context {
        cancel: running.cancel.clone(),
        progress: running.progress.clone(),
        timer: std::sync::Arc::new(Stopwatch(work.started)),
        memory_bytes: work.memory_bytes,
        hook: None,
    };
    let mut io = LocalChunkIo {
        places: &work.places,
        job_key: &request.job_key,
        verdict: work.places.journal_path(&request.verdict_key)?,
        attempt_id: &request.attempt_id,
        spec: &job.spec,
        segment: &segment,
        running,
        outbox: &work.outbox,
    };
    let directory = work.scratch.directory()?;
    let spill = Spill { scratch: Some(&work.scratch), directory: Some(&directory), bytes: work.scratch.bytes };
    let end = reduce_partition(&task, compiled.reducer(&plan), spill, &mut io, &context)?;
    Ok(answer(end))
}

/// The partition as its segment lists it.
fn chunk_of<'a>(request: &Reduce, job: &Job, pins: &Pins, segment: &'a Segment) -> Result<&'a PartitionChunk, Error> {
    let refuse = |what: &str| Err(Error::new("PLAN_CONFLICT", format!("{}: {what}", request.segment_key)));
    if segment.job_id != job.record.job_id || segment.stage != request.stage || segment.generation != request.generation {
        return refuse("it is of another job, stage or generation");
    }
    if segment.spec_digest != job.spec_digest || segment.pins_digest != pins.digest {
        return refuse("it was planned under another spec or other pins");
    }
    match segment.chunks.iter().find(|chunk| chunk.number() == request.chunk_index) {
        Some(ChunkEntry::Partition(chunk)) if chunk.partition == request.partition => Ok(chunk),
        Some(_) => refuse(&format!("chunk {} is not partition {}", request.chunk_index, request.partition)),
        None => refuse(&format!("it does not list chunk {}", request.chunk_index)),
    }
}

/// What runs over the rows, owned for the time of one chunk.
enum Compiled {
    Program(Box<dyn ReduceProgram>),
    Dedupe(Option<Box<dyn SortKeys>>),
    Owners,
    Merge,
}

impl Compiled {
    fn of(work: &Work, plan: &StagePlan, job: &Job, pins: &Pins) -> Result<Compiled, Error> {
        if plan.stage.name == stages::OWNERS {
            return Ok(Compiled::Owners);
        }
        if plan.stage.sql.is_none() && plan.stage.dedupe.is_none() {
            return Ok(Compiled::Merge);
        }
        let Some(dedupe) = &plan.stage.dedupe else {
            return Ok(Compiled::Program(stages::compile_reduce(work, &plan.stage, &plan.tables, job, pins)?));
        };
        let columns = plan.tables.first().map(|(_, columns)| std::sync::Arc::clone(columns));
        let order_by = match (&dedupe.order_by, columns) {
            (Some(order_by), Some(columns)) => Some(work.compiler.compile_order(order_by, columns)?),
            _ => None,
        };
        Ok(Compiled::Dedupe(order_by))
    }

    fn reducer(&mut self, plan: &StagePlan) -> Reducer<'_> {
        match self {
            Compiled::Program(program) => Reducer::Program(program.as_mut()),
            Compiled::Owners => Reducer::Owners,
            Compiled::Merge => Reducer::Merge,
            Compiled::Dedupe(order_by) => {
                let dedupe = plan.stage.dedupe.as_ref();
                let own = dedupe.and_then(|dedupe| dedupe.keys.clone());
                let keys = own.or_else(|| plan.stage.exchange.as_ref().map(|exchange| exchange.keys.clone())).unwrap_or_default();
                let keep_last = dedupe.is_some_and(|dedupe| dedupe.keep == Keep::Last);
                Reducer::Dedupe { keys, order_by: order_by.as_deref_mut(), keep_last }
            }
        }
    }
}
