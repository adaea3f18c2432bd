//! From keys, URIs and scopes to places that `Hello` grants. A request can narrow what may be touched, never widen it.

use std::path::PathBuf;

use millrace_engine::Error;
use millrace_store::{Access, Auth, Connection, Credentials, Grants, Kind, Mode, Place, Secret, Store};
use millrace_wire::message::{self, AccessMode, AuthKind, Call, ConnectionKind, HostHello};

use crate::failure::of_store;

/// The connection that holds the journal. Work requests name no other.
pub const JOURNAL: &str = "journal";

pub struct Places {
    pub store: Store,
}

impl Places {
    pub fn new(hello: &HostHello) -> Result<Places, Error> {
        let files = || hello.connections.iter().filter(|connection| connection.kind == ConnectionKind::File);
        let roots = |given: &[String], is_writable: bool| -> Vec<PathBuf> {
            let own =
                files().filter(|connection| (connection.mode != AccessMode::Read) == is_writable).map(|connection| &connection.prefix);
            given.iter().chain(own).map(PathBuf::from).collect()
        };
        let grants = Grants {
            read_roots: roots(&hello.read_roots, false),
            write_roots: roots(&hello.write_roots, true),
            connections: hello.connections.iter().map(connection_of).collect(),
            http_hosts: hello.http_allow.clone(),
        };
        let store = Store::new(&grants).map_err(of_store)?;
        Ok(Places { store })
    }

    /// The folder of a connection.
    pub fn folder_of(&self, name: &str) -> Result<Place, Error> {
        self.store.folder(name).map_err(of_store)
    }

    /// The place of a key of the journal.
    pub fn journal_path(&self, key: &str) -> Result<Place, Error> {
        self.below(&self.folder_of(JOURNAL)?, key)
    }

    /// The place that a URI names, if it is an object of a journal in a bucket.
    pub fn in_journal(&self, uri: &str) -> Result<Option<Place>, Error> {
        let root = self.folder_of(JOURNAL)?;
        let key = uri.strip_prefix(&self.store.uri_of(&root)).filter(|_| root.path().is_none());
        key.map(|key| self.below(&root, key)).transpose()
    }

    /// A key is relative, and each of its names is one.
    pub fn below(&self, folder: &Place, key: &str) -> Result<Place, Error> {
        self.store.below(folder, key).map_err(of_store)
    }

    /// The place of an input, through the connection its spec names or the best one there is.
    pub fn input(&self, uri: &str, connection: Option<&str>) -> Result<Place, Error> {
        self.store.place(uri, connection, Access::Read).map_err(of_store)
    }

    /// The place of something to be written.
    pub fn output(&self, uri: &str, connection: Option<&str>) -> Result<Place, Error> {
        self.store.place(uri, connection, Access::Write).map_err(of_store)
    }
}

fn connection_of(told: &message::Connection) -> Connection {
    Connection {
        name: told.name.clone(),
        kind: match told.kind {
            ConnectionKind::File => Kind::File,
            ConnectionKind::S3 => Kind::S3,
            ConnectionKind::Gcs => Kind::Gcs,
            ConnectionKind::Azure => Kind::Azure,
            ConnectionKind::Http => Kind::Http,
        },
        endpoint: told.endpoint.clone(),
        region: told.region.clone(),
        bucket: told.bucket.clone(),
        prefix: told.prefix.clone(),
        mode: match told.mode {
            AccessMode::Read => Mode::Read,
            AccessMode::Write => Mode::Write,
            AccessMode::Both => Mode::Both,
        },
        auth: match told.auth {
            AuthKind::None => Auth::None,
            AuthKind::Pipe => Auth::Pipe,
            AuthKind::Ambient => Auth::Ambient,
        },
        plain_http: told.plain_http,
        private_addresses: told.private_addresses,
    }
}

/// What a request brought to be let in with.
pub fn credentials_of(call: &Call) -> Vec<Credentials> {
    let field = |field: &message::NamedValue| (field.name.clone(), Secret::new(field.value.clone()));
    let credentials = call.credentials.iter().map(|given| Credentials {
        connection: given.connection.clone(),
        kind: given.kind.clone(),
        fields: given.fields.iter().map(field).collect(),
        expires_at_ms: given.expires_at_ms,
    });
    credentials.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        let journal =
            message::Connection { name: JOURNAL.into(), prefix: "/j".into(), mode: AccessMode::Both, ..message::Connection::default() };
        let lake = message::Connection {
            name: "lake".into(),
            kind: ConnectionKind::S3,
            bucket: Some("data".into()),
            ..message::Connection::default()
        };
        Places::new(&HostHello { connections: vec![journal, lake], ..HostHello::default() }).unwrap()
    }

    #[test]
    fn keys_never_lead_out_of_their_folder() {
        for key in ["", "/etc/passwd", "a/../b", "..", "a//b", "a/.", "a\0b", "a/"] {
            assert_eq!(places().journal_path(key).unwrap_err().code, "STORAGE_FORBIDDEN", "{key:?}");
        }
        assert_eq!(places().journal_path("jobs/j1/job.json").unwrap(), Place::File("/j/jobs/j1/job.json".into()));
    }

    #[test]
    fn uris_are_places_only_where_a_connection_grants_them() {
        assert_eq!(places().input("file:///a%20b", None).unwrap(), Place::File("/a b".into()));
        assert!(places().input("s3://data/in/x.csv", None).is_ok());
        assert_eq!(places().output("s3://data/out/x", None).unwrap_err().code, "STORAGE_FORBIDDEN");
        assert_eq!(places().input("s3://data/x", Some("none")).unwrap_err().code, "SPEC_CONNECTION_UNKNOWN");
        assert_eq!(places().input("ftp://b/k", None).unwrap_err().code, "SPEC_SCHEME_DENIED");
    }
}
