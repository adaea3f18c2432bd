//! The process: one thread reads frames and never waits for work, one computes, two serve the store, one tells every second that we live.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use millrace_engine::RESULT_VERSION;
use millrace_engine::cancel::CancelFlag;
use millrace_engine::cancel::Reason;
use millrace_engine::io::RecordHook;
use millrace_store::Call as StoreCall;
use millrace_wire::hello::{PROTOCOL, SCHEMA_HASH, exit};
use millrace_wire::limits::{MAX_STORE_PAYLOAD_BYTES, MAX_STORE_REQUESTS};
use millrace_wire::message::{
    Call, Cancel, CancelDone, CancelReason, CoreHello, HostHello, Kernel, LogLevel, Ping, PingDone, Request, RequestClass, Response,
    SandboxState,
};
use millrace_wire::{Payload, Received, decode_host_hello, decode_request, encode_core_hello, read_frame};

use crate::failure;
use crate::handlers::store::StoreDesk;
use crate::handlers::{StagePlans, Work};
use crate::journal::Journal;
use crate::lease::{Lease, out_of_time};
use crate::outbox::Outbox;
use crate::places::{Places, credentials_of};
use crate::running::Running;
use crate::sandbox::{self, Entered};
use crate::scratch::ScratchDirectory;
use crate::{CORE_VERSION, log, memory, panics, sql};

/// Deep expressions recurse; this is enough for the deepest that is let in.
const COMPUTE_STACK_BYTES: usize = 32 << 20;
const STORE_THREADS: usize = 2;
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// At the end of stdin, work gets this long to let go of what it has open.
const LET_GO: Duration = Duration::from_millis(800);
/// For hosts that leave it to us.
const DEFAULT_MEMORY_BYTES: u64 = 1 << 30;

/// What differs between the real process and a test of it.
pub struct Platform {
    /// Sets limits and ties the process to its parent; `Err` is an exit code.
    pub enter: fn(&HostHello) -> Result<Entered, i32>,
    pub hook: Option<&'static dyn RecordHook>,
}

impl Platform {
    pub fn of_this_process() -> Platform {
        Platform { enter: sandbox::enter, hook: None }
    }
}

/// Serves one host until its stream ends. Returns the exit code.
pub fn serve(mut stdin: impl Read, stdout: Box<dyn Write + Send>, platform: &Platform) -> i32 {
    let outbox = Arc::new(Outbox::new(stdout));
    match start(&mut stdin, outbox, platform) {
        Ok(Some(server)) => {
            let code = server.read_requests(&mut stdin);
            server.let_go();
            code
        }
        Ok(None) => exit::END,
        Err(code) => code,
    }
}

/// Reads the host's `Hello`, enters what it asks for, starts the threads and answers. `None`: the stream ended before it.
fn start(stdin: &mut impl Read, outbox: Arc<Outbox>, platform: &Platform) -> Result<Option<Server>, i32> {
    let Some(frame) = read_frame(stdin).map_err(|error| violation(&error.to_string()))? else { return Ok(None) };
    let hello = decode_host_hello(&frame).map_err(|error| violation(&error.to_string()))?;
    log::set_level(hello.log_level);
    if hello.protocol != PROTOCOL || hello.schema_hash != SCHEMA_HASH {
        say_hello(&outbox, &hello, Entered { state: SandboxState::None, missing: Vec::new() });
        return Err(exit::VERSION_MISMATCH);
    }
    let entered = (platform.enter)(&hello)?;
    let server = Server::start(&hello, Arc::clone(&outbox), platform.hook).map_err(|error| violation(&error.message))?;
    say_hello(&outbox, &hello, entered);
    Ok(Some(server))
}

fn say_hello(outbox: &Outbox, hello: &HostHello, entered: Entered) {
    let answer = CoreHello {
        protocol: PROTOCOL,
        schema_hash: SCHEMA_HASH,
        core_version: CORE_VERSION.into(),
        result_version: RESULT_VERSION,
        nonce: hello.nonce,
        pid: std::process::id(),
        sandbox: entered.state,
        sandbox_missing: entered.missing,
        kernel: kernel(),
        features: if cfg!(feature = "sql") { vec!["sql".into()] } else { Vec::new() },
    };
    let frame = encode_core_hello(&answer).expect("our own hello is within all bounds");
    outbox.greet(&frame);
}

/// The widest instructions that the scanner finds here.
fn kernel() -> Kernel {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return Kernel::Avx2;
    }
    if cfg!(target_arch = "aarch64") {
        Kernel::Neon
    } else if cfg!(target_arch = "x86_64") {
        Kernel::Sse2
    } else {
        Kernel::Scalar
    }
}

struct WorkItem {
    request: Request,
    payload: Payload,
    running: Arc<Running>,
}

struct StoreItem {
    request_id: u64,
    request: Request,
    payload: Payload,
}

/// What all threads share.
struct Shared {
    outbox: Arc<Outbox>,
    memory_bytes: u64,
    /// A panic happened: nothing that was computed since can be trusted.
    spent: AtomicBool,
    open_store_requests: AtomicUsize,
    open_store_bytes: AtomicU64,
}

