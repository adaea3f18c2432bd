//! What each verb does to the objects, and how it is answered in the words of each store.

use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use millrace_store::Kind;

use super::http::{Request, write};
use super::{Fault, State, Verb, etag};

const DATE: &str = "Mon, 23 Nov 2026 10:00:00 GMT";

pub fn verb_of(request: &Request) -> Verb {
    let has = |name: &str| request.header(name).is_some();
    match request.method.as_str() {
        "HEAD" => Verb::Stat,
        "GET" if request.asks("list-type") || request.query.get("comp").is_some_and(|comp| comp == "list") => Verb::List,
        "GET" if has("range") || has("x-ms-range") => Verb::Range,
        "GET" => Verb::Get,
        "POST" if request.asks("uploads") => Verb::StartUpload,
        "POST" if request.query.get("comp").is_some_and(|comp| comp == "batch") => Verb::Delete,
        "POST" => Verb::FinishUpload,
        "DELETE" if request.asks("uploadId") => Verb::AbortUpload,
        "DELETE" => Verb::Delete,
        _ if request.asks("partNumber") || request.query.get("comp").is_some_and(|comp| comp == "block") => Verb::Piece,
        _ if request.query.get("comp").is_some_and(|comp| comp == "blocklist") => Verb::FinishUpload,
        _ if has("if-none-match") || request.header("x-goog-if-generation-match") == Some("0") => Verb::Create,
        _ if has("if-match") || has("x-goog-if-generation-match") => Verb::Replace,
        _ => Verb::Overwrite,
    }
}

struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    fn new(status: u16) -> Reply {
        Reply { status, headers: vec![("last-modified", DATE.into())], body: Vec::new() }
    }

    fn error(status: u16, code: &str) -> Reply {
        let body = if code.is_empty() { Vec::new() } else { format!("<Error><Code>{code}</Code></Error>").into_bytes() };
        Reply { body, ..Reply::new(status) }
    }

    fn with(mut self, name: &'static str, value: impl ToString) -> Reply {
        self.headers.push((name, value.to_string()));
        self
    }
}

/// False when the connection is over.
pub fn answer(kind: Kind, state: &Mutex<State>, verb: Verb, request: &Request, fault: Option<Fault>, stream: &mut TcpStream) -> bool {
    let done = || act(kind, &mut state.lock().unwrap_or_else(PoisonError::into_inner), verb, request);
    let (reply, sent) = match fault {
        None => (done(), None),
        Some(Fault::Status(status, code)) => (Reply::error(status, code), None),
        Some(Fault::Busy(status)) => (Reply::error(status, "SlowDown").with("retry-after", 1), None),
        Some(Fault::DoneThen(status)) => {
            done();
            (Reply::error(status, "InternalError"), None)
        }
        Some(Fault::DoneThenReset) => {
            done();
            return close(stream);
        }
        Some(Fault::Reset) => return close(stream),
        Some(Fault::Silence) => {
            std::thread::sleep(Duration::from_millis(600));
            return close(stream);
        }
        Some(Fault::ShortBody) => {
            let reply = done();
            let half = reply.body.len() / 2;
            (reply, Some(half))
        }
        Some(Fault::Whole) => {
            let state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let (bytes, version) = &state.objects[key_of(kind, request)];
            (Reply { body: bytes.clone(), ..Reply::new(200) }.with("etag", etag(*version)), None)
        }
        Some(Fault::OtherEtag) => {
            let mut reply = done();
            reply.headers.retain(|(name, _)| *name != "etag");
            (reply.with("etag", "\"other\""), None)
        }
        Some(Fault::ErrorInside) => (Reply::error(200, "InternalError"), None),
    };
    write(stream, reply.status, &reply.headers, &reply.body, request.method == "HEAD", sent)
}

fn close(stream: &TcpStream) -> bool {
    let _ = stream.shutdown(Shutdown::Both);
    false
}

/// Without bucket, and for Azure without the account before it.
fn key_of(kind: Kind, request: &Request) -> &str {
    let path = if kind == Kind::Azure { request.path.strip_prefix("account/").unwrap_or(&request.path) } else { &request.path };
    path.strip_prefix("data/").unwrap_or(path)
}

