//! Sources as a reader sees them: cancelling ends them, time spent and bytes read are measured.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use millrace_formats::source::{ByteSource, SourceError};

use crate::cancel::CancelFlag;
use crate::error::{CANCELLED, Error};
use crate::io::{PinnedSource, Timer};

/// A source that is shared between the reader that owns a handle and the engine that must ask it one last question.
#[derive(Clone)]
pub struct Watched {
    source: Arc<Mutex<Box<dyn PinnedSource>>>,
    size: u64,
    cancel: CancelFlag,
    timer: Arc<dyn Timer + Send + Sync>,
    read_us: Arc<AtomicU64>,
}

impl Watched {
    pub fn new(source: Box<dyn PinnedSource>, cancel: CancelFlag, timer: Arc<dyn Timer + Send + Sync>, read_us: Arc<AtomicU64>) -> Watched {
        Watched { size: source.size(), source: Arc::new(Mutex::new(source)), cancel, timer, read_us }
    }

    pub fn check_unchanged(&self) -> Result<(), Error> {
        self.source.lock().expect("a source does not panic").check_unchanged()
    }
}

impl ByteSource for Watched {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        if self.cancel.is_set() {
            return Err(SourceError { code: CANCELLED, message: "cancelled".into() });
        }
        let started = self.timer.now_us();
        let answer = self.source.lock().expect("a source does not panic").read_at(offset, buffer);
        self.read_us.fetch_add(self.timer.now_us().saturating_sub(started), Ordering::Relaxed);
        answer
    }

    fn announce(&mut self, start: u64, end: u64) {
        self.source.lock().expect("a source does not panic").announce(start, end);
    }
}

/// A source of one thread that a layer owns a handle of while planning keeps another.
#[derive(Clone)]
pub struct Shared(Rc<RefCell<Box<dyn PinnedSource>>>);

impl Shared {
    pub fn new(source: Box<dyn PinnedSource>) -> Shared {
        Shared(Rc::new(RefCell::new(source)))
    }

    pub fn check_unchanged(&self) -> Result<(), Error> {
        self.0.borrow_mut().check_unchanged()
    }
}

impl ByteSource for Shared {
    fn size(&self) -> u64 {
        self.0.borrow().size()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        self.0.borrow_mut().read_at(offset, buffer)
    }

    fn announce(&mut self, start: u64, end: u64) {
        self.0.borrow_mut().announce(start, end);
    }
}

/// A part of bytes in memory: a payload of an inline chunk. It cannot change.
pub struct MemorySource {
    bytes: Arc<[u8]>,
    start: usize,
    end: usize,
    /// Where its first byte stands in the stream it is a piece of.
    first: u64,
}

impl MemorySource {
    /// `None` where the range does not lie inside the bytes.
    pub fn new(bytes: Arc<[u8]>, offset: u64, length: u64) -> Option<MemorySource> {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        (end <= bytes.len()).then_some(MemorySource { bytes, start, end, first: 0 })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The same bytes as the piece of a stream that begins at `first`. Nothing can be read before it.
    pub fn standing_at(self, first: u64) -> Option<MemorySource> {
        first.checked_add((self.end - self.start) as u64)?;
        Some(MemorySource { first, ..self })
    }

    pub fn whole(bytes: Arc<[u8]>) -> MemorySource {
        MemorySource { start: 0, end: bytes.len(), bytes, first: 0 }
    }
}

impl ByteSource for MemorySource {
    fn size(&self) -> u64 {
        self.first + (self.end - self.start) as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let mut own: &[u8] = &self.bytes[self.start..self.end];
        match offset.checked_sub(self.first) {
            Some(offset) => own.read_at(offset, buffer),
            None => Ok(0),
        }
    }
}

impl PinnedSource for MemorySource {
    fn check_unchanged(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