struct Server {
    shared: Arc<Shared>,
    work: Sender<WorkItem>,
    store: Sender<StoreItem>,
}

impl Server {
    fn start(hello: &HostHello, outbox: Arc<Outbox>, hook: Option<&'static dyn RecordHook>) -> Result<Server, millrace_engine::Error> {
        let places = Arc::new(Places::new(hello)?);
        let memory_bytes = if hello.memory_bytes == 0 { DEFAULT_MEMORY_BYTES } else { hello.memory_bytes };
        let shared = Arc::new(Shared {
            outbox: Arc::clone(&outbox),
            memory_bytes,
            spent: AtomicBool::new(false),
            open_store_requests: AtomicUsize::new(0),
            open_store_bytes: AtomicU64::new(0),
        });
        let work = Work {
            places: Arc::clone(&places),
            outbox,
            journal: Journal::default(),
            compiler: sql::compiler(),
            program: None,
            stage_plans: StagePlans::default(),
            scratch: ScratchDirectory::new(&hello.scratch_dir, hello.scratch_bytes),
            memory_bytes,
            hook,
            started: Instant::now(),
            secrets: Vec::new(),
            cancel: CancelFlag::default(),
        };
        let desk = Arc::new(StoreDesk { places, journal: Journal::default() });
        let (work_sender, work_receiver) = channel();
        let (store_sender, store_receiver) = channel();
        let store_receiver = Arc::new(Mutex::new(store_receiver));
        let compute = Arc::clone(&shared);
        spawn("compute", COMPUTE_STACK_BYTES, move || compute.work(work, &work_receiver));
        for _ in 0..STORE_THREADS {
            let (shared, desk, receiver) = (Arc::clone(&shared), Arc::clone(&desk), Arc::clone(&store_receiver));
            spawn("store", 2 << 20, move || shared.serve_store(&desk, &receiver));
        }
        let alive = Arc::clone(&shared);
        spawn("progress", 256 << 10, move || {
            loop {
                std::thread::sleep(PROGRESS_INTERVAL);
                alive.outbox.tell_progress();
            }
        });
        Ok(Server { shared, work: work_sender, store: store_sender })
    }

    /// Reads until the stream ends or the host breaks a rule.
    fn read_requests(&self, stdin: &mut impl Read) -> i32 {
        let mut last_id = 0;
        loop {
            let frame = match read_frame(stdin) {
                Ok(Some(frame)) => frame,
                Ok(None) => return exit::END,
                Err(error) => return violation(&error.to_string()),
            };
            let received = match decode_request(frame) {
                Ok(received) => received,
                Err(error) => return violation(&error.to_string()),
            };
            if received.request_id <= last_id {
                return violation(&format!("request {} came after {last_id}", received.request_id));
            }
            last_id = received.request_id;
            if let Err(error) = self.accept(received) {
                return violation(error);
            }
        }
    }

