//! The verbs, for every kind of store alike. Calls wait; what remote stores take is done on the io thread meanwhile.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::allow::{Access, Allow};
use crate::connection::{Connection, Credentials, Kind};
use crate::error::{Error, Result};
use crate::io::{Call, Entered, Io};
use crate::local::{LocalName, LocalPart, LocalStore, PinnedFile, uri_of_path};
use crate::object::{Deleted, ListQuery, Listing, MAX_OBJECT_BYTES, Object, PartDone, PutOutcome, Stat};
use crate::place::Place;
use crate::put_if_absent::{Name, put};
use crate::remote::{Bucket, BucketName, Limits, Pinned, PinnedObject, PinnedWebFile, RemoteInput, RemotePart, Web, stopped_error};
use crate::retry::{Created, MAX_CREATES, Verb};

/// What a process may use, as its host said it.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    pub read_roots: Vec<PathBuf>,
    pub write_roots: Vec<PathBuf>,
    pub connections: Vec<Connection>,
    /// `host[:port]` whose `https://` objects may be read without a connection.
    pub http_hosts: Vec<String>,
}

pub struct Store {
    local: LocalStore,
    allow: Allow,
    /// As the connections of `allow`; none where a connection is no bucket.
    buckets: Vec<Option<Arc<Bucket>>>,
    web: OnceLock<Arc<Web>>,
    /// Started with the first remote connection: a process without any needs no thread for it.
    io: Option<Arc<Io>>,
    limits: Limits,
    bearers: std::sync::Mutex<Vec<Credentials>>,
}

impl Store {
    pub fn new(grants: &Grants) -> Result<Store> {
        Store::with_limits(grants, Limits::default())
    }

    /// For tests that cannot wait as long as a product should.
    pub fn with_limits(grants: &Grants, limits: Limits) -> Result<Store> {
        let local = LocalStore::new(&grants.read_roots, &grants.write_roots)?;
        let is_remote = grants.connections.iter().any(|connection| connection.kind != Kind::File) || !grants.http_hosts.is_empty();
        let io = if is_remote { Some(start_io()?) } else { None };
        let allow = Allow::new(grants.connections.clone(), grants.http_hosts.clone());
        let bucket = |connection: &Connection| match (connection.kind, &io) {
            (Kind::S3 | Kind::Gcs | Kind::Azure, Some(io)) => Some(Arc::new(Bucket::new(connection.clone(), Arc::clone(io), limits))),
            _ => None,
        };
        let buckets = allow.connections().iter().map(bucket).collect();
        Ok(Store { local, allow, buckets, web: OnceLock::new(), io, limits, bearers: std::sync::Mutex::default() })
    }

    /// The place of a URI, through the connection that is named or the best one for the access.
    pub fn place(&self, uri: &str, connection: Option<&str>, access: Access) -> Result<Place> {
        self.allow.place(uri, connection, access)
    }

    /// The folder that a connection stands for.
    pub fn folder(&self, connection: &str) -> Result<Place> {
        self.allow.folder(connection)
    }

    /// What lies below a folder under a key whose names are all plain.
    pub fn below(&self, folder: &Place, key: &str) -> Result<Place> {
        let names_ok = key.split('/').all(|name| !name.is_empty() && name != "." && name != "..");
        if !names_ok || key.contains('\0') {
            return Err(Error::new("STORAGE_FORBIDDEN", "use", format!("{key:?}"), "it is no key"));
        }
        Ok(folder.below(key))
    }

    /// The URI of a place.
    pub fn uri_of(&self, place: &Place) -> String {
        match place {
            Place::File(path) => uri_of_path(path),
            Place::Object { .. } => self.allow.name_of(place),
            Place::Url { url, .. } => url.to_string(),
        }
    }

    /// How messages name a place.
    pub fn name_of(&self, place: &Place) -> String {
        self.allow.name_of(place)
    }

