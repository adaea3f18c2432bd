//! One error for all verbs: what was tried, where, why not, and a code of the closed list.

use rustix::io::Errno;

pub type Result<T> = std::result::Result<T, Error>;

/// `code` is a string of the closed list in `packages/protocol/src/failure.ts`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {verb} {place}: {cause}{}", after(*tries))]
pub struct Error {
    pub code: &'static str,
    pub verb: &'static str,
    /// The path, or the URI without user info and query.
    pub place: String,
    /// Our words, and what the store itself said: its status and its own code.
    pub cause: String,
    /// How often it was asked; 0 where asking again has no meaning.
    pub tries: u32,
    /// How long the store asks to be left alone, if it said so.
    pub retry_after_ms: Option<u64>,
}

fn after(tries: u32) -> String {
    if tries > 1 { format!(" (tried {tries} times)") } else { String::new() }
}

impl Error {
    pub fn new(code: &'static str, verb: &'static str, place: impl std::fmt::Display, cause: impl Into<String>) -> Error {
        Error { code, verb, place: place.to_string(), cause: cause.into(), tries: 0, retry_after_ms: None }
    }

    pub(crate) fn of_errno(errno: Errno, verb: &'static str, place: impl std::fmt::Display) -> Error {
        let cause = std::io::Error::from_raw_os_error(errno.raw_os_error());
        Error::new(code_of(errno), verb, place, plain(&cause))
    }

    pub(crate) fn of_io(error: &std::io::Error, verb: &'static str, place: impl std::fmt::Display) -> Error {
        match Errno::from_io_error(error) {
            Some(errno) => Error::of_errno(errno, verb, place),
            None => Error::new("STORAGE_UNAVAILABLE", verb, place, plain(error)),
        }
    }
}

/// The system's sentence in lower case and without the number, which says nothing to a person.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The table from what the kernel answers to our code.
pub(crate) fn code_of(errno: Errno) -> &'static str {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::ISDIR => "INPUT_NOT_FOUND",
        Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::LOOP | Errno::XDEV => "STORAGE_FORBIDDEN",
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => "STORAGE_FULL",
        Errno::TIMEDOUT => "STORAGE_TIMEOUT",
        Errno::STALE | Errno::CONNRESET | Errno::NOTCONN | Errno::HOSTDOWN | Errno::HOSTUNREACH => "STORAGE_CONNECTION",
        _ => "STORAGE_UNAVAILABLE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_of_the_kernel_has_its_code() {
        let table = [
            (Errno::NOENT, "INPUT_NOT_FOUND"),
            (Errno::ACCESS, "STORAGE_FORBIDDEN"),
            (Errno::ROFS, "STORAGE_FORBIDDEN"),
            (Errno::LOOP, "STORAGE_FORBIDDEN"),
            (Errno::NOSPC, "STORAGE_FULL"),
            (Errno::DQUOT, "STORAGE_FULL"),
            (Errno::IO, "STORAGE_UNAVAILABLE"),
            (Errno::STALE, "STORAGE_CONNECTION"),
        ];
        for (errno, code) in table {
            assert_eq!(code_of(errno), code, "{errno:?}");
        }
    }

    #[test]
    fn a_message_says_verb_place_and_cause() {
        let error = Error::of_errno(Errno::NOSPC, "write", "/data/out/a");
        assert_eq!(error.to_string(), "cannot write /data/out/a: no space left on device");
    }
}
