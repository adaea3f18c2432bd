//! One file per kind of request. Handlers know the process around them only through `Work` and `Places`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use millrace_engine::cancel::CancelFlag;
use millrace_engine::io::RecordHook;
use millrace_engine::program::{Compiler, Program};
use millrace_wire::Payload;
use millrace_wire::message::{Request, Response, Secret};

use crate::journal::Journal;
use crate::outbox::Outbox;
use crate::places::Places;
use crate::running::Running;
use crate::scratch::ScratchDirectory;
use stages::StagePlan;

mod inspect;
mod plan;
mod preview;
mod probe;
mod process;
mod reduce;
mod stages;
pub mod store;

/// What an answer consists of.
pub type Answer = Result<(Response, Payload), millrace_engine::Error>;

/// What outlives a work request: caches, and the one program that chunks of a job share.
pub struct Work {
    pub places: Arc<Places>,
    pub outbox: Arc<Outbox>,
    pub journal: Journal,
    pub compiler: Arc<dyn Compiler>,
    pub program: Option<(ProgramKey, Box<dyn Program>)>,
    /// What follows from spec and pins of the stages at work.
    pub stage_plans: StagePlans,
    pub scratch: ScratchDirectory,
    pub memory_bytes: u64,
    pub hook: Option<&'static dyn RecordHook>,
    pub started: Instant,
    /// Of the request in hand.
    pub secrets: Vec<Secret>,
    pub cancel: CancelFlag,
}

/// The stages that a process worked with last.
#[derive(Default)]
pub struct StagePlans(VecDeque<(ProgramKey, Arc<StagePlan>)>);

/// A job has at most nine stages.
const KEPT_STAGE_PLANS: usize = 32;

impl StagePlans {
    fn get(&self, key: &ProgramKey) -> Option<Arc<StagePlan>> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, plan)| Arc::clone(plan))
    }

    fn put(&mut self, key: ProgramKey, plan: Arc<StagePlan>) {
        if self.0.len() == KEPT_STAGE_PLANS {
            self.0.pop_front();
        }
        self.0.push_back((key, plan));
    }
}

/// Two chunks with equal keys run the same program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramKey {
    pub job_id: String,
    pub stage: String,
    pub spec_digest: String,
    pub pins_digest: String,
}

fn secrets_of(request: &Request) -> Vec<Secret> {
    match request {
        Request::Plan(plan) => plan.call.secrets.clone(),
        Request::Process(process) => process.call.secrets.clone(),
        Request::Reduce(reduce) => reduce.call.secrets.clone(),
        _ => Vec::new(),
    }
}

impl Work {
    /// Answers one work request. Its secrets, and programs that hold one, end with it.
    pub fn handle(&mut self, request: Request, payload: Payload, running: &Running) -> Answer {
        self.secrets = secrets_of(&request);
        self.cancel = running.cancel.clone();
        let answer = self.answer(request, payload, running);
        if !std::mem::take(&mut self.secrets).is_empty() {
            self.program = None;
        }
        answer
    }

    fn answer(&mut self, request: Request, payload: Payload, running: &Running) -> Answer {
        match request {
            Request::Probe(probe) => probe::probe(self, &probe, &payload),
            Request::Plan(plan) => plan::plan(self, &plan, running),
            Request::Process(process) => process::process(self, &process, payload, running),
            Request::Inspect(inspect) => inspect::inspect(self, &inspect, running),
            Request::Reduce(reduce) => reduce::reduce(self, &reduce, running),
            Request::StorePut(_)
            | Request::StoreGet(_)
            | Request::StoreList(_)
            | Request::StoreDelete(_)
            | Request::StoreStat(_)
            | Request::Cancel(_)
            | Request::Ping(_) => Err(millrace_engine::Error::new("CORE_PANIC", "a request that is no work was handed to work")),
        }
    }
}

/// Refuses what is specified and not built yet.
fn not_available(what: &str) -> millrace_engine::Error {
    millrace_engine::Error::new("SPEC_NOT_AVAILABLE", format!("{what}: not available in this version"))
}
