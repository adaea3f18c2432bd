//! `Plan`: files of a job to plan segments in the journal.

use std::time::{Duration, Instant};

use millrace_engine::Error;
use millrace_engine::io::{PinnedSource, PutEnd};
use millrace_engine::names::{segment_key, staged_key};
use millrace_engine::plan::{PlanEnd, PlanIo, PlanTask, SegmentRef, plan_files};
use millrace_engine::plan_stage::{StageIo, StageTask, WaitingTask, plan_stage, plan_waiting};
use millrace_engine::records::{InputFile, PinsOf, Spec};
use millrace_engine::stages::{COMPACT, Stage, StageKind};
use millrace_store::Place;
use millrace_wire::Payload;
use millrace_wire::message::{Event, Plan, PlanDone, PlanMode, PlanSegment, Response, Unplannable};

use super::{Answer, Work, not_available, stages};
use crate::failure::of_store;
use crate::journal::{Job, Pins, list};
use crate::local::{open_source, put_end};
use crate::outbox::Outbox;
use crate::places::Places;
use crate::running::Running;

/// A segment that is begun is put after this long, so that dispatch need not wait for a thousand chunks.
const SEGMENT_WAIT: Duration = Duration::from_secs(2);
/// As many as one answer may name.
const MAX_UNPLANNABLE: usize = 1_000;

pub fn plan(work: &mut Work, request: &Plan, running: &Running) -> Answer {
    if request.span.is_some() || !matches!(request.mode, PlanMode::Scan | PlanMode::Stage) {
        return Err(not_available("planning in parallel"));
    }
    let job = work.journal.job(&work.places, &request.job_key, &request.spec_digest)?;
    let pins = work.journal.pins(&work.places, &request.job_key)?;
    if pins.digest != request.pins_digest {
        return Err(Error::new("PLAN_CONFLICT", format!("expected pins {}, the journal holds {}", request.pins_digest, pins.digest)));
    }
    stages::check_all(work, &job, &pins)?;
    let stage = request.stage.as_deref().unwrap_or(&job.record.stage);
    if request.mode == PlanMode::Stage {
        return plan_reduce(work, request, stage, &job, &pins, running);
    }
    let files = work.journal.inputs(&work.places, &job, request.first_input, request.input_count)?;
    let task = PlanTask {
        job_id: &job.record.job_id,
        stage,
        generation: request.generation,
        spec_digest: &job.spec_digest,
        pins_digest: &pins.digest,
        pins: PinsOf { inputs: &pins.record.inputs, files: &pins.record.files },
        chunk_size: job.spec.execution.chunk_size,
        files: &files,
        first_segment: request.first_segment,
        first_chunk: request.first_chunk,
    };
    let mut io = LocalPlanIo {
        places: &work.places,
        spec: &job.spec,
        outbox: &work.outbox,
        running,
        job_key: &request.job_key,
        generation: request.generation,
        waiting_since: Instant::now(),
    };
    Ok(answer(plan_files(&task, &mut io, &running.cancel, &running.progress)?))
}

fn answer(end: PlanEnd) -> (Response, Payload) {
    let unplannable = end.unplannable.iter().take(MAX_UNPLANNABLE).map(|file| Unplannable {
        file: file.file,
        code: file.code.into(),
        message: file.message.clone(),
    });
    let done = PlanDone {
        segments: end.segments,
        chunks: end.chunks,
        bytes: end.bytes,
        records: end.records,
        lines: end.lines,
        damaged: end.damages,
        unplannable: unplannable.collect(),
        cancelled: end.cancelled,
    };
    (Response::done(done), Payload::empty())
}

/// `Plan` in mode `stage`: receipts of the stages before to the chunks of a reduce stage.
fn plan_reduce(work: &mut Work, request: &Plan, stage: &str, job: &Job, pins: &Pins, running: &Running) -> Answer {
    let plan = stages::plan_of(work, stage, job, pins)?;
    if plan.stage.kind == StageKind::Map {
        return plan_map_behind_owners(work, request, stage, job, pins, running);
    }
    let partitions = pins.record.partitions.get(stage).copied();
    let task = StageTask {
        job_id: &job.record.job_id,
        job_key: &request.job_key,
        stage,
        generation: request.generation,
        spec_digest: &job.spec_digest,
        pins_digest: &pins.digest,
        sources: &plan.stage.from,
        partitions: partitions
            .ok_or_else(|| Error::new("PLAN_CONFLICT", format!("the pins do not say how many partitions {stage} has")))?,
        range_bytes: range_bytes(&plan.stage, job),
        keys: stage == stages::OWNERS,
        first_segment: request.first_segment,
        first_chunk: request.first_chunk,
    };
    let mut io = LocalStageIo { places: &work.places, outbox: &work.outbox, running };
    planned(plan_stage(&task, &mut io, &running.cancel))
}

/// Stored bytes of exchanged rows for each chunk of a stage that merges rows without folders: about two parts, so that at most one in three is small.
fn range_bytes(stage: &Stage, job: &Job) -> Option<u64> {
    let has_keys = stage.exchange.as_ref().is_some_and(|exchange| !exchange.keys.is_empty());
    (stage.name == COMPACT && !has_keys).then(|| job.spec.output.options.part_size.saturating_mul(2))
}