fn act(kind: Kind, state: &mut State, verb: Verb, request: &Request) -> Reply {
    let key = key_of(kind, request).to_owned();
    match verb {
        Verb::Stat | Verb::Get | Verb::Range => read(state, &key, verb, request),
        Verb::List => list(kind, state, request),
        Verb::Delete if kind == Kind::Azure => delete_batch(state, request),
        Verb::Delete => match state.objects.remove(&key) {
            None if kind != Kind::S3 => Reply::error(404, "NoSuchKey"),
            _ => Reply::new(204),
        },
        Verb::Overwrite | Verb::Create | Verb::Replace => put(kind, state, &key, verb, request),
        Verb::StartUpload => {
            let id = format!("upload-{}", state.uploads.len());
            state.uploads.insert(id.clone(), Default::default());
            let body = format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
            Reply { body: body.into_bytes(), ..Reply::new(200) }
        }
        Verb::Piece => piece(kind, state, &key, request),
        Verb::FinishUpload => finish(kind, state, &key, request),
        Verb::AbortUpload => {
            state.uploads.remove(&request.query["uploadId"]);
            Reply::new(204)
        }
    }
}

fn read(state: &State, key: &str, verb: Verb, request: &Request) -> Reply {
    let Some((bytes, version)) = state.objects.get(key) else { return Reply::error(404, "NoSuchKey") };
    let tag = etag(*version);
    if request.header("if-match").is_some_and(|wanted| wanted != tag) && !state.ignores_conditions {
        return Reply::error(412, "PreconditionFailed");
    }
    let known = |status| Reply::new(status).with("etag", &tag).with("x-goog-generation", version).with("accept-ranges", "bytes");
    match verb {
        Verb::Stat => known(200).with("content-length", bytes.len()),
        Verb::Range => {
            let range = request.header("range").or(request.header("x-ms-range")).unwrap().trim_start_matches("bytes=");
            let (start, end) = range.split_once('-').unwrap();
            let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
            if start >= bytes.len() {
                return Reply::error(416, "InvalidRange");
            }
            let end = end.min(bytes.len() - 1);
            let said = format!("bytes {start}-{end}/{}", bytes.len());
            Reply { body: bytes[start..=end].to_vec(), ..known(206).with("content-range", said) }
        }
        _ => Reply { body: bytes.clone(), ..known(200) },
    }
}

fn put(kind: Kind, state: &mut State, key: &str, verb: Verb, request: &Request) -> Reply {
    let standing = state.objects.get(key).map(|(_, version)| *version);
    let wanted = request.header(if kind == Kind::Gcs { "x-goog-if-generation-match" } else { "if-match" });
    let is_wanted = standing.is_some_and(|version| wanted == Some(&etag(version)) || wanted == Some(&version.to_string()));
    let is_refused = match verb {
        Verb::Create => standing.is_some(),
        Verb::Replace => !is_wanted,
        _ => false,
    };
    if is_refused && !state.ignores_conditions {
        return Reply::error(if kind == Kind::Azure && verb == Verb::Create { 409 } else { 412 }, "BlobAlreadyExists");
    }
    let tag = state.put(key, request.body.clone());
    let version = state.objects[key].1;
    Reply::new(if kind == Kind::Azure { 201 } else { 200 }).with("etag", tag).with("x-goog-generation", version)
}

/// Azure deletes through a batch of one: the answer to it stands inside the answer.
fn delete_batch(state: &mut State, request: &Request) -> Reply {
    let text = String::from_utf8_lossy(&request.body);
    let target = text.lines().find_map(|line| line.strip_prefix("DELETE ")).unwrap();
    let path = super::http::decoded(target.split([' ', '?']).next().unwrap());
    let key = path.split_once("/data/").unwrap().1;
    let said = if state.objects.remove(key).is_some() { "202 Accepted" } else { "404 Gone" };
    let body = format!("--b\r\ncontent-type: application/http\r\ncontent-id: 0\r\n\r\nHTTP/1.1 {said}\r\nserver: x\r\n\r\n--b--\r\n");
    Reply { body: body.into_bytes(), ..Reply::new(202) }.with("content-type", "multipart/mixed; boundary=b")
}

