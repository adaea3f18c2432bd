//! Writing one small object durably under a final name: create (the name must be free), replace (the version must match), overwrite.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::local::beneath::sync_directory;
use crate::local::read::stat_of;
use crate::local::root::LocalStore;
use crate::object::{MAX_OBJECT_BYTES, PutOutcome, Stat, TEMPORARY_PREFIX};
use crate::put_if_absent::Name;
use crate::retry::Created;

const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP).union(Mode::ROTH);
/// After a failed sync the kernel calls the pages clean; the only honest second try is another file.
const MAX_WRITES: u32 = 2;

static NEXT_TEMPORARY: AtomicU64 = AtomicU64::new(0);

/// A file under a temporary name that is removed unless it was published.
pub(crate) struct Temporary {
    pub file: std::fs::File,
    pub directory: OwnedFd,
    pub name: String,
    published: bool,
}

impl Temporary {
    /// Creates `.tmp-<owner>-<n>` in `directory`; a name that is taken (left by a kill) is passed over.
    pub fn create(directory: OwnedFd, owner: &str) -> rustix::io::Result<Temporary> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        loop {
            let name = format!("{TEMPORARY_PREFIX}{owner}-{}", NEXT_TEMPORARY.fetch_add(1, Ordering::Relaxed));
            match rustix::fs::openat(&directory, name.as_str(), flags, FILE_MODE) {
                Ok(descriptor) => return Ok(Temporary { file: descriptor.into(), directory, name, published: false }),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// The temporary name is gone: renamed to its final one.
    pub fn mark_published(&mut self) {
        self.published = true;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.published {
            // Best effort: a sweep removes what a broken disk keeps.
            let _ = rustix::fs::unlinkat(&self.directory, self.name.as_str(), AtFlags::empty());
        }
    }
}

/// A name of a local directory.
pub(crate) struct LocalName<'a> {
    store: &'a LocalStore,
    path: &'a Path,
    owner: String,
}

impl<'a> LocalName<'a> {
    pub fn new(store: &'a LocalStore, path: &'a Path, attempt_id: Option<&str>) -> LocalName<'a> {
        LocalName { store, path, owner: owner_name(attempt_id) }
    }
}

impl Name for LocalName<'_> {
    fn create(&mut self, bytes: &[u8]) -> Created {
        let (temporary, name) = match write_temporary(self.store, self.path, bytes, &self.owner) {
            Ok(written) => written,
            Err(error) => return Created::Refused(error),
        };
        let linked = rustix::fs::linkat(&temporary.directory, temporary.name.as_str(), &temporary.directory, &name, AtFlags::empty());
        let fault = |errno| Error::of_errno(errno, "put", self.path.display());
        match linked {
            Ok(()) => {}
            // On a network file system the reply may be lost and the call repeated: two names on our file mean that it was us.
            Err(Errno::EXIST) if has_two_names(&temporary.file) => {}
            Err(Errno::EXIST) => return Created::Exists,
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK | Errno::XDEV) => {
                return Created::Refused(Error::new(
                    "STORE_IGNORES_CONDITIONS",
                    "put",
                    self.path.display(),
                    "no hard links can be made here",
                ));
            }
            Err(errno) => return Created::Unknown(fault(errno)),
        }
        let Err(errno) = finish(temporary) else { return Created::Saved };
        Created::Refused(fault(errno))
    }

    fn read(&mut self) -> Result<Option<Vec<u8>>> {
        Ok(self.store.get(self.path, None)?.map(|object| object.bytes))
    }

    fn pause(&mut self, tries: u32) {
        std::thread::sleep(Duration::from_millis(5 << tries.min(6)));
    }
}

/// Drops the temporary name, then makes the final one durable.
fn finish(mut temporary: Temporary) -> rustix::io::Result<()> {
    rustix::fs::unlinkat(&temporary.directory, temporary.name.as_str(), AtFlags::empty())?;
    temporary.mark_published();
    sync_directory(&temporary.directory)
}

fn has_two_names(file: &std::fs::File) -> bool {
    rustix::fs::fstat(file).is_ok_and(|stat| stat.st_nlink == 2)
}

pub(crate) fn owner_name(attempt_id: Option<&str>) -> String {
    let fallback = || format!("p{}", rustix::process::getpid().as_raw_nonzero());
    match attempt_id {
        Some(id) if !id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => {
            id.to_owned()
        }
        _ => fallback(),
    }
}

fn write_temporary(store: &LocalStore, path: &Path, bytes: &[u8], owner: &str) -> Result<(Temporary, PathBuf)> {
    if bytes.len() as u64 > MAX_OBJECT_BYTES {
        let cause = format!("expected at most {MAX_OBJECT_BYTES} bytes, got {}", bytes.len());
        return Err(Error::new("OVER_LIMIT", "put", path.display(), cause));
    }
    let mut last = Errno::IO;
    for _ in 0..MAX_WRITES {
        let (directory, name) = store.open_parent(path, "put")?;
        match try_write(directory, bytes, owner) {
            Ok(temporary) => return Ok((temporary, name)),
            Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG | Errno::ACCESS | Errno::PERM | Errno::ROFS)) => {
                return Err(Error::of_errno(errno, "put", path.display()));
            }
            Err(errno) => last = errno,
        }
    }
    Err(Error::of_errno(last, "put", path.display()))
}

fn try_write(directory: OwnedFd, bytes: &[u8], owner: &str) -> rustix::io::Result<Temporary> {
    let mut temporary = Temporary::create(directory, owner)?;
    temporary.file.write_all(bytes).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    rustix::fs::fsync(&temporary.file)?;
    Ok(temporary)
}

impl LocalStore {
    /// Puts `bytes` under `path`, whatever stood there; readers see the old bytes or the new ones.
    pub fn overwrite(&self, path: &Path, bytes: &[u8]) -> Result<Stat> {
        let (temporary, name) = write_temporary(self, path, bytes, &owner_name(None))?;
        publish_over(temporary, &name).map_err(|errno| Error::of_errno(errno, "put", path.display()))
    }

    /// Puts `bytes` under `path` if its version is still `if_match`; else `Lost` with what stands there (empty if nothing does).
    ///
    /// Writers that use this verb exclude each other by a lock on the directory; it does not guard against other tools.
    pub fn replace(&self, path: &Path, bytes: &[u8], if_match: &str) -> Result<PutOutcome> {
        let fault = |errno| Error::of_errno(errno, "replace", path.display());
        let (lock, _) = self.open_parent(path, "replace")?;
        rustix::io::retry_on_intr(|| rustix::fs::flock(&lock, FlockOperation::LockExclusive)).map_err(fault)?;
        match self.get(path, None)? {
            Some(object) if object.stat.etag == if_match => {}
            other => return Ok(PutOutcome::Lost(other.map(|object| object.bytes).unwrap_or_default())),
        }
        let (temporary, name) = write_temporary(self, path, bytes, &owner_name(None))?;
        publish_over(temporary, &name).map_err(fault)?;
        Ok(PutOutcome::Won)
    }
}

fn publish_over(mut temporary: Temporary, name: &Path) -> rustix::io::Result<Stat> {
    rustix::fs::renameat(&temporary.directory, temporary.name.as_str(), &temporary.directory, name)?;
    temporary.mark_published();
    sync_directory(&temporary.directory)?;
    Ok(stat_of(&rustix::fs::fstat(&temporary.file)?))
}
