//! Reading NDJSON as a whole: tables of cases, any cut against the whole, and what another parser accepts.

use proptest::prelude::*;
use serde_json::json;

use crate::pins::{DuplicateKeys, InputPins, InvalidBytes};
use crate::read::ReadOptions;
use crate::schema::{ExtraColumns, FieldType, OnError};
use crate::testing::{field, ndjson_pins, plan_of, read_in_chunks, read_whole};

fn pins() -> InputPins {
    let mut fields = vec![field("id", FieldType::Integer), field("name", FieldType::String), field("deep", FieldType::Any)];
    fields[2].path = Some("/a/b/1".into());
    ndjson_pins(fields)
}

fn codes(pins: &InputPins, text: &str) -> Vec<&'static str> {
    let outcome = read_whole(pins, text.as_bytes());
    assert_eq!(outcome.counts.records, 1, "{text:?}");
    outcome.rejects.iter().flat_map(|reject| reject.errors.iter().map(|error| error.code)).collect()
}

#[test]
fn rows_and_positions() {
    let bytes = "\u{feff}{\"id\": 1, \"name\": \"a\\u00e4\\n\"}\r\n \t\n{\"a\":{\"b\":[0,{\"c\": [1]}]},\"name\":null,\"z\":{}}\n {\"id\":-2,\"a\":{\"b\":[1,\"x\"]}}";
    let outcome = read_whole(&pins(), bytes.as_bytes());
    assert_eq!(outcome.values(), [vec!["1", "aä\n", "∅"], vec!["∅", "∅", "{\"c\": [1]}"], vec!["-2", "∅", "x"]]);
    let places: Vec<_> = outcome.rows.iter().map(|(place, _)| (place.record, place.line, place.byte)).collect();
    assert_eq!(places, [(1, 1, 3), (2, 3, 38), (3, 4, 84)]);
    assert_eq!((outcome.counts.blank_lines, outcome.counts.lines), (1, 3));
}

