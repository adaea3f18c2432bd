//! What probing finds in fixed inputs, as digests: the parts of the pins that reach results, without evidence and notes, whose wording may change.
//! The digests stand in `tests/golden-probe.json`; `MILLRACE_GOLDEN=write` writes them anew, which needs a new result version once something was
//! released (`crates/engine/tests/engine/golden.rs`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use millrace_formats::probe::{Declared, probe, take_sample};
use millrace_formats::source::{ByteSource, SourceError};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

struct Bytes(Vec<u8>);

impl ByteSource for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        (&self.0[..]).read_at(offset, buffer)
    }
}

/// Pins of the input as JSON, or the code of the refusal.
fn found(bytes: &[u8], declared: &Value) -> Value {
    let declared: Declared = serde_json::from_value(declared.clone()).unwrap();
    let pins = take_sample(Box::new(Bytes(bytes.to_vec())), "file:///in/a", "auto").and_then(|sample| probe(&[sample], &declared));
    match pins {
        Err(error) => json!({ "code": error.code }),
        Ok(pins) => {
            let mut pins = serde_json::to_value(pins).unwrap();
            for said in ["evidence", "notes"] {
                pins.as_object_mut().unwrap().remove(said);
            }
            pins
        }
    }
}

fn rows(head: &str, row: impl Fn(u32) -> String) -> Vec<u8> {
    (0..200).fold(head.to_owned(), |text, n| text + &row(n)).into_bytes()
}

fn texts() -> Vec<(&'static str, Vec<u8>, Value)> {
    let day = |n: u32| format!("{:02}.{:02}.2026", n % 28 + 1, n % 12 + 1);
    let german = |n: u32| format!("{n};\"Köln; {n}\";{},{:02};{}\r\n", n * 7, n % 100, day(n));
    let utf16 = |text: &[u8]| String::from_utf8_lossy(text).encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let plain =
        rows("id,name,amount,day,flag\n", |n| format!("{n},name {n},{n}.{:02},2026-01-{:02},{}\n", n % 100, n % 28 + 1, n % 2 == 0));
    let nothing = json!({});
    vec![
        ("commas", plain.clone(), nothing.clone()),
        ("commas, all text", plain.clone(), json!({ "schema": "text" })),
        ("a byte order mark", [b"\xef\xbb\xbf", &plain[..]].concat(), nothing.clone()),
        ("utf-16", [b"\xff\xfe", &utf16(&plain)[..]].concat(), nothing.clone()),
        ("semicolons and comma decimals", rows("id;ort;betrag;tag\r\n", german), nothing.clone()),
        (
            "windows-1252",
            rows("id,name\n", |n| format!("{n},K\u{1}ln {n}\n")).iter().map(|&b| if b == 1 { 0xf6 } else { b }).collect(),
            nothing.clone(),
        ),
        ("tabs without a header", rows("", |n| format!("{n}\t{}\t{n}.5\n", n * 3)), nothing.clone()),
        ("pipes behind a preamble", rows("# made today\n# by hand\nid|day|note\n", |n| format!("{n}|{}|x\n", day(n))), nothing.clone()),
        ("single quotes", rows("'id','text'\n", |n| format!("'{n}','a, b and {n}'\n")), nothing.clone()),
        (
            "objects",
            rows("", |n| format!("{{\"id\":{n},\"at\":\"2026-01-01T00:00:{:02}Z\",\"tags\":[\"a\",{n}]}}\n", n % 60)),
            nothing.clone(),
        ),
        (
            "an array of objects",
            rows("[{\"id\":0}", |n| format!(",\n{{\"id\":{n},\"x\":null}}")).into_iter().chain(*b"]").collect(),
            nothing.clone(),
        ),
        ("one column", rows("word\n", |n| format!("w{n}\n")), json!({ "format": "csv" })),
        ("nothing", Vec::new(), json!({ "format": "csv" })),
        ("no text", (0..=255).cycle().take(4_000).map(|byte: u8| byte.wrapping_mul(37)).collect(), nothing),
    ]
}

/// Every fixture that other tests read.
fn fixtures() -> Vec<(String, Vec<u8>)> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut paths: Vec<PathBuf> = ["fixtures", "streams"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(tests.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths.into_iter().map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())).collect()
}

#[test]
fn probing_finds_what_it_found() {
    let digest = |value: &Value| Sha256::digest(value.to_string()).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let texts = texts().into_iter().map(|(name, bytes, declared)| (name.to_owned(), digest(&found(&bytes, &declared))));
    let files = fixtures().into_iter().map(|(name, bytes)| (name, digest(&found(&bytes, &json!({})))));
    let found: BTreeMap<String, String> = texts.chain(files).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden-probe.json");
    if std::env::var("MILLRACE_GOLDEN").is_ok_and(|mode| mode == "write") {
        return std::fs::write(path, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
    }
    let golden: BTreeMap<String, String> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let changed: Vec<&String> = found.keys().chain(golden.keys()).filter(|name| found.get(*name) != golden.get(*name)).collect();
    assert!(changed.is_empty(), "probing finds other things than before in {changed:?}; MILLRACE_GOLDEN=write accepts them");
}
