//! What may be concluded from what a store answered: for each verb, and for the conditional put as a whole. Pure, so that each row has its test.

use std::time::Duration;

use crate::error::Error;

/// How often one request is asked.
pub const MAX_TRIES: u32 = 3;
/// No try begins later than this after the first.
pub const TRY_FOR: Duration = Duration::from_secs(20);
/// Upper bound of the wait before the second try; it doubles with each.
pub const FIRST_WAIT: Duration = Duration::from_millis(100);

/// What a store is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Stat,
    Get,
    /// A range of a pinned version.
    Range,
    List,
    Delete,
    Overwrite,
    Create,
    Replace,
    StartUpload,
    Piece,
    FinishUpload,
    AbortUpload,
}

impl Verb {
    /// As messages say it.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Stat => "stat",
            Verb::Get => "get",
            Verb::Range => "read",
            Verb::List => "list",
            Verb::Delete => "delete",
            Verb::Overwrite | Verb::Create => "put",
            Verb::Replace => "replace",
            Verb::StartUpload | Verb::Piece | Verb::FinishUpload => "write",
            Verb::AbortUpload => "abort",
        }
    }
}

/// What came back, when it was not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The store refused; its own code where it gave one.
    Status(u16, Option<String>),
    /// The whole object, to a request for a range.
    Whole,
    /// Fewer bytes than announced.
    Short,
    /// Another version than the pinned one.
    Changed,
    /// Success with a body that says otherwise or cannot be read.
    Unreadable,
    /// The name leads to an address that may not be reached.
    Denied,
    NotConnected,
    /// No answer in time.
    Timeout,
    /// The connection broke; nobody knows what was done.
    Reset,
}

/// What follows from an answer. Texts are codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Asking again is safe and may help.
    Again(&'static str),
    Failed(&'static str),
    /// It may or may not have been done: look before anything else.
    Unknown(&'static str),
    /// Somebody holds the name, perhaps we.
    Exists,
    /// Nothing is there.
    Absent,
}

/// The table.
pub fn after(verb: Verb, answer: &Answer) -> Then {
    let code = code_of(verb, answer);
    let is_passing = matches!(code, "STORAGE_THROTTLED" | "STORAGE_UNAVAILABLE" | "STORAGE_TIMEOUT" | "STORAGE_CONNECTION");
    match (verb, answer) {
        (Verb::Create, Answer::Status(304 | 412, _)) => Then::Exists,
        (Verb::Create, Answer::Status(409, Some(code))) if code.contains("AlreadyExists") => Then::Exists,
        (Verb::Create | Verb::Replace, Answer::Status(501, _)) => Then::Failed("STORE_IGNORES_CONDITIONS"),
        (Verb::Replace, Answer::Status(304 | 404 | 412, _)) => Then::Exists,
        // A completion that was done and whose answer was lost is forgotten by the store.
        (Verb::FinishUpload, Answer::Status(404, _)) => Then::Unknown("STORAGE_UNAVAILABLE"),
        (Verb::StartUpload | Verb::Piece | Verb::Overwrite, Answer::Status(404, _)) => Then::Failed("STORAGE_UNAVAILABLE"),
        (_, Answer::Status(404, Some(code))) if code == "NoSuchBucket" || code == "ContainerNotFound" => {
            Then::Failed("STORAGE_UNAVAILABLE")
        }
        (Verb::Range, Answer::Status(404, _)) => Then::Failed("INPUT_NOT_FOUND"),
        (_, Answer::Status(404, _)) => Then::Absent,
        (_, Answer::Status(300..=399 | 400 | 402 | 405..=407 | 410 | 411 | 413..=415 | 417..=424 | 426..=428 | 430..=499 | 501, _)) => {
            Then::Failed(code)
        }
        (Verb::Create | Verb::Replace | Verb::FinishUpload, _) if is_passing => Then::Unknown(code),
        _ if is_passing => Then::Again(code),
        _ => Then::Failed(code),
    }
}

fn code_of(verb: Verb, answer: &Answer) -> &'static str {
    match answer {
        Answer::Status(status, code) => code_of_status(verb, *status, code.as_deref().unwrap_or_default()),
        Answer::Changed => "INPUT_CHANGED",
        Answer::Denied => "STORAGE_FORBIDDEN",
        Answer::Timeout => "STORAGE_TIMEOUT",
        Answer::Whole | Answer::Short | Answer::NotConnected | Answer::Reset => "STORAGE_CONNECTION",
        Answer::Unreadable => "STORAGE_UNAVAILABLE",
    }
}

fn code_of_status(verb: Verb, status: u16, code: &str) -> &'static str {
    const TOKENS: [&str; 4] = ["ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidAccessKeyId"];
    const FULL: [&str; 3] = ["QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity"];
    match status {
        _ if FULL.contains(&code) => "STORAGE_FULL",
        _ if TOKENS.contains(&code) => "STORAGE_FORBIDDEN",
        401 | 403 => "STORAGE_FORBIDDEN",
        404 => "INPUT_NOT_FOUND",
        412 | 416 if verb == Verb::Range => "INPUT_CHANGED",
        408 => "STORAGE_TIMEOUT",
        429 => "STORAGE_THROTTLED",
        503 if code == "SlowDown" || code == "ServerBusy" => "STORAGE_THROTTLED",
        507 => "STORAGE_FULL",
        _ => "STORAGE_UNAVAILABLE",
    }
}

