//! The storage verbs of the core over local directories, buckets and web servers: pinned reads, durable writes, and the conditional put that every
//! commit rests on.
//!
//! What a journal or a part is, others know. Every place must lie in what `Hello` grants (`allow`). Keeps I2 (nothing half-written is ever visible
//! under a final name) and I7 (an attempt that loses leaves nothing).
//!
//! | module | holds |
//! | --- | --- |
//! | `store` | the verbs over every kind of place; callers wait |
//! | `allow` | which places there are: scheme, host, port, bucket, prefix and mode against the grants |
//! | `retry` | what may be concluded from an answer: a pure table |
//! | `put_if_absent` | the conditional put over anything that can create and read a name |
//! | `local` | files below configured directories |
//! | `remote` | buckets through `object_store`, files behind URLs through `reqwest`; asynchronous, on the thread of `io` |
#![forbid(unsafe_code)]

mod addresses;
mod allow;
mod connection;
mod error;
mod io;
mod local;
mod object;
mod place;
mod put_if_absent;
mod remote;
mod retry;
mod self_test;
mod store;

pub use allow::Access;
pub use connection::{Auth, Connection, Credentials, Kind, Mode, Secret};
pub use error::{Error, Result};
pub use io::Call;
pub use local::{LocalPart, LocalStore, PinnedFile, path_of_uri, uri_of_path};
pub use object::{Deleted, Entry, ListQuery, Listing, MAX_OBJECT_BYTES, Object, PartDone, PutOutcome, Stat, TEMPORARY_PREFIX};
pub use place::Place;
pub use remote::{Limits, install_tls};
pub use store::{Grants, Input, PartSink, Store, Visit};
