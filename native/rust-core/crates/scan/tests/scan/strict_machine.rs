//! Each cell of the strict machine, the outcomes of a broken record, and what makes a line fit.

use std::sync::Arc;

use millrace_scan::{DamageCode, ErrorKind, ExtentKind, Limits, Rules, ScanDialect, Step, Terminator, fields_of, next_extent};

use crate::support::{canonical, rules_of};

fn dialect(change: impl FnOnce(&mut ScanDialect)) -> ScanDialect {
    let mut dialect = ScanDialect::default();
    change(&mut dialect);
    dialect
}

/// Two columns, the first of digits; L = 1000, W = 16.
fn rules(change: impl FnOnce(&mut ScanDialect)) -> Arc<Rules> {
    rules_of(dialect(change), Limits::with_record_bytes(1_000), 2, 1)
}

fn escaping(dialect: &mut ScanDialect) {
    dialect.escape = Some(b'\\');
}

fn literal(dialect: &mut ScanDialect) {
    dialect.stray_literal = true;
}

#[derive(Debug, PartialEq)]
enum Found {
    /// Fields, bytes.
    Record(u32, u64),
    /// Fields, first error and its offset.
    Faulty(u32, ErrorKind, u64),
    /// Code, bytes, offset of the error.
    Damage(DamageCode, u64, u64),
    Blank(u64),
    Comment(u64),
}

fn first(data: &[u8], rules: &Rules) -> Found {
    let extent = canonical(data, 0, rules)[0].1;
    match (extent.kind, extent.first_error) {
        (ExtentKind::Record, None) => Found::Record(extent.fields, extent.length),
        (ExtentKind::Record, Some(error)) => Found::Faulty(extent.fields, error.kind, error.offset),
        (ExtentKind::Damage { code, error_offset }, _) => Found::Damage(code, extent.length, error_offset),
        (ExtentKind::Blank, _) => Found::Blank(extent.length),
        (ExtentKind::Comment, _) => Found::Comment(extent.length),
    }
}

fn texts(record: &str, rules: &Rules) -> Vec<String> {
    let text = |start: usize, end: usize| record[start..end].to_string();
    fields_of(record.as_bytes(), rules).iter().map(|field| text(field.start, field.end)).collect()
}

#[test]
fn field_start() {
    let rules = rules(|_| ());
    assert_eq!(first(b",\n1,a\n", &rules), Found::Record(2, 2), "delimiter");
    assert_eq!(first(b"1,\n1,a\n", &rules), Found::Record(2, 3), "terminator");
    assert_eq!(first(b"\"\",\n1,a\n", &rules), Found::Record(2, 4), "quote");
    assert_eq!(first(b"1,a\n", &rules), Found::Record(2, 4), "other");
    assert_eq!(first(b"1,", &rules), Found::Record(2, 2), "end of stream");
}

#[test]
fn unquoted() {
    let rules = rules(|_| ());
    assert_eq!(first(b"1,a\n2", &rules), Found::Record(2, 4), "delimiter and terminator");
    assert_eq!(first(b"1,a\"b\n", &rules), Found::Faulty(2, ErrorKind::StrayQuote, 3), "quote");
    assert_eq!(first(b"1,a", &rules), Found::Record(2, 3), "end of stream");
}

#[test]
fn unquoted_quote_is_data_where_literal() {
    let rules = rules(literal);
    let extent = canonical(b"1,a\"b\n", 0, &rules)[0].1;
    assert_eq!((extent.fields, extent.first_error, extent.literal), (2, None, true));
    assert_eq!(texts("1,a\"b\n", &rules), ["1", "a\"b"]);
}

#[test]
fn quoted() {
    let rules = rules(|_| ());
    assert_eq!(first(b"1,\"a,b\"\n", &rules), Found::Record(2, 8), "delimiter");
    assert_eq!(first(b"1,\"a\r\nb\"\n", &rules), Found::Record(2, 9), "terminator");
    assert_eq!(first(b"1,\"a\"\n", &rules), Found::Record(2, 6), "quote");
    assert_eq!(first(b"1,\"a", &rules), Found::Damage(DamageCode::UnclosedQuote, 4, 2), "end of stream");
}