#[test]
fn what_is_refused() {
    for (text, want) in [
        ("{\"id\": 1}", None),
        ("{}", None),
        ("[1]", Some("JSON_NOT_OBJECT")),
        ("\"a\"", Some("JSON_NOT_OBJECT")),
        ("[1", Some("JSON_SYNTAX")),
        ("{\"id\": 1} x", Some("JSON_SYNTAX")),
        ("{\"id\": 1}{}", Some("JSON_SYNTAX")),
        ("{\"id\": 01}", Some("JSON_SYNTAX")),
        ("{\"id\": NaN}", Some("JSON_SYNTAX")),
        ("{\"z\": Infinity}", Some("JSON_SYNTAX")),
        ("{\"z\": -Infinity}", Some("JSON_SYNTAX")),
        ("{\"id\": 1,}", Some("JSON_SYNTAX")),
        ("{\"z\": [1,]}", Some("JSON_SYNTAX")),
        ("{'id': 1}", Some("JSON_SYNTAX")),
        ("{\"name\": \"a\tb\"}", Some("JSON_SYNTAX")),
        ("{\"z\": \"a\u{1}b\"}", Some("JSON_SYNTAX")),
        ("{\"z\": \"\\ud800\"}", Some("JSON_BAD_ESCAPE")),
        ("{\"z\": \"\\x\"}", Some("JSON_BAD_ESCAPE")),
        ("{\"id\": 1, \"id\": 1}", Some("JSON_DUPLICATE_KEY")),
        ("{\"z\": {\"q\": 1, \"\\u0071\": 1}}", Some("JSON_DUPLICATE_KEY")),
        ("{\"id\": 1.0}", Some("TYPE_INTEGER")),
        ("{\"id\": 9223372036854775808}", Some("TYPE_RANGE")),
        ("{\"id\": \" 12 \"}", None),
        ("{\"id\": true}", Some("TYPE_INTEGER")),
        ("{\"id\": {}}", Some("TYPE_INTEGER")),
        ("{\"name\": 1}", Some("TYPE_STRING")),
        ("{\"name\": []}", Some("TYPE_STRING")),
    ] {
        assert_eq!(codes(&pins(), text), want.into_iter().collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn positions_of_errors() {
    for (text, want) in [("{\"a\":1,\"zz\":1, \"zz\":2}", 15), ("{\"id\": \"x\"}", 7), ("{\"name\":\"a\\x\"}", 11)] {
        let outcome = read_whole(&pins(), text.as_bytes());
        assert_eq!(outcome.rejects[0].errors[0].byte, want, "{text}");
    }
    let mut latin = pins();
    latin.encoding = "latin-1".into();
    let outcome = read_whole(&latin, b"{\"name\":\"\xe4\xf6\",\"id\":\"x\"}\n{\"name\":\"\xe4\"}\n");
    assert_eq!((outcome.rejects[0].errors[0].code, outcome.rejects[0].errors[0].byte), ("TYPE_INTEGER", 18));
    assert_eq!(outcome.values(), [vec!["∅", "ä", "∅"]]);
}

#[test]
fn duplicates_by_choice() {
    let mut pins = pins();
    let text = "{\"id\":1,\"a\":{\"b\":[0,1]},\"id\":2,\"a\":{\"c\":3},\"q\":1,\"q\":2}\n";
    pins.json.duplicate_keys = DuplicateKeys::First;
    assert_eq!(read_whole(&pins, text.as_bytes()).values(), [vec!["1", "∅", "1"]]);
    pins.json.duplicate_keys = DuplicateKeys::Last;
    assert_eq!(read_whole(&pins, text.as_bytes()).values(), [vec!["2", "∅", "∅"]]);
}

#[test]
fn depth_and_size() {
    let mut pins = pins();
    pins.json.max_depth = 3;
    assert_eq!(codes(&pins, "{\"z\":[[1]]}"), Vec::<&str>::new());
    assert_eq!(codes(&pins, "{\"z\":[[{}]]}"), ["JSON_TOO_DEEP"]);
    pins.max_record_bytes = 20;
    let outcome = read_whole(&pins, b"{\"id\":1}\n{\"name\":\"0123456789\"}\n{\"id\":2}\n");
    assert_eq!(outcome.codes(), [(2, vec!["JSON_RECORD_TOO_LARGE"])]);
    assert_eq!((outcome.counts.damages, outcome.counts.damaged_bytes), (1, 22));
    assert_eq!(outcome.rejects[0].errors[0].byte, 29);
}

#[test]
fn keys_without_a_field_may_be_refused() {
    let mut pins = pins();
    pins.schema.extra_columns = ExtraColumns::Fail;
    assert_eq!(codes(&pins, "{\"id\":1,\"a\":{\"x\":1}}"), Vec::<&str>::new());
    assert_eq!(codes(&pins, "{\"id\":\"x\",\"q\":1}"), ["TYPE_INTEGER", "SCHEMA_EXTRA_KEY"]);
}

#[test]
fn illegal_bytes() {
    let mut pins = pins();
    let bytes = b"{\"id\":1,\"name\":\"\xff\"}\n{\"id\":\"x\",\"name\":\"\xffy\"}\n{\"name\":\"\xc3";
    assert_eq!(
        read_whole(&pins, bytes).codes(),
        [(1, vec!["ENCODING_INVALID_BYTES"]), (2, vec!["ENCODING_INVALID_BYTES"]), (3, vec!["ENCODING_TRUNCATED"])]
    );
    pins.invalid_bytes = InvalidBytes::Replace;
    let outcome = read_whole(&pins, b"{\"name\":\"\xff\xff\",\"id\":1}\n{\"name\":\"\xff\xff\",\"id\":\"x\"}\n");
    assert_eq!(outcome.values(), [vec!["1", "\u{fffd}\u{fffd}", "∅"]]);
    assert_eq!(outcome.counts.repairs.get("ENCODING_INVALID_BYTES"), Some(&1));
    assert_eq!(outcome.rejects[0].errors[0].byte, 21 + 18);
}

#[test]
fn numbers_never_pass_through_a_float() {
    let mut fields = vec![field("d", FieldType::Number), field("b", FieldType::Boolean), field("n", FieldType::Integer)];
    (fields[0].precision, fields[0].scale, fields[0].decimal_char) = (Some(38), Some(2), ",".into());
    fields[2].on_error = OnError::SetNull;
    fields[2].constraints.maximum = Some(json!(9));
    let pins = ndjson_pins(fields);
    let outcome = read_whole(
        &pins,
        b"{\"d\":123456789012345678901234567890.12,\"b\":true,\"n\":10}\n{\"d\":\"1,5\",\"b\":\"0\",\"n\":\"x\"}\n{\"d\":0.125}\n",
    );
    assert_eq!(outcome.values(), [vec!["123456789012345678901234567890.12", "true", "∅"], vec!["1.50", "false", "∅"]]);
    assert_eq!(outcome.codes(), [(3, vec!["TYPE_PRECISION"])]);
    assert_eq!(outcome.counts.repairs.into_iter().collect::<Vec<_>>(), [("CONSTRAINT_MAXIMUM", 1), ("TYPE_INTEGER", 1)]);
}

#[test]
fn fields_are_cut_for_people() {
    let pins = pins();
    let plan = plan_of(&pins, b"");
    assert_eq!(crate::read::cut_fields(&pins, &plan, b"{\"id\":1,\"a\":{\"b\":[1,[2]]}}\n"), ["1", "", "[2]"]);
    assert_eq!(crate::read::cut_fields(&pins, &plan, b"{\"id\":"), Vec::<String>::new());
}

fn json_piece() -> impl Strategy<Value = String> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"id\"",
        "\"",
        "\\",
        "\\n",
        "\\u12",
        "\\u00e9",
        "\\ud83d\\ude00",
        "1",
        "-",
        "0",
        ".5",
        "e3",
        "true",
        "nul",
        "null",
        " ",
        "\t",
        "ä",
        "\u{1}",
        "NaN",
        "//",
    ];
    prop_oneof![2 => prop::sample::select(pieces.to_vec()).prop_map(String::from), 1 => valid_json()]
}

fn valid_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        "\\PC{0,6}".prop_map(|value| json!(value)),
    ];
    let tree = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|value| json!(value)),
            prop::collection::btree_map("[a-d\\\\\"ä]{0,3}|id|name", inner, 0..4).prop_map(|value| json!(value)),
        ]
    });
    tree.prop_map(|value| value.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn accepts_what_another_parser_accepts(pieces in prop::collection::vec(json_piece(), 1..8), wrap in any::<bool>()) {
        let mut pins = ndjson_pins(vec![field("id", FieldType::Any)]);
        pins.json.duplicate_keys = DuplicateKeys::Last;
        let text = if wrap { format!("{{\"id\":{}}}", pieces.concat()) } else { pieces.concat() };
        prop_assume!(!text.trim_matches([' ', '\t']).is_empty());
        let outcome = read_whole(&pins, text.as_bytes());
        let expected = serde_json::from_str::<serde_json::Value>(&text);
        prop_assert_eq!(!outcome.rows.is_empty(), expected.is_ok_and(|value| value.is_object()), "{}: {:?}", text, outcome.rejects);
    }

    #[test]
    fn any_cut_equals_the_whole(
        lines in prop::collection::vec(
            prop_oneof![
                3 => valid_json().prop_map(String::into_bytes),
                2 => (any::<i32>(), "\\PC{0,5}").prop_map(|(id, name)| json!({ "id": id, "name": name }).to_string().into_bytes()),
                1 => prop::sample::select(vec![&b""[..], b" \t", b"{", b"\xff", b"{\"id\":\"\xc3\"}", b"\r", b"{\"id\":1}\r\r"]).prop_map(<[u8]>::to_vec),
            ],
            0..30,
        ),
        limit in prop_oneof![Just(16u64 << 20), 10u64..60],
        chunk_size in 1u64..200, batch_records in 1usize..9, batch_bytes in 1u64..200, ends in any::<bool>(), replace in any::<bool>(),
    ) {
        let mut pins = pins();
        pins.max_record_bytes = limit;
        pins.invalid_bytes = if replace { InvalidBytes::Replace } else { InvalidBytes::Reject };
        let mut bytes = lines.join(&b'\n');
        if ends {
            bytes.push(b'\n');
        }
        let whole = read_whole(&pins, &bytes);
        let cut = read_in_chunks(&pins, &bytes, chunk_size, ReadOptions { batch_records, batch_bytes });
        prop_assert_eq!(cut, whole);
    }
}
