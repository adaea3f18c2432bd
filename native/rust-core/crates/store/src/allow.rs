//! The allow-list: scheme, host, port, bucket, prefix and mode of every call against what `Hello` grants. A request cannot widen it.

use std::path::PathBuf;

use url::{Host, Url};

use crate::addresses::is_public;
use crate::connection::{Connection, Kind, Mode};
use crate::error::{Error, Result};
use crate::local::path_of_uri;
use crate::place::Place;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

impl Mode {
    pub(crate) fn grants(self, access: Access) -> bool {
        matches!((self, access), (Mode::Both, _) | (Mode::Read, Access::Read) | (Mode::Write, Access::Write))
    }
}

/// Longest key that any of the stores takes.
const MAX_KEY_BYTES: usize = 1_024;

pub struct Allow {
    connections: Vec<Connection>,
    /// `host` or `host:port` whose `https://` objects may be read without a connection.
    http_hosts: Vec<String>,
}

impl Allow {
    /// Prefixes of buckets end in `/` from here on, unless they are empty.
    pub fn new(connections: Vec<Connection>, http_hosts: Vec<String>) -> Allow {
        let whole = |connection: Connection| match connection.kind {
            Kind::S3 | Kind::Gcs | Kind::Azure => Connection { prefix: with_slash(&connection.prefix), ..connection },
            _ => connection,
        };
        Allow { connections: connections.into_iter().map(whole).collect(), http_hosts }
    }

    pub fn connections(&self) -> &[Connection] {
        &self.connections
    }

    pub fn connection(&self, name: &str) -> Result<(usize, &Connection)> {
        let found = self.connections.iter().enumerate().find(|(_, connection)| connection.name == name);
        found.ok_or_else(|| Error::new("SPEC_CONNECTION_UNKNOWN", "use", name, "there is no connection of that name"))
    }

    /// The folder a connection stands for.
    pub fn folder(&self, name: &str) -> Result<Place> {
        let (index, connection) = self.connection(name)?;
        match connection.kind {
            Kind::File => Ok(Place::File(PathBuf::from(&connection.prefix))),
            Kind::Http => Err(Error::new("SPEC_URI", "use", name, "a web server has no folders")),
            _ => Ok(Place::Object { connection: index, key: connection.prefix.clone() }),
        }
    }

    /// The place of a URI. `name`: the connection a job asks for; without one, the most specific that grants the access. Local files are checked
    /// against their roots when they are opened.
    pub fn place(&self, uri: &str, name: Option<&str>, access: Access) -> Result<Place> {
        let scheme = uri.split_once("://").map_or("", |(scheme, _)| scheme);
        match scheme {
            "file" => Ok(Place::File(path_of_uri(uri)?)),
            "s3" | "gs" | "az" => self.object(uri, scheme, name, access),
            "https" | "http" => self.url(uri, name, access),
            _ => Err(Error::new("SPEC_SCHEME_DENIED", "use", uri, "expected one of file://, s3://, gs://, az://, https://")),
        }
    }

    /// Whether a place may be used so. For buckets, which have no other guard.
    pub(crate) fn check(&self, place: &Place, access: Access, verb: &'static str) -> Result<()> {
        let denied = |connection: &Connection, cause: &str| {
            Err(Error::new("STORAGE_FORBIDDEN", verb, self.name_of(place), cause_of(connection, cause)))
        };
        match place {
            Place::File(_) => Ok(()),
            Place::Object { connection, key } => {
                let connection = &self.connections[*connection];
                if !key.starts_with(&connection.prefix) {
                    return denied(connection, "the key lies outside");
                }
                if !connection.mode.grants(access) {
                    return denied(
                        connection,
                        if access == Access::Write { "nothing may be written in" } else { "nothing may be read in" },
                    );
                }
                Ok(())
            }
            Place::Url { .. } if access == Access::Read => Ok(()),
            Place::Url { .. } => Err(Error::new("STORAGE_FORBIDDEN", verb, self.name_of(place), "a web server is only read")),
        }
    }

    /// How messages name a place: without user info, query and fragment.
    pub fn name_of(&self, place: &Place) -> String {
        match place {
            Place::File(path) => path.display().to_string(),
            Place::Object { connection, key } => {
                let connection = &self.connections[*connection];
                let scheme = connection.kind.schemes()[0];
                format!("{scheme}://{}/{key}", connection.bucket.as_deref().unwrap_or_default())
            }
            Place::Url { url, .. } => redacted(url),
        }
    }