/// How often a create is repeated while nothing is decided.
pub const MAX_CREATES: u32 = 3;
/// How often an object that "exists" may be absent when it is read.
pub const MAX_ABSENT_READS: u32 = 3;

/// What a store said to one create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    Saved,
    /// Somebody holds the name, perhaps we.
    Exists,
    /// Another write was in flight, the connection broke, or the store failed: it may or may not have been saved.
    Unknown(Error),
    /// Certainly not saved.
    Refused(Error),
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Won,
    /// Read what stands under the name, then judge.
    Read,
    Create,
    Failed(Error),
}

pub fn after_create(answer: Created) -> Next {
    match answer {
        Created::Saved => Next::Won,
        Created::Exists | Created::Unknown(_) => Next::Read,
        Created::Refused(error) => Next::Failed(error),
    }
}

/// The name was read and is empty, after `creates` creates of which the last was answered with `answer`, and `reads` reads since.
pub fn after_absent(answer: &Created, creates: u32, reads: u32, unsafe_journal: impl FnOnce() -> Error) -> Next {
    match answer {
        Created::Unknown(error) if creates >= MAX_CREATES => Next::Failed(error.clone()),
        Created::Unknown(_) => Next::Create,
        Created::Exists | Created::Saved if reads < MAX_ABSENT_READS => Next::Read,
        Created::Exists | Created::Saved => Next::Failed(unsafe_journal()),
        Created::Refused(error) => Next::Failed(error.clone()),
    }
}

/// Whose the existing object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Ours,
    /// Ours by its attempt, but with other bytes: a bug, after which nothing may be deleted.
    OursAltered,
    Another,
}

