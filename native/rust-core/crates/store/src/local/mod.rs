//! Objects as files below configured directories: durable, atomic, never through a symbolic link.

mod beneath;
mod delete;
mod list;
mod part;
pub(crate) mod put;
mod read;
mod root;
mod uri;

pub use part::LocalPart;
pub(crate) use put::{LocalName, owner_name};
pub use read::PinnedFile;
pub use root::LocalStore;
pub use uri::{path_of_uri, uri_of_path};
