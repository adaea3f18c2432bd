//! The store verbs: keys of a scope to files, with what each scope may do.

use std::path::{Path, PathBuf};

use millrace_engine::{Error, sha256_hex};
use millrace_store::{Deleted, ListQuery, PutOutcome, Stat, uri_of_path};
use millrace_wire::Payload;
use millrace_wire::message::{
    DeleteOutcome, DeleteResult, PutMode, PutOutcome as WirePutOutcome, Request, Response, Scope, ScopeKind, StoreDelete, StoreDeleteDone,
    StoreEntry, StoreGet, StoreGetDone, StoreList, StoreListDone, StorePut, StorePutDone, StoreStat, StoreStatDone, StoredObject,
};

use super::Answer;
use crate::failure::of_store;
use crate::journal::Journal;
use crate::places::{Places, join, local_path};

/// What store requests are answered from.
pub struct StoreDesk {
    pub places: std::sync::Arc<Places>,
    pub journal: Journal,
}

impl StoreDesk {
    pub fn handle(&self, request: &Request, payload: &Payload) -> Answer {
        match request {
            Request::StorePut(put) => self.put(put, payload),
            Request::StoreGet(get) => self.get(get),
            Request::StoreList(list) => self.list(list),
            Request::StoreDelete(delete) => self.delete(delete),
            Request::StoreStat(stat) => self.stat(stat),
            _ => Err(Error::new("CORE_PANIC", "a request that is no store verb was handed to the store")),
        }
    }

    fn put(&self, request: &StorePut, payload: &Payload) -> Answer {
        if sha256_hex(payload) != request.sha256 {
            return Err(Error::new(
                "STORAGE_CHECKSUM",
                format!("{}: the bytes to put have another digest than the request says", request.key),
            ));
        }
        let path = self.path_to_write(&request.scope, &request.key)?;
        let store = &self.places.store;
        let outcome = match request.mode {
            PutMode::Create => store.put_if_absent(&path, payload, None),
            PutMode::Replace => store.replace(&path, payload, request.if_match.as_deref().unwrap_or_default()),
            PutMode::Overwrite => store.overwrite(&path, payload).map(|_| PutOutcome::Won),
        };
        let (outcome, existing) = match outcome.map_err(of_store)? {
            PutOutcome::Won => (WirePutOutcome::Won, Vec::new()),
            PutOutcome::Lost(existing) => (WirePutOutcome::Lost, existing),
        };
        let etag = store.stat(&path).map_err(of_store)?.map(|stat| stat.etag).unwrap_or_default();
        Ok((Response::done(StorePutDone { outcome, etag }), Payload::from(existing)))
    }

    fn get(&self, request: &StoreGet) -> Answer {
        let path = self.path(&request.scope, &request.key)?;
        let range = request.range.as_ref().map(|range| (range.start, range.end));
        let Some(object) = self.places.store.get(&path, range).map_err(of_store)? else {
            return Ok((Response::done(StoreGetDone { object: None }), Payload::empty()));
        };
        if request.if_match.as_ref().is_some_and(|etag| *etag != object.stat.etag) {
            return Err(Error::new(
                "INPUT_CHANGED",
                format!("{}: expected version {:?}, got {}", request.key, request.if_match, object.stat.etag),
            ));
        }
        Ok((Response::done(StoreGetDone { object: Some(stored(&object.stat)) }), Payload::from(object.bytes)))
    }

    fn stat(&self, request: &StoreStat) -> Answer {
        let path = self.path(&request.scope, &request.key)?;
        let object = self.places.store.stat(&path).map_err(of_store)?.map(|stat| stored(&stat));
        Ok((Response::done(StoreStatDone { object }), Payload::empty()))
    }

    /// A prefix that is a URI lists URIs, another one keys of the connection.
    fn list(&self, request: &StoreList) -> Answer {
        let (root, base) = self.list_root(&request.scope, &request.prefix)?;
        let relative = |key: &str| key.strip_prefix(&base).map_or_else(|| key.to_owned(), str::to_owned);
        let (prefix, start_after) = (relative(&request.prefix), relative(request.start_after.as_deref().unwrap_or_default()));
        let query =
            ListQuery { prefix: &prefix, start_after: &start_after, limit: usize::from(request.limit), delimiter: request.delimiter };
        let listing = self.places.store.list(&root, &query).map_err(of_store)?;
        let entry = |entry: millrace_store::Entry| {
            let object = entry.stat.as_ref().map(stored).unwrap_or_default();
            StoreEntry { key: format!("{base}{}", entry.key), size: object.size, etag: object.etag, modified_at_ms: object.modified_at_ms }
        };
        let done = StoreListDone { entries: listing.entries.into_iter().map(entry).collect(), more: listing.more };
        Ok((Response::done(done), Payload::empty()))
    }