pub fn judge(existing: &[u8], ours: &[u8], attempt_id: Option<&str>) -> Owner {
    let names_us = attempt_id.is_some_and(|id| !id.is_empty() && existing.windows(id.len()).any(|window| window == id.as_bytes()));
    match (names_us, existing == ours) {
        (true, true) => Owner::Ours,
        (true, false) => Owner::OursAltered,
        (false, _) => Owner::Another,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(code: &'static str) -> Error {
        Error::new(code, "put", "/j/x", "told to")
    }

    fn status(status: u16) -> Answer {
        Answer::Status(status, None)
    }

    fn named(status: u16, code: &str) -> Answer {
        Answer::Status(status, Some(code.into()))
    }

    #[test]
    fn a_create_is_never_asked_again_without_a_look() {
        let table = [
            (status(412), Then::Exists),
            (status(304), Then::Exists),
            (named(409, "BlobAlreadyExists"), Then::Exists),
            (named(409, "ConditionalRequestConflict"), Then::Unknown("STORAGE_UNAVAILABLE")),
            (status(500), Then::Unknown("STORAGE_UNAVAILABLE")),
            (named(503, "SlowDown"), Then::Unknown("STORAGE_THROTTLED")),
            (status(429), Then::Unknown("STORAGE_THROTTLED")),
            (Answer::Timeout, Then::Unknown("STORAGE_TIMEOUT")),
            (Answer::Reset, Then::Unknown("STORAGE_CONNECTION")),
            (Answer::NotConnected, Then::Unknown("STORAGE_CONNECTION")),
            (Answer::Unreadable, Then::Unknown("STORAGE_UNAVAILABLE")),
            (status(403), Then::Failed("STORAGE_FORBIDDEN")),
            (named(400, "ExpiredToken"), Then::Failed("STORAGE_FORBIDDEN")),
            (status(501), Then::Failed("STORE_IGNORES_CONDITIONS")),
            (named(404, "NoSuchBucket"), Then::Failed("STORAGE_UNAVAILABLE")),
            (status(507), Then::Failed("STORAGE_FULL")),
        ];
        for (answer, then) in table {
            assert_eq!(after(Verb::Create, &answer), then, "{answer:?}");
        }
    }

    #[test]
    fn a_pinned_read_is_asked_again_or_says_that_the_input_changed() {
        let table = [
            (status(412), Then::Failed("INPUT_CHANGED")),
            (status(416), Then::Failed("INPUT_CHANGED")),
            (Answer::Changed, Then::Failed("INPUT_CHANGED")),
            (status(404), Then::Failed("INPUT_NOT_FOUND")),
            (status(401), Then::Failed("STORAGE_FORBIDDEN")),
            (Answer::Whole, Then::Again("STORAGE_CONNECTION")),
            (Answer::Short, Then::Again("STORAGE_CONNECTION")),
            (Answer::Reset, Then::Again("STORAGE_CONNECTION")),
            (status(500), Then::Again("STORAGE_UNAVAILABLE")),
            (status(429), Then::Again("STORAGE_THROTTLED")),
            (status(302), Then::Failed("STORAGE_UNAVAILABLE")),
        ];
        for (answer, then) in table {
            assert_eq!(after(Verb::Range, &answer), then, "{answer:?}");
        }
    }

    #[test]
    fn whoever_may_have_finished_looks_and_who_deletes_what_is_gone_is_done() {
        assert_eq!(after(Verb::FinishUpload, &named(404, "NoSuchUpload")), Then::Unknown("STORAGE_UNAVAILABLE"));
        assert_eq!(after(Verb::FinishUpload, &Answer::Unreadable), Then::Unknown("STORAGE_UNAVAILABLE"));
        assert_eq!(after(Verb::FinishUpload, &Answer::Timeout), Then::Unknown("STORAGE_TIMEOUT"));
        assert_eq!(after(Verb::Piece, &named(404, "NoSuchUpload")), Then::Failed("STORAGE_UNAVAILABLE"));
        assert_eq!(after(Verb::Delete, &status(404)), Then::Absent);
        assert_eq!(after(Verb::Stat, &status(404)), Then::Absent);
        assert_eq!(after(Verb::Replace, &status(412)), Then::Exists);
        assert_eq!(after(Verb::Replace, &status(404)), Then::Exists);
        assert_eq!(after(Verb::Overwrite, &status(409)), Then::Again("STORAGE_UNAVAILABLE"));
    }

    #[test]
    fn each_answer_to_a_create_has_its_row() {
        let table = [
            (Created::Saved, Next::Won),
            (Created::Exists, Next::Read),
            (Created::Unknown(fault("STORAGE_UNAVAILABLE")), Next::Read),
            (Created::Refused(fault("STORAGE_FULL")), Next::Failed(fault("STORAGE_FULL"))),
        ];
        for (answer, next) in table {
            assert_eq!(after_create(answer), next);
        }
    }

    #[test]
    fn an_empty_name_is_read_again_created_again_or_given_up() {
        let broken = || fault("JOURNAL_UNSAFE");
        let unknown = Created::Unknown(fault("STORAGE_TIMEOUT"));
        assert_eq!(after_absent(&Created::Exists, 1, 1, broken), Next::Read);
        assert_eq!(after_absent(&Created::Exists, 1, 3, broken), Next::Failed(broken()));
        assert_eq!(after_absent(&unknown, 1, 1, broken), Next::Create);
        assert_eq!(after_absent(&unknown, MAX_CREATES, 1, broken), Next::Failed(fault("STORAGE_TIMEOUT")));
    }

    #[test]
    fn only_our_attempt_with_our_bytes_is_ours() {
        assert_eq!(judge(b"{a1}", b"{a1}", Some("a1")), Owner::Ours);
        assert_eq!(judge(b"{a1 }", b"{a1}", Some("a1")), Owner::OursAltered);
        assert_eq!(judge(b"{a2}", b"{a1}", Some("a1")), Owner::Another);
        assert_eq!(judge(b"same", b"same", None), Owner::Another);
    }
}
