//! From keys, URIs and scopes to paths below the roots of `Hello`. A request can narrow what may be touched, never widen it.

use std::path::{Path, PathBuf};

use millrace_engine::Error;
use millrace_store::{Store, path_of_uri};
use millrace_wire::message::{AccessMode, Connection, ConnectionKind, HostHello};

use crate::failure::of_store;

/// The connection that holds the journal. Work requests name no other.
pub const JOURNAL: &str = "journal";

pub struct Places {
    pub store: Store,
    connections: Vec<Connection>,
}

impl Places {
    pub fn new(hello: &HostHello) -> Result<Places, Error> {
        let files = || hello.connections.iter().filter(|connection| connection.kind == ConnectionKind::File);
        let roots = |given: &[String], is_writable: bool| -> Vec<PathBuf> {
            let own =
                files().filter(|connection| (connection.mode != AccessMode::Read) == is_writable).map(|connection| &connection.prefix);
            given.iter().chain(own).map(PathBuf::from).collect()
        };
        let (read, write) = (roots(&hello.read_roots, false), roots(&hello.write_roots, true));
        let store = Store::new(&read, &write).map_err(of_store)?;
        Ok(Places { store, connections: hello.connections.clone() })
    }

    /// The directory of a connection.
    pub fn directory_of(&self, name: &str) -> Result<&Path, Error> {
        let found = self.connections.iter().find(|connection| connection.name == name);
        let found = found.ok_or_else(|| Error::new("SPEC_CONNECTION_UNKNOWN", format!("there is no connection {name}")))?;
        if found.kind != ConnectionKind::File {
            return Err(Error::new(
                "SPEC_NOT_AVAILABLE",
                format!("connection {name}: only local directories are available in this version"),
            ));
        }
        Ok(Path::new(&found.prefix))
    }

    /// The file of a key of the journal.
    pub fn journal_path(&self, key: &str) -> Result<PathBuf, Error> {
        join(self.directory_of(JOURNAL)?, key)
    }
}

/// The path of an input or output named by its URI.
pub fn local_path(uri: &str) -> Result<PathBuf, Error> {
    if !uri.starts_with("file://") && uri.contains("://") {
        let scheme = uri.split("://").next().unwrap_or_default();
        return Err(Error::new("SPEC_NOT_AVAILABLE", format!("{scheme}:// is not available in this version, only file://")));
    }
    path_of_uri(uri).map_err(of_store)
}

/// A key is relative, and each of its names is one.
pub fn join(directory: &Path, key: &str) -> Result<PathBuf, Error> {
    let names_ok = key.split('/').all(|name| !name.is_empty() && name != "." && name != "..");
    if !names_ok || key.contains('\0') {
        return Err(Error::new("STORAGE_FORBIDDEN", format!("{key:?} is no key")));
    }
    Ok(directory.join(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_never_lead_out_of_their_directory() {
        for key in ["", "/etc/passwd", "a/../b", "..", "a//b", "a/.", "a\0b", "a/"] {
            assert_eq!(join(Path::new("/j"), key).unwrap_err().code, "STORAGE_FORBIDDEN", "{key:?}");
        }
        assert_eq!(join(Path::new("/j"), "jobs/j1/job.json").unwrap(), Path::new("/j/jobs/j1/job.json"));
    }

    #[test]
    fn other_schemes_are_named_as_not_available() {
        assert_eq!(local_path("s3://b/k").unwrap_err().code, "SPEC_NOT_AVAILABLE");
        assert_eq!(local_path("file:///a%20b").unwrap(), Path::new("/a b"));
    }
}
