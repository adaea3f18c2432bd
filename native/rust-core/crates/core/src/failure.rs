//! From errors of the crates below to `Failed`: the one place where a code gets its class.

use millrace_engine::Error;
use millrace_engine::progress::Snapshot;
use millrace_formats::position::known_number;
use millrace_wire::message::{Failed, FailureClass, Position};

use crate::memory;

/// The class of each code the core can answer with, as in `packages/protocol/src/failure.ts`.
pub fn class_of(code: &str) -> FailureClass {
    match code {
        "STORAGE_FULL" | "CORE_MEMORY" | "CORE_DISK_FULL" | "CORE_TIME_LIMIT" => FailureClass::Resource,
        "CORE_CRASH" | "PROTOCOL_VIOLATION" | "CORE_HUNG" => FailureClass::Crash,
        "CORE_START" => FailureClass::Transient,
        "LEASE_LOST" => FailureClass::Lost,
        "BALANCE_MISMATCH" | "PLAN_CONFLICT" | "JOURNAL_UNSAFE" | "STORE_IGNORES_CONDITIONS" => FailureClass::Bug,
        _ if code.starts_with("STORAGE_") => FailureClass::Transient,
        _ if code.starts_with("CORE_") => FailureClass::Bug,
        // INPUT_*, SCHEMA_*, SPEC_*, OVER_LIMIT, CSV_HEADER_MISSING …: trying again would end the same.
        _ => FailureClass::Input,
    }
}

/// An error of the store keeps its code and its sentence.
pub fn of_store(error: millrace_store::Error) -> Error {
    Error { retry_after_ms: error.retry_after_ms, ..Error::new(error.code, error.to_string()) }
}

/// Record 0: nobody has counted those before it.
fn position_at(file: u32, record: u64, line: u64, byte: u64) -> Position {
    Position { file, record: known_number(record).unwrap_or(0), line: known_number(line), byte: Some(byte) }
}

/// The answer to a request that failed, with how far it came.
pub fn failed(error: &Error, progress: Option<Snapshot>) -> Failed {
    let here = progress.filter(|snapshot| snapshot.record > 0);
    let position = match (error.at, here) {
        (Some(place), _) => Some(position_at(place.file, place.record, place.line, place.byte)),
        (None, Some(here)) => Some(position_at(here.file as u32, here.record, here.line, here.byte)),
        (None, None) => None,
    };
    let done = progress.unwrap_or_default();
    Failed {
        code: error.code.into(),
        class: class_of(error.code),
        message: reason(error),
        details: "{}".into(),
        causes: Vec::new(),
        position,
        bytes_done: done.bytes_in,
        records_done: done.records_in,
        peak_rss_bytes: memory::peak_rss_bytes(),
        retry_after_ms: error.retry_after_ms.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX)),
        backtrace: None,
    }
}

/// What the error says of itself: the wire takes no empty text, and its reader would call the whole answer damaged.
fn reason(error: &Error) -> String {
    if error.message.is_empty() { format!("{}, and no more is known", error.code) } else { error.message.clone() }
}

/// The answer to a request that panicked, or that came after one that did.
pub fn panicked(message: String, backtrace: Option<String>) -> Failed {
    let error = Error::new("CORE_PANIC", message);
    Failed { backtrace, ..failed(&error, None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_store_asks_for_is_passed_on() {
        let mut told = millrace_store::Error::new("STORAGE_THROTTLED", "put", "s3://b/k", "the store answered 429");
        told.retry_after_ms = Some(7_000);
        let answer = failed(&of_store(told), None);
        assert_eq!((answer.retry_after_ms, answer.class), (Some(7_000), FailureClass::Transient));
    }

    #[test]
    fn no_answer_is_without_a_message() {
        assert_eq!(failed(&Error::new("TRANSFORM_AGGREGATE", ""), None).message, "TRANSFORM_AGGREGATE, and no more is known");
        assert_eq!(panicked(String::new(), None).message, "CORE_PANIC, and no more is known");
        assert_eq!(failed(&Error::new("CORE_MEMORY", "told"), None).message, "told");
    }

    #[test]
    fn codes_have_the_class_of_the_list() {
        let table = [
            ("INPUT_CHANGED", FailureClass::Input),
            ("OVER_LIMIT", FailureClass::Input),
            ("STORAGE_FORBIDDEN", FailureClass::Transient),
            ("STORAGE_FULL", FailureClass::Resource),
            ("CORE_MEMORY", FailureClass::Resource),
            ("CORE_PANIC", FailureClass::Bug),
            ("PLAN_CONFLICT", FailureClass::Bug),
            ("BALANCE_MISMATCH", FailureClass::Bug),
            ("LEASE_LOST", FailureClass::Lost),
        ];
        for (code, class) in table {
            assert_eq!(class_of(code), class, "{code}");
        }
    }
}
