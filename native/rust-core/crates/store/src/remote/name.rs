//! One name in a bucket, for the conditional put.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::io::{Stopped, unheeded};
use crate::put_if_absent::Name;
use crate::remote::ask::{Fault, wait_before};
use crate::remote::bucket::Bucket;
use crate::retry::{Created, Then, Verb};

pub(crate) struct BucketName<'a> {
    bucket: &'a Arc<Bucket>,
    key: &'a str,
    /// Of the version that stands there, once it is known.
    pub etag: String,
    last: Option<Fault>,
}

impl<'a> BucketName<'a> {
    pub fn new(bucket: &'a Arc<Bucket>, key: &'a str) -> BucketName<'a> {
        BucketName { bucket, key, etag: String::new(), last: None }
    }

    fn put(&mut self, verb: Verb, bytes: &[u8], etag: Option<&str>) -> Created {
        let (bucket, key, bytes) = (Arc::clone(self.bucket), self.key.to_owned(), Bytes::copy_from_slice(bytes));
        let etag = etag.map(str::to_owned);
        let asked = async move {
            match &etag {
                None => bucket.create_once(&key, bytes).await,
                Some(etag) => bucket.replace_once(&key, bytes, etag).await,
            }
        };
        // A put that was sent is waited for: what became of it decides what may be deleted.
        match unheeded(|| self.bucket.io.spawn(asked).wait()) {
            Ok(Ok(etag)) => {
                self.etag = etag;
                Created::Saved
            }
            Ok(Err(fault)) => {
                self.last = Some(fault.clone());
                let then = fault.then;
                let error = self.bucket.error(fault, self.key);
                match then {
                    Then::Exists => Created::Exists,
                    Then::Unknown(_) | Then::Again(_) => Created::Unknown(error),
                    Then::Failed(_) | Then::Absent => Created::Refused(error),
                }
            }
            Err(stopped) => Created::Unknown(stopped_error(stopped, verb, &self.bucket.name_of(self.key))),
        }
    }

    pub fn replace(&mut self, bytes: &[u8], etag: &str) -> Created {
        self.put(Verb::Replace, bytes, Some(etag))
    }
}

impl Name for BucketName<'_> {
    fn create(&mut self, bytes: &[u8]) -> Created {
        self.put(Verb::Create, bytes, None)
    }

    fn read(&mut self) -> Result<Option<Vec<u8>>> {
        let (bucket, key) = (Arc::clone(self.bucket), self.key.to_owned());
        let read = unheeded(|| self.bucket.io.spawn(async move { bucket.get(&key, None).await }).wait());
        let object = read.map_err(|stopped| stopped_error(stopped, Verb::Get, &self.bucket.name_of(self.key)))??;
        Ok(object.map(|object| {
            self.etag = object.stat.etag;
            object.bytes
        }))
    }

    fn pause(&mut self, tries: u32) {
        let retry_after = self.last.as_ref().and_then(Fault::retry_after);
        let longest = self.bucket.limits.try_for / 2;
        std::thread::sleep(wait_before(&self.bucket.limits, tries, retry_after).min(longest));
    }
}

/// What a caller hears who stopped waiting.
pub(crate) fn stopped_error(stopped: Stopped, verb: Verb, place: &str) -> Error {
    match stopped {
        Stopped::Cancelled => Error::new("CANCELLED", verb.name(), place, "cancelled"),
        Stopped::PastDeadline => Error::new("CORE_TIME_LIMIT", verb.name(), place, "the request took longer than it may"),
        Stopped::Gone => Error::new("STORAGE_UNAVAILABLE", verb.name(), place, "the thread that talks to stores is gone"),
    }
}
