//! Probing on small files as they come from the world, each with what a person would say about it.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::schema::FieldType;

fn sample(bytes: &[u8]) -> Sample {
    Sample { uri: "file:///in/a".into(), head: bytes.to_vec(), complete: true, size: bytes.len() as u64, compression: None, columns: None }
}

fn declared(value: Value) -> Declared {
    Declared::deserialize(value).unwrap()
}

fn probe_one(bytes: &[u8]) -> Result<InputPins, Error> {
    probe(&[sample(bytes)], &declared(json!({})))
}

/// One line that says what was found: `<delimiter><quote> header <columns:types>`.
fn summary(pins: &InputPins) -> String {
    let types: Vec<String> = pins
        .schema
        .fields
        .iter()
        .map(|field| {
            let kind = serde_json::to_value(field.field_type).unwrap();
            let format = if field.format == "default" { String::new() } else { format!("({})", field.format) };
            format!("{}:{}{format}", field.name, kind.as_str().unwrap())
        })
        .collect();
    match &pins.dialect {
        None => format!("ndjson {}", types.join(" ")),
        Some(dialect) => {
            let escape = if dialect.escape_char.is_empty() { "" } else { "\\" };
            let skip = if dialect.skip_initial_space { " skip" } else { "" };
            let rows = if dialect.header { format!("header {:?}", dialect.header_rows) } else { "no header".into() };
            format!("{}{}{escape}{skip} {rows} {}", dialect.delimiter.escape_debug(), dialect.quote_char, types.join(" "))
        }
    }
}

/// Planning the file by its pins finds the columns that probing found.
fn planned_otherwise(text: &str) -> Option<String> {
    let pins = probe_one(text.as_bytes()).ok()?;
    let planned = crate::read::plan_file(&pins, 0, 0, "file:///in/a", "1", &mut text.as_bytes());
    match planned {
        Err(error) => Some(format!("planning says {error}")),
        Ok(plan) if pins.dialect.is_some() && plan.header != pins.columns => {
            Some(format!("planning has columns {:?}, probing {:?}", plan.header, pins.columns))
        }
        Ok(_) => None,
    }
}

fn rows(header: &str, row: impl Fn(usize) -> String, count: usize) -> String {
    let mut text = format!("{header}\n");
    (0..count).for_each(|n| text.push_str(&format!("{}\n", row(n))));
    text
}