#[test]
fn closing() {
    let rules_with = rules(|_| ());
    assert_eq!(first(b"\"1\",a\n", &rules_with), Found::Record(2, 6), "delimiter");
    assert_eq!(first(b"1,\"a\"\r\n", &rules_with), Found::Record(2, 7), "terminator");
    assert_eq!(first(b"1,\"a\"\"b\"\n", &rules_with), Found::Record(2, 9), "doubled quote");
    assert_eq!(first(b"1,\"a\"b\n", &rules_with), Found::Damage(DamageCode::StrayQuote, 7, 5), "other");
    assert_eq!(first(b"1,\"a\"", &rules_with), Found::Record(2, 5), "end of stream");
    let single = rules(|dialect| dialect.double_quote = false);
    assert_eq!(first(b"1,\"a\"\"b\"\n", &single), Found::Damage(DamageCode::StrayQuote, 9, 5), "quote without doubling");
}

#[test]
fn closing_where_literal() {
    let doubling = rules(literal);
    assert_eq!(first(b"1,\"a\"b\"\n", &doubling), Found::Record(2, 8));
    assert_eq!(texts("1,\"a\"b\"\n", &doubling), ["1", "a\"b"]);
    let single = rules(|dialect| (dialect.stray_literal, dialect.double_quote) = (true, false));
    assert_eq!(texts("1,\"a\"\"\n", &single), ["1", "a\""], "the second of two quotes is looked at again inside quotes");
}

#[test]
fn escapes() {
    let rules = rules(escaping);
    assert_eq!(first(b"\\,,a\n", &rules), Found::Record(2, 5), "at a field start");
    assert_eq!(first(b"1,a\\\"b\n", &rules), Found::Record(2, 7), "unquoted");
    assert_eq!(first(b"1,\"a\\\"b\"\n", &rules), Found::Record(2, 9), "quoted");
    assert_eq!(first(b"1,a\\\\\n", &rules), Found::Record(2, 6), "of itself");
    assert_eq!(first(b"1,a\\\r\nb\n", &rules), Found::Record(2, 8), "of a terminator, as a whole");
    assert_eq!(first(b"1,a\\nb\n", &rules), Found::Faulty(2, ErrorKind::BadEscape, 3));
    assert_eq!(first(b"1,a\\", &rules), Found::Faulty(2, ErrorKind::BadEscape, 3), "end of stream");
    assert_eq!(first(b"1,\"a\"\\\n", &rules), Found::Damage(DamageCode::StrayQuote, 7, 5), "behind a closing quote");
    assert_eq!(first(b"1,\"a\"\"b\"\n", &rules), Found::Damage(DamageCode::StrayQuote, 9, 5), "turn doubling off");
    assert_eq!(texts("a\\,b,\"\\\"\"\n", &rules), ["a\\,b", "\\\""]);
}

#[test]
fn an_escape_equal_to_the_quote_means_doubling() {
    let rules = rules(|dialect| (dialect.escape, dialect.double_quote) = (Some(b'"'), false));
    assert_eq!(first(b"1,\"a\"\"b\"\n", &rules), Found::Record(2, 9));
}

#[test]
fn initial_space_is_skipped_behind_a_delimiter_only() {
    let rules = rules(|dialect| dialect.skip_initial_space = true);
    assert_eq!(texts("1,  \"a,b\"\n", &rules), ["1", "a,b"]);
    assert_eq!(texts(" 1,  a \n", &rules), [" 1", "a "]);
    assert_eq!(first(b" \"1\",a\n", &rules), Found::Faulty(2, ErrorKind::StrayQuote, 1));
}

#[test]
fn without_a_quote_no_byte_is_one() {
    let rules = rules(|dialect| dialect.quote = None);
    assert_eq!(first(b"\"1,a\"b\n", &rules), Found::Record(2, 7));
}

#[test]
fn delimiters_and_terminators_of_several_bytes() {
    let rules = rules(|dialect| (dialect.delimiter, dialect.terminator) = (b"||".to_vec(), Terminator::Bytes(b"\r\n".to_vec())));
    assert_eq!(first(b"1||a|b\nc\r\n", &rules), Found::Record(2, 10));
    assert_eq!(canonical(b"1||a|b\nc\r\n", 0, &rules)[0].1.lines, 2, "physical line ends");
    assert_eq!(texts("1||a|b\nc\r\n", &rules), ["1", "a|b\nc"]);
}

