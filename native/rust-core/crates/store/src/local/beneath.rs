//! Opening below a root without ever leaving it: `openat2` where the kernel has it, else component by component with `O_NOFOLLOW`.

use std::path::{Component, Path};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, Result};

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const DIRECTORY_MODE: Mode = Mode::RWXU.union(Mode::RWXG).union(Mode::RWXO);

/// A root as a directory to start from. The way to the root is the operator's and may hold links.
pub fn open_root(root: &Path) -> Result<OwnedFd> {
    rustix::fs::open(root, DIRECTORY, Mode::empty())
}

pub fn open_directory(root: &Path, rest: &Path) -> Result<OwnedFd> {
    open(open_root(root)?, rest, DIRECTORY, Mode::empty())
}

/// Opens `rest` below `directory`. `ELOOP` for a symbolic link anywhere in `rest`.
pub fn open(directory: impl AsFd, rest: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    let rest = if rest.as_os_str().is_empty() { Path::new(".") } else { rest };
    match open_at_once(directory.as_fd(), rest, flags | OFlags::CLOEXEC, mode) {
        Err(Errno::NOSYS | Errno::OPNOTSUPP) => open_by_components(directory.as_fd(), rest, flags | OFlags::CLOEXEC, mode),
        answer => answer,
    }
}

#[cfg(target_os = "linux")]
fn open_at_once(directory: rustix::fd::BorrowedFd<'_>, rest: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    use rustix::fs::ResolveFlags;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
    let mut tries = 0;
    loop {
        match rustix::fs::openat2(directory, rest, flags, mode, resolve) {
            // A rename anywhere on the system while the path is walked: the kernel asks to try again.
            Err(Errno::AGAIN) if tries < 16 => tries += 1,
            answer => return answer,
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn open_at_once(_: rustix::fd::BorrowedFd<'_>, _: &Path, _: OFlags, _: Mode) -> Result<OwnedFd> {
    Err(Errno::NOSYS)
}

fn open_by_components(directory: rustix::fd::BorrowedFd<'_>, rest: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    let mut at = rustix::fs::openat(directory, ".", DIRECTORY, Mode::empty())?;
    let mut names = rest.components().filter(|part| *part != Component::CurDir).peekable();
    if names.peek().is_none() {
        return rustix::fs::openat(&at, ".", flags, mode);
    }
    while let Some(name) = names.next() {
        let Component::Normal(name) = name else { return Err(Errno::XDEV) };
        if names.peek().is_none() {
            return rustix::fs::openat(&at, name, flags | OFlags::NOFOLLOW, mode);
        }
        at = match rustix::fs::openat(&at, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) {
            // With O_DIRECTORY a link answers "no directory"; tell the two apart.
            Err(Errno::NOTDIR) if is_link(&at, name) => return Err(Errno::LOOP),
            answer => answer?,
        };
    }
    Err(Errno::NOENT)
}

fn is_link(directory: &OwnedFd, name: &std::ffi::OsStr) -> bool {
    rustix::fs::statat(directory, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Symlink)
}

/// Makes `rest` below `root` (and `root`) and syncs every directory on the way, also those that were there: another process may have
/// made them a moment ago, and what we put below must not hang on its sync.
pub fn make_durable_directory(root: &Path, rest: &Path) -> Result<OwnedFd> {
    make_root(root)?;
    let mut at = open_root(root)?;
    for name in rest.components() {
        let Component::Normal(name) = name else { return Err(Errno::XDEV) };
        match rustix::fs::mkdirat(&at, name, DIRECTORY_MODE) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return existing(&at, name, errno),
        }
        sync_directory(&at)?;
        at = open(&at, Path::new(name), DIRECTORY, Mode::empty())?;
    }
    Ok(at)
}

/// A directory on a read-only file system cannot be made but may be there: the write below it then says what is wrong.
fn existing(directory: &OwnedFd, name: &std::ffi::OsStr, errno: Errno) -> Result<OwnedFd> {
    open(directory, Path::new(name), DIRECTORY, Mode::empty()).map_err(|_| errno)
}

fn make_root(root: &Path) -> Result<()> {
    let mut missing = Vec::new();
    let mut at = root;
    while let Err(Errno::NOENT) = rustix::fs::stat(at) {
        missing.push(at);
        at = at.parent().ok_or(Errno::NOENT)?;
    }
    for directory in missing.iter().rev() {
        match rustix::fs::mkdir(*directory, DIRECTORY_MODE) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        sync_directory(&open_root(directory.parent().ok_or(Errno::NOENT)?)?)?;
    }
    Ok(())
}

/// Makes names in a directory durable. File systems that cannot sync a directory say so with `EINVAL`; they have nothing to sync.
pub fn sync_directory(directory: &OwnedFd) -> Result<()> {
    match rustix::fs::fsync(directory) {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn check(open: impl Fn(&OwnedFd, &str) -> Result<OwnedFd>) {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("a")).unwrap();
        std::fs::write(root.path().join("a/file"), "x").unwrap();
        symlink("/etc", root.path().join("out")).unwrap();
        symlink("file", root.path().join("a/link")).unwrap();
        let directory = open_root(root.path()).unwrap();
        assert!(open(&directory, "a/file").is_ok());
        assert!(open(&directory, "a").is_ok());
        assert_eq!(open(&directory, "out/passwd").unwrap_err(), Errno::LOOP);
        assert_eq!(open(&directory, "a/link").unwrap_err(), Errno::LOOP);
        assert_eq!(open(&directory, "../x").unwrap_err(), Errno::XDEV);
        assert_eq!(open(&directory, "a/none").unwrap_err(), Errno::NOENT);
    }

    #[test]
    fn links_and_parents_are_refused_by_the_kernel() {
        check(|directory, rest| super::open(directory, Path::new(rest), OFlags::RDONLY, Mode::empty()));
    }

    #[test]
    fn links_and_parents_are_refused_component_by_component() {
        check(|directory, rest| open_by_components(directory.as_fd(), Path::new(rest), OFlags::RDONLY, Mode::empty()));
    }
}
