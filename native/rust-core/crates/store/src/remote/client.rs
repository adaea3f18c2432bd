//! The HTTP client under every remote store: no redirects, no proxies, addresses looked up once, and a note of what each answer was, because the
//! errors of the libraries above keep too little of it.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::addresses::is_public;
use crate::remote::{Limits, install_tls};
use crate::retry::Answer;

/// Bodies of errors are read up to this length.
const MAX_ERROR_BYTES: usize = 64 << 10;
const USER_AGENT: &str = concat!("millrace/", env!("CARGO_PKG_VERSION"));

/// What the last request of a task was answered.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub status: Option<u16>,
    pub code: Option<String>,
    pub retry_after: Option<Duration>,
    /// The request never got an answer.
    pub fault: Option<Answer>,
    pub text: String,
}

tokio::task_local! {
    pub static SEEN: Arc<Mutex<Seen>>;
}

fn note(change: impl FnOnce(&mut Seen)) {
    let _ = SEEN.try_with(|seen| change(&mut seen.lock().unwrap_or_else(PoisonError::into_inner)));
}

/// What the network said to a request that no library stands between.
pub fn note_text(text: String) {
    note(|seen| seen.text = text);
}

/// Builds a client. `resolver` decides which addresses names may lead to.
pub fn build(limits: &Limits, resolver: Arc<Resolver>) -> Result<reqwest::Client, String> {
    install_tls();
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(limits.connect)
        .read_timeout(limits.answer)
        .dns_resolver(resolver)
        .build()
        .map_err(|error| innermost(&error))
}

/// Hands the client to the library and writes down what it hears.
#[derive(Clone, Debug)]
pub struct Listening(pub reqwest::Client);

impl HttpConnector for Listening {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl HttpService for Listening {
    fn call<'life0, 'async_trait>(&'life0 self, request: HttpRequest) -> BoxFuture<'async_trait, Result<HttpResponse, HttpError>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.ask(request))
    }
}

impl Listening {
    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        note(|seen| *seen = Seen::default());
        match HttpService::call(&self.0, request).await {
            Ok(response) if response.status().as_u16() < 400 => {
                note(|seen| seen.status = Some(response.status().as_u16()));
                Ok(response)
            }
            Ok(response) => self.read_refusal(response).await,
            Err(error) => {
                note(|seen| (seen.fault, seen.text) = (Some(answer_of(&error)), innermost(&error)));
                Err(error)
            }
        }
    }

    async fn read_refusal(&self, response: HttpResponse) -> Result<HttpResponse, HttpError> {
        let (parts, body) = response.into_parts();
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let retry_after = header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let named = header("x-ms-error-code").map(str::to_owned);
        // An error whose text does not come is an error all the same.
        let bytes = body.bytes().await.unwrap_or_default();
        let bytes = bytes.slice(..bytes.len().min(MAX_ERROR_BYTES));
        note(|seen| {
            (seen.status, seen.retry_after) = (Some(parts.status.as_u16()), retry_after);
            seen.code = named.or_else(|| code_in(&bytes));
        });
        Ok(HttpResponse::from_parts(parts, bytes.into()))
    }
}

/// `<Code>` of an error document, as all three stores write it.
fn code_in(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_code =
        !code.is_empty() && code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_');
    is_code.then(|| code.to_owned())
}

pub fn answer_of(error: &HttpError) -> Answer {
    if find::<Refused>(error).is_some() {
        return Answer::Denied;
    }
    match error.kind() {
        HttpErrorKind::Connect => Answer::NotConnected,
        HttpErrorKind::Timeout => Answer::Timeout,
        _ => Answer::Reset,
    }
}

/// The same for requests that no library stands between.
pub fn answer_of_reqwest(error: &reqwest::Error) -> Answer {
    if find::<Refused>(error).is_some() {
        Answer::Denied
    } else if error.is_timeout() {
        Answer::Timeout
    } else if error.is_connect() {
        Answer::NotConnected
    } else {
        Answer::Reset
    }
}

pub fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        at = error.source();
    }
    None
}

/// The last cause: the layers above it may hold URLs, this one says what the network said.
pub fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    let text: String = at.to_string().chars().take(200).collect();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// A name leads to an address that is not public.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to an address that is not a public one")]
pub struct Refused;

/// Looks each name up once. What it leads to then is what is connected to, for the life of the process.
pub struct Resolver {
    private_addresses: bool,
    known: Arc<Mutex<HashMap<String, Vec<SocketAddr>>>>,
}

/// Names remembered before the memory starts over.
const MAX_NAMES: usize = 1_000;

impl Resolver {
    pub fn new(private_addresses: bool) -> Arc<Resolver> {
        Arc::new(Resolver { private_addresses, known: Arc::default() })
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (known, private_addresses) = (Arc::clone(&self.known), self.private_addresses);
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let before = known.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
            if let (Some(addresses), false) = (before, private_addresses) {
                return Ok(Box::new(addresses.into_iter()) as Addrs);
            }
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !private_addresses && !addresses.iter().all(|address| is_public(address.ip())) {
                return Err(Refused.into());
            }
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MAX_NAMES {
                known.clear();
            }
            known.insert(name, addresses.clone());
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_an_error_document_is_found_and_nothing_else_passes_for_one() {
        assert_eq!(code_in(b"<?xml?><Error><Code>SlowDown</Code><Message>x</Message></Error>").as_deref(), Some("SlowDown"));
        for body in [&b"<Code></Code>"[..], b"<Code>a b</Code>", b"<Code>x", b"\xff<Code>x</Code>", b""] {
            assert_eq!(code_in(body), None);
        }
    }
}
