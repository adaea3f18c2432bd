//! Deleting one object. An absent one is fine; what may be deleted is the caller's to know.

use std::path::Path;

use rustix::fs::{AtFlags, OFlags};
use rustix::io::Errno;

use crate::allow::Access;
use crate::error::{Error, Result};
use crate::local::beneath;
use crate::local::root::LocalStore;
use crate::object::Deleted;

impl LocalStore {
    /// Removes a file. Directories stay: another attempt may be about to write into one.
    pub fn delete(&self, path: &Path) -> Result<Deleted> {
        let (root, rest) = self.locate(path, Access::Write, "delete")?;
        let name = rest.file_name().ok_or_else(|| Error::new("STORAGE_FORBIDDEN", "delete", path.display(), "it is a root"))?;
        let answer = beneath::open_root(root)
            .and_then(|root| {
                beneath::open(&root, rest.parent().unwrap_or(Path::new("")), OFlags::RDONLY | OFlags::DIRECTORY, rustix::fs::Mode::empty())
            })
            .and_then(|parent| rustix::fs::unlinkat(&parent, name, AtFlags::empty()));
        match answer {
            Ok(()) => Ok(Deleted::Deleted),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(Deleted::Absent),
            Err(errno) => Err(Error::of_errno(errno, "delete", path.display())),
        }
    }

    /// Removes `directory` and its parents up to `root` as far as they are empty. For purges, when nobody writes there any more.
    pub fn prune_empty(&self, directory: &Path, root: &Path) -> Result<()> {
        let mut at = directory;
        while at != root && at.starts_with(root) {
            let (grant, rest) = self.locate(at, Access::Write, "delete")?;
            let parent = beneath::open_directory(grant, rest.parent().unwrap_or(Path::new("")));
            let Some(name) = rest.file_name() else { return Ok(()) };
            match parent.and_then(|parent| rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR)) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(_) => return Ok(()),
            }
            let Some(above) = at.parent() else { return Ok(()) };
            at = above;
        }
        Ok(())
    }
}
