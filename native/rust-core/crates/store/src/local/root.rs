//! Which places may be touched at all, and how a path becomes a root and a relative path below it.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};

use crate::allow::Access;
use crate::error::{Error, Result};
use crate::local::beneath;
use crate::local::list::Rest;

/// How many directories one process remembers as durable before it starts over.
const MAX_KNOWN_DIRECTORIES: usize = 10_000;

/// The local directories this process may use. A path outside of them is `STORAGE_FORBIDDEN`, whatever a request says.
#[derive(Debug)]
pub struct LocalStore {
    roots: Vec<(PathBuf, Access)>,
    /// Directories whose way from the root was synced by this process.
    durable: Mutex<HashSet<PathBuf>>,
    /// Listings that were not read to their end, the oldest first.
    pub(crate) rests: Mutex<Vec<Rest>>,
}

impl LocalStore {
    /// Roots are absolute; what may be written may be read too. A root itself may be reached through a symbolic link.
    pub fn new(read: &[PathBuf], write: &[PathBuf]) -> Result<LocalStore> {
        let reads = read.iter().map(|root| (root, Access::Read));
        let writes = write.iter().map(|root| (root, Access::Write));
        let mut roots = Vec::new();
        for (root, access) in reads.chain(writes) {
            if !root.is_absolute() || root.components().any(|part| part == Component::ParentDir) {
                return Err(Error::new("STORAGE_FORBIDDEN", "allow", root.display(), "expected an absolute path without '..'"));
            }
            roots.push((root.clone(), access));
        }
        Ok(LocalStore { roots, durable: Mutex::default(), rests: Mutex::default() })
    }

    /// The longest root above `path` that grants `access`, and the path below it.
    pub(crate) fn locate(&self, path: &Path, access: Access, verb: &'static str) -> Result<(&Path, PathBuf)> {
        let forbid = |cause: &str| Error::new("STORAGE_FORBIDDEN", verb, path.display(), cause);
        if path.components().any(|part| matches!(part, Component::ParentDir)) {
            return Err(forbid("'..' is not allowed"));
        }
        let grants = self.roots.iter().filter(|(root, granted)| path.starts_with(root) && (access == Access::Read || *granted == access));
        let (root, _) = grants.max_by_key(|(root, _)| root.as_os_str().len()).ok_or_else(|| {
            forbid(match access {
                Access::Read => "it lies outside the places that may be read",
                Access::Write => "it lies outside the places that may be written",
            })
        })?;
        let rest = path.strip_prefix(root).expect("starts_with was checked").to_owned();
        Ok((root, rest))
    }

    /// Opens what lies at `path` for reading with `flags`, never following a link below the root. Outer: the path is not allowed.
    pub(crate) fn open(&self, path: &Path, flags: OFlags, verb: &'static str) -> Result<rustix::io::Result<OwnedFd>> {
        let (root, rest) = self.locate(path, Access::Read, verb)?;
        Ok(beneath::open_root(root).and_then(|directory| beneath::open(&directory, &rest, flags, Mode::empty())))
    }

    /// The directory that holds `path`, created where it is missing, and the last name of `path`.
    pub(crate) fn open_parent(&self, path: &Path, verb: &'static str) -> Result<(OwnedFd, PathBuf)> {
        let (root, rest) = self.locate(path, Access::Write, verb)?;
        let name = rest.file_name().ok_or_else(|| Error::new("STORAGE_FORBIDDEN", verb, path.display(), "it is a root"))?;
        let parent = rest.parent().unwrap_or(Path::new(""));
        let fault = |errno| Error::of_errno(errno, verb, path.display());
        let known = self.durable.lock().expect("no thread panics while it holds the lock").contains(&root.join(parent));
        if known && let Ok(directory) = beneath::open_directory(root, parent) {
            return Ok((directory, name.into()));
        }
        let directory = beneath::make_durable_directory(root, parent).map_err(fault)?;
        let mut durable = self.durable.lock().expect("no thread panics while it holds the lock");
        if durable.len() >= MAX_KNOWN_DIRECTORIES {
            durable.clear();
        }
        durable.insert(root.join(parent));
        Ok((directory, name.into()))
    }
}