    fn accept(&self, received: Received<Request>) -> Result<(), &'static str> {
        let Received { request_id, message, payload } = received;
        match message.class() {
            RequestClass::Work => self.accept_work(request_id, message, payload),
            RequestClass::Store => self.accept_store(request_id, message, payload),
            RequestClass::Control => {
                self.control(request_id, &message);
                Ok(())
            }
        }
    }

    fn accept_work(&self, request_id: u64, request: Request, payload: Payload) -> Result<(), &'static str> {
        let lease = request.call().map(Lease::of).unwrap_or_default();
        let running = Arc::new(Running::new(request_id, lease));
        if !self.shared.outbox.begin(&running) {
            return Err("a second work request while one runs");
        }
        // The thread ends only with the process.
        let _ = self.work.send(WorkItem { request, payload, running });
        Ok(())
    }

    fn accept_store(&self, request_id: u64, request: Request, payload: Payload) -> Result<(), &'static str> {
        let bytes = payload.len() as u64;
        let open = self.shared.open_store_requests.fetch_add(1, Ordering::SeqCst) + 1;
        let open_bytes = self.shared.open_store_bytes.fetch_add(bytes, Ordering::SeqCst) + bytes;
        if open > MAX_STORE_REQUESTS || open_bytes > MAX_STORE_PAYLOAD_BYTES {
            return Err("more store requests at once than allowed");
        }
        let _ = self.store.send(StoreItem { request_id, request, payload });
        Ok(())
    }

    /// Answered by the reading thread, so that a busy core still shows life.
    fn control(&self, request_id: u64, request: &Request) {
        let outbox = &self.shared.outbox;
        let response = match request {
            Request::Cancel(cancel) => self.cancel(cancel),
            Request::Ping(ping) => self.ping(ping),
            _ => return,
        };
        outbox.answer(request_id, response, Payload::empty());
    }

    fn cancel(&self, request: &Cancel) -> Response {
        if let Some(running) = self.shared.outbox.running().filter(|running| running.request_id == request.target) {
            running.cancel.set(match request.reason {
                CancelReason::Cancel => Reason::Cancel,
                CancelReason::Drain => Reason::Drain,
                CancelReason::Fence => Reason::Fence,
            });
        }
        Response::done(CancelDone {})
    }

    fn ping(&self, request: &Ping) -> Response {
        let running = self.shared.outbox.running();
        if let (Some(running), Some(left_ms)) = (&running, request.lease_left_ms) {
            running.lease.renew(left_ms);
        }
        let progress = running.map(|running| running.progress.snapshot()).unwrap_or_default();
        Response::done(PingDone {
            rss_bytes: memory::rss_bytes(),
            budget_bytes: self.shared.memory_bytes,
            records_in: progress.records_in,
            bytes_in: progress.bytes_in,
        })
    }

    /// The host is gone: ends work and waits a moment, so that what it had open is removed.
    fn let_go(&self) {
        if let Some(running) = self.shared.outbox.running() {
            running.cancel.set(Reason::Fence);
        }
        let until = Instant::now() + LET_GO;
        let is_busy = || self.shared.outbox.running().is_some() || self.shared.open_store_requests.load(Ordering::SeqCst) > 0;
        while is_busy() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Shared {
    fn work(&self, mut work: Work, requests: &Receiver<WorkItem>) {
        while let Ok(WorkItem { request, payload, running }) = requests.recv() {
            let (response, payload) = self.work_one(&mut work, request, payload, &running);
            self.outbox.end(running.request_id, response, payload);
        }
    }

    fn work_one(&self, work: &mut Work, request: Request, payload: Payload, running: &Running) -> (Response, Payload) {
        if self.spent.load(Ordering::SeqCst) {
            let failed = failure::panicked("this core panicked before and takes no more work".into(), None);
            return (Response::Failed(failed), Payload::empty());
        }
        let places = Arc::clone(&work.places);
        let call = request.call().cloned().unwrap_or_default();
        let flag = running.cancel.clone();
        let _visit = places.store.enter(store_call(&call, move || flag.is_set()), &credentials_of(&call));
        match panics::catch(|| work.handle(request, payload, running)) {
            Ok(Ok(answer)) if !running.is_timed_out() || !is_cancelled(&answer.0) => answer,
            Ok(Ok(_)) => self.refuse(&out_of_time(), running),
            Ok(Err(error)) if error.is_cancelled() && running.is_timed_out() => self.refuse(&out_of_time(), running),
            Ok(Err(error)) => self.refuse(&error, running),
            Err(panic) => {
                self.spent.store(true, Ordering::SeqCst);
                (Response::Failed(failure::panicked(panic.message, Some(panic.backtrace))), Payload::empty())
            }
        }
    }

    fn refuse(&self, error: &millrace_engine::Error, running: &Running) -> (Response, Payload) {
        (Response::Failed(failure::failed(error, Some(running.progress.snapshot()))), Payload::empty())
    }

    fn serve_store(&self, desk: &StoreDesk, requests: &Mutex<Receiver<StoreItem>>) {
        loop {
            let next = requests.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(StoreItem { request_id, request, payload }) = next else { return };
            let call = request.call().cloned().unwrap_or_default();
            let visit = desk.places.store.enter(store_call(&call, || false), &credentials_of(&call));
            let handled = panics::catch(|| desk.handle(&request, &payload));
            drop(visit);
            let (response, answer) = match handled {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => (Response::Failed(failure::failed(&error, None)), Payload::empty()),
                Err(panic) => (Response::Failed(failure::panicked(panic.message, Some(panic.backtrace))), Payload::empty()),
            };
            let bytes = payload.len() as u64;
            // Counted out before the answer is written: a host that has it may send the next.
            self.open_store_bytes.fetch_sub(bytes, Ordering::SeqCst);
            self.open_store_requests.fetch_sub(1, Ordering::SeqCst);
            self.outbox.answer(request_id, response, answer);
        }
    }
}

/// How long verbs of a request may wait.
fn store_call(call: &Call, is_cancelled: impl Fn() -> bool + 'static) -> StoreCall {
    let deadline = (call.deadline_ms > 0).then(|| Instant::now() + Duration::from_millis(call.deadline_ms));
    StoreCall { deadline, is_cancelled: Box::new(is_cancelled) }
}

fn is_cancelled(response: &Response) -> bool {
    use millrace_wire::message::{ChunkOutcome, DoneBody};
    let Response::Done(done) = response else { return false };
    match &done.body {
        DoneBody::ChunkDone(chunk) => chunk.outcome == ChunkOutcome::Cancelled,
        DoneBody::PlanDone(plan) => plan.cancelled,
        _ => false,
    }
}

fn violation(error: &str) -> i32 {
    log::write(LogLevel::Error, "host broke the protocol", &[("err", error.into())]);
    exit::HOST_VIOLATION
}

/// A thread that cannot be started leaves a process that cannot work: it ends here, before it has said that it can.
fn spawn(name: &str, stack_bytes: usize, run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name(name.into()).stack_size(stack_bytes);
    thread.spawn(run).expect("a thread can be started");
}
