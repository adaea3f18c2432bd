//! One bucket, as a connection grants it.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use object_store::list::PaginatedListOptions;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStoreExt, PutMode, PutOptions, PutPayload, PutResult, UpdateVersion};

use crate::connection::{Auth, Connection, Credentials, Kind};
use crate::error::{Error, Result};
use crate::io::Io;
use crate::object::{Deleted, Entry, ListQuery, Listing, MAX_OBJECT_BYTES, Object, Stat};
use crate::remote::ask::{Fault, Trouble, once, tries};
use crate::remote::backend::{self, Backend};
use crate::remote::client::{self, Listening, Resolver};
use crate::remote::input::RangeReader;
use crate::remote::{Limits, bare, quoted};
use crate::retry::{Answer, Then, Verb};

/// Keys of one page.
const MAX_PAGE: usize = 1_000;
/// A service account is exchanged for a token, which takes a journey to Google: what holds the token may stay for this long after its last use.
const LINGER: Duration = Duration::from_secs(300);

pub(crate) struct Bucket {
    pub connection: Connection,
    pub io: Arc<Io>,
    pub limits: Limits,
    http: OnceLock<Result<reqwest::Client>>,
    entrance: Mutex<Entrance>,
}

/// What requests that run now were let in with.
#[derive(Default)]
struct Entrance {
    lent: usize,
    credentials: Option<Credentials>,
    backend: Option<Arc<dyn Backend>>,
    returned: Option<Instant>,
}

/// One version of an object, to be read in ranges.
#[derive(Clone, Debug)]
pub(crate) struct Pinned {
    pub key: String,
    pub etag: String,
    pub size: u64,
}

impl Bucket {
    pub fn new(connection: Connection, io: Arc<Io>, limits: Limits) -> Bucket {
        Bucket { connection, io, limits, http: OnceLock::new(), entrance: Mutex::default() }
    }

    pub fn name_of(&self, key: &str) -> String {
        format!("{}://{}/{key}", self.connection.kind.schemes()[0], self.connection.bucket.as_deref().unwrap_or_default())
    }

    /// Until they are given back as often, requests use these credentials.
    pub fn lend(&self, credentials: &Credentials) {
        let mut entrance = self.entrance();
        let is_stale = entrance.returned.is_some_and(|returned| returned.elapsed() > LINGER);
        if is_stale || entrance.credentials.as_ref() != Some(credentials) {
            entrance.credentials = Some(credentials.clone());
            entrance.backend = None;
        }
        entrance.returned = None;
        entrance.lent += 1;
    }

    /// The last one takes the credentials with it.
    pub fn give_back(&self) {
        let mut entrance = self.entrance();
        entrance.lent = entrance.lent.saturating_sub(1);
        if entrance.lent > 0 {
            return;
        }
        if entrance.credentials.as_ref().is_some_and(|credentials| credentials.field("serviceAccount").is_some()) {
            entrance.returned = Some(Instant::now());
        } else {
            (entrance.credentials, entrance.backend) = (None, None);
        }
    }

    fn entrance(&self) -> MutexGuard<'_, Entrance> {
        self.entrance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn backend(&self) -> Result<Arc<dyn Backend>> {
        let mut entrance = self.entrance();
        if self.connection.auth == Auth::Pipe {
            let refuse = |cause: &str| Err(Error::new("STORAGE_FORBIDDEN", "use", &self.connection.name, cause));
            let Some(credentials) = &entrance.credentials else { return refuse("the request brought no credentials for it") };
            let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
            if credentials.expires_at_ms.is_some_and(|expiry| expiry <= now_ms) {
                return refuse("its credentials have expired");
            }
        }
        if let Some(backend) = &entrance.backend {
            return Ok(Arc::clone(backend));
        }
        let http = self.http.get_or_init(|| {
            client::build(&self.limits, Resolver::new(true)).map_err(|cause| {
                Error::new("STORAGE_CONNECTION", "use", &self.connection.name, format!("no HTTP client can be made: {cause}"))
            })
        });
        let backend = backend::build(&self.connection, entrance.credentials.as_ref(), Listening(http.clone()?))?;
        entrance.backend = Some(Arc::clone(&backend));
        Ok(backend)
    }

    pub(super) fn target(&self, key: &str) -> std::result::Result<(Arc<dyn Backend>, Path), Trouble> {
        let path = Path::parse(key)
            .map_err(|_| Trouble::Refused(Error::new("SPEC_URI", "use", self.name_of(key), "no client can spell this key")))?;
        Ok((self.backend().map_err(Trouble::Refused)?, path))
    }