    /// The directory to list, and what stands before its keys in those of the answer. URIs are listed from the folder their prefix ends in, so
    /// that only names, and never escapes, differ between the two.
    fn list_root(&self, scope: &Scope, prefix: &str) -> Result<(PathBuf, String), Error> {
        if !prefix.starts_with("file://") {
            let root = self.places.directory_of(&scope.connection)?.to_owned();
            if scope.kind == ScopeKind::Output {
                self.check_output(scope, &root.join(prefix))?;
            }
            return Ok((root, String::new()));
        }
        let base = &prefix[..=prefix.rfind('/').expect("a file URI has slashes")];
        let root = local_path(base)?;
        if scope.kind == ScopeKind::Output {
            self.check_output(scope, &local_path(prefix)?)?;
        }
        if scope.kind == ScopeKind::Journal {
            self.check_journal(scope, &root)?;
        }
        Ok((root, base.to_owned()))
    }

    fn delete(&self, request: &StoreDelete) -> Answer {
        let results = request.keys.iter().map(|key| DeleteResult { key: key.clone(), outcome: self.delete_one(request, key) });
        Ok((Response::done(StoreDeleteDone { results: results.collect() }), Payload::empty()))
    }

    fn delete_one(&self, request: &StoreDelete, key: &str) -> DeleteOutcome {
        if request.scope.kind == ScopeKind::Journal && !request.purge && is_protected(key) {
            return DeleteOutcome::Refused;
        }
        let Ok(path) = self.path_to_write(&request.scope, key) else { return DeleteOutcome::Refused };
        let outcome = match self.places.store.delete(&path) {
            Ok(Deleted::Deleted) => DeleteOutcome::Deleted,
            Ok(Deleted::Absent) => DeleteOutcome::Absent,
            Err(error) if error.code == "STORAGE_FORBIDDEN" => DeleteOutcome::Refused,
            Err(_) => DeleteOutcome::Failed,
        };
        if let (true, Some(folder), Ok(root)) = (request.purge, path.parent(), self.places.directory_of(&request.scope.connection)) {
            // Empty folders are no objects; one that stays does no harm.
            let _ = self.places.store.prune_empty(folder, root);
        }
        outcome
    }

    fn path_to_write(&self, scope: &Scope, key: &str) -> Result<PathBuf, Error> {
        if scope.kind == ScopeKind::Inputs {
            return Err(Error::new("STORAGE_FORBIDDEN", "inputs are never written"));
        }
        self.path(scope, key)
    }

    /// The file of a key: a URI, or a name below the connection.
    fn path(&self, scope: &Scope, key: &str) -> Result<PathBuf, Error> {
        let path = if key.starts_with("file://") { local_path(key)? } else { join(self.places.directory_of(&scope.connection)?, key)? };
        match scope.kind {
            ScopeKind::Journal => self.check_journal(scope, &path)?,
            ScopeKind::Output => self.check_output(scope, &path)?,
            // The read roots of the process are the grant.
            ScopeKind::Inputs => {}
        }
        Ok(path)
    }

    fn check_journal(&self, scope: &Scope, path: &Path) -> Result<(), Error> {
        let root = self.places.directory_of(&scope.connection)?;
        if path.starts_with(root) {
            return Ok(());
        }
        Err(Error::new("STORAGE_FORBIDDEN", format!("{} lies outside the journal", uri_of_path(path))))
    }

    /// Only below the output and the rejects of the job that the scope names.
    fn check_output(&self, scope: &Scope, path: &Path) -> Result<(), Error> {
        let (Some(job_key), Some(spec_digest)) = (&scope.job_key, &scope.spec_digest) else {
            return Err(Error::new("STORAGE_FORBIDDEN", "a place of output is named by its job"));
        };
        let job = self.journal.job(&self.places, job_key, spec_digest)?;
        for uri in [job.spec.output_uri(), job.spec.rejects_uri()] {
            if path.starts_with(local_path(&uri)?) {
                return Ok(());
            }
        }
        Err(Error::new("STORAGE_FORBIDDEN", format!("{} lies outside the output of the job", uri_of_path(path))))
    }
}

fn stored(stat: &Stat) -> StoredObject {
    StoredObject { etag: stat.etag.clone(), size: stat.size, modified_at_ms: (stat.modified_at_ns.max(0) / 1_000_000) as u64 }
}

/// Records that stand as long as their job: a delete by mistake would lose what was committed.
fn is_protected(key: &str) -> bool {
    let folder = |name: &str| key.contains(&format!("/{name}/"));
    folder("verdicts") || folder("manifests") || folder("plan") || key.ends_with("/job.json") || key.ends_with("/sealed.json")
}

#[cfg(test)]
mod tests {
    use super::is_protected;

    #[test]
    fn records_of_a_job_are_protected_and_its_marker_is_not() {
        for key in ["jobs/j1/verdicts/read/000000.json", "jobs/j1/manifests/000001.json", "jobs/j1/job.json", "jobs/j1/plan/000000.json"] {
            assert!(is_protected(key), "{key}");
        }
        for key in ["open/j1", "jobs/j1/failures/read/000000/a1.json", "work/x"] {
            assert!(!is_protected(key), "{key}");
        }
    }
}