#[test]
fn blank_and_comment_lines() {
    let rules = rules(|dialect| (dialect.comment, dialect.comment_offsets) = (Some(b"#".to_vec()), vec![9]));
    let data = b"\r\n#a \"\n\r 1,a\"\n# \n1,a\n";
    let kinds: Vec<(u64, ExtentKind)> = canonical(data, 0, &rules).iter().map(|(at, extent)| (*at, extent.kind)).collect();
    let (blank, comment, record) = (ExtentKind::Blank, ExtentKind::Comment, ExtentKind::Record);
    assert_eq!(kinds, [(0, blank), (2, comment), (7, blank), (8, record), (14, comment), (17, record)]);
    let pinned: Vec<ExtentKind> = canonical(b"1,a\n2,bb\n3,\"\n4,c\n", 0, &rules).iter().map(|(_, extent)| extent.kind).collect();
    assert_eq!(pinned, [record, record, comment, record]);
}

#[test]
fn only_the_written_terminator_ends_a_record() {
    let rules = rules(|dialect| dialect.terminator = Terminator::Bytes(b"\n".to_vec()));
    assert_eq!(first(b"1,a\rb\n", &rules), Found::Record(2, 6));
    assert_eq!(first(b"\r\n1,a\n", &rules), Found::Record(1, 2), "a CR is data");
}

#[test]
fn limits() {
    let of = |limits: Limits, data: &[u8]| first(data, &rules_of(ScanDialect::default(), limits, 2, 1));
    let bytes = Limits::with_record_bytes(8);
    assert_eq!(of(bytes, b"1,abcde\n2,b\n"), Found::Record(2, 8), "exactly L");
    assert_eq!(of(bytes, b"1,abcdef\n2,b\n"), Found::Damage(DamageCode::RecordTooLarge, 9, 8), "no line end within L: the next");
    assert_eq!(of(bytes, b"1,\"abcdef\n2,b\n"), Found::Damage(DamageCode::UnclosedQuote, 10, 2));
    assert_eq!(of(bytes, b"1,\"a\n2,b\n3,c\n"), Found::Damage(DamageCode::UnclosedQuote, 5, 2), "a line end within L that fits");
    assert_eq!(of(bytes, b"1,\"a\nx,b\n3,c\n"), Found::Damage(DamageCode::UnclosedQuote, 5, 2), "none fits: the last one within L");
    let lines = Limits { max_record_lines: 2, ..Limits::with_record_bytes(100) };
    assert_eq!(of(lines, b"1,\"a\nb\"\n"), Found::Record(2, 8), "exactly M");
    assert_eq!(of(lines, b"1,\"a\nb\nc\"\n2,b\n"), Found::Damage(DamageCode::UnclosedQuote, 10, 2));
}

#[test]
fn several_lines() {
    let rules = rules(|_| ());
    assert_eq!(first(b"1,\"a\nb\"\n2,b\n", &rules), Found::Record(2, 8), "the right count: a record");
    assert_eq!(first(b"\"a\nb\"\n2,b\n", &rules), Found::Record(1, 6), "too few, and no inner line fits: a short row");
    assert_eq!(first(b"\"a\n1,b\n2\"\n2,b\n", &rules), Found::Damage(DamageCode::UnclosedQuote, 3, 0), "too few, and one fits");
    assert_eq!(first(b"\"a\nb\",c,d\n2,b\n", &rules), Found::Damage(DamageCode::UnclosedQuote, 10, 0), "too many");
    assert_eq!(first(b"1,\"a\n2,b\",c\n", &rules), Found::Damage(DamageCode::UnclosedQuote, 12, 2), "too many, the inner line is faulty");
}

#[test]
fn suspects_are_accepted() {
    let rules = rules(|_| ());
    let extent = canonical(b"1,\"a\n2,b\n3\"\n", 0, &rules)[0].1;
    assert_eq!((extent.kind, extent.suspect, extent.lines), (ExtentKind::Record, true, 3));
    let extent = canonical(b"1,\"a\nx,b\n3\"\n", 0, &rules)[0].1;
    assert_eq!((extent.kind, extent.suspect), (ExtentKind::Record, false));
    assert!(!canonical(b"1,\"a\n2,b\n3\"\n", 0, &rules.without_suspects())[0].1.suspect);
}