    pub fn error(&self, fault: Fault, key: &str) -> Error {
        fault.into_error(&self.name_of(key))
    }

    pub async fn stat(&self, key: &str) -> Result<Option<Stat>> {
        let asked = || async { Ok(self.head(key).await?.0) };
        match tries(&self.io, &self.limits, Verb::Stat, asked).await {
            Ok(stat) => Ok(Some(stat)),
            Err(fault) if fault.then == Then::Absent => Ok(None),
            Err(fault) => Err(self.error(fault, key)),
        }
    }

    /// Also the store's own version, which some need for a replace.
    async fn head(&self, key: &str) -> std::result::Result<(Stat, Option<String>), Trouble> {
        let (backend, path) = self.target(key)?;
        let meta = backend.head(&path).await?;
        Ok((stat_of(&meta), meta.version))
    }

    /// A small object, whole or a part of it that is cut at its end.
    pub async fn get(&self, key: &str, range: Option<(u64, u64)>) -> Result<Option<Object>> {
        if let Some((start, end)) = range {
            return self.get_part(key, start, end).await;
        }
        match tries(&self.io, &self.limits, Verb::Get, || self.get_whole(key)).await {
            Ok(object) => Ok(Some(object)),
            Err(fault) if fault.then == Then::Absent => Ok(None),
            Err(fault) => Err(self.error(fault, key)),
        }
    }

    async fn get_whole(&self, key: &str) -> std::result::Result<Object, Trouble> {
        let (backend, path) = self.target(key)?;
        let result = backend.get_opts(&path, GetOptions::default()).await?;
        let stat = stat_of(&result.meta);
        check_length(stat.size, &self.name_of(key)).map_err(Trouble::Refused)?;
        let mut bytes = Vec::with_capacity(stat.size as usize);
        read_into(&mut bytes, stat.size, result).await?;
        Ok(Object { stat, bytes })
    }

    async fn get_part(&self, key: &str, start: u64, end: u64) -> Result<Option<Object>> {
        let Some(stat) = self.stat(key).await? else { return Ok(None) };
        let (start, end) = (start.min(stat.size), end.min(stat.size));
        check_length(end.saturating_sub(start), &self.name_of(key))?;
        let pinned = Pinned { key: key.to_owned(), etag: stat.etag.clone(), size: stat.size };
        let bytes = if end > start { self.range(&pinned, start, end).await? } else { Bytes::new() };
        Ok(Some(Object { stat, bytes: bytes.to_vec() }))
    }

    /// `start..end` of a pinned version, or an error; a read that breaks is taken up where it broke, under the same condition.
    pub async fn range(&self, pinned: &Pinned, start: u64, end: u64) -> Result<Bytes> {
        let got = Mutex::new(Vec::with_capacity((end - start) as usize));
        let asked = || self.read_on(pinned, start, end, &got);
        match tries(&self.io, &self.limits, Verb::Range, asked).await {
            Ok(()) => Ok(Bytes::from(got.into_inner().unwrap_or_else(PoisonError::into_inner))),
            Err(fault) => {
                let told = fault.then == Then::Failed("INPUT_CHANGED");
                let error = self.error(fault, &pinned.key);
                Err(if told { Error { cause: format!("expected version {}: {}", pinned.etag, error.cause), ..error } } else { error })
            }
        }
    }

    async fn read_on(&self, pinned: &Pinned, start: u64, end: u64, got: &Mutex<Vec<u8>>) -> std::result::Result<(), Trouble> {
        let (backend, path) = self.target(&pinned.key)?;
        let mut bytes = std::mem::take(&mut *got.lock().unwrap_or_else(PoisonError::into_inner));
        let from = start + bytes.len() as u64;
        let options =
            GetOptions { if_match: Some(quoted(&pinned.etag)), range: Some(GetRange::Bounded(from..end)), ..GetOptions::default() };
        let read = async {
            let result = backend.get_opts(&path, options).await?;
            let now = stat_of(&result.meta);
            if now.etag != pinned.etag || now.size != pinned.size {
                return Err(Trouble::Answer(Answer::Changed));
            }
            read_into(&mut bytes, end - start, result).await
        };
        let end = read.await;
        *got.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
        end
    }