/// A map stage over inputs with unique keys is planned over the chunks that read the keys.
fn plan_map_behind_owners(work: &Work, request: &Plan, stage: &str, job: &Job, pins: &Pins, running: &Running) -> Answer {
    let (_, with_keys) = stages::keys_of_job(pins)?;
    let inputs: Vec<u32> = job.spec.inputs_of(stage).into_iter().map(|number| number as u32).collect();
    if with_keys.is_empty() || inputs.iter().any(|input| !with_keys.contains(input)) {
        return Err(Error::new(
            "PLAN_CONFLICT",
            format!("stage {stage} reads inputs without unique keys; its files are planned, not its stages"),
        ));
    }
    let task = WaitingTask {
        job_id: &job.record.job_id,
        job_key: &request.job_key,
        stage,
        generation: request.generation,
        spec_digest: &job.spec_digest,
        pins_digest: &pins.digest,
        inputs: &inputs,
        unique: stages::UNIQUE,
        owners: stages::OWNERS,
        first_segment: request.first_segment,
        first_chunk: request.first_chunk,
    };
    let mut io = LocalStageIo { places: &work.places, outbox: &work.outbox, running };
    planned(plan_waiting(&task, &mut io, &running.cancel))
}

fn planned(end: Result<PlanEnd, Error>) -> Answer {
    match end {
        Err(error) if error.is_cancelled() => Ok(answer(PlanEnd { cancelled: true, ..PlanEnd::default() })),
        end => Ok(answer(end?)),
    }
}

struct LocalStageIo<'a> {
    places: &'a Places,
    outbox: &'a Outbox,
    running: &'a Running,
}

impl StageIo for LocalStageIo<'_> {
    fn list(&mut self, prefix: &str) -> Result<Vec<String>, Error> {
        list(self.places, prefix)
    }

    fn read(&mut self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let object = self.places.store.get(&self.places.journal_path(key)?, None).map_err(of_store)?;
        Ok(object.map(|object| object.bytes))
    }

    fn put_if_absent(&mut self, key: &str, bytes: &[u8]) -> Result<PutEnd, Error> {
        self.running.lease.check()?;
        self.places.store.put_if_absent(&self.places.journal_path(key)?, bytes, None).map(put_end).map_err(of_store)
    }

    fn announce(&mut self, key: &str, segment: &SegmentRef) -> Result<(), Error> {
        self.outbox.tell(self.running.request_id, Event::PlanSegment(event_of(key.to_owned(), segment)));
        Ok(())
    }
}

fn event_of(key: String, segment: &SegmentRef) -> PlanSegment {
    PlanSegment {
        segment: segment.segment,
        key,
        digest: segment.digest.clone(),
        stage: segment.stage.clone(),
        first_chunk: segment.first_chunk,
        chunk_count: segment.chunk_count,
        bytes: segment.bytes,
    }
}

struct LocalPlanIo<'a> {
    places: &'a Places,
    spec: &'a Spec,
    outbox: &'a Outbox,
    running: &'a Running,
    job_key: &'a str,
    generation: u32,
    waiting_since: Instant,
}

impl LocalPlanIo<'_> {
    fn path(&self, key: &str) -> Result<Place, Error> {
        self.places.journal_path(key)
    }
}

impl PlanIo for LocalPlanIo<'_> {
    fn open_source(&mut self, file: &InputFile) -> Result<Box<dyn PinnedSource>, Error> {
        Ok(Box::new(open_source(self.places, &file.uri, self.spec.input_connection(file.input), &file.etag)?))
    }

    fn read_segment(&mut self, generation: u32, segment: u32) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path(&segment_key(self.job_key, generation, segment))?;
        Ok(self.places.store.get(&path, None).map_err(of_store)?.map(|object| object.bytes))
    }

    fn put_segment(&mut self, segment: u32, bytes: &[u8]) -> Result<PutEnd, Error> {
        self.running.lease.check()?;
        let path = self.path(&segment_key(self.job_key, self.generation, segment))?;
        self.places.store.put_if_absent(&path, bytes, None).map(put_end).map_err(of_store)
    }

    fn put_staged(&mut self, file: u32, piece: u64, bytes: &[u8]) -> Result<PutEnd, Error> {
        self.running.lease.check()?;
        let path = self.path(&staged_key(self.job_key, file, piece))?;
        self.places.store.put_if_absent(&path, bytes, None).map(put_end).map_err(of_store)
    }

    fn announce(&mut self, segment: &SegmentRef) -> Result<(), Error> {
        self.waiting_since = Instant::now();
        let key = segment_key(self.job_key, self.generation, segment.segment);
        self.outbox.tell(self.running.request_id, Event::PlanSegment(event_of(key, segment)));
        Ok(())
    }

    fn is_due(&mut self) -> bool {
        self.waiting_since.elapsed() >= SEGMENT_WAIT
    }
}
