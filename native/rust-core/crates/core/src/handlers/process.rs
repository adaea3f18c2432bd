//! `Process`: one attempt at one map chunk, from the journal's records to the engine and back to an answer.

use std::borrow::Cow;
use std::sync::Arc;

use millrace_engine::columns::input_columns;
use millrace_engine::names::Author;
use millrace_engine::process::{ChunkEnd, ChunkTask, Context, Outcome, Trace, Uniqueness, process_chunk};
use millrace_engine::program::CompileInput;
use millrace_engine::records::{ChunkEntry, PinsOf, Segment};
use millrace_engine::unique::lenient;
use millrace_engine::{Error, sha256_hex};
use millrace_formats::pins::InputPins;
use millrace_formats::probe::schema_under;
use millrace_formats::read::{ExcludedRange, ReadRange};
use millrace_wire::Payload;
use millrace_wire::message::{
    self, ChunkDone, ChunkOutcome, CodeCount, Counts, MemoryMode, Phases, Process, ProcessMode, Response, TraceMode,
};

use super::{Answer, ProgramKey, Work, stages};
use crate::CORE_VERSION;
use crate::beside::{lookups_of, privacy_key};
use crate::journal::{Job, Pins};
use crate::local::{LocalChunkIo, Stopwatch};
use crate::memory;
use crate::running::Running;

pub fn process(work: &mut Work, request: &Process, payload: Payload, running: &Running) -> Answer {
    let job = work.journal.job(&work.places, &request.job_key, &request.spec_digest)?;
    let pins = work.journal.pins(&work.places, &request.job_key)?;
    let segment = work.journal.segment(&work.places, &request.segment_key, &request.segment_digest)?;
    let chunk = chunk_of(request, &job, &pins, &segment)?;
    let plan = stages::plan_of(work, &request.stage, &job, &pins)?;
    let uniqueness = uniqueness_of(work, request, &pins, &segment)?;
    let mut inputs = inputs_under(&job, &pins)?;
    if let Uniqueness::Keys(_) = &uniqueness {
        work.program = None;
        inputs = inputs.iter().map(lenient).collect();
    } else {
        compile_stage(work, &request.stage, &job, &pins)?;
    }

    let task = ChunkTask {
        author: Author {
            job_id: job.record.job_id.clone(),
            stage: request.stage.clone(),
            chunk: request.chunk_index,
            generation: request.generation,
            attempt_id: request.attempt_id.clone(),
        },
        spec: &job.spec,
        spec_digest: &job.spec_digest,
        pins: PinsOf { inputs: &inputs, files: &pins.record.files },
        segment: &segment,
        segment_digest: &request.segment_digest,
        chunk,
        exchange: plan.exchange.as_ref(),
        uniqueness,
        payload: Arc::from(&payload[..]),
        trial: request.mode == ProcessMode::Trial,
        range: request.range.as_ref().map(range_of),
        excluded: request.excluded.iter().map(excluded_of).collect::<Result<_, _>>()?,
        trace: trace_of(request.trace),
        less_memory: request.memory == MemoryMode::Less,
        core_version: CORE_VERSION,
    };
    let context = Context {
        cancel: running.cancel.clone(),
        progress: running.progress.clone(),
        timer: Arc::new(Stopwatch(work.started)),
        memory_bytes: work.memory_bytes,
        hook: work.hook.map(|hook| hook as &dyn millrace_engine::io::RecordHook),
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
    let program = work.program.as_mut().map(|(_, program)| program.as_mut());
    let end = process_chunk(&task, program, &mut io, &context)?;
    Ok(answer(end))
}

/// The pins of the inputs as this generation reads them: a redrive or replay may have changed what the schema asks of values.
pub(super) fn inputs_under<'a>(job: &Job, pins: &'a Pins) -> Result<Cow<'a, [InputPins]>, Error> {
    let inputs = Cow::from(&pins.record.inputs);
    if job.spec_digest == job.record.spec_digest {
        return Ok(inputs);
    }
    let under = |(number, input): (usize, &InputPins)| {
        let own = job.spec.inputs.get(number).map(|input| &input.schema).filter(|schema| !schema.is_null());
        Ok(InputPins { schema: schema_under(&input.schema, own.unwrap_or(&job.spec.schema))?, ..input.clone() })
    };
    inputs.iter().enumerate().map(under).collect()
}

/// What the chunk has to do with keys that are unique over the job: it hands them on, or its plan names records that lost theirs.
fn uniqueness_of(work: &Work, request: &Process, pins: &Pins, segment: &Segment) -> Result<Uniqueness, Error> {
    if request.stage == stages::UNIQUE {
        return Ok(Uniqueness::Keys(stages::keys_of_job(pins)?.0));
    }
    let Some(losers) = segment.losers.iter().find(|losers| losers.chunk == request.chunk_index) else { return Ok(Uniqueness::None) };
    let slices = stages::read_slices(work, &losers.slices)?;
    Ok(Uniqueness::Losers(stages::keys_of_job(pins)?.0, slices))
}