    pub async fn overwrite(&self, key: &str, bytes: Bytes) -> Result<String> {
        let asked = || self.put(key, bytes.clone(), PutMode::Overwrite);
        let put = tries(&self.io, &self.limits, Verb::Overwrite, asked).await.map_err(|fault| self.error(fault, key))?;
        Ok(etag_of(&put))
    }

    /// One create, never repeated here. The etag, or why not.
    pub async fn create_once(&self, key: &str, bytes: Bytes) -> std::result::Result<String, Fault> {
        once(&self.io, Verb::Create, self.put(key, bytes, PutMode::Create)).await.map(|put| etag_of(&put))
    }

    /// One replace of the version `etag`, never repeated here.
    pub async fn replace_once(&self, key: &str, bytes: Bytes, etag: &str) -> std::result::Result<String, Fault> {
        let asked = async {
            let mut version = None;
            if self.connection.kind == Kind::Gcs {
                // Google compares generations when it writes: ours is the one that the etag stands for, if it still does.
                let (now, generation) = self.head(key).await?;
                if now.etag != etag {
                    return Err(Trouble::Answer(Answer::Status(412, None)));
                }
                version = generation;
            }
            self.put(key, bytes, PutMode::Update(UpdateVersion { e_tag: Some(quoted(etag)), version })).await
        };
        once(&self.io, Verb::Replace, asked).await.map(|put| etag_of(&put))
    }

    async fn put(&self, key: &str, bytes: Bytes, mode: PutMode) -> std::result::Result<PutResult, Trouble> {
        let (backend, path) = self.target(key)?;
        Ok(backend.put_opts(&path, PutPayload::from_bytes(bytes), PutOptions { mode, ..PutOptions::default() }).await?)
    }

    pub async fn delete(&self, key: &str) -> Result<Deleted> {
        let asked = || async {
            let (backend, path) = self.target(key)?;
            Ok(backend.delete(&path).await?)
        };
        match tries(&self.io, &self.limits, Verb::Delete, asked).await {
            Ok(()) => Ok(Deleted::Deleted),
            Err(fault) if fault.then == Then::Absent => Ok(Deleted::Absent),
            Err(fault) => Err(self.error(fault, key)),
        }
    }

    /// Keys of the answer are relative to `folder`.
    pub async fn list(&self, folder: &str, query: &ListQuery<'_>) -> Result<Listing> {
        let mut walk = Walk::new(folder, query);
        self.find_prefix_itself(&mut walk).await?;
        loop {
            let asked = || self.page(&walk);
            let page = tries(&self.io, &self.limits, Verb::List, asked).await.map_err(|fault| self.error(fault, &walk.prefix))?;
            if walk.take(page).map_err(|cause| Error::new("STORAGE_UNAVAILABLE", "list", self.name_of(&walk.prefix), cause))? {
                break;
            }
        }
        self.without_markers(walk).await
    }

    /// The library leaves out of an Azure listing what has the prefix for its whole name.
    async fn find_prefix_itself(&self, walk: &mut Walk) -> Result<()> {
        let is_name = !walk.prefix.is_empty() && !walk.prefix.ends_with('/') && walk.prefix > walk.start_after;
        if self.connection.kind == Kind::Azure
            && is_name
            && let Some(stat) = self.stat(&walk.prefix).await?
        {
            walk.found.push((walk.prefix.clone(), Some(stat)));
        }
        Ok(())
    }

    async fn page(&self, walk: &Walk) -> std::result::Result<object_store::list::PaginatedListResult, Trouble> {
        let backend = self.backend().map_err(Trouble::Refused)?;
        let options = PaginatedListOptions {
            offset: walk.offset(),
            delimiter: walk.delimiter.then_some(Cow::Borrowed("/")),
            max_keys: Some((walk.limit + 1).min(MAX_PAGE)),
            page_token: walk.token.clone(),
            ..PaginatedListOptions::default()
        };
        Ok(backend.list_paginated((!walk.prefix.is_empty()).then_some(&walk.prefix), options).await?)
    }

    /// Consoles make "folders" by putting an empty object whose key ends in a slash; the library spells it like a file. They are no objects of ours.
    async fn without_markers(&self, walk: Walk) -> Result<Listing> {
        let more = walk.more || walk.found.len() > walk.limit;
        let mut entries = Vec::with_capacity(walk.found.len().min(walk.limit));
        for (at, (key, stat)) in walk.found.iter().enumerate().take(walk.limit) {
            if stat.as_ref().is_some_and(|stat| stat.size == 0) {
                let inside = format!("{key}/");
                let is_marker = walk.found.get(at + 1).is_some_and(|(next, _)| next.starts_with(&inside));
                if is_marker || self.stat(key).await?.is_none() {
                    continue;
                }
            }
            let relative = key.strip_prefix(walk.folder.as_str()).unwrap_or(key).to_owned();
            entries.push(Entry { key: relative, stat: stat.clone() });
        }
        Ok(Listing { entries, more })
    }
}

