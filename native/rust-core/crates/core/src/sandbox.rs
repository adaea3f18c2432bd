//! What the process may hold and how it ends with its parent. Landlock and system call filters are not in this version; `Hello` says so.

use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd};

use millrace_wire::hello::exit;
use millrace_wire::message::{HostHello, SandboxState, SandboxWish};
use rustix::process::{Resource, Rlimit, Signal};

/// Open files: inputs, parts, directories; never more than a few dozen.
const MAX_OPEN_FILES: u64 = 1_024;
/// Largest part a job may ask for, and a row group on top.
const MAX_FILE_BYTES: u64 = (5 << 30) + (256 << 20);
/// Stacks and the binary need this much whatever the budget.
const MIN_DATA_BYTES: u64 = 256 << 20;

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
    if hello.sandbox == SandboxWish::Required {
        return Err(exit::NO_SANDBOX);
    }
    Ok(Entered { state: SandboxState::None, missing: vec!["landlock".into(), "seccomp".into()] })
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
