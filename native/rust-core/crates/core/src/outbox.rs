//! stdout. Whoever holds the lock writes one whole frame; the answer of a work request and its end are one step, so no event can follow it.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millrace_wire::message::{Event, Failed, Response};
use millrace_wire::{Frame, Payload, encode_event, encode_response, write_frame};

use crate::running::Running;

pub struct Outbox {
    stream: Mutex<Box<dyn Write + Send>>,
    running: Mutex<Option<Arc<Running>>>,
}

impl Outbox {
    pub fn new(stream: Box<dyn Write + Send>) -> Outbox {
        Outbox { stream: Mutex::new(stream), running: Mutex::new(None) }
    }

    pub fn running(&self) -> Option<Arc<Running>> {
        lock(&self.running).clone()
    }

    /// Takes the one place for work; false if it is taken.
    pub fn begin(&self, work: &Arc<Running>) -> bool {
        let mut running = lock(&self.running);
        let is_free = running.is_none();
        if is_free {
            *running = Some(Arc::clone(work));
        }
        is_free
    }

    /// Answers the work request and gives its place free, in one step.
    pub fn end(&self, request_id: u64, response: Response, payload: Payload) {
        let frame = answer_frame(request_id, response, payload);
        let mut stream = lock(&self.stream);
        *lock(&self.running) = None;
        write(&mut **stream, &frame);
    }

    /// Answers a store or control request.
    pub fn answer(&self, request_id: u64, response: Response, payload: Payload) {
        let frame = answer_frame(request_id, response, payload);
        write(&mut **lock(&self.stream), &frame);
    }

    pub fn greet(&self, frame: &Frame) {
        write(&mut **lock(&self.stream), frame);
    }

    /// An event of the running request.
    pub fn tell(&self, request_id: u64, event: Event) {
        let Ok(frame) = encode_event(request_id, event) else { return };
        let mut stream = lock(&self.stream);
        if lock(&self.running).as_ref().is_some_and(|running| running.request_id == request_id) {
            write(&mut **stream, &frame);
        }
    }

    /// `Progress` of whatever runs, unless somebody is writing: then the pipe is full and one sign of life less does no harm.
    pub fn tell_progress(&self) {
        let Some(running) = self.running() else { return };
        running.enforce_deadline();
        let Ok(frame) = encode_event(running.request_id, Event::Progress(running.event())) else { return };
        let Ok(mut stream) = self.stream.try_lock() else { return };
        if lock(&self.running).as_ref().is_some_and(|now| now.request_id == running.request_id) {
            write(&mut **stream, &frame);
        }
    }
}

/// An answer that breaks a bound of the wire is our fault, and an answer all the same.
fn answer_frame(request_id: u64, response: Response, payload: Payload) -> Frame {
    encode_response(request_id, response, payload).unwrap_or_else(|error| {
        let failed = crate::failure::panicked(format!("an answer cannot be sent: {error}"), None);
        encode_response(request_id, Response::Failed(Failed { backtrace: None, ..failed }), Payload::empty())
            .expect("a short failure is within all bounds")
    })
}

/// A write that fails means that the host is gone; the end of stdin says so too, and ends the process.
fn write(stream: &mut dyn Write, frame: &Frame) {
    let _ = write_frame(&mut Adapter(stream), frame).and_then(|()| stream.flush());
}

/// `write_frame` takes a sized writer.
struct Adapter<'a>(&'a mut dyn Write);

impl Write for Adapter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
