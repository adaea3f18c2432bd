//! As much of HTTP/1.1 as a client of a store speaks.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;

#[derive(Debug)]
pub struct Request {
    pub method: String,
    /// Percent-decoded, without the first slash.
    pub path: String,
    pub query: HashMap<String, String>,
    headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub fn asks(&self, name: &str) -> bool {
        self.query.contains_key(name)
    }
}

/// The next request of a connection; none when it is over.
pub fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let text = String::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    let headers: HashMap<_, _> = lines.filter_map(header).collect();
    let body = match headers.get("transfer-encoding") {
        Some(_) => read_chunks(stream)?,
        None => {
            let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
            stream.read_exact(&mut body).ok()?;
            body
        }
    };
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    Some(Request { method, path: decoded(path.trim_start_matches('/')), query, headers, body })
}

fn read_line(stream: &mut TcpStream) -> Option<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte).ok()?;
        line.push(byte[0]);
    }
    Some(String::from_utf8(line).ok()?.trim().to_owned())
}

fn read_chunks(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let length = usize::from_str_radix(&read_line(stream)?, 16).ok()?;
        let mut chunk = vec![0; length];
        stream.read_exact(&mut chunk).ok()?;
        body.extend(chunk);
        read_line(stream)?;
        if length == 0 {
            return Some(body);
        }
    }
}

pub fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// `sent`: how much of the body goes out before the connection ends; all of it when none is said.
pub fn write(stream: &mut TcpStream, status: u16, headers: &[(&str, String)], body: &[u8], is_head: bool, sent: Option<usize>) -> bool {
    let mut head = format!("HTTP/1.1 {status} Told\r\n");
    if !headers.iter().any(|(name, _)| *name == "content-length") {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let body = if is_head { &[] } else { &body[..sent.unwrap_or(body.len())] };
    let is_written = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).and_then(|()| stream.flush()).is_ok();
    is_written && sent.is_none()
}