/// The chunk as its segment lists it. A segment of another generation, spec or pins runs nothing.
fn chunk_of<'a>(request: &Process, job: &Job, pins: &Pins, segment: &'a Segment) -> Result<&'a ChunkEntry, Error> {
    let refuse = |what: &str| Err(Error::new("PLAN_CONFLICT", format!("{}: {what}", request.segment_key)));
    if segment.job_id != job.record.job_id || segment.stage != request.stage || segment.generation != request.generation {
        return refuse("it is of another job, stage or generation");
    }
    if segment.spec_digest != job.spec_digest || segment.pins_digest != pins.digest {
        return refuse("it was planned under another spec or other pins");
    }
    let found = segment.chunks.iter().find(|chunk| chunk.number() == request.chunk_index);
    found.map_or_else(|| refuse(&format!("it does not list chunk {}", request.chunk_index)), Ok)
}

/// Compiles the stage, unless the last chunk ran the same program. Names and types are settled here, so planning asks for it too: a mistake in a
/// query is found before any chunk runs.
pub(super) fn compile_stage(work: &mut Work, stage: &str, job: &Job, pins: &Pins) -> Result<(), Error> {
    let columns = input_columns(stage, &job.spec, &pins.record.inputs)?;
    let Some(sql) = job.spec.sql_of(stage)? else {
        work.program = None;
        return Ok(());
    };
    let key = ProgramKey {
        job_id: job.record.job_id.clone(),
        stage: stage.to_owned(),
        spec_digest: job.spec_digest.clone(),
        pins_digest: pins.digest.clone(),
    };
    if work.program.as_ref().is_some_and(|(known, _)| *known == key) {
        return Ok(());
    }
    let lookups = lookups_of(work, stage, pins)?;
    let program = work.compiler.compile(CompileInput {
        sql,
        columns,
        params: &job.spec.params,
        accepted_at: &job.record.accepted_at,
        job_id: &job.record.job_id,
        lookups: &lookups,
        privacy_key: privacy_key(work, &job.spec)?,
    })?;
    work.program = Some((key, program));
    Ok(())
}

fn range_of(range: &message::RecordRange) -> ReadRange {
    ReadRange { start: range.start, end: range.end, record: range.record, line: range.line }
}

fn excluded_of(range: &message::ExcludedRange) -> Result<ExcludedRange, Error> {
    let code = match range.code.as_str() {
        "CORE_CRASH" => "CORE_CRASH",
        "CORE_MEMORY" => "CORE_MEMORY",
        other => return Err(Error::new("SPEC_BAD_VALUE", format!("records are excluded as CORE_CRASH or CORE_MEMORY, not as {other}"))),
    };
    Ok(ExcludedRange { start: range.start, end: range.end, code })
}

fn trace_of(trace: TraceMode) -> Trace {
    match trace {
        TraceMode::None => Trace::None,
        TraceMode::Batch => Trace::Batch,
        TraceMode::Record => Trace::Record,
    }
}

pub(super) fn answer(end: ChunkEnd) -> (Response, Payload) {
    let outcome = match end.outcome {
        Outcome::Committed => ChunkOutcome::Committed,
        Outcome::Superseded => ChunkOutcome::Superseded,
        Outcome::Cancelled => ChunkOutcome::Cancelled,
        Outcome::TrialOk => ChunkOutcome::TrialOk,
    };
    let done = ChunkDone {
        outcome,
        verdict_digest: end.verdict.as_deref().map(sha256_hex),
        counts: counts_of(&end),
        by_code: end.by_code.iter().map(|(code, count)| CodeCount { code: code.clone(), count: *count }).collect(),
        phases: Phases {
            read_us: end.phases.read_us,
            decode_us: end.phases.decode_us,
            transform_us: end.phases.transform_us,
            encode_us: end.phases.encode_us,
            write_us: end.phases.write_us,
            commit_us: end.phases.commit_us,
        },
        peak_rss_bytes: memory::peak_rss_bytes(),
    };
    (Response::done(done), end.verdict.map_or_else(Payload::empty, Payload::from))
}

fn counts_of(end: &ChunkEnd) -> Counts {
    let counts = end.counts;
    Counts {
        records_in: counts.records_in,
        emitted: counts.emitted,
        filtered: counts.filtered,
        deduplicated: counts.deduplicated,
        rejected: counts.rejected,
        rows_out: counts.rows_out,
        repaired: counts.repaired,
        bytes_in: counts.bytes_in,
        blank_lines: counts.blank_lines,
        comment_lines: counts.comment_lines,
        suspect_records: counts.suspect_records,
        damaged_bytes: counts.damaged_bytes,
        damaged_lines: counts.damaged_lines,
    }
}
