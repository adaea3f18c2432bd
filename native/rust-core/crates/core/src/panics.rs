//! Panics: one JSON line each on stderr, the text and backtrace kept for the answer, an exit code for those outside a request.

use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};

use millrace_wire::hello::exit;
use millrace_wire::message::LogLevel;

use crate::log;

/// Kept of a backtrace: the first frames say it all.
const MAX_BACKTRACE_BYTES: usize = 16 << 10;

thread_local! {
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// What is known of a panic.
#[derive(Clone, Debug)]
pub struct Panic {
    pub message: String,
    pub backtrace: String,
}

/// From now on a panic is a line of the log instead of free text.
pub fn report_as_json() {
    std::panic::set_hook(Box::new(|info| {
        let panic = describe(info);
        let fields = [("panic", panic.message.clone().into()), ("backtrace", panic.backtrace.clone().into())];
        log::write(LogLevel::Error, "core panicked", &fields);
        LAST.with(|last| *last.borrow_mut() = Some(panic));
    }));
}

fn describe(info: &PanicHookInfo<'_>) -> Panic {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| payload.downcast_ref::<String>().cloned());
    let place = info.location().map_or_else(String::new, |location| format!(" at {}:{}", file_name(location.file()), location.line()));
    let mut backtrace = Backtrace::force_capture().to_string();
    if let Some((end, _)) = backtrace.char_indices().find(|(at, _)| *at >= MAX_BACKTRACE_BYTES) {
        backtrace.truncate(end);
    }
    Panic { message: format!("{}{place}", text.unwrap_or_else(|| "no message".into())), backtrace }
}

/// Paths of the machine that built this say nothing to anybody else.
fn file_name(path: &str) -> &str {
    path.find("crates/").map_or_else(|| path.rsplit('/').next().unwrap_or(path), |at| &path[at..])
}

/// Runs a request; a panic in it is an error.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| {
        let unknown = || Panic { message: "no message".into(), backtrace: String::new() };
        LAST.with(|last| last.borrow_mut().take()).unwrap_or_else(unknown)
    })
}

/// Runs the process; a panic outside of requests has its own exit code.
pub fn or_exit_code(run: impl FnOnce() -> i32) -> i32 {
    catch(run).unwrap_or(exit::PANIC)
}
