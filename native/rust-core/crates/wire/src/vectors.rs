//! The shared vectors of `schemas/vectors`: what TypeScript wrote, read and written again, and hostile bytes that both sides must refuse.

use crate::codec::encode_body;
use crate::frame::{Frame, read_frame, write_frame};
use crate::message::Body;
use crate::payload::Payload;
use crate::tests::decode_any;
use serde_json::Value;
use std::path::PathBuf;

/// Asked at run time: a binary built from one checkout may be run from another that shares its target directory.
fn vectors() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../../../../schemas/vectors")
}

fn read_frames(bytes: &[u8]) -> Vec<Frame> {
    let mut input = bytes;
    std::iter::from_fn(|| read_frame(&mut input).unwrap()).collect()
}

/// What the JSON file says of a frame.
fn described(frame: &Frame, body: &Body) -> Value {
    serde_json::json!({ "requestId": frame.request_id, "message": body, "payload": std::str::from_utf8(&frame.payload).unwrap() })
}

#[test]
fn shared_vectors_mean_the_same_in_both_languages() {
    let mut names: Vec<String> =
        std::fs::read_dir(vectors()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    // Names of messages; other vectors of both languages begin with a small letter.
    names.retain(|name| name.ends_with(".json") && name.starts_with(char::is_uppercase));
    assert_eq!(names.len(), 19, "one file for each message");
    for name in names {
        let stem = name.trim_end_matches(".json");
        let expected: Vec<Value> = serde_json::from_slice(&std::fs::read(vectors().join(&name)).unwrap()).unwrap();
        let frames = read_frames(&std::fs::read(vectors().join(format!("{stem}.bin"))).unwrap());
        let mut ours = Vec::new();
        let mut said = Vec::new();
        for frame in &frames {
            let body = decode_any(frame.clone()).unwrap_or_else(|error| panic!("{stem}: {error}"));
            said.push(described(frame, &body));
            let payload = Payload::from(frame.payload.to_vec());
            write_frame(&mut ours, &encode_body(frame.request_id, body, payload).unwrap()).unwrap();
        }
        assert_eq!(said, expected, "{stem}");
        compare_or_write(&format!("{stem}.rust.bin"), &ours);
    }
}

/// Rust's bytes of the same messages are vectors for TypeScript.
fn compare_or_write(name: &str, ours: &[u8]) {
    let path = vectors().join(name);
    if std::env::var_os("MILLRACE_WRITE_VECTORS").is_some() {
        std::fs::write(&path, ours).unwrap();
    }
    assert!(std::fs::read(&path).unwrap() == ours, "{name} is not what this encoder writes; MILLRACE_WRITE_VECTORS=1 rewrites it");
}

#[test]
fn hostile_vectors_are_refused_in_the_layer_that_must_see_them() {
    let folder = vectors().join("hostile");
    let layers: std::collections::BTreeMap<String, String> =
        serde_json::from_slice(&std::fs::read(folder.join("layers.json")).unwrap()).unwrap();
    assert!(layers.len() >= 29);
    for (name, layer) in layers {
        let bytes = std::fs::read(folder.join(format!("{name}.bin"))).unwrap();
        match (layer.as_str(), read_frame(&mut bytes.as_slice())) {
            ("frame", Err(_)) => {}
            ("message", Ok(Some(frame))) => assert!(decode_any(frame).is_err(), "{name} was accepted"),
            (_, other) => panic!("{name}: expected the {layer} layer to refuse, got {other:?}"),
        }
    }
}
