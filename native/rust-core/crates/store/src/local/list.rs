//! Listing in byte order of whole keys, page by page, as an object store would: directories are only the slashes in keys.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, OFlags};
use rustix::io::Errno;

use crate::TEMPORARY_PREFIX;
use crate::allow::Access;
use crate::error::{Error, Result};
use crate::local::beneath;
use crate::local::read::stat_of;
use crate::local::root::LocalStore;
use crate::object::{Entry, ListQuery, Listing};

impl LocalStore {
    /// Lists below `root`. A root or prefix that does not exist has no keys. Links, devices and names that are no UTF-8 are left out.
    pub fn list(&self, root: &Path, query: &ListQuery<'_>) -> Result<Listing> {
        let fault = |errno| Error::of_errno(errno, "list", root.join(query.prefix).display());
        let (grant, rest) = self.locate(root, Access::Read, "list")?;
        let folder = query.prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        if folder.split('/').any(|name| name == "..") || query.prefix.starts_with('/') {
            return Err(fault(Errno::XDEV));
        }
        let directory = match open_folder(grant, &rest.join(folder)) {
            Ok(directory) => directory,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Listing::default()),
            Err(errno) => return Err(fault(errno)),
        };
        let base = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut walk = Walk { query, listing: Listing::default() };
        walk.visit(&directory, &base).map_err(fault)?;
        Ok(walk.listing)
    }
}

fn open_folder(grant: &Path, rest: &Path) -> rustix::io::Result<OwnedFd> {
    beneath::open_directory(grant, rest)
}

struct Walk<'a> {
    query: &'a ListQuery<'a>,
    listing: Listing,
}

impl Walk<'_> {
    /// Children sorted as keys are: a directory counts with its slash.
    fn visit(&mut self, directory: &OwnedFd, base: &str) -> rustix::io::Result<()> {
        for (name, is_directory) in children(directory)? {
            let key = format!("{base}{name}{}", if is_directory { "/" } else { "" });
            if self.listing.more {
                return Ok(());
            }
            if self.is_wanted(&key, &name) {
                self.take(directory, &name, key, is_directory)?;
            }
        }
        Ok(())
    }

    fn is_wanted(&self, key: &str, name: &str) -> bool {
        let prefix = self.query.prefix;
        let leads_there = key.starts_with(prefix) || (key.ends_with('/') && prefix.starts_with(key));
        let hidden = name.starts_with(TEMPORARY_PREFIX) && !prefix.rsplit('/').next().unwrap_or("").starts_with(TEMPORARY_PREFIX);
        let behind = if key.ends_with('/') && !self.query.delimiter {
            key > self.query.start_after || self.query.start_after.starts_with(key)
        } else {
            key > self.query.start_after
        };
        leads_there && !hidden && behind
    }

    fn take(&mut self, directory: &OwnedFd, name: &str, key: String, is_directory: bool) -> rustix::io::Result<()> {
        if is_directory && !(self.query.delimiter && key.starts_with(self.query.prefix)) {
            return match beneath::open(directory, Path::new(name), OFlags::RDONLY | OFlags::DIRECTORY, rustix::fs::Mode::empty()) {
                Ok(inner) => self.visit(&inner, &key),
                // It went away, or turned into a link, while we walked.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
                Err(errno) => Err(errno),
            };
        }
        let stat = match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(raw) => (!is_directory).then(|| stat_of(&raw)),
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        if self.listing.entries.len() == self.query.limit {
            self.listing.more = true;
        } else {
            self.listing.entries.push(Entry { key, stat });
        }
        Ok(())
    }
}

fn children(directory: &OwnedFd) -> rustix::io::Result<Vec<(String, bool)>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = PathBuf::from(OsStr::from_bytes(entry.file_name().to_bytes()));
        let Some(name) = name.to_str().filter(|name| *name != "." && *name != "..") else { continue };
        let kind = match entry.file_type() {
            FileType::Unknown => match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(_) => continue,
            },
            kind => kind,
        };
        match kind {
            FileType::Directory => found.push((name.to_owned(), true)),
            FileType::RegularFile => found.push((name.to_owned(), false)),
            _ => {}
        }
    }
    let order = |(name, is_directory): &(String, bool)| format!("{name}{}", if *is_directory { "/" } else { "" });
    found.sort_by_key(order);
    Ok(found)
}
