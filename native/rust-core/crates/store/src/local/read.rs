//! Reads: of a pinned input range by range, of a small object whole. Only regular files are ever opened for content.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::local::root::LocalStore;
use crate::object::{MAX_OBJECT_BYTES, Object, Stat};

/// An input, open under one version. Reads follow the inode, so that a file moved away is read on.
#[derive(Debug)]
pub struct PinnedFile {
    file: std::fs::File,
    path: PathBuf,
    stat: Stat,
}

impl LocalStore {
    /// Size, version and time of a regular file; `None` if nothing is there.
    pub fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        match self.open_regular(path, "stat") {
            Ok((_, stat)) => Ok(Some(stat)),
            Err(error) if error.code == "INPUT_NOT_FOUND" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens an input. With `pinned` another version is `INPUT_CHANGED`; a missing file is `INPUT_NOT_FOUND`, something that is no
    /// regular file `INPUT_MAGIC`.
    pub fn open_input(&self, path: &Path, pinned: Option<&str>) -> Result<PinnedFile> {
        let (file, stat) = self.open_regular(path, "read").map_err(|error| match pinned {
            Some(_) if error.code == "INPUT_MAGIC" => Error { code: "INPUT_CHANGED", ..error },
            _ => error,
        })?;
        let opened = PinnedFile { file, path: path.to_owned(), stat };
        match pinned {
            Some(etag) if etag != opened.stat.etag => Err(opened.changed(etag)),
            _ => Ok(opened),
        }
    }

    /// A small object, whole or `start..end` of it (cut at its end). `None` if it is absent; over 8 MiB is `OVER_LIMIT`.
    pub fn get(&self, path: &Path, range: Option<(u64, u64)>) -> Result<Option<Object>> {
        let (file, stat) = match self.open_regular(path, "get") {
            Ok(opened) => opened,
            Err(error) if error.code == "INPUT_NOT_FOUND" => return Ok(None),
            Err(error) => return Err(error),
        };
        let (start, end) = range.map_or((0, stat.size), |(start, end)| (start.min(stat.size), end.min(stat.size)));
        let length = end.saturating_sub(start);
        if length > MAX_OBJECT_BYTES {
            let cause = format!("expected at most {MAX_OBJECT_BYTES} bytes, got {length}");
            return Err(Error::new("OVER_LIMIT", "get", path.display(), cause));
        }
        let mut bytes = vec![0; length as usize];
        file.read_exact_at(&mut bytes, start).map_err(|error| Error::of_io(&error, "get", path.display()))?;
        Ok(Some(Object { stat, bytes }))
    }

    /// `O_NONBLOCK`, because opening a FIFO would otherwise wait for a writer for ever.
    fn open_regular(&self, path: &Path, verb: &'static str) -> Result<(std::fs::File, Stat)> {
        let opened = self.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, verb)?;
        let descriptor = match opened {
            // A socket cannot be opened at all.
            Err(Errno::NXIO) => return Err(not_regular(verb, path, FileType::Socket)),
            opened => opened.map_err(|errno| Error::of_errno(errno, verb, path.display()))?,
        };
        let raw = rustix::fs::fstat(&descriptor).map_err(|errno| Error::of_errno(errno, verb, path.display()))?;
        let kind = FileType::from_raw_mode(raw.st_mode);
        if kind != FileType::RegularFile {
            return Err(not_regular(verb, path, kind));
        }
        Ok((descriptor.into(), stat_of(&raw)))
    }
}

impl PinnedFile {
    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    /// The open file, for readers that bring their own way of reading. The version is no longer watched then.
    pub fn try_clone(&self) -> std::io::Result<std::fs::File> {
        self.file.try_clone()
    }

    /// Fills `buffer` from `offset` on; less than asked only at the end. Fewer bytes than the pinned size promises is `INPUT_CHANGED`.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let wanted = self.stat.size.saturating_sub(offset).min(buffer.len() as u64) as usize;
        let mut filled = 0;
        while filled < wanted {
            match self.file.read_at(&mut buffer[filled..wanted], offset + filled as u64) {
                Ok(0) => return Err(self.changed(&self.stat.etag)),
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::of_io(&error, "read", self.path.display())),
            }
        }
        Ok(filled)
    }

    /// To be called after the last read: what was read counts only if the version is still the same.
    pub fn check_unchanged(&self) -> Result<()> {
        let raw = rustix::fs::fstat(&self.file).map_err(|errno| Error::of_errno(errno, "read", self.path.display()))?;
        if stat_of(&raw) == self.stat { Ok(()) } else { Err(self.changed(&self.stat.etag)) }
    }

    fn changed(&self, pinned: &str) -> Error {
        let now = rustix::fs::fstat(&self.file).map(|raw| stat_of(&raw).etag).unwrap_or_default();
        Error::new("INPUT_CHANGED", "read", self.path.display(), format!("expected version {pinned}, got {now}"))
    }
}

fn not_regular(verb: &'static str, path: &Path, kind: FileType) -> Error {
    Error::new("INPUT_MAGIC", verb, path.display(), format!("expected a regular file, got {}", kind_name(kind)))
}

pub(crate) fn stat_of(raw: &rustix::fs::Stat) -> Stat {
    let modified_at_ns = i128::from(raw.st_mtime) * 1_000_000_000 + i128::from(raw.st_mtime_nsec);
    let size = raw.st_size as u64;
    Stat { etag: format!("{:x}-{:x}-{size:x}-{:x}", raw.st_dev, raw.st_ino, modified_at_ns.max(0)), size, modified_at_ns }
}

fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "a directory",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Symlink => "a symbolic link",
        _ => "something else",
    }
}
