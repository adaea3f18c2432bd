//! From a connection and credentials to a client of its store. The library's own retries are off: ours know which verbs may be repeated.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::list::PaginatedListStore;
use object_store::multipart::MultipartStore;
use object_store::{ObjectStore, RetryConfig};

use crate::connection::{Auth, Connection, Credentials, Kind};
use crate::error::{Error, Result};
use crate::remote::client::Listening;

/// All that the verbs need of a library's client.
pub trait Backend: ObjectStore + MultipartStore + PaginatedListStore {}
impl<T: ObjectStore + MultipartStore + PaginatedListStore> Backend for T {}

/// Variables that tell the identity of a workload; nothing else of the environment is read.
const AMBIENT: [&str; 11] = [
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
];

pub fn build(connection: &Connection, credentials: Option<&Credentials>, http: Listening) -> Result<Arc<dyn Backend>> {
    let place = connection.bucket.clone().unwrap_or_default();
    if let Some(endpoint) = &connection.endpoint {
        check_endpoint(connection, endpoint)?;
    }
    let built: std::result::Result<Arc<dyn Backend>, object_store::Error> = match connection.kind {
        Kind::S3 => s3(connection, credentials, http).build().map(|store| Arc::new(store) as Arc<dyn Backend>),
        Kind::Gcs => gcs(connection, credentials, http).build().map(|store| Arc::new(store) as Arc<dyn Backend>),
        Kind::Azure => azure(connection, credentials, http).build().map(|store| Arc::new(store) as Arc<dyn Backend>),
        Kind::File | Kind::Http => return Err(Error::new("SPEC_URI", "use", place, "it is no bucket")),
    };
    // The library's message may quote what it was given, also a key that it could not read.
    built.map_err(|_| Error::new("STORAGE_FORBIDDEN", "use", &connection.name, "its endpoint, account or credentials cannot be used"))
}

fn check_endpoint(connection: &Connection, endpoint: &str) -> Result<()> {
    let refuse = |cause: &str| Err(Error::new("SPEC_URI", "use", &connection.name, cause));
    match endpoint.split_once("://") {
        Some(("https", _)) => Ok(()),
        Some(("http", _)) if connection.plain_http => Ok(()),
        Some(("http", _)) => refuse("its endpoint is plain HTTP, which it does not permit"),
        _ => refuse("expected an endpoint that begins with https://"),
    }
}

fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, retry_timeout: Duration::ZERO, ..RetryConfig::default() }
}

fn ambient() -> impl Iterator<Item = (&'static str, String)> {
    AMBIENT.into_iter().filter_map(|name| std::env::var(name).ok().map(|value| (name, value)))
}

fn s3(connection: &Connection, credentials: Option<&Credentials>, http: Listening) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(connection.bucket.clone().unwrap_or_default())
        .with_region(connection.region.as_deref().unwrap_or("us-east-1"))
        .with_allow_http(connection.plain_http)
        .with_retry(no_retries())
        // One request a key: work-alikes differ most in the other one.
        .with_disable_bulk_delete(true)
        .with_disable_tagging(true)
        .with_http_connector(http);
    if let Some(endpoint) = &connection.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    match (connection.auth, credentials) {
        (Auth::None, _) => builder.with_skip_signature(true),
        (Auth::Ambient, _) => {
            ambient().fold(builder, |builder, (name, value)| match name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
                Ok(key) => builder.with_config(key, value),
                Err(_) => builder,
            })
        }
        (Auth::Pipe, None) => builder,
        (Auth::Pipe, Some(given)) => {
            let field = |name: &str| given.field(name).unwrap_or_default();
            builder = builder.with_access_key_id(field("accessKeyId")).with_secret_access_key(field("secretAccessKey"));
            match given.field("sessionToken") {
                Some(token) => builder.with_token(token),
                None => builder,
            }
        }
    }
}

fn gcs(connection: &Connection, credentials: Option<&Credentials>, http: Listening) -> GoogleCloudStorageBuilder {
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(connection.bucket.clone().unwrap_or_default())
        .with_retry(no_retries())
        .with_http_connector(http);
    if let Some(endpoint) = &connection.endpoint {
        builder = builder.with_base_url(endpoint);
    }
    match (connection.auth, credentials) {
        // Writes ask for credentials all the same, of Google's metadata server: an empty token keeps the library from going there.
        (Auth::None, _) => builder.with_skip_signature(true).with_bearer_token(""),
        (Auth::Ambient, _) => {
            ambient().fold(builder, |builder, (name, value)| match name.to_ascii_lowercase().parse::<GoogleConfigKey>() {
                Ok(key) => builder.with_config(key, value),
                Err(_) => builder,
            })
        }
        (Auth::Pipe, None) => builder,
        (Auth::Pipe, Some(given)) => match given.field("serviceAccount") {
            Some(json) => builder.with_service_account_key(json),
            None => builder.with_bearer_token(given.field("bearer").unwrap_or_default()),
        },
    }
}

fn azure(connection: &Connection, credentials: Option<&Credentials>, http: Listening) -> MicrosoftAzureBuilder {
    let given_account = credentials.and_then(|given| given.field("account"));
    let mut builder = MicrosoftAzureBuilder::new()
        .with_container_name(connection.bucket.clone().unwrap_or_default())
        .with_account(given_account.map_or_else(|| account_of(connection), str::to_owned))
        .with_allow_http(connection.plain_http)
        .with_disable_tagging(true)
        .with_retry(no_retries())
        .with_http_connector(http);
    if let Some(endpoint) = &connection.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    match (connection.auth, credentials) {
        (Auth::None, _) => builder.with_skip_signature(true),
        (Auth::Ambient, _) => ambient().fold(builder, |builder, (name, value)| match name.to_ascii_lowercase().parse::<AzureConfigKey>() {
            Ok(key) => builder.with_config(key, value),
            Err(_) => builder,
        }),
        (Auth::Pipe, None) => builder,
        (Auth::Pipe, Some(given)) => match (given.field("accessKey"), given.field("sas")) {
            (Some(key), _) => builder.with_access_key(key),
            (_, Some(sas)) => builder.with_sas_authorization(pairs(sas)),
            _ => builder.with_bearer_token_authorization(given.field("bearer").unwrap_or_default()),
        },
    }
}

/// `https://<account>.blob.core.windows.net`
fn account_of(connection: &Connection) -> String {
    let endpoint = connection.endpoint.as_deref().and_then(|endpoint| url::Url::parse(endpoint).ok());
    let host = endpoint.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    host.split('.').next().unwrap_or_default().to_owned()
}

fn pairs(sas: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(sas.trim_start_matches('?').as_bytes()).into_owned().collect()
}
