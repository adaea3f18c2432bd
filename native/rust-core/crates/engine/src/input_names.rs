//! Names of outputs after their inputs, for `layout: perInput`: the input's place below what the spec names, without the extensions of its format.

use crate::records::InputSpec;

/// Extensions that say what a file is made of, and not what it is about.
const EXTENSIONS: [&str; 20] = [
    "csv", "tsv", "txt", "psv", "ndjson", "jsonl", "json", "log", "parquet", "pq", "arrow", "arrows", "feather", "ipc", "gz", "zst", "bz2",
    "xz", "lz4", "zip",
];
/// So that stage, chunk, job and attempt still fit a file name.
const MAX_STEM_BYTES: usize = 80;

/// `<folders>/<stem>` of the outputs of an input file. Two inputs may get the same: chunk numbers keep their parts apart.
pub fn output_name(uri: &str, input: Option<&InputSpec>) -> String {
    let base = input.map_or(0, |input| base_length(uri, &input.uris()));
    let base = if base == 0 { uri.rfind('/').map_or(0, |slash| slash + 1) } else { base };
    let relative = if uri.starts_with("file://") { decoded(&uri[base..]) } else { uri[base..].to_owned() };
    let (folders, file) = relative.rsplit_once('/').unwrap_or(("", &relative));
    let mut names: Vec<String> = folders.split('/').filter(|name| !name.is_empty()).map(visible).collect();
    names.push(visible(&stem_of(file)));
    names.join("/")
}

/// The output name of an inline payload, from its key.
pub fn payload_name(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let text: String = key.bytes().map(|byte| if plain(byte) { char::from(byte) } else { '_' }).take(MAX_STEM_BYTES).collect();
    visible(&text)
}

/// What the escapes of a local URI say. Bytes that are no UTF-8 are replaced: a name only has to be known again.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.filter(|_| byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Length of the longest folder that a written URI fixes and the file lies below; 0 if none does.
fn base_length(uri: &str, written: &[&str]) -> usize {
    let fixed = written.iter().map(|pattern| {
        let literal = pattern.find(['*', '?', '[', '{']).map_or(*pattern, |mark| &pattern[..mark]);
        literal.rfind('/').map_or("", |slash| &literal[..=slash])
    });
    fixed.filter(|folder| uri.starts_with(folder)).map(str::len).max().unwrap_or(0)
}

/// The name of a file without the extensions of format and compression, cut to a length.
fn stem_of(file: &str) -> String {
    let mut stem = file;
    while let Some((before, extension)) = stem.rsplit_once('.') {
        if before.is_empty() || !EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()) {
            break;
        }
        stem = before;
    }
    cut(stem)
}

fn cut(text: &str) -> String {
    text.char_indices().take_while(|(at, letter)| at + letter.len_utf8() <= MAX_STEM_BYTES).map(|(_, letter)| letter).collect()
}

/// Readers pass over names that begin with `_` or `.`, and ours in the output begin with `_`: data must not.
fn visible(name: &str) -> String {
    if name.starts_with(['_', '.']) || name.is_empty() { format!("input{name}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(uri: &str, written: &[&str]) -> String {
        let input: InputSpec = serde_json::from_value(serde_json::json!({ "name": "input", "uri": written })).unwrap();
        output_name(uri, Some(&input))
    }

    #[test]
    fn outputs_are_named_after_their_inputs() {
        assert_eq!(name("file:///in/a/b.csv.gz", &["file:///in/"]), "a/b");
        assert_eq!(name("file:///in/a/b.csv", &["file:///in/**/*.csv"]), "a/b");
        assert_eq!(name("file:///in/a/b.csv", &["file:///in/a/b.csv"]), "b");
        assert_eq!(name("file:///in/a/b.csv", &["file:///in/{a,c}/*.csv", "file:///in/a/*"]), "b");
        assert_eq!(name("file:///in/2026.11.23.json.ZST", &["file:///in/"]), "2026.11.23");
        assert_eq!(name("file:///in/%C3%BC%20x.csv", &["file:///in/"]), "ü x");
        assert_eq!(output_name("file:///in/a/b", None), "b");
    }

    #[test]
    fn names_never_hide_data_nor_grow_without_end() {
        assert_eq!(name("file:///in/_x/.csv", &["file:///in/"]), "input_x/input.csv");
        assert_eq!(name("file:///in/_manifests/a.csv", &["file:///in/"]), "input_manifests/a");
        let long = format!("file:///in/{}.csv", "%C3%BC".repeat(60));
        assert_eq!(name(&long, &["file:///in/"]), "ü".repeat(40));
        assert_eq!(name("s3://b/in/a%20b.csv", &["s3://b/in/"]), "a%20b");
        assert_eq!(payload_name("orders/7 é"), "orders_7___");
        assert_eq!(payload_name(""), "input");
    }
}
