//! The io thread: one runtime that all requests to remote stores run on, while callers compute or wait.

use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::AbortHandle;

/// Requests of one process that are under way at once.
const MAX_REQUESTS: usize = 8;
/// Looking up names blocks; nothing else does.
const BLOCKING_THREADS: usize = 2;
const STACK_BYTES: usize = 2 << 20;
/// How long a waiting thread sleeps before it looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(20);

/// The runtime and its thread. The thread ends when the last handle is gone, or with the process.
pub struct Io {
    handle: Handle,
    pub(crate) permits: Semaphore,
    _stop: oneshot::Sender<()>,
}

impl Io {
    pub fn start() -> std::io::Result<Arc<Io>> {
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime.enable_io().enable_time().max_blocking_threads(BLOCKING_THREADS).thread_stack_size(STACK_BYTES).build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::Builder::new().name("io".into()).stack_size(STACK_BYTES).spawn(move || {
            let _ = runtime.block_on(stopped);
            // A lookup that hangs must not hold up the end.
            runtime.shutdown_background();
        })?;
        Ok(Arc::new(Io { handle, permits: Semaphore::new(MAX_REQUESTS), _stop: stop }))
    }

    /// Starts `work`. Dropping what comes back ends it.
    pub fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Pending<T> {
        let (sender, receiver) = sync_channel(1);
        let task = self.handle.spawn(async move {
            let _ = sender.send(work.await);
        });
        Pending { receiver, task: task.abort_handle() }
    }
}

/// Why a caller stopped waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    Cancelled,
    PastDeadline,
    /// The runtime is gone, or the work panicked.
    Gone,
}

/// Work on the io thread.
pub struct Pending<T> {
    receiver: Receiver<T>,
    task: AbortHandle,
}

impl<T> Pending<T> {
    /// Waits as long as the request on this thread may run.
    pub fn wait(self) -> Result<T, Stopped> {
        loop {
            match self.receiver.recv_timeout(LOOK) {
                Ok(value) => return Ok(value),
                Err(RecvTimeoutError::Disconnected) => return Err(Stopped::Gone),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Some(stopped) = CALL.with_borrow(|call| call.as_ref().and_then(Call::stopped)) {
                return Err(stopped);
            }
        }
    }

    /// Waits at most so long, whatever the request may do.
    pub fn wait_at_most(self, time: Duration) -> Result<T, Stopped> {
        self.receiver.recv_timeout(time).map_err(|_| Stopped::Gone)
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the request on a thread may still do: verbs called on the thread stop waiting when it may do nothing more.
pub struct Call {
    pub deadline: Option<Instant>,
    /// Asked often; true ends all waiting.
    pub is_cancelled: Box<dyn Fn() -> bool>,
}

thread_local! {
    static CALL: RefCell<Option<Call>> = const { RefCell::new(None) };
}

impl Call {
    fn stopped(&self) -> Option<Stopped> {
        if (self.is_cancelled)() {
            return Some(Stopped::Cancelled);
        }
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline).then_some(Stopped::PastDeadline)
    }

    /// Until the guard goes, verbs on this thread heed this call.
    pub(crate) fn enter(self) -> Entered {
        CALL.with_borrow_mut(|current| *current = Some(self));
        Entered(())
    }
}

pub(crate) struct Entered(());

impl Drop for Entered {
    fn drop(&mut self) {
        CALL.with_borrow_mut(|current| *current = None);
    }
}

/// What of a call binds a piece of work even past a cancellation, such as the put of a verdict: nothing but its own limits.
pub(crate) fn unheeded<T>(work: impl FnOnce() -> T) -> T {
    let call = CALL.with_borrow_mut(Option::take);
    let value = work();
    CALL.with_borrow_mut(|current| *current = call);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn work_runs_while_the_caller_computes_and_waiting_ends_with_the_call() {
        let io = Io::start().unwrap();
        let pending = io.spawn(async { 7 });
        assert_eq!(pending.wait(), Ok(7));
        let cancelled = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&cancelled);
        let call = Call { deadline: None, is_cancelled: Box::new(move || flag.load(Ordering::SeqCst)) };
        let entered = call.enter();
        let endless = io.spawn(std::future::pending::<()>());
        cancelled.store(true, Ordering::SeqCst);
        assert_eq!(endless.wait(), Err(Stopped::Cancelled));
        assert_eq!(unheeded(|| io.spawn(async { 1 }).wait()), Ok(1));
        drop(entered);
        let late = Call { deadline: Some(Instant::now()), is_cancelled: Box::new(|| false) };
        let _entered = late.enter();
        assert_eq!(io.spawn(std::future::pending::<()>()).wait(), Err(Stopped::PastDeadline));
    }

    #[test]
    fn dropping_pending_work_ends_it() {
        let io = Io::start().unwrap();
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        drop(io.spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        }));
        while Arc::strong_count(&alive) > 1 {
            std::thread::yield_now();
        }
    }
}
