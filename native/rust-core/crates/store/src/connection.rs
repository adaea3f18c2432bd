//! The stores a process may talk to, as its host named them, and what it takes to be let in.

use zeroize::Zeroizing;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    S3,
    Gcs,
    Azure,
    Http,
}

impl Kind {
    /// Schemes of the URIs that lie in such a store.
    pub fn schemes(self) -> &'static [&'static str] {
        match self {
            Kind::File => &["file"],
            Kind::S3 => &["s3"],
            Kind::Gcs => &["gs"],
            Kind::Azure => &["az"],
            Kind::Http => &["https", "http"],
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Read,
    Write,
    Both,
}

/// Where the credentials of a connection come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Requests are not signed.
    #[default]
    None,
    /// Handed over with each request.
    Pipe,
    /// The identity of the workload: a closed list of variables and token files.
    Ambient,
}

/// One store. Nothing but what is listed here is ever reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    pub name: String,
    pub kind: Kind,
    /// Origin of the store; the provider's own when absent. Of `Http` the origin itself, `https://host[:port]`.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    /// Bucket or container.
    pub bucket: Option<String>,
    /// Of `File` an absolute directory, else what every key begins with.
    pub prefix: String,
    pub mode: Mode,
    pub auth: Auth,
    /// Permits HTTP without TLS.
    pub plain_http: bool,
    /// Permits an `Http` connection to reach addresses that are not public.
    pub private_addresses: bool,
}

/// A value that is never printed and is overwritten when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: String) -> Secret {
        Secret(Zeroizing::new(text))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

/// What lets one request into one connection.
///
/// | kind | fields |
/// | --- | --- |
/// | `aws` | `accessKeyId`, `secretAccessKey`, `sessionToken`? |
/// | `gcs` | `serviceAccount` (its JSON) or `bearer` |
/// | `azure` | `account`?, and one of `accessKey`, `sas`, `bearer` |
/// | `http` | `bearer` |
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub connection: String,
    pub kind: String,
    pub fields: Vec<(String, Secret)>,
    /// Milliseconds since 1970.
    pub expires_at_ms: Option<u64>,
}

impl Credentials {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.reveal())
    }
}
