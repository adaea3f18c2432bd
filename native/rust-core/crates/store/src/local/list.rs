//! Listing in byte order of whole keys, page by page, as an object store would: directories are only the slashes in keys.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

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
        // Of a very large directory the next page goes on in what was read for the one before.
        let names = match self.take_rest(root, query) {
            Some(rest) => rest.names,
            None => walk.children(&directory, &base).map_err(fault)?,
        };
        let rest = walk.visit(&directory, &base, names).map_err(fault)?;
        if let Some(names) = rest.filter(|_| walk.listing.more) {
            self.keep_rest(root, query, &walk.listing, names);
        }
        Ok(walk.listing)
    }

    fn take_rest(&self, root: &Path, query: &ListQuery<'_>) -> Option<Rest> {
        if query.start_after.is_empty() {
            return None;
        }
        let mut kept = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|rest| rest.continues(root, query))?;
        Some(kept.remove(at))
    }

    fn keep_rest(&self, root: &Path, query: &ListQuery<'_>, listing: &Listing, names: Names) {
        let Some(last) = listing.entries.last().filter(|_| names.left() >= KEPT_FROM) else { return };
        let (root, prefix) = (root.to_owned(), query.prefix.to_owned());
        let rest = Rest { root, prefix, delimiter: query.delimiter, after: last.key.clone(), names };
        let mut kept = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_RESTS {
            kept.remove(0);
        }
        kept.push(rest);
    }
}

/// Fewer names than these are read again for each page.
const KEPT_FROM: usize = 2_000;
/// Listings that go on at once.
const KEPT_RESTS: usize = 2;

/// What is left of a listing of one directory: only who asks for the page behind the last one gets it, so nobody who looks for what is new is told what was.
#[derive(Debug)]
pub(crate) struct Rest {
    root: PathBuf,
    prefix: String,
    delimiter: bool,
    /// The last key that was told.
    after: String,
    names: Names,
}

impl Rest {
    fn continues(&self, root: &Path, query: &ListQuery<'_>) -> bool {
        self.root == root && self.after == query.start_after && self.prefix == query.prefix && self.delimiter == query.delimiter
    }
}

/// Names of the children of a directory in one piece of memory, for there may be a million.
#[derive(Debug, Default)]
struct Names {
    text: String,
    /// Where each begins and ends, and whether it is a directory.
    spans: Vec<(u32, u32, bool)>,
    next: usize,
}

impl Names {
    fn push(&mut self, name: &str, is_directory: bool) -> rustix::io::Result<()> {
        let place = |length: usize| u32::try_from(length).map_err(|_| Errno::OVERFLOW);
        let start = place(self.text.len())?;
        self.text.push_str(name);
        self.spans.push((start, place(self.text.len())?, is_directory));
        Ok(())
    }

    /// As keys are: a directory counts with its slash.
    fn sort(&mut self) {
        let text = self.text.as_bytes();
        let of = |&(start, end, _): &(u32, u32, bool)| &text[start as usize..end as usize];
        let keyed = |span: &(u32, u32, bool)| of(span).iter().copied().chain(span.2.then_some(b'/'));
        self.spans.sort_unstable_by(|a, b| if a.2 || b.2 { keyed(a).cmp(keyed(b)) } else { of(a).cmp(of(b)) });
    }

    fn peek(&self) -> Option<(&str, bool)> {
        self.spans.get(self.next).map(|&(start, end, is_directory)| (&self.text[start as usize..end as usize], is_directory))
    }

    fn left(&self) -> usize {
        self.spans.len() - self.next
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
    /// What is left of the names, unless some of it lies deeper: then a page reads the directories on its way again.
    fn visit(&mut self, directory: &OwnedFd, base: &str, mut names: Names) -> rustix::io::Result<Option<Names>> {
        let mut is_flat = true;
        while let Some((name, is_directory)) = names.peek() {
            let key = format!("{base}{name}{}", if is_directory { "/" } else { "" });
            is_flat &= !is_directory || self.query.delimiter;
            self.take(directory, name, key, is_directory)?;
            if self.listing.more {
                is_flat &= self.query.delimiter || names.spans[names.next..].iter().all(|span| !span.2);
                return Ok(is_flat.then_some(names));
            }
            names.next += 1;
        }
        Ok(None)
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
                Ok(inner) => {
                    let names = self.children(&inner, &key)?;
                    self.visit(&inner, &key, names).map(|_| ())
                }
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

    /// Those that the listing asks for, sorted.
    fn children(&self, directory: &OwnedFd, base: &str) -> rustix::io::Result<Names> {
        let mut found = Names::default();
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = Path::new(OsStr::from_bytes(entry.file_name().to_bytes()));
            let Some(name) = name.to_str().filter(|name| *name != "." && *name != "..") else { continue };
            let kind = match entry.file_type() {
                FileType::Unknown => match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(_) => continue,
                },
                kind => kind,
            };
            let is_directory = match kind {
                FileType::Directory => true,
                FileType::RegularFile => false,
                _ => continue,
            };
            if self.is_wanted(&format!("{base}{name}{}", if is_directory { "/" } else { "" }), name) {
                found.push(name, is_directory)?;
            }
        }
        found.sort();
        Ok(found)
    }
}