    /// Until the guard goes, verbs on this thread heed `call`, and verbs on any thread may use the credentials.
    pub fn enter(&self, call: Call, credentials: &[Credentials]) -> Visit<'_> {
        let mut lent = Vec::new();
        for given in credentials {
            let Ok((index, connection)) = self.allow.connection(&given.connection) else { continue };
            match &self.buckets[index] {
                Some(bucket) => {
                    bucket.lend(given);
                    lent.push(Arc::clone(bucket));
                }
                None if connection.kind == Kind::Http => self.bearers().push(given.clone()),
                None => {}
            }
        }
        Visit { store: self, lent, bearers: credentials.iter().map(|given| given.connection.clone()).collect(), _entered: call.enter() }
    }

    fn bearers(&self) -> std::sync::MutexGuard<'_, Vec<Credentials>> {
        self.bearers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn stat(&self, place: &Place) -> Result<Option<Stat>> {
        self.allow.check(place, Access::Read, "stat")?;
        match place {
            Place::File(path) => self.local.stat(path),
            Place::Object { connection, key } => {
                let (bucket, key) = (self.bucket(*connection)?, key.clone());
                self.wait(Verb::Stat, place, async move { bucket.stat(&key).await })
            }
            Place::Url { connection, url } => {
                let file = self.web()?.file(url, self.name_of(place), self.may_be_private(*connection), self.bearer(*connection))?;
                self.wait(Verb::Stat, place, async move { file.stat().await })
            }
        }
    }

    /// A small object, whole or `start..end` of it (cut at its end). `None` if it is absent; over 8 MiB is `OVER_LIMIT`.
    pub fn get(&self, place: &Place, range: Option<(u64, u64)>) -> Result<Option<Object>> {
        self.allow.check(place, Access::Read, "get")?;
        match place {
            Place::File(path) => self.local.get(path, range),
            Place::Object { connection, key } => {
                let (bucket, key) = (self.bucket(*connection)?, key.clone());
                self.wait(Verb::Get, place, async move { bucket.get(&key, range).await })
            }
            Place::Url { .. } => self.get_by_range(place, range),
        }
    }

    fn get_by_range(&self, place: &Place, range: Option<(u64, u64)>) -> Result<Option<Object>> {
        let mut input = match self.open_input(place, None) {
            Ok(input) => input,
            Err(error) if error.code == "INPUT_NOT_FOUND" => return Ok(None),
            Err(error) => return Err(error),
        };
        let stat = input.stat().clone();
        let (start, end) = range.map_or((0, stat.size), |(start, end)| (start.min(stat.size), end.min(stat.size)));
        let length = end.saturating_sub(start);
        if length > MAX_OBJECT_BYTES {
            let cause = format!("expected at most {MAX_OBJECT_BYTES} bytes, got {length}");
            return Err(Error::new("OVER_LIMIT", "get", self.name_of(place), cause));
        }
        let mut bytes = vec![0; length as usize];
        input.announce(start, end);
        input.read_at(start, &mut bytes)?;
        Ok(Some(Object { stat, bytes }))
    }

    /// Opens an input. With `pinned` another version is `INPUT_CHANGED`; a missing one is `INPUT_NOT_FOUND`.
    pub fn open_input(&self, place: &Place, pinned: Option<&str>) -> Result<Input> {
        if let Place::File(path) = place {
            return Ok(Input(Source::File(self.local.open_input(path, pinned)?)));
        }
        let absent = || Error::new("INPUT_NOT_FOUND", "read", self.name_of(place), "there is no such object");
        let stat = self.stat(place)?.ok_or_else(absent)?;
        if let Some(etag) = pinned.filter(|etag| *etag != stat.etag) {
            let cause = format!("expected version {etag}, got {}", stat.etag);
            return Err(Error::new("INPUT_CHANGED", "read", self.name_of(place), cause));
        }
        let input = match place {
            Place::Url { connection, url } => {
                let file = self.web()?.file(url, self.name_of(place), self.may_be_private(*connection), self.bearer(*connection))?;
                RemoteInput::new(Arc::new(PinnedWebFile { file, stat: stat.clone() }), stat)
            }
            Place::Object { connection, key } => {
                let pinned = Pinned { key: key.clone(), etag: stat.etag.clone(), size: stat.size };
                RemoteInput::new(Arc::new(PinnedObject { bucket: self.bucket(*connection)?, pinned }), stat)
            }
            Place::File(_) => return Err(absent()),
        };
        Ok(Input(Source::Remote(input)))
    }

    /// Opens a part. Its name must be the attempt's own.
    pub fn open_part(&self, place: &Place) -> Result<PartSink> {
        self.allow.check(place, Access::Write, "write")?;
        match place {
            Place::File(path) => Ok(PartSink(Sink::File(self.local.open_part(path)?))),
            Place::Object { connection, key } => Ok(PartSink(Sink::Remote(RemotePart::new(self.bucket(*connection)?, key.clone())))),
            Place::Url { .. } => Err(self.not_for_web(place, "write")),
        }
    }

    /// Puts `bytes` unless something is there. An object that names `attempt_id` and equals `bytes` is our own: won.
    ///
    /// An error means *unknown* or *certainly not saved*: nothing may be concluded or deleted before the name was read again.
    pub fn put_if_absent(&self, place: &Place, bytes: &[u8], attempt_id: Option<&str>) -> Result<PutOutcome> {
        self.create(place, bytes, attempt_id).map(|(outcome, _)| outcome)
    }

    /// The same, with the etag of what stands there now.
    pub fn create(&self, place: &Place, bytes: &[u8], attempt_id: Option<&str>) -> Result<(PutOutcome, String)> {
        self.check_put(place, bytes, "put")?;
        match place {
            Place::File(path) => {
                let outcome = put(&mut LocalName::new(&self.local, path, attempt_id), bytes, attempt_id, &self.name_of(place))?;
                Ok((outcome, self.local.stat(path)?.map(|stat| stat.etag).unwrap_or_default()))
            }
            Place::Object { connection, key } => {
                let bucket = self.bucket(*connection)?;
                let mut name = BucketName::new(&bucket, key);
                let outcome = put(&mut name, bytes, attempt_id, &self.name_of(place))?;
                Ok((outcome, name.etag))
            }
            Place::Url { .. } => Err(self.not_for_web(place, "put")),
        }
    }

    /// Puts `bytes`, whatever stood there; readers see the old bytes or the new ones. The new etag.
    pub fn overwrite(&self, place: &Place, bytes: &[u8]) -> Result<String> {
        self.check_put(place, bytes, "put")?;
        match place {
            Place::File(path) => Ok(self.local.overwrite(path, bytes)?.etag),
            Place::Object { connection, key } => {
                let (bucket, key, bytes) = (self.bucket(*connection)?, key.clone(), Bytes::copy_from_slice(bytes));
                self.wait(Verb::Overwrite, place, async move { bucket.overwrite(&key, bytes).await })
            }
            Place::Url { .. } => Err(self.not_for_web(place, "put")),
        }
    }

    /// Puts `bytes` if the version is still `if_match`; else `Lost` with what stands there (empty if nothing does). With the etag that stands then.
    pub fn replace(&self, place: &Place, bytes: &[u8], if_match: &str) -> Result<(PutOutcome, String)> {
        self.check_put(place, bytes, "replace")?;
        match place {
            Place::File(path) => {
                let outcome = self.local.replace(path, bytes, if_match)?;
                Ok((outcome, self.local.stat(path)?.map(|stat| stat.etag).unwrap_or_default()))
            }
            Place::Object { connection, key } => replace(&mut BucketName::new(&self.bucket(*connection)?, key), bytes, if_match),
            Place::Url { .. } => Err(self.not_for_web(place, "replace")),
        }
    }

    /// Lists below a folder. A folder or prefix that does not exist has no keys.
    pub fn list(&self, folder: &Place, query: &ListQuery<'_>) -> Result<Listing> {
        match folder {
            Place::File(directory) => self.local.list(directory, query),
            Place::Object { connection, key } => {
                // Where to look is decided by what is looked for, so that a folder above a connection's prefix can be the base of keys.
                let reached = Place::Object { connection: *connection, key: format!("{key}{}", query.prefix) };
                self.allow.check(&reached, Access::Read, "list")?;
                let (bucket, key) = (self.bucket(*connection)?, key.clone());
                let (prefix, start_after) = (query.prefix.to_owned(), query.start_after.to_owned());
                let (limit, delimiter) = (query.limit, query.delimiter);
                self.wait(Verb::List, folder, async move {
                    bucket.list(&key, &ListQuery { prefix: &prefix, start_after: &start_after, limit, delimiter }).await
                })
            }
            Place::Url { .. } => Err(Error::new("SPEC_URI", "list", self.name_of(folder), "a web server is not listed: name each file")),
        }
    }

    /// Removes one object. An absent one is fine; what may be deleted is the caller's to know.
    pub fn delete(&self, place: &Place) -> Result<Deleted> {
        self.allow.check(place, Access::Write, "delete")?;
        match place {
            Place::File(path) => self.local.delete(path),
            Place::Object { connection, key } => {
                let (bucket, key) = (self.bucket(*connection)?, key.clone());
                self.wait(Verb::Delete, place, async move { bucket.delete(&key).await })
            }
            Place::Url { .. } => Err(self.not_for_web(place, "delete")),
        }
    }

    /// Removes the directory above `place` and its parents up to `root` as far as they are empty. Buckets have no directories.
    pub fn prune_empty(&self, place: &Place, root: &Place) -> Result<()> {
        match (place.path().and_then(std::path::Path::parent), root.path()) {
            (Some(directory), Some(root)) => self.local.prune_empty(directory, root),
            _ => Ok(()),
        }
    }

    fn check_put(&self, place: &Place, bytes: &[u8], verb: &'static str) -> Result<()> {
        self.allow.check(place, Access::Write, verb)?;
        if bytes.len() as u64 > MAX_OBJECT_BYTES {
            let cause = format!("expected at most {MAX_OBJECT_BYTES} bytes, got {}", bytes.len());
            return Err(Error::new("OVER_LIMIT", verb, self.name_of(place), cause));
        }
        Ok(())
    }

    fn not_for_web(&self, place: &Place, verb: &'static str) -> Error {
        Error::new("STORAGE_FORBIDDEN", verb, self.name_of(place), "a web server is only read")
    }

    fn bucket(&self, connection: usize) -> Result<Arc<Bucket>> {
        let bucket = self.buckets.get(connection).and_then(Option::as_ref);
        bucket.map(Arc::clone).ok_or_else(|| Error::new("SPEC_URI", "use", "connection", "it is no bucket"))
    }

    fn io(&self) -> Result<&Arc<Io>> {
        self.io.as_ref().ok_or_else(|| Error::new("STORAGE_FORBIDDEN", "use", "connection", "no remote store was granted"))
    }

    fn web(&self) -> Result<Arc<Web>> {
        let io = Arc::clone(self.io()?);
        Ok(Arc::clone(self.web.get_or_init(|| Arc::new(Web::new(io, self.limits)))))
    }

    fn may_be_private(&self, connection: Option<usize>) -> bool {
        connection.is_some_and(|index| self.allow.connections()[index].private_addresses)
    }

    fn bearer(&self, connection: Option<usize>) -> Option<crate::connection::Secret> {
        let name = &self.allow.connections()[connection?].name;
        let bearers = self.bearers();
        let given = bearers.iter().find(|given| given.connection == *name)?;
        given.fields.iter().find(|(field, _)| field == "bearer").map(|(_, secret)| secret.clone())
    }

    fn wait<T: Send + 'static>(&self, verb: Verb, place: &Place, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        self.io()?.spawn(work).wait().map_err(|stopped| stopped_error(stopped, verb, &self.name_of(place)))?
    }
}

