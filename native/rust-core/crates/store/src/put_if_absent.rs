//! The conditional put: whoever puts first holds the name, everybody else learns what stands there. Every commit rests on it.

use crate::error::{Error, Result};
use crate::object::PutOutcome;
use crate::retry::{self, Created, Next, Owner};

/// One name in one store. Behind a trait, so that every answer a store can give has its test.
pub(crate) trait Name {
    fn create(&mut self, bytes: &[u8]) -> Created;
    fn read(&mut self) -> Result<Option<Vec<u8>>>;
    /// Waits a little before the next try.
    fn pause(&mut self, tries: u32);
}

/// Puts `bytes` under the name unless something is there. An object that names `attempt_id` and equals `bytes` is our own: won.
///
/// An error means *unknown* or *certainly not saved*: nothing may be concluded or deleted before the name was read again.
pub(crate) fn put(name: &mut dyn Name, bytes: &[u8], attempt_id: Option<&str>, place: &str) -> Result<PutOutcome> {
    let (mut creates, mut reads) = (1, 0);
    let mut answer = name.create(bytes);
    let mut next = retry::after_create(answer.clone());
    loop {
        match next {
            Next::Won => return Ok(PutOutcome::Won),
            Next::Failed(error) => return Err(error),
            Next::Create => {
                name.pause(creates);
                (creates, reads) = (creates + 1, 0);
                answer = name.create(bytes);
                next = retry::after_create(answer.clone());
            }
            Next::Read => match name.read()? {
                Some(existing) => return outcome(existing, bytes, attempt_id, place),
                None => {
                    reads += 1;
                    name.pause(reads);
                    next = retry::after_absent(&answer, creates, reads, || vanished(place));
                }
            },
        }
    }
}

fn outcome(existing: Vec<u8>, bytes: &[u8], attempt_id: Option<&str>, place: &str) -> Result<PutOutcome> {
    match retry::judge(&existing, bytes, attempt_id) {
        Owner::Ours => Ok(PutOutcome::Won),
        Owner::Another => Ok(PutOutcome::Lost(existing)),
        Owner::OursAltered => {
            Err(Error::new("CORE_PANIC", "put", place, "it holds this attempt's name with other bytes; nothing is deleted"))
        }
    }
}

fn vanished(place: &str) -> Error {
    Error::new("JOURNAL_UNSAFE", "put", place, "the store says it exists, yet it cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// A store that answers what it is told to.
    struct Scripted {
        creates: VecDeque<Created>,
        reads: VecDeque<Result<Option<Vec<u8>>>>,
    }

    impl Name for Scripted {
        fn create(&mut self, _: &[u8]) -> Created {
            self.creates.pop_front().expect("a create was expected")
        }
        fn read(&mut self) -> Result<Option<Vec<u8>>> {
            self.reads.pop_front().expect("a read was expected")
        }
        fn pause(&mut self, _: u32) {}
    }

    fn fault(code: &'static str) -> Error {
        Error::new(code, "put", "/j/v", "told to")
    }

    fn run(creates: &[Created], reads: &[Option<&str>]) -> Result<PutOutcome> {
        let reads = reads.iter().map(|read| Ok(read.map(|text| text.as_bytes().to_vec()))).collect();
        let mut store = Scripted { creates: creates.iter().cloned().collect(), reads };
        let end = put(&mut store, b"{\"attemptId\":\"a1\"}", Some("a1"), "/j/v");
        assert!(store.creates.is_empty() && store.reads.is_empty(), "every answer of the script is asked for");
        end
    }

    #[test]
    fn every_row_of_the_table_ends_as_it_says() {
        let ours = Some("{\"attemptId\":\"a1\"}");
        let theirs = Some("{\"attemptId\":\"a2\"}");
        let unknown = || Created::Unknown(fault("STORAGE_TIMEOUT"));
        let lost = PutOutcome::Lost(b"{\"attemptId\":\"a2\"}".to_vec());
        assert_eq!(run(&[Created::Saved], &[]), Ok(PutOutcome::Won));
        assert_eq!(run(&[Created::Exists], &[ours]), Ok(PutOutcome::Won));
        assert_eq!(run(&[Created::Exists], &[theirs]), Ok(lost.clone()));
        assert_eq!(run(&[Created::Exists], &[None, theirs]), Ok(lost.clone()));
        assert_eq!(run(&[Created::Exists], &[None, None, None]).unwrap_err().code, "JOURNAL_UNSAFE");
        assert_eq!(run(&[Created::Exists], &[Some("{\"attemptId\":\"a1\" }")]).unwrap_err().code, "CORE_PANIC");
        assert_eq!(run(&[unknown()], &[ours]), Ok(PutOutcome::Won));
        assert_eq!(run(&[unknown()], &[theirs]), Ok(lost));
        assert_eq!(run(&[unknown(), Created::Saved], &[None]), Ok(PutOutcome::Won));
        assert_eq!(run(&[unknown(), unknown(), unknown()], &[None, None, None]).unwrap_err().code, "STORAGE_TIMEOUT");
        assert_eq!(run(&[unknown(), Created::Exists], &[None, ours]), Ok(PutOutcome::Won));
        assert_eq!(run(&[Created::Refused(fault("STORAGE_FULL"))], &[]).unwrap_err().code, "STORAGE_FULL");
    }
}