fn piece(kind: Kind, state: &mut State, key: &str, request: &Request) -> Reply {
    let (upload, number) = match kind {
        Kind::Azure => (key.to_owned(), request.query["blockid"].clone()),
        _ => (request.query["uploadId"].clone(), format!("{:0>5}", request.query["partNumber"])),
    };
    if kind == Kind::Azure {
        state.uploads.entry(upload.clone()).or_default();
    }
    let Some(pieces) = state.uploads.get_mut(&upload) else { return Reply::error(404, "NoSuchUpload") };
    pieces.insert(number.clone(), request.body.clone());
    Reply::new(if kind == Kind::Azure { 201 } else { 200 }).with("etag", format!("\"piece-{number}\""))
}

fn finish(kind: Kind, state: &mut State, key: &str, request: &Request) -> Reply {
    let upload = if kind == Kind::Azure { key } else { &request.query["uploadId"] };
    let Some(pieces) = state.uploads.remove(upload) else { return Reply::error(404, "NoSuchUpload") };
    let bytes: Vec<u8> = match kind {
        Kind::Azure => {
            let named = String::from_utf8(request.body.clone()).unwrap();
            let blocks = named.split("<Uncommitted>").skip(1).map(|part| part.split('<').next().unwrap().to_owned());
            blocks.flat_map(|block| pieces[&block].clone()).collect()
        }
        _ => pieces.into_values().flatten().collect(),
    };
    let tag = state.put(key, bytes);
    let body = format!("<CompleteMultipartUploadResult><ETag>{}</ETag></CompleteMultipartUploadResult>", tag.replace('"', "&quot;"));
    let status = if kind == Kind::Azure { 201 } else { 200 };
    Reply { body: body.into_bytes(), ..Reply::new(status) }.with("etag", tag)
}

fn list(kind: Kind, state: &State, request: &Request) -> Reply {
    let text = |name: &str| request.query.get(name).cloned().unwrap_or_default();
    let prefix = text("prefix");
    let start = [text("start-after"), text("continuation-token"), text("marker"), text("startFrom")].into_iter().max().unwrap();
    let most = [text("max-keys"), text("maxresults")].iter().find_map(|most| most.parse().ok()).unwrap_or(1_000);
    let delimiter = text("delimiter");
    let (mut contents, mut folders, mut last, mut more) = (String::new(), Vec::new(), String::new(), false);
    let mut count = 0;
    for (key, (bytes, version)) in state.objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > start) {
        let folder =
            (!delimiter.is_empty()).then(|| key[prefix.len()..].find('/').map(|at| key[..=prefix.len() + at].to_owned())).flatten();
        if folder.as_ref().is_some_and(|folder| folders.contains(folder)) {
            last.clone_from(key);
            continue;
        }
        if count == most {
            more = true;
            break;
        }
        count += 1;
        last.clone_from(key);
        match folder {
            Some(folder) => folders.push(folder),
            None => contents.push_str(&entry(kind, key, bytes.len(), *version)),
        }
    }
    let body = listing(kind, &contents, &folders, more.then_some(last.as_str()));
    Reply { body: body.into_bytes(), ..Reply::new(200) }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn entry(kind: Kind, key: &str, size: usize, version: u64) -> String {
    let (key, tag) = (escaped(key), escaped(&etag(version)));
    match kind {
        Kind::Azure => format!(
            "<Blob><Name>{key}</Name><Properties><Last-Modified>{DATE}</Last-Modified><Etag>{}</Etag><Content-Length>{size}</Content-Length><Content-Type>x</Content-Type></Properties></Blob>",
            tag.replace("&quot;", "")
        ),
        _ => format!(
            "<Contents><Key>{key}</Key><LastModified>2026-11-23T10:00:00.000Z</LastModified><ETag>{tag}</ETag><Size>{size}</Size></Contents>"
        ),
    }
}

fn listing(kind: Kind, contents: &str, folders: &[String], next: Option<&str>) -> String {
    let folders = folders.iter().map(|folder| escaped(folder));
    if kind == Kind::Azure {
        let folders: String = folders.map(|folder| format!("<BlobPrefix><Name>{folder}</Name></BlobPrefix>")).collect();
        let next = next.map_or(String::new(), |next| format!("<NextMarker>{}</NextMarker>", escaped(next)));
        return format!("<EnumerationResults><Blobs>{contents}{folders}</Blobs>{next}</EnumerationResults>");
    }
    let folders: String = folders.map(|folder| format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>")).collect();
    let next = next.map_or(String::new(), |next| format!("<NextContinuationToken>{}</NextContinuationToken>", escaped(next)));
    format!("<ListBucketResult>{contents}{folders}{next}</ListBucketResult>")
}
