//! Where mutations begin: hand-written texts, each with something that readers stumble over, the fixtures of this crate, and the frames of the wire.

use std::path::Path;

const TEXTS: &[(&str, &[&[u8]])] = &[
    (
        "csv",
        &[
            b"id,name,amount\n1,one,1.5\n2,\"two, and\",2.5\n3,\"th\"\"ree\nlines\",\n\n4,fo\"ur,x\n",
            b"id;name\r\n1;\"a\r\nb\"\r\n2;c;d\r\n3\r\n",
            b"\xef\xbb\xbfa\tb\tc\n1\t2\t3\n\t\t\n",
            b"# title\n#\nid|day|flag\n1|2026-01-02|true\n2|02.01.2026|no\n",
            b"sep=;\nid;x\n1;2\n",
            b"a,b\r1,2\r3,\"4\r5\"\r",
            b"'id','it''s'\n'1','x\\'y'\n",
            b"a b\n1 2\n",
            b"\"a\n\"b\n\"c\n1,2,3\n4,5,6\n",
            b"x,y\n\"unclosed,1\n2,3\n4,5\n",
            b"name\nK\xf6ln\nM\xfcnchen\n",
            b"\xff\xfei\x00d\x00,\x00n\x00\n\x001\x00,\x00\xe4\x00\n\x00",
            b"id,text\n1,\x83e\x83X\x83g\n2,\x95\\\x8e\xa6\n",
            b"id,text\n1,\x1b$B$3$s\x1b(B\n2,x\n",
        ],
    ),
    (
        "ndjson",
        &[
            b"{\"id\":1,\"name\":\"a\",\"o\":{\"x\":[1,2,{}]}}\n{\"id\":2.5,\"name\":null}\n",
            b"{\"a\":\"\\u00e4\\ud83d\\ude00\\n\"}\r\n\r\n{\"a\":true,\"a\":false}\n[1]\n{\"a\":1e400}\nx\n{\"a\":",
            b"{\"a\":{\"b\":{\"c\":{\"d\":[[[[[[1]]]]]]}}}}\n{}\n",
        ],
    ),
    (
        "json",
        &[
            b"[{\"id\":1,\"t\":\"x,]\"},\n {\"id\":2,\"t\":\"\\\"\\\\\"} , {\"id\":3}]\n",
            b"{\"meta\":{\"n\":[1,2]},\"data\":{\"rows\":[{\"a\":1},{\"a\":[2,3]},null,7]},\"after\":[]}",
            b"  [ ]  ",
            b"\xef\xbb\xbf[{\"a\":1}]x",
        ],
    ),
    (
        "lines",
        &[
            b"2026-01-02T03:04:05Z INFO started id=1\n  at frame one\n  at frame two\n2026-01-02T03:04:06Z WARN slow id=2\n\nnothing\n",
            b"127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] \"GET /a HTTP/1.0\" 200 2326\n",
        ],
    ),
];

/// Names of fixtures whose names end so, by target.
const ENDINGS: &[(&str, &[&str])] =
    &[("parquet", &[".parquet"]), ("arrow", &[".arrow"]), ("streams", &[".gz", ".zst", ".bz2", ".xz", ".lz4", ".zip"])];

/// Longer ones would make every case slow.
const MAX_SEED_BYTES: usize = 96 << 10;

pub fn of(target: &str) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for (name, texts) in TEXTS {
        if *name == target || ["probe", "scan"].contains(&target) {
            found.extend(texts.iter().map(|text| text.to_vec()));
        }
    }
    for (name, endings) in ENDINGS {
        if *name == target || target == "probe" {
            found.extend(files(endings));
        }
    }
    if target == "frame" || target == "message" {
        found = vectors(target == "message");
    }
    assert!(!found.is_empty(), "no seeds of {target}");
    found
}

/// The shared vectors of the wire: streams of frames, or single messages behind the number of their kind.
fn vectors(messages: bool) -> Vec<Vec<u8>> {
    let folder = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../../../../schemas/vectors");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("the repository has vectors").map(|entry| entry.expect("listed").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "bin"));
    paths.sort();
    let streams = paths.iter().map(|path| std::fs::read(path).expect("vectors can be read"));
    if messages { streams.flat_map(|bytes| messages_in(&bytes)).collect() } else { streams.collect() }
}

fn messages_in(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut input = bytes;
    let frames = std::iter::from_fn(|| millrace_wire::read_frame(&mut input).ok().flatten());
    frames.map(|frame| [&[frame.kind as u8][..], &frame.header].concat()).collect()
}

fn files(endings: &[&str]) -> Vec<Vec<u8>> {
    let tests = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests");
    let mut paths: Vec<_> = ["fixtures", "streams"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(tests.join(folder)).expect("fixtures lie beside the crate"))
        .map(|entry| entry.expect("a directory can be listed").path())
        .filter(|path| endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)))
        .collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| std::fs::read(path).expect("fixtures can be read");
    paths.iter().map(read).filter(|bytes| bytes.len() <= MAX_SEED_BYTES).collect()
}