    fn object(&self, uri: &str, scheme: &str, name: Option<&str>, access: Access) -> Result<Place> {
        let rest = &uri[scheme.len() + 3..];
        let (bucket, key) =
            rest.split_once('/').ok_or_else(|| Error::new("SPEC_URI", "use", uri, "expected a bucket, a slash and a key"))?;
        check_key(uri, key)?;
        let covers = |connection: &Connection| {
            connection.kind.schemes() == [scheme] && connection.bucket.as_deref() == Some(bucket) && key.starts_with(&connection.prefix)
        };
        if let Some(name) = name {
            let (index, connection) = self.connection(name)?;
            return match covers(connection) {
                true => Ok(Place::Object { connection: index, key: key.to_owned() }),
                false => Err(Error::new("STORAGE_FORBIDDEN", "use", uri, format!("it does not lie in the connection {name}"))),
            };
        }
        let covering = self.connections.iter().enumerate().filter(|(_, connection)| covers(connection) && connection.mode.grants(access));
        // The first of equals, as they are listed.
        let best = covering.rev().max_by_key(|(_, connection)| connection.prefix.len());
        best.map(|(index, _)| Place::Object { connection: index, key: key.to_owned() }).ok_or_else(|| {
            let verb = if access == Access::Write { "written" } else { "read" };
            Error::new("STORAGE_FORBIDDEN", "use", uri, format!("no connection says that it may be {verb}"))
        })
    }

    fn url(&self, uri: &str, name: Option<&str>, access: Access) -> Result<Place> {
        let url = Url::parse(uri).map_err(|error| Error::new("SPEC_URI", "use", plain_part(uri), error.to_string()))?;
        let refuse = |code: &'static str, cause: &str| Err(Error::new(code, "use", redacted(&url), cause));
        if access == Access::Write {
            return refuse("SPEC_SCHEME_DENIED", "a web server is only read");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("SPEC_SECRET_INLINE", "expected a URL without user info");
        }
        let granting = self.connections.iter().enumerate().find(|(_, connection)| {
            connection.kind == Kind::Http && name.is_none_or(|name| connection.name == name) && covers_url(connection, &url)
        });
        let connection = granting.map(|(_, connection)| connection);
        if connection.is_none() && (name.is_some() || !self.is_listed(&url)) {
            return refuse("STORAGE_FORBIDDEN", "its host is not on the list of hosts that may be read");
        }
        if url.scheme() == "http" && !connection.is_some_and(|connection| connection.plain_http) {
            return refuse("SPEC_SCHEME_DENIED", "expected https://; a connection may permit plain HTTP");
        }
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            _ => None,
        };
        if literal.is_some_and(|address| !is_public(address)) && !connection.is_some_and(|connection| connection.private_addresses) {
            return refuse("STORAGE_FORBIDDEN", "its address is not a public one");
        }
        Ok(Place::Url { connection: granting.map(|(index, _)| index), url })
    }

    fn is_listed(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let port = url.port_or_known_default().unwrap_or_default();
        self.http_hosts.iter().any(|listed| match listed.rsplit_once(':') {
            Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => name == host && number == port.to_string(),
            _ => listed == host && port == 443,
        })
    }
}

fn cause_of(connection: &Connection, cause: &str) -> String {
    format!("{cause} the connection {}", connection.name)
}

fn covers_url(connection: &Connection, url: &Url) -> bool {
    let Some(Ok(endpoint)) = connection.endpoint.as_deref().map(Url::parse) else { return false };
    let prefix = format!("/{}", connection.prefix.trim_start_matches('/'));
    endpoint.origin() == url.origin() && url.path().starts_with(&prefix)
}

fn with_slash(prefix: &str) -> String {
    if prefix.is_empty() || prefix.ends_with('/') { prefix.to_owned() } else { format!("{prefix}/") }
}

fn redacted(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), &url[url::Position::BeforeHost..url::Position::AfterPort], url.path())
}

fn plain_part(uri: &str) -> &str {
    let end = uri.find(['?', '#']).unwrap_or(uri.len());
    uri[..end].rsplit('@').next().unwrap_or_default()
}

