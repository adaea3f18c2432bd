//! Inputs behind `https://`: read in ranges under a strong etag. Nothing is listed and nothing written.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::future::BoxFuture;
use reqwest::header::{ACCEPT_ENCODING, ACCEPT_RANGES, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, IF_MATCH, RANGE};
use reqwest::{Method, Response};
use url::Url;

use crate::connection::Secret;
use crate::error::{Error, Result};
use crate::io::Io;
use crate::object::Stat;
use crate::remote::ask::{Fault, Trouble, tries};
use crate::remote::client::{self, Resolver, answer_of_reqwest, innermost};
use crate::remote::input::RangeReader;
use crate::remote::{Limits, bare, quoted};
use crate::retry::{Answer, Then, Verb};

/// The client for web servers: one for public addresses, one for connections that may reach others.
pub(crate) struct Web {
    io: Arc<Io>,
    limits: Limits,
    public: OnceLock<std::result::Result<reqwest::Client, String>>,
    private: OnceLock<std::result::Result<reqwest::Client, String>>,
}

impl Web {
    pub fn new(io: Arc<Io>, limits: Limits) -> Web {
        Web { io, limits, public: OnceLock::new(), private: OnceLock::new() }
    }

    fn client(&self, private_addresses: bool, place: &str) -> Result<reqwest::Client> {
        let slot = if private_addresses { &self.private } else { &self.public };
        let built = slot.get_or_init(|| client::build(&self.limits, Resolver::new(private_addresses)));
        let refuse = |cause: &String| Error::new("STORAGE_CONNECTION", "read", place, format!("no HTTP client can be made: {cause}"));
        match built {
            Ok(client) => Ok(client.clone()),
            Err(cause) => Err(refuse(cause)),
        }
    }

    /// A file behind a URL. `place`: its name in messages.
    pub fn file(&self, url: &Url, place: String, private_addresses: bool, bearer: Option<Secret>) -> Result<WebFile> {
        let client = self.client(private_addresses, &place)?;
        Ok(WebFile { client, url: url.clone(), place, bearer, io: Arc::clone(&self.io), limits: self.limits })
    }
}

#[derive(Clone)]
pub(crate) struct WebFile {
    client: reqwest::Client,
    url: Url,
    place: String,
    bearer: Option<Secret>,
    io: Arc<Io>,
    limits: Limits,
}

impl WebFile {
    /// Size and version; none when there is nothing. A server without strong versions or without ranges cannot be read safely.
    pub async fn stat(&self) -> Result<Option<Stat>> {
        let asked = || async {
            let response = self.send(Method::HEAD, &[]).await?;
            self.stat_of(response.headers()).map_err(Trouble::Refused)
        };
        match tries(&self.io, &self.limits, Verb::Stat, asked).await {
            Ok(stat) => Ok(Some(stat)),
            Err(fault) if fault.then == Then::Absent => Ok(None),
            Err(fault) => Err(self.error(fault)),
        }
    }

    fn error(&self, fault: Fault) -> Error {
        fault.into_error(&self.place)
    }

    fn stat_of(&self, headers: &HeaderMap) -> Result<Stat> {
        let refuse = |cause: &str| Error::new("SPEC_NOT_AVAILABLE", "read", &self.place, cause);
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let etag = text(ETAG).filter(|etag| etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2);
        let etag = etag.ok_or_else(|| {
            refuse("the server gives it no strong ETag, so nothing would notice a change while it is read; copy it to a bucket or a directory first")
        })?;
        if text(ACCEPT_RANGES).is_some_and(|ranges| ranges.trim() == "none") {
            return Err(refuse("the server sends no ranges; copy it to a bucket or a directory first"));
        }
        let size = text(CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let size = size.ok_or_else(|| refuse("the server does not say how long it is; copy it to a bucket or a directory first"))?;
        Ok(Stat { etag: bare(etag), size, modified_at_ns: 0 })
    }

    async fn send(&self, method: Method, headers: &[(reqwest::header::HeaderName, String)]) -> std::result::Result<Response, Trouble> {
        let mut request = self.client.request(method, self.url.clone()).header(ACCEPT_ENCODING, "identity");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(bearer) = &self.bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {}", bearer.reveal()));
        }
        let response = request.send().await.map_err(|error| trouble_of(&error))?;
        let status = response.status().as_u16();
        if status < 300 { Ok(response) } else { Err(Trouble::Answer(Answer::Status(status, None))) }
    }

    async fn read_range(&self, stat: &Stat, start: u64, end: u64) -> Result<Bytes> {
        let got = std::sync::Mutex::new(Vec::with_capacity((end - start) as usize));
        let asked = || self.read_on(stat, start, end, &got);
        match tries(&self.io, &self.limits, Verb::Range, asked).await {
            Ok(()) => Ok(Bytes::from(got.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))),
            Err(fault) => Err(self.error(fault)),
        }
    }

    async fn read_on(&self, stat: &Stat, start: u64, end: u64, got: &std::sync::Mutex<Vec<u8>>) -> std::result::Result<(), Trouble> {
        let mut bytes = std::mem::take(&mut *got.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let from = start + bytes.len() as u64;
        let read = async {
            let condition = [(RANGE, format!("bytes={from}-{}", end - 1)), (IF_MATCH, quoted(&stat.etag))];
            let response = self.send(Method::GET, &condition).await?;
            check_part(&response, stat, from, end)?;
            take_body(response, &mut bytes, end - start).await
        };
        let ended = read.await;
        *got.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = bytes;
        ended
    }
}

fn trouble_of(error: &reqwest::Error) -> Trouble {
    client::note_text(innermost(error));
    Trouble::Answer(answer_of_reqwest(error))
}

/// The answer must be this range of this version.
fn check_part(response: &Response, stat: &Stat, start: u64, end: u64) -> std::result::Result<(), Trouble> {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    if response.status().as_u16() != 206 {
        return Err(Trouble::Answer(Answer::Whole));
    }
    let is_same = text(ETAG).map(bare).as_deref() == Some(&stat.etag);
    let expected = format!("bytes {start}-{}/{}", end - 1, stat.size);
    if is_same && text(CONTENT_RANGE) == Some(&expected) { Ok(()) } else { Err(Trouble::Answer(Answer::Changed)) }
}

async fn take_body(mut response: Response, bytes: &mut Vec<u8>, whole: u64) -> std::result::Result<(), Trouble> {
    while let Some(block) = response.chunk().await.map_err(|error| trouble_of(&error))? {
        if (bytes.len() + block.len()) as u64 > whole {
            return Err(Trouble::Answer(Answer::Unreadable));
        }
        bytes.extend_from_slice(&block);
    }
    if bytes.len() as u64 == whole { Ok(()) } else { Err(Trouble::Answer(Answer::Short)) }
}

/// One version of a file behind a URL.
pub(crate) struct PinnedWebFile {
    pub file: WebFile,
    pub stat: Stat,
}

impl RangeReader for PinnedWebFile {
    fn io(&self) -> &Arc<Io> {
        &self.file.io
    }

    fn read(self: Arc<Self>, start: u64, end: u64) -> BoxFuture<'static, Result<Bytes>> {
        Box::pin(async move { self.file.read_range(&self.stat, start, end).await })
    }

    fn place(&self) -> String {
        self.file.place.clone()
    }
}
