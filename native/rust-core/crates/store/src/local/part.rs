//! The sink of one part: bytes go to a temporary name while their SHA-256 is taken; the final name appears when all of it is durable.

use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::local::beneath::sync_directory;
use crate::local::put::Temporary;
use crate::local::root::LocalStore;
use crate::object::{PartDone, hex};

/// After so many bytes the kernel is asked to begin writing them, so that the sync at the end waits for the last ones alone.
const WRITEBACK_BYTES: u64 = 1 << 20;

/// An open part. Dropping it before `finish` removes it.
pub struct LocalPart {
    temporary: Temporary,
    name: PathBuf,
    path: PathBuf,
    /// None: nobody wants it.
    digest: Option<Sha256>,
    bytes: u64,
    /// The kernel was asked to write these.
    sent_bytes: u64,
}

impl LocalStore {
    /// Opens a part. Its name must be the attempt's own: an object that stands there already is a fault found by `finish`. Until then it is called
    /// `.tmp-<name>-<n>`: what a kill leaves tells whose it was.
    pub fn open_part(&self, path: &Path) -> Result<LocalPart> {
        let (directory, name) = self.open_parent(path, "write")?;
        let temporary =
            Temporary::create(directory, &name.to_string_lossy()).map_err(|errno| Error::of_errno(errno, "write", path.display()))?;
        Ok(LocalPart { temporary, name, path: path.to_owned(), digest: Some(Sha256::new()), bytes: 0, sent_bytes: 0 })
    }
}

impl LocalPart {
    pub fn without_digest(self) -> LocalPart {
        LocalPart { digest: None, ..self }
    }

    /// Appends; every error is final, the part must be dropped.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.temporary.file.write_all(bytes).map_err(|error| Error::of_io(&error, "write", self.path.display()))?;
        self.bytes += bytes.len() as u64;
        if self.bytes - self.sent_bytes >= WRITEBACK_BYTES {
            self.begin_writeback();
        }
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
        }
        Ok(())
    }

    /// Lets the disk work while the digest is taken and more is encoded.
    fn begin_writeback(&mut self) {
        // Linux begins to write pages that are said not to be needed; dirty ones stay where they are. Advice that cannot be taken changes nothing.
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(
            &self.temporary.file,
            self.sent_bytes,
            std::num::NonZeroU64::new(self.bytes - self.sent_bytes),
            rustix::fs::Advice::DontNeed,
        );
        self.sent_bytes = self.bytes;
    }

    pub fn written_bytes(&self) -> u64 {
        self.bytes
    }

    /// Syncs the file, gives it its name, syncs the directory. A name that is taken is never overwritten.
    pub fn finish(mut self) -> Result<PartDone> {
        let fault = |errno| Error::of_errno(errno, "write", self.path.display());
        rustix::fs::fsync(&self.temporary.file).map_err(fault)?;
        publish(&mut self.temporary, &self.name).map_err(|errno| match errno {
            Errno::EXIST => Error::new("STORAGE_CHECKSUM", "write", self.path.display(), "the attempt's own name is taken already"),
            errno => fault(errno),
        })?;
        sync_directory(&self.temporary.directory).map_err(fault)?;
        Ok(PartDone { bytes: self.bytes, sha256: self.digest.map_or(String::new(), |digest| hex(&digest.finalize())) })
    }

    /// Removes what was written. Dropping does the same; the name says that it is meant.
    pub fn abort(self) {
        drop(self);
    }
}

#[cfg(target_os = "linux")]
fn publish(temporary: &mut Temporary, name: &Path) -> rustix::io::Result<()> {
    let directory = &temporary.directory;
    let flags = rustix::fs::RenameFlags::NOREPLACE;
    match rustix::fs::renameat_with(directory, temporary.name.as_str(), directory, name, flags) {
        Err(Errno::INVAL | Errno::NOSYS) => publish_by_link(temporary, name),
        answer => answer.map(|()| temporary.mark_published()),
    }
}

#[cfg(not(target_os = "linux"))]
fn publish(temporary: &mut Temporary, name: &Path) -> rustix::io::Result<()> {
    publish_by_link(temporary, name)
}

/// Where rename cannot refuse to overwrite, a hard link can; the temporary name goes when the sink does.
fn publish_by_link(temporary: &mut Temporary, name: &Path) -> rustix::io::Result<()> {
    let directory = &temporary.directory;
    rustix::fs::linkat(directory, temporary.name.as_str(), directory, name, rustix::fs::AtFlags::empty())?;
    rustix::fs::unlinkat(directory, temporary.name.as_str(), rustix::fs::AtFlags::empty())?;
    temporary.mark_published();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_publishes_where_rename_cannot_and_never_overwrites() {
        let root = tempfile::tempdir().unwrap();
        let store = LocalStore::new(&[], &[root.path().to_owned()]).unwrap();
        let mut part = store.open_part(&root.path().join("x")).unwrap();
        part.write(b"abc").unwrap();
        publish_by_link(&mut part.temporary, Path::new("x")).unwrap();
        drop(part);
        let mut part = store.open_part(&root.path().join("x")).unwrap();
        assert_eq!(publish_by_link(&mut part.temporary, Path::new("x")), Err(Errno::EXIST));
        drop(part);
        let names: Vec<_> = std::fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["x"]);
    }
}