fn start_io() -> Result<Arc<Io>> {
    Io::start().map_err(|error| Error::of_io(&error, "start", "the thread that talks to stores"))
}

/// A replace whose answer is unknown is looked at: our bytes there mean that it was done, the old version that it was not.
fn replace(name: &mut BucketName<'_>, bytes: &[u8], if_match: &str) -> Result<(PutOutcome, String)> {
    for tries in 1.. {
        let error = match name.replace(bytes, if_match) {
            Created::Saved => return Ok((PutOutcome::Won, name.etag.clone())),
            Created::Refused(error) => return Err(error),
            Created::Exists => None,
            Created::Unknown(error) => Some(error),
        };
        let there = name.read()?;
        match (error, there) {
            (Some(_), Some(existing)) if existing == bytes => return Ok((PutOutcome::Won, name.etag.clone())),
            (Some(error), Some(_)) if name.etag == if_match => {
                if tries >= MAX_CREATES {
                    return Err(error);
                }
                name.pause(tries);
            }
            (_, there) => return Ok((PutOutcome::Lost(there.unwrap_or_default()), name.etag.clone())),
        }
    }
    Err(Error::new("STORAGE_UNAVAILABLE", "replace", "object", "it was tried too often"))
}

/// A request that is being served.
pub struct Visit<'a> {
    store: &'a Store,
    lent: Vec<Arc<Bucket>>,
    bearers: Vec<String>,
    _entered: Entered,
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.lent.iter().for_each(|bucket| bucket.give_back());
        let mut bearers = self.store.bearers();
        for name in &self.bearers {
            if let Some(at) = bearers.iter().position(|given| given.connection == *name) {
                bearers.swap_remove(at);
            }
        }
    }
}

