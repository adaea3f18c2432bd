//! The store verbs: keys of a scope to files, with what each scope may do.

use millrace_engine::{Error, sha256_hex};
use std::path::Path;

use millrace_store::{Access, Deleted, ListQuery, Place, PutOutcome, Stat, path_of_uri, uri_of_path};
use millrace_wire::Payload;
use millrace_wire::message::{
    DeleteOutcome, DeleteResult, PutMode, PutOutcome as WirePutOutcome, Request, Response, Scope, ScopeKind, StoreDelete, StoreDeleteDone,
    StoreEntry, StoreGet, StoreGetDone, StoreList, StoreListDone, StorePut, StorePutDone, StoreStat, StoreStatDone, StoredObject,
};

use super::Answer;
use crate::failure::of_store;
use crate::journal::{Job, Journal};
use crate::places::Places;

/// A scope that names no connection: a place is found by its URI alone.
const BY_URI: &str = "files";

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
        let place = self.place_to_write(&request.scope, &request.key)?;
        let store = &self.places.store;
        let put = match request.mode {
            PutMode::Create => store.create(&place, payload, None),
            PutMode::Replace => store.replace(&place, payload, request.if_match.as_deref().unwrap_or_default()),
            PutMode::Overwrite => store.overwrite(&place, payload).map(|etag| (PutOutcome::Won, etag)),
        };
        let (outcome, existing, etag) = match put.map_err(of_store)? {
            (PutOutcome::Won, etag) => (WirePutOutcome::Won, Vec::new(), etag),
            (PutOutcome::Lost(existing), etag) => (WirePutOutcome::Lost, existing, etag),
        };
        Ok((Response::done(StorePutDone { outcome, etag }), Payload::from(existing)))
    }

    fn get(&self, request: &StoreGet) -> Answer {
        let place = self.place(&request.scope, &request.key, Access::Read)?;
        let range = request.range.as_ref().map(|range| (range.start, range.end));
        let Some(object) = self.places.store.get(&place, range).map_err(of_store)? else {
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
        let place = self.place(&request.scope, &request.key, Access::Read)?;
        let object = self.places.store.stat(&place).map_err(of_store)?.map(|stat| stored(&stat));
        Ok((Response::done(StoreStatDone { object }), Payload::empty()))
    }

    /// A prefix that is a URI lists URIs, another one keys of the connection.
    fn list(&self, request: &StoreList) -> Answer {
        let (root, base) = self.list_root(&request.scope, &request.prefix)?;
        let prefix = name_below(&base, &request.prefix)?;
        let start_after = name_below(&base, request.start_after.as_deref().unwrap_or_default())?;
        let query =
            ListQuery { prefix: &prefix, start_after: &start_after, limit: usize::from(request.limit), delimiter: request.delimiter };
        let listing = self.places.store.list(&root, &query).map_err(of_store)?;
        let entry = |entry: millrace_store::Entry| {
            let object = entry.stat.as_ref().map(stored).unwrap_or_default();
            let key = key_below(&base, &entry.key);
            StoreEntry { key, size: object.size, etag: object.etag, modified_at_ms: object.modified_at_ms }
        };
        let done = StoreListDone { entries: listing.entries.into_iter().map(entry).collect(), more: listing.more };
        Ok((Response::done(done), Payload::empty()))
    }

    /// The folder to list, and what stands before its keys in those of the answer. URIs are listed from the folder their prefix ends in, and
    /// what lies below it is spelled as in a URI too.
    fn list_root(&self, scope: &Scope, prefix: &str) -> Result<(Place, String), Error> {
        let job = self.job_of(scope)?;
        if !is_uri(prefix) {
            let root = self.places.folder_of(&scope.connection)?;
            if let Some(job) = &job {
                self.check_output(job, &root, prefix)?;
            }
            return Ok((root, String::new()));
        }
        let base = &prefix[..=prefix.rfind('/').expect("a URI has slashes")];
        let root = self.place_of_uri(scope, base, job.as_deref(), Access::Read)?;
        match scope.kind {
            ScopeKind::Output => self.check_output(job.as_ref().ok_or_else(unnamed_job)?, &root, "")?,
            ScopeKind::Journal => self.check_journal(scope, &root)?,
            ScopeKind::Inputs => {}
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
        let Ok(place) = self.place_to_write(&request.scope, key) else { return DeleteOutcome::Refused };
        let outcome = match self.places.store.delete(&place) {
            Ok(Deleted::Deleted) => DeleteOutcome::Deleted,
            Ok(Deleted::Absent) => DeleteOutcome::Absent,
            Err(error) if error.code == "STORAGE_FORBIDDEN" => DeleteOutcome::Refused,
            Err(_) => DeleteOutcome::Failed,
        };
        if let (true, Ok(root)) = (request.purge, self.places.folder_of(&request.scope.connection)) {
            // Empty folders are no objects; one that stays does no harm.
            let _ = self.places.store.prune_empty(&place, &root);
        }
        outcome
    }

    fn place_to_write(&self, scope: &Scope, key: &str) -> Result<Place, Error> {
        if scope.kind == ScopeKind::Inputs {
            return Err(Error::new("STORAGE_FORBIDDEN", "inputs are never written"));
        }
        self.place(scope, key, Access::Write)
    }

    /// The place of a key: a URI, or a name below the connection.
    fn place(&self, scope: &Scope, key: &str, access: Access) -> Result<Place, Error> {
        let job = self.job_of(scope)?;
        let place = match is_uri(key) {
            true => self.place_of_uri(scope, key, job.as_deref(), access)?,
            false => self.places.below(&self.places.folder_of(&scope.connection)?, key)?,
        };
        match (scope.kind, &job) {
            (ScopeKind::Journal, _) => self.check_journal(scope, &place)?,
            (ScopeKind::Output, Some(job)) => self.check_output(job, &place, "")?,
            (ScopeKind::Output, None) => return Err(unnamed_job()),
            // The grants of the process are the limit.
            (ScopeKind::Inputs, _) => {}
        }
        Ok(place)
    }

    /// Of an output through the connection of its job, so that a request cannot choose another; else through the one that the scope names, if it is
    /// one: local files are named by their URI alone.
    fn place_of_uri(&self, scope: &Scope, uri: &str, job: Option<&Job>, access: Access) -> Result<Place, Error> {
        let is_file = uri.starts_with("file://");
        let named = (!is_file && scope.connection != BY_URI).then_some(scope.connection.as_str());
        match (job, access) {
            // What is looked at there is what was written: through the connection that may write.
            (Some(job), _) if !is_file => self.places.output(uri, job.spec.output_connection(uri)),
            (_, Access::Write) => self.places.output(uri, named),
            (_, Access::Read) => self.places.input(uri, named),
        }
    }

    /// The job that an output scope names.
    fn job_of(&self, scope: &Scope) -> Result<Option<std::sync::Arc<Job>>, Error> {
        match (scope.kind, &scope.job_key, &scope.spec_digest) {
            (ScopeKind::Output, Some(job_key), Some(spec_digest)) => self.journal.job(&self.places, job_key, spec_digest).map(Some),
            (ScopeKind::Output, _, _) => Err(unnamed_job()),
            _ => Ok(None),
        }
    }

    fn check_journal(&self, scope: &Scope, place: &Place) -> Result<(), Error> {
        if place.is_within(&self.places.folder_of(&scope.connection)?) {
            return Ok(());
        }
        Err(Error::new("STORAGE_FORBIDDEN", format!("{} lies outside the journal", self.places.store.name_of(place))))
    }

    /// Only below the output and the rejects of the job that the scope names. `rest`: what a listing adds to the place.
    fn check_output(&self, job: &Job, place: &Place, rest: &str) -> Result<(), Error> {
        let place = if rest.is_empty() { place.clone() } else { self.places.below(place, rest.trim_end_matches('/'))? };
        for uri in [job.spec.output_uri(), job.spec.rejects_uri()] {
            if place.is_within(&self.places.output(&uri, job.spec.output_connection(&uri))?) {
                return Ok(());
            }
        }
        Err(Error::new("STORAGE_FORBIDDEN", format!("{} lies outside the output of the job", self.places.store.name_of(&place))))
    }
}

fn is_uri(key: &str) -> bool {
    key.contains("://")
}

fn unnamed_job() -> Error {
    Error::new("STORAGE_FORBIDDEN", "a place of output is named by its job")
}

/// What a key of a listing is called below the directory that is listed.
fn name_below(base: &str, key: &str) -> Result<String, Error> {
    let Some(rest) = key.strip_prefix(base) else { return Ok(key.to_owned()) };
    // Keys of other stores stand in their URIs as they are.
    if !base.starts_with("file://") {
        return Ok(rest.to_owned());
    }
    let path = path_of_uri(&format!("file:///{rest}")).map_err(of_store)?;
    let name = path.to_str().and_then(|path| path.strip_prefix('/'));
    name.map(str::to_owned).ok_or_else(|| Error::new("SPEC_URI", format!("cannot list {key}: it is no UTF-8")))
}

/// The key of what was found, which is a URI where a URI was listed.
fn key_below(base: &str, name: &str) -> String {
    if !base.starts_with("file://") {
        return format!("{base}{name}");
    }
    let uri = uri_of_path(Path::new(&format!("/{name}")));
    format!("{base}{}", uri.strip_prefix("file:///").unwrap_or(name))
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
    use super::{is_protected, key_below, name_below};

    #[test]
    fn names_are_spelled_as_in_uris_where_uris_are_listed() {
        let base = "file:///out%20put/";
        let key = key_below(base, "k=a%20b/x y.csv");
        assert_eq!(key, "file:///out%20put/k=a%2520b/x%20y.csv");
        assert_eq!(name_below(base, &key).unwrap(), "k=a%20b/x y.csv");
        assert_eq!(key_below(base, "k=1/"), "file:///out%20put/k=1/");
        assert_eq!(name_below(base, "file:///out%20put/k=1/").unwrap(), "k=1/");
        assert_eq!(name_below(base, "").unwrap(), "");
        assert_eq!(key_below("", "jobs/a%20b"), "jobs/a%20b");
        assert_eq!(name_below("", "jobs/a%20b").unwrap(), "jobs/a%20b");
    }

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