#[test]
fn resync_tries_lines_behind_the_proof() {
    let with_window = |resync_lines: u32| {
        let limits = Limits { resync_lines, ..Limits::with_record_bytes(1_000) };
        rules_of(ScanDialect::default(), limits, 2, 1)
    };
    // The line behind the damage and the next two do not fit.
    let data = b"1,\"a\"x\ny,1\ny,2\n3,c\n";
    assert_eq!(first(data, &with_window(16)), Found::Damage(DamageCode::StrayQuote, 15, 5));
    assert_eq!(first(data, &with_window(2)), Found::Damage(DamageCode::StrayQuote, 15, 5));
    assert_eq!(first(data, &with_window(1)), Found::Damage(DamageCode::StrayQuote, 7, 5), "none in reach: only its own line");
    assert_eq!(first(data, &with_window(0)), Found::Damage(DamageCode::StrayQuote, 7, 5));
}

/// Whether the line behind a damaged first line is taken for a record start.
fn fits(rest: &str, rules: &Rules) -> bool {
    let data = [b"1,\"a\"x\n", rest.as_bytes(), b"9,z\n9,z\n"].concat();
    matches!(first(&data, rules), Found::Damage(_, 7, _)) && matches!(next_extent(&data, true, 0, rules), Step::Extent(_))
}

#[test]
fn what_fits() {
    let typed = rules(|dialect| dialect.comment = Some(b"#".to_vec()));
    assert!(fits("2,b\n", &typed));
    assert!(fits("2,\"b\nc\"\n", &typed), "a record over several lines");
    assert!(fits(",b\n", &typed), "a missing value");
    assert!(fits("\"2\",b\n", &typed));
    assert!(fits("2,b\nx\n", &typed), "one record is enough where a column is typed");
    for (rest, why) in [
        ("\n", "blank"),
        ("#,b\n", "comment"),
        ("2\n", "too few fields"),
        ("2,b,c\n", "too many fields"),
        ("x,b\n", "not of its type"),
        ("2,b\"c\n", "a stray quote"),
        ("2,\"b\"c\n", "broken"),
    ] {
        assert!(!fits(rest, &typed), "{why}");
    }
    let text = rules_of(ScanDialect::default(), Limits::with_record_bytes(1_000), 2, 0);
    assert!(fits("x,b\n\ny,c\n", &text), "two records, a blank line between");
    assert!(!fits("x,b\ny\n", &text), "all text: the next record must fit too");
    let lenient = rules(literal);
    let data = b"\"a\n1,b\",c,d\n2,b\"c\n3,d\n";
    assert_eq!(first(data, &lenient), Found::Damage(DamageCode::UnclosedQuote, 18, 0), "literal quotes do not fit either");
}

#[test]
fn rules_that_cannot_be_told_apart_are_refused() {
    let refused = |change: fn(&mut ScanDialect)| {
        let profile = millrace_scan::Profile { columns: 1, check: Arc::new(millrace_scan::NoTypes) };
        Rules::new(dialect(change), Limits::default(), profile).is_err()
    };
    assert!(refused(|dialect| dialect.delimiter.clear()));
    assert!(refused(|dialect| dialect.delimiter = b"\n".to_vec()));
    assert!(refused(|dialect| dialect.delimiter = b"\"".to_vec()));
    assert!(refused(|dialect| dialect.terminator = Terminator::Bytes(Vec::new())));
    assert!(refused(|dialect| dialect.escape = Some(b',')));
    assert!(refused(|dialect| dialect.quote = Some(b'\r')));
    assert!(!refused(|dialect| dialect.delimiter = b"\t".to_vec()));
}

#[test]
fn too_short_a_window_is_said() {
    let rules = rules(|_| ());
    assert_eq!(next_extent(b"1,a", false, 0, &rules), Step::NeedMore);
    assert_eq!(next_extent(b"1,a\r", false, 0, &rules), Step::NeedMore, "an LF may follow");
    assert!(matches!(next_extent(b"1,a\r2", false, 0, &rules), Step::Extent(extent) if extent.length == 4));
}