/// An input, open under one version.
pub struct Input(Source);

enum Source {
    File(PinnedFile),
    Remote(RemoteInput),
}

impl Input {
    pub fn stat(&self) -> &Stat {
        match &self.0 {
            Source::File(file) => file.stat(),
            Source::Remote(input) => input.stat(),
        }
    }

    /// `start..end` is about to be read from its start on. Remote bytes are fetched ahead from now on.
    pub fn announce(&mut self, start: u64, end: u64) {
        if let Source::Remote(input) = &mut self.0 {
            input.announce(start, end);
        }
    }

    /// Fills `buffer` from `offset` on; less than asked only at the end. Bytes of another version are `INPUT_CHANGED`.
    pub fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        match &mut self.0 {
            Source::File(file) => file.read_at(offset, buffer),
            Source::Remote(input) => input.read_at(offset, buffer),
        }
    }

    /// The open file, for readers that bring their own way of reading; the version is no longer watched then. `None`: it is no local file.
    pub fn take_file(&mut self) -> Option<std::fs::File> {
        match &self.0 {
            Source::File(file) => file.try_clone().ok(),
            Source::Remote(_) => None,
        }
    }

    /// To be called after the last read: what was read counts only if the version is still the same. Of remote objects every answer said so.
    pub fn check_unchanged(&self) -> Result<()> {
        match &self.0 {
            Source::File(file) => file.check_unchanged(),
            Source::Remote(_) => Ok(()),
        }
    }
}

/// An open part. Dropping it before `finish` removes it.
pub struct PartSink(Sink);

enum Sink {
    File(LocalPart),
    Remote(RemotePart),
}

impl PartSink {
    /// For objects whose checksums stand elsewhere: the SHA-256 is not taken.
    pub fn without_digest(self) -> PartSink {
        PartSink(match self.0 {
            Sink::File(part) => Sink::File(part.without_digest()),
            Sink::Remote(part) => Sink::Remote(part.without_digest()),
        })
    }

    /// Appends; every error is final, the part must be dropped.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.0 {
            Sink::File(part) => part.write(bytes),
            Sink::Remote(part) => part.write(bytes),
        }
    }

    pub fn written_bytes(&self) -> u64 {
        match &self.0 {
            Sink::File(part) => part.written_bytes(),
            Sink::Remote(part) => part.written_bytes(),
        }
    }

    /// Durable under its name, or an error.
    pub fn finish(self) -> Result<PartDone> {
        match self.0 {
            Sink::File(part) => part.finish(),
            Sink::Remote(part) => part.finish(),
        }
    }

    /// Gives up what was written. Dropping does the same; the name says that it is meant.
    pub fn abort(self) {
        drop(self);
    }
}
