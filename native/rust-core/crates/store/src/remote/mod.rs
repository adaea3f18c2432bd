//! Buckets: one connection, its client, and each verb as one asynchronous question with its retries.

mod ask;
mod backend;
mod bucket;
mod client;
mod input;
mod name;
mod sink;
mod web;

pub(crate) use bucket::{Bucket, Pinned, PinnedObject};
pub(crate) use input::RemoteInput;
pub(crate) use name::{BucketName, stopped_error};
pub(crate) use sink::RemotePart;
pub(crate) use web::{PinnedWebFile, Web};

use std::time::Duration;

/// Times that tests make shorter.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub connect: Duration,
    /// Without a sign of the store for so long, a request has failed.
    pub answer: Duration,
    /// Upper bound of the wait before the second try.
    pub first_wait: Duration,
    /// No try begins later than this after the first.
    pub try_for: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            first_wait: crate::retry::FIRST_WAIT,
            try_for: crate::retry::TRY_FOR,
        }
    }
}

/// Makes TLS work in this process. Every build of a client asks for it; a process that starts says so early.
pub fn install_tls() {
    // The second call finds the first one's provider: that is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Etags as our records hold them: without the quotes that stores put around them in some answers and not in others.
pub(crate) fn bare(etag: &str) -> String {
    match etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inside) => inside.to_owned(),
        None => etag.to_owned(),
    }
}

/// As conditions need them.
pub(crate) fn quoted(etag: &str) -> String {
    if etag.starts_with("W/") { etag.to_owned() } else { format!("\"{etag}\"") }
}
