//! Local files for what does not fit in memory. They have no name once they are open, so nothing of them outlives the process.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use millrace_engine::Error;
use millrace_engine::io::{Scratch, ScratchFile};

/// The directory that `Hello` names, of which this process uses one of its own.
pub struct ScratchDirectory {
    path: PathBuf,
    pub bytes: u64,
    next: AtomicU64,
}

impl ScratchDirectory {
    pub fn new(directory: &str, bytes: u64) -> ScratchDirectory {
        ScratchDirectory { path: PathBuf::from(directory).join(std::process::id().to_string()), bytes, next: AtomicU64::new(0) }
    }

    /// Made when it is first needed.
    pub fn directory(&self) -> Result<PathBuf, Error> {
        fs::create_dir_all(&self.path).map_err(|error| self.fault("make", &error))?;
        Ok(self.path.clone())
    }

    fn fault(&self, verb: &str, error: &std::io::Error) -> Error {
        let code = if error.kind() == std::io::ErrorKind::StorageFull { "CORE_DISK_FULL" } else { "CORE_SANDBOX" };
        Error::new(code, format!("cannot {verb} the scratch directory {}: {error}", self.path.display()))
    }
}

impl Scratch for ScratchDirectory {
    fn open(&self) -> Result<Box<dyn ScratchFile>, Error> {
        let path = self.directory()?.join(format!("spill-{}", self.next.fetch_add(1, Ordering::Relaxed)));
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).open(&path).map_err(|error| self.fault("write into", &error))?;
        fs::remove_file(&path).map_err(|error| self.fault("write into", &error))?;
        Ok(Box::new(file))
    }
}

impl Drop for ScratchDirectory {
    fn drop(&mut self) {
        // Whatever a program left there. A directory that was never made is no fault.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, SeekFrom, Write};

    #[test]
    fn files_leave_nothing_behind() {
        let root = std::env::temp_dir().join(format!("millrace-scratch-test-{}", std::process::id()));
        let scratch = ScratchDirectory::new(root.to_str().unwrap(), 10);
        let mut file = scratch.open().unwrap();
        file.write_all(b"spilled").unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "spilled");
        assert_eq!(fs::read_dir(scratch.directory().unwrap()).unwrap().count(), 0);
        drop(scratch);
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
        fs::remove_dir(&root).unwrap();
    }
}
