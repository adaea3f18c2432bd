//! The table of the conditional put: from what a store answered to what may be concluded. Pure, so that each row has its test.

use crate::error::Error;

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
