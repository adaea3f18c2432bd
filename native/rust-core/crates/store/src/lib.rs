//! The storage verbs of the core over local directories: pinned reads, durable writes, and the conditional put every commit rests on.
//!
//! Paths are absolute and opaque here: what a journal or a part is, others know. Every path must lie below a configured root, and no
//! symbolic link is followed below it. Keeps I2 (nothing half-written is ever visible under a final name) and I7 (an attempt that loses
//! leaves nothing).
#![forbid(unsafe_code)]

mod beneath;
mod delete;
mod error;
mod list;
mod part;
mod put;
mod put_if_absent;
mod read;
mod retry;
mod self_test;
mod store;
mod uri;

pub use delete::Deleted;
pub use error::{Error, Result};
pub use list::{Entry, ListQuery, Listing};
pub use part::{PartDone, PartSink};
pub use put_if_absent::PutOutcome;
pub use read::{Object, PinnedFile, Stat};
pub use store::{Access, MAX_OBJECT_BYTES, Store};
pub use uri::{path_of_uri, uri_of_path};

/// Names that begin so are writes that never finished. Listings show them only to who asks for the prefix.
pub const TEMPORARY_PREFIX: &str = ".tmp-";
