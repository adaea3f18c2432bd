//! What the process may hold and reach, and how it ends with its parent. Entered before the first thread starts: Landlock binds the thread that asks
//! for it and those that it starts later.

use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd};

use millrace_wire::hello::exit;
use millrace_wire::message::{HostHello, LogLevel, SandboxState, SandboxWish};
use rustix::process::{Resource, Rlimit, Signal};

#[cfg(target_os = "linux")]
mod reach;
#[cfg(all(test, target_os = "linux"))]
mod tests;

/// Open files: inputs, parts, directories; never more than a few dozen.
const MAX_OPEN_FILES: u64 = 1_024;
/// Largest part a job may ask for, and a row group on top.
const MAX_FILE_BYTES: u64 = (5 << 30) + (256 << 20);
/// Stacks and the binary need this much whatever the budget.
const MIN_DATA_BYTES: u64 = 256 << 20;

/// Names of what may be missing.
const LANDLOCK: &str = "landlock";
const SECCOMP: &str = "seccomp";

/// What was reached.
#[derive(Debug)]
pub struct Entered {
    pub state: SandboxState,
    pub missing: Vec<String>,
}

/// Takes descriptor 1 for frames and points it at stderr, so that anything that prints cannot break a frame.
#[allow(unsafe_code)]
pub fn take_stdout() -> Box<dyn Write + Send> {
    let private = rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 3).expect("stdout is open");
    // SAFETY: descriptor 1 is open (it was just duplicated) and nothing else in this process owns it: std only borrows it. It is handed to
    // `dup2` as the target and then forgotten, never closed.
    let mut stdout = std::mem::ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(1) });
    rustix::io::dup2(std::io::stderr(), &mut stdout).expect("stderr is open");
    Box::new(std::fs::File::from(private))
}

/// Ties the process to its parent and sets its limits. `Err` is the exit code.
pub fn enter(hello: &HostHello) -> Result<Entered, i32> {
    follow_parent(hello.parent_pid)?;
    set_limits(hello.memory_bytes);
    if hello.sandbox == SandboxWish::Off {
        return Ok(Entered { state: SandboxState::None, missing: Vec::new() });
    }
    let missing = shut_in(hello);
    let state = match missing.len() {
        0 => SandboxState::Full,
        _ if missing.iter().any(|part| part == LANDLOCK) && missing.iter().any(|part| part == SECCOMP) => SandboxState::None,
        _ => SandboxState::Partial,
    };
    if hello.sandbox == SandboxWish::Required && state != SandboxState::Full {
        let parts = missing.join(", ");
        crate::log::write(LogLevel::Error, "the sandbox is required and was not reached", &[("missing", parts.into())]);
        return Err(exit::NO_SANDBOX);
    }
    Ok(Entered { state, missing })
}

/// What of it this system does not give.
#[cfg(target_os = "linux")]
fn shut_in(hello: &HostHello) -> Vec<String> {
    ignore_file_size_signal();
    let mut missing = reach::limit_files_and_ports(hello).unwrap_or_else(|_| vec![LANDLOCK.to_owned()]);
    missing.extend(reach::deny_calls().err().map(|_| SECCOMP.to_owned()));
    missing
}

#[cfg(not(target_os = "linux"))]
fn shut_in(_hello: &HostHello) -> Vec<String> {
    vec![LANDLOCK.to_owned(), SECCOMP.to_owned()]
}

/// A write past `RLIMIT_FSIZE` is an error of that write then, and not the end of the process.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn ignore_file_size_signal() {
    // SAFETY: SIGXFSZ is a valid signal and SIG_IGN no function of ours; nothing else in this process sets a disposition for it.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// The signal comes when the parent dies from now on; whether it died before is seen by its number.
fn follow_parent(parent_pid: u32) -> Result<(), i32> {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get() as u32);
    if parent == parent_pid { Ok(()) } else { Err(exit::PARENT_GONE) }
}

/// Limits that cannot be set are those of a system that has none; the budget and the host's own limits stand beside them.
fn set_limits(memory_bytes: u64) {
    let limit = |resource, bytes| {
        let maximum = rustix::process::getrlimit(resource).maximum;
        let bytes = maximum.map_or(bytes, |maximum: u64| maximum.min(bytes));
        let _ = rustix::process::setrlimit(resource, Rlimit { current: Some(bytes), maximum: Some(bytes) });
    };
    limit(Resource::Core, 0);
    limit(Resource::Nofile, MAX_OPEN_FILES);
    limit(Resource::Fsize, MAX_FILE_BYTES);
    limit(Resource::Data, (memory_bytes + memory_bytes / 2).max(MIN_DATA_BYTES));
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::thread::set_no_new_privs(true);
        let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    }
}