/// One version of an object of a bucket.
pub(crate) struct PinnedObject {
    pub bucket: Arc<Bucket>,
    pub pinned: Pinned,
}

impl RangeReader for PinnedObject {
    fn io(&self) -> &Arc<Io> {
        &self.bucket.io
    }

    fn read(self: Arc<Self>, start: u64, end: u64) -> BoxFuture<'static, Result<Bytes>> {
        Box::pin(async move { self.bucket.range(&self.pinned, start, end).await })
    }

    fn place(&self) -> String {
        self.bucket.name_of(&self.pinned.key)
    }
}

/// A listing under way: whole keys, in byte order.
struct Walk {
    folder: String,
    prefix: String,
    start_after: String,
    limit: usize,
    delimiter: bool,
    token: Option<String>,
    found: Vec<(String, Option<Stat>)>,
    more: bool,
}

impl Walk {
    fn new(folder: &str, query: &ListQuery<'_>) -> Walk {
        let start_after = if query.start_after.is_empty() { String::new() } else { format!("{folder}{}", query.start_after) };
        Walk {
            folder: folder.to_owned(),
            prefix: format!("{folder}{}", query.prefix),
            start_after,
            limit: query.limit,
            delimiter: query.delimiter,
            token: None,
            found: Vec::new(),
            more: false,
        }
    }

    /// Behind a folder that was one entry, everything in it has been passed: no key is greater than its name and the last code point there is.
    fn offset(&self) -> Option<String> {
        if self.start_after.is_empty() {
            None
        } else if self.delimiter && self.start_after.ends_with('/') {
            Some(format!("{}\u{10ffff}", self.start_after))
        } else {
            Some(self.start_after.clone())
        }
    }

    /// True when there is enough.
    fn take(&mut self, page: object_store::list::PaginatedListResult) -> std::result::Result<bool, String> {
        let objects = page.result.objects.iter().map(|meta| (meta.location.to_string(), Some(stat_of(meta))));
        let folders = page.result.common_prefixes.iter().map(|path| (format!("{path}/"), None));
        let mut found: Vec<_> =
            objects.chain(folders).filter(|(key, _)| key.starts_with(&self.prefix) && *key > self.start_after).collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        if let (Some((last, _)), Some((first, _))) = (self.found.last(), found.first())
            && first < last
        {
            return Err("its pages do not come in the order of keys".into());
        }
        self.found.extend(found);
        self.found.dedup_by(|one, other| one.0 == other.0);
        self.token = page.page_token;
        self.more = self.token.is_some();
        Ok(self.token.is_none() || self.found.len() > self.limit)
    }
}

fn check_length(length: u64, place: &str) -> Result<()> {
    if length <= MAX_OBJECT_BYTES {
        return Ok(());
    }
    Err(Error::new("OVER_LIMIT", "get", place, format!("expected at most {MAX_OBJECT_BYTES} bytes, got {length}")))
}

/// Appends the body until `whole` bytes are there; fewer or more is an error.
async fn read_into(bytes: &mut Vec<u8>, whole: u64, result: object_store::GetResult) -> std::result::Result<(), Trouble> {
    let mut stream = result.into_stream();
    while let Some(block) = stream.next().await {
        let block = block?;
        if bytes.len() as u64 + block.len() as u64 > whole {
            return Err(Trouble::Answer(Answer::Unreadable));
        }
        bytes.extend_from_slice(&block);
    }
    if bytes.len() as u64 == whole { Ok(()) } else { Err(Trouble::Answer(Answer::Short)) }
}

fn etag_of(put: &PutResult) -> String {
    put.e_tag.as_deref().map(bare).unwrap_or_default()
}

fn stat_of(meta: &ObjectMeta) -> Stat {
    let modified_at_ns = meta.last_modified.timestamp_nanos_opt().map_or(0, i128::from);
    Stat { etag: meta.e_tag.as_deref().map(bare).unwrap_or_default(), size: meta.size, modified_at_ns }
}