#[test]
fn files_are_read_as_a_person_would() {
    let long = |header: &str, row: &dyn Fn(usize) -> String| rows(header, row, 40);
    let cases: Vec<(&str, String, &str)> = vec![
        ("marks around words", "id|name\n1|#english#\n2|#paper#\n".into(), r#"|" header [1] id:integer name:string"#),
        (
            "more names than cells",
            "id,name,city,land\n1,Ann\n2,Bob\n3,Cid\n".into(),
            r#"," header [1] id:string name:string city:string land:string"#,
        ),
        ("one row of values", "2,paper\n".into(), r#"," no header column_1:integer column_2:string"#),
        ("one row of names", "id,name\n".into(), r#"," header [1] id:string name:string"#),
        (
            "a rare delimiter, ragged",
            long("id^name^note", &|n| if n % 9 == 8 { format!("{n}^a, b") } else { format!("{n}^Ann^x, y") }),
            r#"^" header [1] id:integer name:string note:string"#,
        ),
        (
            "addresses beside a rare delimiter",
            long("day~mail~link", &|n| format!("16.10.20{n:02}~ann{n}@example.org~https://example.org/x?n={n}")),
            r#"~" header [1] day:date(%d.%m.%Y) mail:string link:string"#,
        ),
        (
            "titles filled up with delimiters",
            "Report of March,,\n,,\nid,name,n\n1,Ann,4\n2,Bob,5\n3,,6\n".into(),
            r#"," header [3] id:integer name:string n:integer"#,
        ),
        (
            "a sparse first row of values",
            "1,,\n2,Bob,5\n3,Cid,6\n".into(),
            r#"," no header column_1:integer column_2:string column_3:integer"#,
        ),
        ("plain", "id,name,amount\n1,Ann,2.50\n2,Bob,3\n".into(), r#"," header [1] id:integer name:string amount:number"#),
        ("crlf", "id,name\r\n1,Ann\r\n2,Bob\r\n".into(), r#"," header [1] id:integer name:string"#),
        ("lone cr", "id,name\r1,Ann\r2,Bob\r".into(), r#"," header [1] id:integer name:string"#),
        ("no last line end", "id,name\n1,Ann\n2,Bob".into(), r#"," header [1] id:integer name:string"#),
        ("semicolon", "id;name;price\n1;Ann;3\n2;Bob;4\n".into(), r#";" header [1] id:integer name:string price:integer"#),
        ("decimal comma", "id;price\n1;3,50\n2;4,75\n3;5,00\n".into(), r#";" header [1] id:integer price:string"#),
        ("tab", "id\tname\n1\tAnn Lee\n2\tBob, Jr.\n".into(), r#"\t" header [1] id:integer name:string"#),
        ("pipe", "id|name|at\n1|Ann|2024-01-01\n2|Bob|2024-01-02\n".into(), r#"|" header [1] id:integer name:string at:date"#),
        ("unit separator", "id\u{1f}name\n1\u{1f}a,b\n2\u{1f}c,d\n".into(), "\\u{1f}\" header [1] id:integer name:string"),
        ("quoted newline", "id,note\n1,\"line one\nline two\"\n2,\"x\"\n".into(), r#"," header [1] id:integer note:string"#),
        ("quoted delimiter", "id;note\n1;\"a;b\"\n2;\"c\"\n".into(), r#";" header [1] id:integer note:string"#),
        ("doubled quote", "id,note\n1,\"he said \"\"no\"\"\"\n2,x\n".into(), r#"," header [1] id:integer note:string"#),
        (
            "escaped quote",
            "id,note,n\n1,\"he said \\\"no, never\\\"\",5\n2,\"x\",6\n3,\"y\",7\n".into(),
            r#","\ header [1] id:integer note:string n:integer"#,
        ),
        ("apostrophe quotes", "id,note\n1,'a,b'\n2,'c'\n3,'d,e'\n".into(), r#",' header [1] id:integer note:string"#),
        ("apostrophes in text", "id,note\n1,it's\n2,o'clock\n3,'t Hooft\n4,x\n".into(), r#"," header [1] id:integer note:string"#),
        (
            "blanks after delimiter",
            "id, note, n\n1, \"a, b\", 3\n2, c, 4\n".into(),
            r#"," skip header [1] id:integer note:string n:integer"#,
        ),
        ("sep line", "sep=;\nid;note\n1;a\n2;b\n".into(), r#";" header [1] id:integer note:string"#),
        (
            "preamble",
            "Report of March\n\nid,name,n\n1,Ann,4\n2,Bob,5\n3,Cy,6\n".into(),
            r#"," header [3] id:integer name:string n:integer"#,
        ),
        (
            "no header",
            "1,Ann,2024-01-01\n2,Bob,2024-01-02\n3,Cy,2024-01-03\n".into(),
            r#"," no header column_1:integer column_2:string column_3:date"#,
        ),
        ("text without header", "red,x\nblue,y\nred,z\ngreen,x\n".into(), r#"," no header column_1:string column_2:string"#),
        ("all text with header", "name,city\nAnn,Oslo\nBob,Rome\n".into(), r#"," header [1] name:string city:string"#),
        ("one column", "id\n1\n2\n3\n".into(), r#"," header [1] id:integer"#),
        ("one column of timestamps", "at\n2024-01-01 10:00:00\n2024-01-01 10:00:05\n".into(), r#"," header [1] at:datetime"#),
        ("one column of prose", "note\nthe quick brown fox\njumps\nover the lazy dog\n".into(), r#"," header [1] note:string"#),
        ("header only", "id,name\n".into(), r#"," header [1] id:string name:string"#),
        ("leading zeros", "zip,n\n01067,1\n10115,2\n".into(), r#"," header [1] zip:string n:integer"#),
        ("phone numbers", "tel,n\n+49151234567,1\n+4930123456,2\n".into(), r#"," header [1] tel:string n:integer"#),
        ("long digits", "card,n\n4111111111111111111,1\n4000000000000000000,2\n".into(), r#"," header [1] card:string n:integer"#),
        ("booleans", "id,open\n1,true\n2,false\n".into(), r#"," header [1] id:integer open:boolean"#),
        ("flags", "id,open\n7,1\n8,0\n".into(), r#"," header [1] id:integer open:integer"#),
        ("german dates", "id;day\n1;31.12.2024\n2;01.02.2025\n".into(), r#";" header [1] id:integer day:date(%d.%m.%Y)"#),
        ("us dates", "id,day\n1,12/31/2024\n2,02/01/2025\n".into(), r#"," header [1] id:integer day:date(%m/%d/%Y)"#),
        ("order of dates unproven", "id,day\n1,03/04/2024\n2,05/06/2024\n".into(), r#"," header [1] id:integer day:string"#),
        (
            "times of day in cells",
            "id,from,to\n1,10:00:00,11:00:00\n2,12:00:00,13:30:00\n".into(),
            r#"," header [1] id:integer from:string to:string"#,
        ),
        ("urls", "id,url\n1,https://a.example/x?y=1;z=2\n2,https://b.example/\n".into(), r#"," header [1] id:integer url:string"#),
        ("empty column", "id,a,b\n1,,x\n2,,y\n".into(), r#"," header [1] id:integer a:string b:string"#),
        ("duplicate and empty names", "id,,id\n1,2,3\n4,5,6\n".into(), r#"," header [1] id:integer column_2:integer id_2:integer"#),
        (
            "ragged rows",
            long("id,name,n", &|n| if n % 10 == 3 { format!("{n},a,b,c") } else { format!("{n},x{n},{n}") }),
            r#"," header [1] id:integer name:string n:integer"#,
        ),
        (
            "a stray quote",
            long("id,name,n", &|n| if n == 20 { format!("{n},\"a,{n}") } else { format!("{n},x{n},{n}") }),
            r#"," header [1] id:integer name:string n:integer"#,
        ),
        ("inches", long("id;size", &|n| format!("{n};{n}\" pipe")), r#"; header [1] id:integer size:string"#),
        ("utf-8 mark", "\u{feff}id,name\n1,Ann\n2,Bob\n".into(), r#"," header [1] id:integer name:string"#),
        ("json in cells", "id;doc\n1;{\"a\":1,\"b\":2}\n2;{\"a\":3}\n".into(), r#"; header [1] id:integer doc:string"#),
        (
            "ndjson",
            "{\"id\":1,\"at\":\"2024-01-01\",\"x\":{\"a\":1}}\n{\"id\":2,\"n\":1.5,\"at\":\"2024-01-02\",\"b\":true}\n".into(),
            "ndjson id:integer at:date x:any n:number b:boolean",
        ),
        ("ndjson of several kinds", "{\"a\":1,\"b\":null}\n{\"a\":\"x\",\"b\":null}\n".into(), "ndjson a:any b:any"),
        ("ndjson texts like numbers", "{\"zip\":\"01067\"}\n\n{\"zip\":\"10115\"}\n".into(), "ndjson zip:string"),
    ];
    let mut wrong = Vec::new();
    for (name, text, want) in &cases {
        if let Some(why) = planned_otherwise(text) {
            wrong.push(format!("{name}: {why}"));
        }
        let got = probe_one(text.as_bytes()).map_or_else(|error| format!("{}: {error}", error.code), |pins| summary(&pins));
        if got != *want {
            wrong.push(format!("{name}: expected {want}\n{:width$}  got      {got}", "", width = name.len()));
        }
    }
    assert!(wrong.is_empty(), "{} of {} wrong\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn encodings_are_told_or_refused() {
    let german = "id;name;ort\n1;Müller;Köln\n2;Schröder;Düsseldorf\n3;Jäger;Straße\n4;Größe;Übersee\n".repeat(4);
    let encode = |label: &str, text: &str| crate::encoding::Encoding::from_label(label).unwrap().encode(text).unwrap();
    let label = |bytes: &[u8]| probe_one(bytes).map(|pins| pins.encoding).map_err(|error| error.code);
    assert_eq!(label(german.as_bytes()), Ok("utf-8".into()));
    assert_eq!(label(b"a,b\n1,2\n"), Ok("utf-8".into()));
    assert_eq!(label(&encode("windows-1252", &german)), Ok("windows-1252".into()));
    let euro = german.replace("ort", "preis in €");
    assert_eq!(label(&encode("windows-1252", &euro)), Ok("windows-1252".into()));
    let russian = "номер;имя\n1;Иванов\n2;Петрова\n".repeat(8);
    assert_eq!(label(&encode("windows-1251", &russian)), Ok("windows-1251".into()));
    assert_eq!(label(b"id,name\n1,M\xfcller\n"), Err("ENCODING_UNCERTAIN"));
    // One bad byte among many good sequences does not turn a file into windows-1252.
    let mut dirty = german.repeat(10).into_bytes();
    dirty.extend_from_slice(b"5;M\xfcller;x\n");
    let pins = probe_one(&dirty).unwrap();
    assert_eq!(pins.encoding, "utf-8");
    assert!(pins.notes[0].starts_with("1 of "), "{:?}", pins.notes);
    let names = probe(&[sample(&encode("latin-1", "größe;n\n1;2\n3;4\n"))], &declared(json!({"encoding": "latin-1"}))).unwrap();
    assert_eq!((names.encoding.as_str(), names.columns[0].as_str()), ("latin-1", "größe"));
    let mismatch = probe(&[sample("\u{feff}a,b\n1,2\n".as_bytes())], &declared(json!({"encoding": "windows-1252"}))).unwrap_err();
    assert_eq!(mismatch.code, "ENCODING_MISMATCH");
    // A character that the sample cuts off says nothing.
    let cut = Sample { head: "a,b\n1,ü".as_bytes()[..7].to_vec(), complete: false, ..sample(b"") };
    assert_eq!(probe(&[cut], &declared(json!({}))).unwrap().encoding, "utf-8");
}

#[test]
fn what_is_no_text_is_named_and_refused() {
    let cases: Vec<(Vec<u8>, Value, &str, &str)> = vec![
        (b"\x1f\x8b\x08\x00".to_vec(), json!({}), "INPUT_MAGIC", "gzip"),
        (b"\x1f\x8b\x08\x00".to_vec(), json!({"compression": "none"}), "INPUT_MAGIC", "gzip"),
        (b"\x28\xb5\x2f\xfd\x00".to_vec(), json!({}), "INPUT_MAGIC", "zstd"),
        (b"BZh91AY&SY".to_vec(), json!({}), "INPUT_MAGIC", "bzip2"),
        (b"\xfd7zXZ\x00".to_vec(), json!({}), "INPUT_MAGIC", "xz"),
        (b"PK\x03\x04aaaaaaaaaaaaaaaaaaaaaaaaaadata.csv".to_vec(), json!({}), "INPUT_MAGIC", "zip"),
        (b"PK\x03\x04aaaaaaaaaaaaaaaaaaaaaaaaaa[Content_Types].xml".to_vec(), json!({}), "INPUT_MAGIC", "CSV"),
        (b"PAR1....".to_vec(), json!({"format": "csv"}), "INPUT_MAGIC", "parquet"),
        (b"a\n".to_vec(), json!({"format": "arrow"}), "ARROW_MAGIC", "arrow"),
        (b"%PDF-1.7".to_vec(), json!({}), "INPUT_MAGIC", "PDF"),
        (b"\xff\xfe\0\0a\0\0\0".to_vec(), json!({}), "SPEC_ENCODING", "UTF-32"),
        (b"a\n".to_vec(), json!({"compression": "arj"}), "SPEC_BAD_VALUE", "arj"),
        (b"{\n  \"a\": 1,\n  \"b\": 2\n}\n".to_vec(), json!({}), "SPEC_MISSING_FIELD", "json.records"),
        (b"[{}]".to_vec(), json!({"format": "ndjson", "json": {"records": "/a"}}), "SPEC_CONFLICT", "json.records"),
        (b"[{}]".to_vec(), json!({"dialect": {}, "json": {"records": "/a"}}), "SPEC_CONFLICT", "dialect"),
        (b"[{}]".to_vec(), json!({"json": {"records": "a"}}), "SPEC_BAD_VALUE", "Pointer"),
        (b"[{}]".to_vec(), json!({"format": "json", "dialect": {}}), "SPEC_CONFLICT", "dialect"),
        (b"a\n".to_vec(), json!({"format": "lines"}), "SPEC_MISSING_FIELD", "lines.regex"),
        (b"a\n".to_vec(), json!({"format": "lines", "lines": {"regex": "(?<a>a)", "grok": "%{WORD:a}"}}), "SPEC_CONFLICT", "lines.grok"),
        (b"a\n".to_vec(), json!({"format": "lines", "lines": {"regex": "(?<a>a"}}), "SPEC_REGEX", "lines.regex"),
        (b"a\n".to_vec(), json!({"format": "lines", "lines": {"regex": "(a)"}}), "SPEC_REGEX", "no named group"),
        (b"a\n".to_vec(), json!({"format": "lines", "lines": {"regex": "(?<a>\\w{5000}){100}"}}), "SPEC_REGEX", "lines.regex"),
        (b"a\n".to_vec(), json!({"format": "lines", "lines": {"regex": "(?<a>a)", "recordStart": "("}}), "SPEC_REGEX", "recordStart"),
        (b"a\n".to_vec(), json!({"format": "lines", "lines": {"grok": "%{NO:a}"}}), "SPEC_GROK", "NO"),
        (b"a\n".to_vec(), json!({"lines": {"grok": "%{WORD:a}"}}), "SPEC_CONFLICT", "format lines"),
        (b"a\n".to_vec(), json!({"format": "parquet"}), "PARQUET_MAGIC", "parquet"),
        (b"PAR1....".to_vec(), json!({"compression": "gzip"}), "SPEC_CONFLICT", "parquet"),
        (b"PAR1....".to_vec(), json!({"dialect": {"delimiter": ";"}}), "SPEC_CONFLICT", "dialect"),
        (b"a\n".to_vec(), json!({"encoding": "klingon"}), "SPEC_ENCODING", "klingon"),
        (b"a\n".to_vec(), json!({"encoding": "utf-16"}), "ENCODING_MISMATCH", "utf-16le"),
        (b"\xff\xfea\0".to_vec(), json!({"encoding": "utf-16be"}), "ENCODING_MISMATCH", "utf-16le"),
        (b"a\n".to_vec(), json!({"schema": {"fields": [{"name": "a", "type": "geopoint"}]}}), "SPEC_SCHEMA_FIELD", "geopoint"),
        (b"a\n".to_vec(), json!({"schema": "https://example.org/schema.json"}), "SPEC_NOT_AVAILABLE", "schema"),
        (b"a\n".to_vec(), json!({"dialect": {"delimiter": "\""}}), "SPEC_CONFLICT", "dialect"),
        (b"a,b;c\nd,e;f\ng,h;i\n".to_vec(), json!({}), "CSV_DIALECT_UNCERTAIN", "dialect.delimiter"),
    ];
    for (bytes, spec, code, part) in cases {
        let error = probe(&[sample(&bytes)], &declared(spec)).expect_err(&String::from_utf8_lossy(&bytes));
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(part), "{error}");
    }
}

fn probed(bytes: &str, spec: Value) -> InputPins {
    probe(&[sample(bytes.as_bytes())], &declared(spec)).unwrap()
}

#[test]
fn arrays_are_known_by_their_bracket() {
    for text in ["[{\"a\":1},\n{\"a\":2,\"b\":\"x\"}]", " [\n {\"a\": 1, \"b\": null}, {\"b\": \"]\"}"] {
        let pins = probed(text, json!({}));
        assert_eq!((pins.format, summary(&pins)), (Format::Json, "ndjson a:integer b:string".into()), "{text}");
    }
    let below = "{\"meta\": [1], \"rows\": [{\"a\": true}, {\"a\": false}, {\"a\"";
    let pins = probed(below, json!({"json": {"records": "/rows"}}));
    assert_eq!((pins.format, summary(&pins)), (Format::Json, "ndjson a:boolean".into()));
    assert_eq!(probed("[12/Oct] x\n[13/Oct] y\n", json!({})).format, Format::Csv, "a line of a log may begin so");
    assert_eq!(probed("[]", json!({})).format, Format::Json);
}

#[test]
fn lines_have_the_columns_of_their_groups() {
    let log = "2026-01-02T03:04:05Z INFO 17 up\nnot one of them\n2026-01-02T03:04:06Z WARN 4 down \n";
    let pins =
        probed(log, json!({"format": "lines", "lines": {"grok": "^%{TIMESTAMP_ISO8601:at} %{WORD:level} %{INT:n:int} (?<rest>.*)$"}}));
    assert_eq!((pins.format, summary(&pins)), (Format::Lines, "ndjson at:datetime level:string n:integer rest:string".into()));
    let lines = pins.lines.clone().unwrap();
    assert!(lines.regex.contains("(?P<at>") && !lines.regex.contains("%{"), "{}", lines.regex);
    let again: InputPins = serde_json::from_str(&serde_json::to_string(&pins).unwrap()).unwrap();
    assert_eq!(again, pins);
    let stack = "1 a\n b\n2 c\n";
    let pins =
        probed(stack, json!({"format": "lines", "schema": "text", "lines": {"regex": "(?s)^(?<n>\\d) (?<t>.*)$", "recordStart": "^\\d"}}));
    assert_eq!(summary(&pins), "ndjson n:string t:string");
    assert_eq!(crate::testing::read_whole(&pins, stack.as_bytes()).values(), [vec!["1", "a\n b"], vec!["2", "c"]]);
}

#[test]
fn what_is_written_is_kept_and_the_rest_is_detected() {
    let spec = json!({
        "name": "orders", "uri": ["file:///in/a"], "format": "csv", "encoding": "utf-8", "maxRecordSize": 65536, "invalidBytes": "replace",
        "dialect": {"delimiter": ",", "quoteChar": null, "header": false, "headerRows": null, "commentChar": "#", "nullSequence": "\\N",
            "strayQuotes": "literal", "shortRows": "pad", "longRows": "truncate", "blankRows": "reject", "commentRows": []},
        "schema": {"fields": [{"name": "a", "type": "integer", "constraints": {"required": true, "minimum": null}}, {"name": "b"}],
            "match": "position", "primaryKey": null, "fieldsMatch": null},
        "json": {"records": "", "duplicateKeys": "first", "maxDepth": 5}
    });
    let pins = probe(&[sample(b"# a comment\n1,x\n2,\\N\n")], &declared(spec)).unwrap();
    let dialect = pins.dialect.unwrap();
    assert_eq!((dialect.header, dialect.comment_char.as_str(), dialect.null_sequence.as_deref()), (false, "#", Some("\\N")));
    assert_eq!((dialect.short_rows, dialect.long_rows), (crate::pins::ShortRows::Pad, crate::pins::LongRows::Truncate));
    assert_eq!((pins.max_record_bytes, pins.name.as_str(), pins.invalid_bytes), (65_536, "orders", InvalidBytes::Replace));
    assert_eq!((pins.json.duplicate_keys, pins.json.max_depth), (DuplicateKeys::First, 5));
    assert_eq!(pins.columns, ["column_1", "column_2"]);
    assert!(pins.schema.fields[0].constraints.required && pins.inferred.is_empty());
    let how = |path: &str| pins.evidence.iter().find(|evidence| evidence.path == path).map(|evidence| evidence.how.clone());
    assert_eq!(how("dialect.delimiter").as_deref(), Some("set"));
    assert_eq!(how("dialect.quoteChar").as_deref(), Some("detected"));
    assert_eq!(how("dialect.header").as_deref(), Some("set"));
    assert_eq!(how("compression").as_deref(), Some("detected"));
    let pins_of = |dialect: Value, text: &str| probe(&[sample(text.as_bytes())], &declared(json!({"dialect": dialect}))).unwrap();
    let joined = pins_of(json!({"headerRows": [2, 3], "headerJoin": "_"}), "title\nsize,size,x\nmm,in,\n1,2,3\n4,5,6\n");
    assert_eq!(joined.columns, ["size_mm", "size_in", "x"]);
    assert_eq!(joined.schema.fields[0].field_type, FieldType::Integer);
    let tight = pins_of(json!({"delimiter": "::"}), "a::b\n1::2:3\n4::5\n");
    assert_eq!(tight.columns, ["a", "b"]);
}

#[test]
fn schemas_are_kept_as_text_or_extended() {
    let text = "id,name,note\n1,a,b\n2,c,d\n";
    let pins_of = |schema: Value| probe(&[sample(text.as_bytes())], &declared(json!({"schema": schema}))).unwrap();
    let all_text = pins_of(json!("text"));
    assert!(all_text.schema.fields.iter().all(|field| field.field_type == FieldType::String) && all_text.inferred.is_empty());
    let given = json!({"fields": [{"name": "id", "type": "integer"}, {"name": "title", "aliases": ["name"]}], "extraColumns": "keep"});
    let names: Vec<String> = pins_of(given).schema.fields.into_iter().map(|field| field.name).collect();
    assert_eq!(names, ["id", "title", "note"]);
    let auto = pins_of(json!("auto"));
    assert_eq!(auto.inferred, ["id", "name", "note"]);
    // The rules that later files are judged by: columns may be absent, but none may be new.
    let later =
        |names: &[&str]| crate::header::match_columns(&auto.schema, &names.iter().map(|name| name.to_string()).collect::<Vec<_>>(), false);
    assert_eq!(later(&["name", "id"]).unwrap().fields, [Some(1), Some(0)]);
    assert_eq!(later(&["id", "new"]).unwrap_err().code, "SCHEMA_DRIFT");
}

#[test]
fn files_are_united_and_empty_ones_are_legal() {
    let samples = [sample(b""), sample(b"a,b\n1,2\n3,x\n"), sample(b"b,c\n5,2024-01-01\n6,2024-01-02\n")];
    let pins = probe(&samples, &declared(json!({}))).unwrap();
    assert_eq!(summary(&pins), r#"," header [1] a:integer b:string c:date"#);
    let empty = probe(&[sample(b"")], &declared(json!({}))).unwrap();
    assert_eq!(summary(&empty), r#"," header [1] "#);
    let typed = probe(&[sample(b"\xef\xbb\xbf")], &declared(json!({"schema": {"fields": [{"name": "a"}]}}))).unwrap();
    assert_eq!(typed.schema.fields.len(), 1);
    assert!(probe(&[], &declared(json!({"format": "ndjson"}))).unwrap().dialect.is_none());
}

#[test]
fn notes_say_what_a_column_nearly_was() {
    let text = rows(
        "qty;amount;zip;day",
        |n| if n == 7 { format!("n/a;{n},5;0{n};03/04/2026") } else { format!("{n};{n},5;0{n};03/04/2026") },
        100,
    );
    let pins = probe_one(text.as_bytes()).unwrap();
    assert_eq!(
        pins.notes,
        [
            "qty: integer but for 1 of 100, e.g. \"n/a\"",
            "amount: number with decimalChar \",\"",
            "zip: string, because values such as \"00\" would not keep their form as numbers",
            "day: date in an order of day and month that the sample does not prove",
        ]
    );
    let delimiter = pins.evidence.iter().find(|evidence| evidence.path == "dialect.delimiter").unwrap();
    assert_eq!((delimiter.how.as_str(), delimiter.runner_up.as_deref()), ("detected", Some(",")));
    assert!(delimiter.confidence.unwrap() > 0.5);
}

#[test]
fn a_sample_that_is_cut_off_is_no_evidence_against_the_file() {
    let text = rows("id,note,n", |n| format!("{n},\"a, {n}\nb\",{n}"), 20_000);
    for end in [5_000, 70_000, 100_001] {
        let head = Sample { head: text.as_bytes()[..end].to_vec(), complete: false, ..sample(b"") };
        let pins = probe(&[head], &declared(json!({}))).unwrap();
        assert_eq!(summary(&pins), r#"," header [1] id:integer note:string n:integer"#, "{end}");
    }
}

#[test]
fn the_order_of_day_and_month_may_be_proven_by_any_file() {
    let day_first = sample(b"day\n03/04/2026\n31/04/2026\n".as_slice());
    assert_eq!(probe(&[day_first], &declared(json!({}))).unwrap().schema.fields[0].field_type, FieldType::String);
    let samples = [sample(b"day,n\n03/04/2026,1\n"), sample(b"day,n\n30/04/2026,1\n")];
    let pins = probe(&samples, &declared(json!({}))).unwrap();
    assert_eq!(pins.schema.fields[0].format, "%d/%m/%Y");
}

#[test]
fn columns_are_limited_before_anything_is_made_of_them() {
    let row = |columns: usize| (0..columns).map(|n| n.to_string()).collect::<Vec<_>>().join(",") + "\n";
    let keys = |columns: usize| format!("{{{}}}\n", (0..columns).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(","));
    let texts = [row(20_000), row(20_001), row(700_000), keys(20_000), keys(20_001), keys(300_000)];
    let refused = texts.map(|text| probe_one(text.repeat(2).as_bytes()).is_err_and(|error| error.code == "OVER_LIMIT"));
    assert_eq!(refused, [false, true, true, false, true, true]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn probing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), complete: bool) {
        let sample = Sample { complete, ..sample(&bytes) };
        let _ = probe(&[sample], &declared(json!({})));
    }

    #[test]
    fn probing_never_panics_on_odd_tables(
        parts in prop::collection::vec(prop::sample::select(vec![",", ";", "\"", "'", "\n", "\r\n", "\\", " ", "1", "a", "ü", "{", "}", "[", ":", "sep=", "\u{feff}", "01", "1.5", "2024-01-01"]), 0..120),
        complete: bool,
    ) {
        let sample = Sample { complete, ..sample(parts.concat().as_bytes()) };
        let first = probe(std::slice::from_ref(&sample), &declared(json!({})));
        let again = probe(&[sample], &declared(json!({})));
        prop_assert_eq!(first, again);
    }

    #[test]
    fn a_clean_table_is_read_as_it_was_written(
        columns in 2usize..6, records in 3usize..30, delimiter in prop::sample::select(vec![",", ";", "\t", "|"]), quoted: bool,
    ) {
        let quote = if quoted { "\"" } else { "" };
        let line = |cells: Vec<String>| cells.iter().map(|cell| format!("{quote}{cell}{quote}")).collect::<Vec<_>>().join(delimiter);
        let header = line((0..columns).map(|column| format!("name{column}")).collect());
        let text = rows(&header, |n| line((0..columns).map(|column| (n * 7 + column).to_string()).collect()), records);
        let pins = probe_one(text.as_bytes()).unwrap();
        let dialect = pins.dialect.clone().unwrap();
        prop_assert_eq!(dialect.delimiter, delimiter);
        prop_assert!(dialect.header && pins.columns.len() == columns);
        prop_assert!(pins.schema.fields.iter().all(|field| field.field_type == FieldType::Integer));
    }
}

#[test]
fn full_samples_of_several_files_are_probed_as_one() {
    let line = |n: usize| format!("{n},2024-01-{:02},customer {},{}.5,\"a, {n}\",{}", n % 28 + 1, n % 999, n % 7_919, n.is_multiple_of(2));
    let text = rows("id,day,name,amount,note,open", line, 90_000);
    let head = text.as_bytes()[..SAMPLE_BYTES.min(text.len())].to_vec();
    let samples: Vec<Sample> = (0..5).map(|_| Sample { head: head.clone(), complete: false, ..sample(b"") }).collect();
    let pins = probe(&samples, &declared(json!({}))).unwrap();
    assert_eq!(summary(&pins), r#"," header [1] id:integer day:date name:string amount:number note:string open:boolean"#);
}

#[test]
fn samples_of_compressed_files_are_decompressed_by_their_magic_or_as_declared() {
    let fixture = include_bytes!("../../tests/streams/members.gz");
    let plain = include_bytes!("../../tests/streams/plain.csv");
    let take = |bytes: &'static [u8], declared: &str| take_sample(Box::new(bytes), "file:///in/a", declared);
    let found = take(fixture, "auto").expect("a gzip");
    assert_eq!((found.head.as_slice(), found.complete, found.compression), (&plain[..], true, Some(Compression::Gzip)));
    assert_eq!(found.size, fixture.len() as u64);
    let cut = take(&fixture[..2500], "gzip").expect("its beginning can be read");
    assert!(plain.starts_with(&cut.head) && !cut.complete && !cut.head.is_empty());
    assert_eq!(take(plain, "gzip").expect_err("no gzip").code, "INPUT_MAGIC");
    assert_eq!(take(plain, "auto").expect("plain text").compression, None);
    let pins = probe(&[found], &declared(json!({}))).expect("a table");
    assert_eq!((pins.compression.as_str(), pins.columns.len()), ("gzip", 4));
    let mixed = [take(fixture, "auto").expect("a gzip"), take(plain, "auto").expect("plain text")];
    assert_eq!(probe(&mixed, &declared(json!({}))).expect_err("two kinds").code, "INPUT_MAGIC");
}

#[test]
fn wide_and_multi_byte_text_is_looked_at_as_text() {
    let text = "id;名\n1;東京\n2;大阪\n";
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&b"\xff\xfe"[..], &wide].concat();
    let (japanese, _, _) = encoding_rs::SHIFT_JIS.encode(text);
    for (bytes, spec, label) in [
        (marked.as_slice(), json!({}), "utf-16le"),
        (&marked, json!({"encoding": "utf-16"}), "utf-16le"),
        (&wide, json!({"encoding": "utf-16le"}), "utf-16le"),
        (&japanese, json!({"encoding": "Shift_JIS"}), "Shift_JIS"),
    ] {
        let pins = probe(&[sample(bytes)], &declared(spec)).expect(label);
        assert_eq!((pins.encoding.as_str(), pins.columns.join("|").as_str()), (label, "id|名"));
        assert_eq!(pins.dialect.expect("csv").delimiter, ";");
        assert_eq!(pins.schema.fields[0].field_type, crate::schema::FieldType::Integer);
    }
    let ascii: Vec<u8> = "id,name\n1,a\n2,b\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(probe(&[sample(&ascii)], &declared(json!({}))).expect("by its zeros").encoding, "utf-16be");
}

#[test]
fn an_object_longer_than_the_sample_is_one() {
    let cut = format!("{{\"id\":1,\"text\":\"{}", "x".repeat(5_000));
    let long = Sample { complete: false, size: 20_000, ..sample(cut.as_bytes()) };
    assert_eq!(
        probe(&[long], &declared(json!({ "schema": { "fields": [{ "name": "id", "type": "integer" }] } }))).unwrap().format,
        Format::Ndjson
    );
    for json in [json!({}), json!({ "schema": "text" }), json!({ "format": "json" })] {
        let head = if json["format"] == "json" { format!("[{cut}") } else { cut.clone() };
        let error = probe(&[Sample { complete: false, size: 20_000, ..sample(head.as_bytes()) }], &declared(json)).unwrap_err();
        assert_eq!(error.code, "SPEC_MISSING_FIELD");
        assert!(error.message.contains("file:///in/a") && error.message.contains("write a schema"), "{}", error.message);
    }
    let text = Sample { complete: false, size: 20_000, ..sample(format!("{{id;\"text{}", "x".repeat(5_000)).as_bytes()) };
    assert_ne!(probe(&[text], &declared(json!({}))).map(|pins| pins.format).ok(), Some(Format::Ndjson));
}

#[test]
fn lines_of_objects_and_a_table_are_not_one_input() {
    let objects = Sample { uri: "file:///in/b".into(), ..sample(b"{\"id\":1}\n{\"id\":2}\n") };
    let many = "{\"id\":1}\n".repeat(100);
    for samples in [
        [sample(b"id,name\n1,a\n"), objects.clone()],
        [sample(many.as_bytes()), Sample { uri: "file:///in/b".into(), ..sample(b"id,name\n1,a\n") }],
    ] {
        let error = probe(&samples, &declared(json!({}))).unwrap_err();
        assert_eq!(error.code, "SCHEMA_DRIFT");
        assert!(error.message.contains("file:///in/a") && error.message.contains("file:///in/b"), "{}", error.message);
    }
    // One line of many that is damaged, or a file without lines, is no other format.
    let damaged = [sample(many.as_bytes()), sample(b"{\"id\":1}\n{\"id\":\n{\"id\":3}\n"), sample(b"")];
    assert_eq!(probe(&damaged, &declared(json!({}))).unwrap().format, Format::Ndjson);
}

#[test]
fn a_later_generation_changes_what_a_schema_asks_of_values_and_no_column() {
    let fields = json!([{ "name": "id", "type": "integer", "constraints": { "unique": true } }, { "name": "day", "type": "date" }]);
    let declared = json!({ "schema": { "fields": fields, "extraColumns": "keep" } });
    let pinned = probed("id,day,more\n1,2026-01-02,x\n", declared).schema;
    assert_eq!(pinned.fields.len(), 3);
    let written = |edits: &[(&str, Value)]| {
        let mut schema = json!({ "fields": fields.clone(), "extraColumns": "keep" });
        edits.iter().for_each(|(path, value)| *place(&mut schema, path) = value.clone());
        schema
    };
    let changed =
        super::schema_under(&pinned, &written(&[("/missingValues", json!(["-"])), ("/fields/1/format", json!("%d.%m.%Y"))])).unwrap();
    assert_eq!(
        (changed.missing_values, changed.fields[1].format.as_str(), changed.fields[2].name.as_str()),
        (vec!["-".to_owned()], "%d.%m.%Y", "more")
    );
    for word in ["auto", "text"] {
        assert_eq!(super::schema_under(&pinned, &json!(word)).unwrap(), pinned);
    }
    let refused = [
        ("/fields/0/type", json!("number"), "SPEC_CONFLICT"),
        ("/fields/0/name", json!("key"), "SPEC_CONFLICT"),
        ("/fields/0/constraints/unique", json!(false), "SPEC_CONFLICT"),
        ("/fields/1/format", json!("%Q"), "SPEC_SCHEMA_FIELD"),
    ];
    for (path, value, code) in refused {
        assert_eq!(super::schema_under(&pinned, &written(&[(path, value)])).unwrap_err().code, code, "{path}");
    }
}

/// The value at a path, whose parents exist.
fn place<'a>(value: &'a mut Value, path: &str) -> &'a mut Value {
    let (parent, name) = path.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Object(members) => members.entry(name).or_insert(Value::Null),
        other => &mut other[name],
    }
}