/// Names of a key as the client can spell them. A folder's key ends in `/`.
pub(crate) fn check_key(uri: &str, key: &str) -> Result<()> {
    let refuse = |cause: &str| Err(Error::new("SPEC_URI", "use", uri, cause));
    let names = key.strip_suffix('/').unwrap_or(key);
    if key.len() > MAX_KEY_BYTES {
        return refuse("expected a key of at most 1,024 bytes");
    }
    if !names.is_empty() && names.split('/').any(|name| name.is_empty() || name == "." || name == "..") {
        return refuse("expected a key without empty steps, '.' and '..'");
    }
    if key.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return refuse("expected a key without control characters");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Auth;

    fn bucket(name: &str, bucket: &str, prefix: &str, mode: Mode) -> Connection {
        let kind = Kind::S3;
        let (endpoint, region) = (None, None);
        let (plain_http, private_addresses, auth) = (false, false, Auth::None);
        Connection {
            name: name.into(),
            kind,
            endpoint,
            region,
            bucket: Some(bucket.into()),
            prefix: prefix.into(),
            mode,
            auth,
            plain_http,
            private_addresses,
        }
    }

    fn web(endpoint: &str, plain_http: bool, private_addresses: bool) -> Connection {
        let from = bucket("web", "", "", Mode::Read);
        Connection { kind: Kind::Http, endpoint: Some(endpoint.into()), bucket: None, plain_http, private_addresses, ..from }
    }

    fn allow() -> Allow {
        let connections = vec![
            bucket("lake", "data", "", Mode::Read),
            bucket("out", "data", "out", Mode::Both),
            web("http://127.0.0.1:9000", true, true),
        ];
        Allow::new(connections, vec!["files.example.org".into(), "other.example.org:8443".into()])
    }

    #[test]
    fn the_most_specific_connection_that_grants_the_access_is_taken() {
        let allow = allow();
        let place = |uri, name, access| allow.place(uri, name, access);
        let object = |connection, key: &str| Ok(Place::Object { connection, key: key.into() });
        assert_eq!(place("s3://data/in/a b%20c.csv", None, Access::Read), object(0, "in/a b%20c.csv"));
        assert_eq!(place("s3://data/out/x", None, Access::Read), object(1, "out/x"));
        assert_eq!(place("s3://data/out/x", Some("lake"), Access::Read), object(0, "out/x"));
        assert_eq!(place("s3://data/out/x", None, Access::Write), object(1, "out/x"));
        assert_eq!(place("s3://data/outside", None, Access::Write).unwrap_err().code, "STORAGE_FORBIDDEN");
        assert_eq!(place("s3://other/x", None, Access::Read).unwrap_err().code, "STORAGE_FORBIDDEN");
        assert_eq!(place("gs://data/x", None, Access::Read).unwrap_err().code, "STORAGE_FORBIDDEN");
        assert_eq!(place("s3://data/in/x", Some("out"), Access::Read).unwrap_err().code, "STORAGE_FORBIDDEN");
        assert_eq!(place("s3://data/x", Some("none"), Access::Read).unwrap_err().code, "SPEC_CONNECTION_UNKNOWN");
        assert_eq!(place("ftp://data/x", None, Access::Read).unwrap_err().code, "SPEC_SCHEME_DENIED");
    }

    #[test]
    fn keys_that_no_client_can_spell_are_refused() {
        for key in ["a//b", "../x", "a/./b", "a\nb", &"k".repeat(1_025)] {
            assert_eq!(allow().place(&format!("s3://data/{key}"), None, Access::Read).unwrap_err().code, "SPEC_URI", "{key}");
        }
        assert_eq!(allow().place("s3://data", None, Access::Read).unwrap_err().code, "SPEC_URI");
    }

    #[test]
    fn a_mode_is_held_also_when_a_connection_is_named() {
        let allow = allow();
        let place = allow.place("s3://data/out/x", Some("lake"), Access::Write).unwrap();
        assert_eq!(allow.check(&place, Access::Write, "put").unwrap_err().code, "STORAGE_FORBIDDEN");
        assert!(allow.check(&place, Access::Read, "get").is_ok());
    }

    #[test]
    fn only_listed_hosts_ports_and_public_addresses_are_reached() {
        let allow = allow();
        let code = |uri: &str| allow.place(uri, None, Access::Read).map(|_| "").unwrap_or_else(|error| error.code);
        assert_eq!(code("https://files.example.org/a?x=1"), "");
        assert_eq!(code("https://files.example.org:444/a"), "STORAGE_FORBIDDEN");
        assert_eq!(code("https://other.example.org:8443/a"), "");
        assert_eq!(code("https://other.example.org/a"), "STORAGE_FORBIDDEN");
        assert_eq!(code("https://example.org/a"), "STORAGE_FORBIDDEN");
        assert_eq!(code("http://files.example.org/a"), "STORAGE_FORBIDDEN");
        assert_eq!(code("http://127.0.0.1:9000/a"), "");
        assert_eq!(code("http://127.0.0.1:9001/a"), "STORAGE_FORBIDDEN");
        assert_eq!(code("https://me:secret@files.example.org/a"), "SPEC_SECRET_INLINE");
        assert_eq!(allow.place("https://files.example.org/a", None, Access::Write).unwrap_err().code, "SPEC_SCHEME_DENIED");
        let literal = Allow::new(Vec::new(), vec!["169.254.169.254".into(), "[::ffff:10.0.0.1]".into()]);
        for uri in ["https://169.254.169.254/latest", "https://[::ffff:10.0.0.1]/"] {
            assert_eq!(literal.place(uri, None, Access::Read).unwrap_err().code, "STORAGE_FORBIDDEN", "{uri}");
        }
    }

    #[test]
    fn messages_name_places_without_user_info_and_query() {
        let allow = allow();
        let place = allow.place("https://files.example.org/a?key=hidden#part", None, Access::Read).unwrap();
        assert_eq!(allow.name_of(&place), "https://files.example.org/a");
        let error = allow.place("https://me:hidden@no.example.org/a?hidden", None, Access::Read).unwrap_err();
        assert!(!error.to_string().contains("hidden"), "{error}");
        let error = allow.place("https://me:hidden@[bad/a?hidden", None, Access::Read).unwrap_err();
        assert!(!error.to_string().contains("hidden"), "{error}");
    }
}
