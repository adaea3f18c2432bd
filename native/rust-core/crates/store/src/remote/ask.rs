//! One question to a store, asked again while the table says that this is safe.

use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use object_store::client::HttpError;

use crate::error::Error;
use crate::io::Io;
use crate::remote::Limits;
use crate::remote::client::{SEEN, Seen, answer_of, find, innermost};
use crate::retry::{self, Answer, MAX_TRIES, Then, Verb};

/// Why a try did not bring what was asked for.
#[derive(Debug)]
pub(crate) enum Trouble {
    Store(object_store::Error),
    Answer(Answer),
    /// Found before anything was sent.
    Refused(Error),
}

impl From<object_store::Error> for Trouble {
    fn from(error: object_store::Error) -> Trouble {
        Trouble::Store(error)
    }
}

/// What came of all tries.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub then: Then,
    verb: Verb,
    cause: String,
    tries: u32,
    retry_after: Option<Duration>,
    refused: Option<Box<Error>>,
}

impl Fault {
    pub(crate) fn refused(verb: Verb, error: Error) -> Fault {
        let (cause, code) = (error.cause.clone(), error.code);
        Fault { then: Then::Failed(code), verb, cause, tries: 0, retry_after: None, refused: Some(Box::new(error)) }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    pub(crate) fn into_error(self, place: &str) -> Error {
        if let Some(error) = self.refused {
            return *error;
        }
        let code = match self.then {
            Then::Again(code) | Then::Failed(code) | Then::Unknown(code) => code,
            Then::Absent => "INPUT_NOT_FOUND",
            Then::Exists => "STORAGE_CHECKSUM",
        };
        let retry_after_ms = self.retry_after.map(|time| time.as_millis() as u64);
        Error { tries: self.tries, retry_after_ms, ..Error::new(code, self.verb.name(), place, self.cause) }
    }
}

/// Asks once.
pub(crate) async fn once<T, F>(io: &Io, verb: Verb, asked: F) -> Result<T, Fault>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let _permit = io.permits.acquire().await.expect("the semaphore is never closed");
    let seen = Arc::new(Mutex::new(Seen::default()));
    let answered = SEEN.scope(Arc::clone(&seen), asked).await;
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    answered.map_err(|trouble| fault_of(verb, trouble, seen))
}

/// Asks up to three times within the time for it.
pub(crate) async fn tries<T, F>(io: &Io, limits: &Limits, verb: Verb, mut asked: impl FnMut() -> F) -> Result<T, Fault>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let started = Instant::now();
    let mut number = 1;
    loop {
        let fault = match once(io, verb, asked()).await {
            Ok(value) => return Ok(value),
            Err(fault) => Fault { tries: number, ..fault },
        };
        let wait = wait_before(limits, number, fault.retry_after);
        let is_worth_it = matches!(fault.then, Then::Again(_)) && number < MAX_TRIES && started.elapsed() + wait < limits.try_for;
        if !is_worth_it {
            return Err(fault);
        }
        tokio::time::sleep(wait).await;
        number += 1;
    }
}

/// Full jitter below a bound that doubles, and never less than the store asks for.
pub(crate) fn wait_before(limits: &Limits, number: u32, retry_after: Option<Duration>) -> Duration {
    let bound = limits.first_wait * 2_u32.pow((number - 1).min(6));
    let random = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
    bound.mul_f64(random).max(retry_after.unwrap_or_default())
}

fn fault_of(verb: Verb, trouble: Trouble, seen: Seen) -> Fault {
    let (answer, cause) = match trouble {
        Trouble::Refused(error) => return Fault::refused(verb, error),
        Trouble::Answer(answer) => {
            let text = said(&answer, &seen.text);
            (answer, text)
        }
        Trouble::Store(error) => {
            let (answer, text) = answer_in(verb, &error, &seen);
            let text = said(&answer, &text);
            (answer, text)
        }
    };
    Fault { then: retry::after(verb, &answer), verb, cause, tries: 1, retry_after: seen.retry_after, refused: None }
}

/// From what was heard on the wire, and only where nothing was from the library's error.
fn answer_in(verb: Verb, error: &object_store::Error, seen: &Seen) -> (Answer, String) {
    if let Some(fault) = &seen.fault {
        return (fault.clone(), seen.text.clone());
    }
    match seen.status {
        Some(status) if status >= 300 => return (Answer::Status(status, seen.code.clone()), String::new()),
        Some(200) if verb == Verb::Range && find::<HttpError>(error).is_none() => return (Answer::Whole, String::new()),
        _ => {}
    }
    match (find::<HttpError>(error), inner_status(error)) {
        (Some(broken), _) => (answer_of(broken), innermost(broken)),
        (None, Some(status)) => (Answer::Status(status, None), String::new()),
        (None, None) => (Answer::Unreadable, String::new()),
    }
}

/// Of an answer inside a successful one: Azure deletes in batches.
fn inner_status(error: &object_store::Error) -> Option<u16> {
    match error {
        object_store::Error::NotFound { .. } => Some(404),
        object_store::Error::PermissionDenied { .. } => Some(403),
        object_store::Error::Unauthenticated { .. } => Some(401),
        _ => None,
    }
}

fn said(answer: &Answer, text: &str) -> String {
    let said = match answer {
        Answer::Status(status, Some(code)) => return format!("the store answered {status} {code}"),
        Answer::Status(status @ 300..=399, None) => return format!("the store answered {status}: redirects are not followed"),
        Answer::Status(status, None) => return format!("the store answered {status}"),
        Answer::Whole => "asked for a range, the store sent the whole object",
        Answer::Short => "the store sent fewer bytes than it said",
        Answer::Changed => "it is not the pinned version any more",
        Answer::Unreadable => "the store's answer cannot be read",
        Answer::Denied => "its name leads to an address that is not a public one",
        Answer::NotConnected => "no connection",
        Answer::Timeout => "no answer in time",
        Answer::Reset => "the connection broke",
    };
    if text.is_empty() { said.to_owned() } else { format!("{said}: {text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_jittered_below_a_doubling_bound_and_heed_the_store() {
        let limits = Limits::default();
        for number in 1..4 {
            let waits: Vec<Duration> = (0..50).map(|_| wait_before(&limits, number, None)).collect();
            assert!(waits.iter().all(|wait| *wait <= limits.first_wait * 2_u32.pow(number - 1)));
            assert!(waits.iter().any(|wait| *wait != waits[0]));
        }
        assert_eq!(wait_before(&limits, 1, Some(Duration::from_secs(7))), Duration::from_secs(7));
    }
}
