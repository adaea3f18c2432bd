//! The functions a query may call: one table, from which the rules, the planner and the documentation are fed. What is not here does not
//! exist for a query. Everything in it is deterministic and reads nothing but its arguments.

pub mod aggregates;
mod bucket;
mod growing;
mod instants;
mod job_time;
mod keyed;
mod mask;
mod parse_decimal;
mod personal;
pub mod record_id;
mod text_function;
mod texts;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion_common::config::ConfigOptions;
use datafusion_expr::ScalarUDF;
use datafusion_functions::{core, crypto, datetime, encoding, math, regex, string, unicode};
use datafusion_functions_nested::{array_has, concat, extract, length, position, reverse, sort, string as list_string};

use crate::error::{CAST, FUNCTION, OVERFLOW};

/// What functions may know about the job.
#[derive(Clone, Default)]
pub struct Job {
    /// Microseconds since 1970, UTC.
    pub accepted_micros: i64,
    /// Key of the keyed functions; never printed.
    pub privacy_key: Option<Arc<[u8]>>,
}

/// Where a function comes from, and how it is made.
#[derive(Clone, Copy, Debug)]
pub enum Origin {
    DataFusion(fn() -> Arc<ScalarUDF>),
    /// From DataFusion, and it looks at the engine's settings.
    Configured(fn(&ConfigOptions) -> Arc<ScalarUDF>),
    Millrace(fn(&Job) -> ScalarUDF),
    /// Replaced before planning; never called as a function.
    Rewritten,
}

/// One allowed function.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    pub name: &'static str,
    pub origin: Origin,
    /// Code of a record whose value the function refuses.
    pub failure: &'static str,
    /// What it does, for the documentation.
    pub sentence: &'static str,
    /// A call over the columns of the test table that must succeed.
    pub example: &'static str,
}

const fn entry(name: &'static str, origin: Origin, failure: &'static str, example: &'static str, sentence: &'static str) -> Allowed {
    Allowed { name, origin, failure, sentence, example }
}

use Origin::{Configured, DataFusion, Millrace, Rewritten};

/// All functions, by topic. An alias is an entry of its own. Examples use `s` (text), `n` (integer), `d` (decimal), `f` (float), `day`
/// (date), `at` (instant) and `b` (boolean).
pub const ALLOWED: &[Allowed] = &[
    // Choice and null.
    entry(
        "coalesce",
        DataFusion(core::coalesce),
        FUNCTION,
        "coalesce(s, 'x')",
        "The first argument that is not null; later ones are evaluated only where needed.",
    ),
    entry("nullif", DataFusion(core::nullif), FUNCTION, "nullif(n, 0)", "Null where both arguments are equal, else the first."),
    entry("nvl", DataFusion(core::nvl), FUNCTION, "nvl(s, 'x')", "The second argument where the first is null."),
    entry("ifnull", DataFusion(core::nvl), FUNCTION, "ifnull(s, 'x')", "As `nvl`."),
    entry(
        "nvl2",
        DataFusion(core::nvl2),
        FUNCTION,
        "nvl2(s, 'a', 'b')",
        "The second argument where the first is not null, else the third.",
    ),
    entry("greatest", DataFusion(core::greatest), FUNCTION, "greatest(n, 3)", "The largest argument that is not null."),
    entry("least", DataFusion(core::least), FUNCTION, "least(n, 3)", "The smallest argument that is not null."),
    // Text.
    entry("ascii", DataFusion(string::ascii), FUNCTION, "ascii(s)", "Code point of the first character."),
    entry("bit_length", DataFusion(string::bit_length), FUNCTION, "bit_length(s)", "Length in bits."),
    entry(
        "btrim",
        DataFusion(string::btrim),
        FUNCTION,
        "btrim(s, 'x')",
        "Without the given characters at both ends; without blanks if none are given.",
    ),
    entry("trim", DataFusion(string::btrim), FUNCTION, "trim(s)", "As `btrim`."),
    entry("chr", DataFusion(string::chr), FUNCTION, "chr(65)", "The character of a code point."),
    entry("concat", Millrace(|_| growing::concat_texts()), FUNCTION, "concat(s, 'x')", "All arguments joined; null counts as empty."),
    entry(
        "concat_ws",
        Millrace(|_| growing::concat_ws()),
        FUNCTION,
        "concat_ws('-', s, 'x')",
        "All arguments but the first, joined by it; nulls are left out.",
    ),
    entry("contains", DataFusion(string::contains), FUNCTION, "contains(s, 'a')", "Whether the second text stands in the first."),
    entry("ends_with", DataFusion(string::ends_with), FUNCTION, "ends_with(s, 'a')", "Whether the first text ends with the second."),
    entry(
        "levenshtein",
        DataFusion(string::levenshtein),
        FUNCTION,
        "levenshtein(s, 'abc')",
        "Number of single-character edits between two texts.",
    ),
    entry("lower", DataFusion(string::lower), FUNCTION, "lower(s)", "In small letters."),
    entry("ltrim", DataFusion(string::ltrim), FUNCTION, "ltrim(s)", "Without blanks, or the given characters, at the start."),
    entry("octet_length", DataFusion(string::octet_length), FUNCTION, "octet_length(s)", "Length in bytes."),
    entry("overlay", DataFusion(core::overlay), FUNCTION, "overlay(s placing 'x' from 1 for 1)", "With a part replaced by position."),
    entry("repeat", Millrace(|_| growing::repeat()), FUNCTION, "repeat(s, 2)", "The text n times, at most 1 MiB."),
    entry("replace", Millrace(|_| growing::replace()), FUNCTION, "replace(s, 'a', 'b')", "With every occurrence replaced."),
    entry("rtrim", DataFusion(string::rtrim), FUNCTION, "rtrim(s)", "Without blanks, or the given characters, at the end."),
    entry(
        "split_part",
        DataFusion(string::split_part),
        FUNCTION,
        "split_part(s, ',', 1)",
        "The n-th part between delimiters, from 1; from the end if negative.",
    ),
    entry(
        "starts_with",
        DataFusion(string::starts_with),
        FUNCTION,
        "starts_with(s, 'a')",
        "Whether the first text starts with the second.",
    ),
    entry("to_hex", DataFusion(string::to_hex), FUNCTION, "to_hex(n)", "An integer in hexadecimal digits."),
    entry("upper", DataFusion(string::upper), FUNCTION, "upper(s)", "In capital letters."),
    entry("char_length", DataFusion(unicode::character_length), FUNCTION, "char_length(s)", "As `character_length`."),
    entry("character_length", DataFusion(unicode::character_length), FUNCTION, "character_length(s)", "Length in characters."),
    entry("length", DataFusion(unicode::character_length), FUNCTION, "length(s)", "As `character_length`."),
    entry(
        "find_in_set",
        DataFusion(unicode::find_in_set),
        FUNCTION,
        "find_in_set('a', s)",
        "Position in a comma-separated list, from 1; 0 if absent.",
    ),
    entry("initcap", DataFusion(unicode::initcap), FUNCTION, "initcap(s)", "With a capital at the start of each word."),
    entry("instr", DataFusion(unicode::strpos), FUNCTION, "instr(s, 'a')", "As `strpos`."),
    entry("left", DataFusion(unicode::left), FUNCTION, "left(s, 2)", "The first n characters."),
    entry("lpad", Millrace(|_| growing::lpad()), FUNCTION, "lpad(s, 5, '0')", "Filled up at the start to n characters, at most 1,048,576."),
    entry("position", DataFusion(unicode::strpos), FUNCTION, "position('a' in s)", "As `strpos`."),
    entry("reverse", DataFusion(unicode::reverse), FUNCTION, "reverse(s)", "Backwards."),
    entry("right", DataFusion(unicode::right), FUNCTION, "right(s, 2)", "The last n characters."),
    entry("rpad", Millrace(|_| growing::rpad()), FUNCTION, "rpad(s, 5, '0')", "Filled up at the end to n characters, at most 1,048,576."),
    entry(
        "strpos",
        DataFusion(unicode::strpos),
        FUNCTION,
        "strpos(s, 'a')",
        "Position of the second text in the first, from 1; 0 if absent.",
    ),
    entry("substr", DataFusion(unicode::substr), FUNCTION, "substr(s, 1, 2)", "A part by position and length, from 1."),
    entry("substring", DataFusion(unicode::substr), FUNCTION, "substring(s from 1 for 2)", "As `substr`."),
    entry("substr_index", DataFusion(unicode::substr_index), FUNCTION, "substr_index(s, ',', 1)", "Everything before the n-th delimiter."),
    entry("substring_index", DataFusion(unicode::substr_index), FUNCTION, "substring_index(s, ',', 1)", "As `substr_index`."),
    entry("translate", DataFusion(unicode::translate), FUNCTION, "translate(s, 'ab', 'xy')", "With characters exchanged one for one."),
    // Regular expressions.
    entry("regexp_count", DataFusion(regex::regexp_count), FUNCTION, "regexp_count(s, 'a')", "Number of matches."),
    entry(
        "regexp_instr",
        DataFusion(regex::regexp_instr),
        FUNCTION,
        "regexp_instr(s, 'a')",
        "Position of the first match, from 1; 0 if there is none.",
    ),
    entry("regexp_like", DataFusion(regex::regexp_like), FUNCTION, "regexp_like(s, '^a')", "Whether there is a match."),
    entry(
        "regexp_replace",
        Millrace(|_| growing::regexp_replace()),
        FUNCTION,
        "regexp_replace(s, 'a', 'b', 'g')",
        "With the first match, or with flag g all matches, replaced.",
    ),
    // Dates and times.
    entry(
        "date_bin",
        DataFusion(datetime::date_bin),
        FUNCTION,
        "date_bin(interval '15 minutes', at)",
        "Start of the interval that an instant lies in.",
    ),
    entry("date_format", DataFusion(datetime::to_char), FUNCTION, "date_format(day, '%Y')", "As `to_char`."),
    entry("date_part", DataFusion(datetime::date_part), FUNCTION, "date_part('year', day)", "One part of a date or instant."),
    entry("datepart", DataFusion(datetime::date_part), FUNCTION, "datepart('year', day)", "As `date_part`."),
    entry("date_trunc", DataFusion(instants::date_trunc), FUNCTION, "date_trunc('month', at)", "Start of the year, month, day and so on."),
    entry("datetrunc", DataFusion(instants::date_trunc), FUNCTION, "datetrunc('month', at)", "As `date_trunc`."),
    entry(
        "from_unixtime",
        DataFusion(datetime::from_unixtime),
        FUNCTION,
        "from_unixtime(n)",
        "The instant of a number of seconds since 1970.",
    ),
    entry("make_date", DataFusion(datetime::make_date), FUNCTION, "make_date(2024, 2, 29)", "A date of year, month and day."),
    entry("make_time", DataFusion(datetime::make_time), FUNCTION, "make_time(23, 59, 59)", "A time of hour, minute and second."),
    entry(
        "to_char",
        DataFusion(datetime::to_char),
        FUNCTION,
        "to_char(at, '%Y-%m-%d')",
        "A date or instant as text in a format of `%` signs.",
    ),
    entry(
        "to_date",
        DataFusion(datetime::to_date),
        CAST,
        "to_date('2024-02-29')",
        "A date from text, in ISO form or one of the given formats.",
    ),
    entry(
        "to_local_time",
        DataFusion(datetime::to_local_time),
        FUNCTION,
        "to_local_time(at)",
        "An instant as the clock on the wall shows it in its zone, without the zone.",
    ),
    entry("to_time", DataFusion(datetime::to_time), CAST, "to_time('12:30:00')", "A time from text."),
    entry(
        "to_timestamp",
        Configured(instants::to_timestamp),
        CAST,
        "to_timestamp('2024-02-29T12:00:00')",
        "An instant from text or seconds since 1970.",
    ),
    entry(
        "to_timestamp_seconds",
        Configured(datetime::to_timestamp_seconds),
        CAST,
        "to_timestamp_seconds('2024-02-29T12:00:00')",
        "As `to_timestamp`, in whole seconds.",
    ),
    entry(
        "to_timestamp_millis",
        Configured(datetime::to_timestamp_millis),
        CAST,
        "to_timestamp_millis('2024-02-29T12:00:00')",
        "As `to_timestamp`, in milliseconds.",
    ),
    entry(
        "to_timestamp_micros",
        Configured(datetime::to_timestamp_micros),
        CAST,
        "to_timestamp_micros('2024-02-29T12:00:00')",
        "As `to_timestamp`, in microseconds.",
    ),
    entry(
        "to_timestamp_nanos",
        Configured(datetime::to_timestamp_nanos),
        CAST,
        "to_timestamp_nanos('2024-02-29T12:00:00')",
        "As `to_timestamp`, in nanoseconds.",
    ),
    entry("to_unixtime", DataFusion(datetime::to_unixtime), CAST, "to_unixtime(at)", "Seconds since 1970."),
    // Numbers.
    entry("abs", DataFusion(math::abs), OVERFLOW, "abs(n)", "Without the sign."),
    entry("acos", DataFusion(math::acos), FUNCTION, "acos(f)", "Arc cosine."),
    entry("acosh", DataFusion(math::acosh), FUNCTION, "acosh(f)", "Inverse hyperbolic cosine."),
    entry("asin", DataFusion(math::asin), FUNCTION, "asin(f)", "Arc sine."),
    entry("asinh", DataFusion(math::asinh), FUNCTION, "asinh(f)", "Inverse hyperbolic sine."),
    entry("atan", DataFusion(math::atan), FUNCTION, "atan(f)", "Arc tangent."),
    entry("atan2", DataFusion(math::atan2), FUNCTION, "atan2(f, f)", "Arc tangent of a quotient."),
    entry("atanh", DataFusion(math::atanh), FUNCTION, "atanh(f)", "Inverse hyperbolic tangent."),
    entry("cbrt", DataFusion(math::cbrt), FUNCTION, "cbrt(f)", "Cube root."),
    entry("ceil", DataFusion(math::ceil), OVERFLOW, "ceil(d)", "The nearest whole number above."),
    entry("cos", DataFusion(math::cos), FUNCTION, "cos(f)", "Cosine."),
    entry("cosh", DataFusion(math::cosh), FUNCTION, "cosh(f)", "Hyperbolic cosine."),
    entry("cot", DataFusion(math::cot), FUNCTION, "cot(f)", "Cotangent."),
    entry("degrees", DataFusion(math::degrees), FUNCTION, "degrees(f)", "Radians as degrees."),
    entry("exp", DataFusion(math::exp), FUNCTION, "exp(f)", "The exponential function."),
    entry("factorial", DataFusion(math::factorial), OVERFLOW, "factorial(5)", "Factorial of an integer up to 20."),
    entry("floor", DataFusion(math::floor), OVERFLOW, "floor(d)", "The nearest whole number below."),
    entry("gcd", DataFusion(math::gcd), OVERFLOW, "gcd(n, 6)", "Greatest common divisor."),
    entry("isnan", DataFusion(math::isnan), FUNCTION, "isnan(f)", "Whether a float is not a number."),
    entry("iszero", DataFusion(math::iszero), FUNCTION, "iszero(n)", "Whether a number is zero."),
    entry("lcm", DataFusion(math::lcm), OVERFLOW, "lcm(n, 6)", "Least common multiple."),
    entry("ln", DataFusion(math::ln), FUNCTION, "ln(f)", "Natural logarithm."),
    entry("log", DataFusion(math::log), FUNCTION, "log(2, f)", "Logarithm to a base, 10 if none is given."),
    entry("log10", DataFusion(math::log10), FUNCTION, "log10(f)", "Logarithm to base 10."),
    entry("log2", DataFusion(math::log2), FUNCTION, "log2(f)", "Logarithm to base 2."),
    entry("nanvl", DataFusion(math::nanvl), FUNCTION, "nanvl(f, 0.0)", "The second argument where the first is not a number."),
    entry("pi", DataFusion(math::pi), FUNCTION, "pi()", "The number π."),
    entry("pow", DataFusion(math::power), OVERFLOW, "pow(f, 2)", "As `power`."),
    entry("power", DataFusion(math::power), OVERFLOW, "power(n, 2)", "A number raised to a power."),
    entry("radians", DataFusion(math::radians), FUNCTION, "radians(f)", "Degrees as radians."),
    entry("round", DataFusion(math::round), OVERFLOW, "round(d, 1)", "Rounded to n digits, half away from zero."),
    entry("signum", DataFusion(math::signum), FUNCTION, "signum(f)", "-1, 0 or 1 by the sign."),
    entry("sin", DataFusion(math::sin), FUNCTION, "sin(f)", "Sine."),
    entry("sinh", DataFusion(math::sinh), FUNCTION, "sinh(f)", "Hyperbolic sine."),
    entry("sqrt", DataFusion(math::sqrt), FUNCTION, "sqrt(abs(f))", "Square root."),
    entry("tan", DataFusion(math::tan), FUNCTION, "tan(f)", "Tangent."),
    entry("tanh", DataFusion(math::tanh), FUNCTION, "tanh(f)", "Hyperbolic tangent."),
    entry("trunc", DataFusion(math::trunc), OVERFLOW, "trunc(d, 1)", "Cut to n digits."),
    entry(
        "bucket",
        Millrace(|_| bucket::udf()),
        OVERFLOW,
        "bucket(n, 10)",
        "Lower bound of the interval of a given width that a number lies in.",
    ),
    entry(
        "parse_decimal",
        Millrace(|_| parse_decimal::udf()),
        CAST,
        "parse_decimal('1.234,5', ',', '.')",
        "A decimal(38, 9) from text with the given decimal and group characters.",
    ),
    // Encoding and digests.
    entry("decode", DataFusion(encoding::decode), FUNCTION, "decode('6162', 'hex')", "Bytes from text in hex or base64."),
    entry("encode", DataFusion(encoding::encode), FUNCTION, "encode(s, 'base64')", "Text or bytes in hex or base64."),
    entry("digest", DataFusion(crypto::digest), FUNCTION, "digest(s, 'sha256')", "A digest by the name of its method."),
    entry("md5", DataFusion(crypto::md5), FUNCTION, "md5(s)", "MD5 in hexadecimal digits; not a protection."),
    entry("sha224", DataFusion(crypto::sha224), FUNCTION, "sha224(s)", "SHA-224 as bytes."),
    entry("sha256", DataFusion(crypto::sha256), FUNCTION, "sha256(s)", "SHA-256 as bytes."),
    entry("sha384", DataFusion(crypto::sha384), FUNCTION, "sha384(s)", "SHA-384 as bytes."),
    entry("sha512", DataFusion(crypto::sha512), FUNCTION, "sha512(s)", "SHA-512 as bytes."),
    // Personal data.
    entry(
        "mask",
        Millrace(|_| mask::mask()),
        FUNCTION,
        "mask(s, 1, 1)",
        "The first and last n characters, stars between; all stars if too short.",
    ),
    entry(
        "mask_email",
        Millrace(|_| mask::mask_email()),
        FUNCTION,
        "mask_email('ann@example.org')",
        "The first character and the domain of an address; null if it is none.",
    ),
    entry(
        "mask_ip",
        Millrace(|_| mask::mask_ip()),
        FUNCTION,
        "mask_ip('192.0.2.7')",
        "An IP address with its last octet, or last 80 bits, zero; null if it is none.",
    ),
    entry(
        "pseudonym",
        Millrace(keyed::pseudonym),
        FUNCTION,
        "pseudonym(s, 'customer')",
        "*Keyed.* 26 characters for a text and a domain, the same in every job under the same key.",
    ),
    entry(
        "hmac_sha256",
        Millrace(keyed::hmac_sha256),
        FUNCTION,
        "hmac_sha256(s, 'customer')",
        "*Keyed.* HMAC-SHA-256 of a domain, a zero byte and a text, in hexadecimal digits.",
    ),
    entry(
        "shift_date",
        Millrace(keyed::shift_date),
        FUNCTION,
        "shift_date(day, s, 30)",
        "*Keyed.* The date moved by up to so many days, the same way for each subject.",
    ),
    entry(
        "redact",
        Millrace(|_| personal::redact()),
        FUNCTION,
        "redact(s, 'email ip')",
        "Free text with e-mail addresses, telephone numbers, IBANs, card numbers and IP addresses replaced by their kinds.",
    ),
    entry(
        "personal_data",
        Millrace(|_| personal::personal_data()),
        FUNCTION,
        "personal_data(s)",
        "List of the kinds that `redact` would find.",
    ),
    // Cleaning and JSON.
    entry(
        "clean_text",
        Millrace(|_| texts::clean_text()),
        FUNCTION,
        "clean_text(s)",
        "Normalised (NFC), without control characters, runs of blanks folded to one.",
    ),
    entry(
        "json_value",
        Millrace(|_| texts::json_value()),
        FUNCTION,
        "json_value('{\"a\": 1}', '/a')",
        "The value at a JSON pointer as text; null if it is null or absent.",
    ),
    // Lists and structs.
    entry(
        "make_array",
        Millrace(|_| growing::make_array()),
        FUNCTION,
        "make_array(n, m)",
        "A list of the arguments; also written `[a, b]`.",
    ),
    entry(
        "array_element",
        DataFusion(extract::array_element_udf),
        FUNCTION,
        "array_element(make_array(n, m), 1)",
        "The n-th item, from 1; also written `list[n]`.",
    ),
    entry("array_length", DataFusion(length::array_length_udf), FUNCTION, "array_length(make_array(n, m))", "Number of items."),
    entry("array_has", DataFusion(array_has::array_has_udf), FUNCTION, "array_has(make_array(n, m), 1)", "Whether a list has an item."),
    entry(
        "array_position",
        DataFusion(position::array_position_udf),
        FUNCTION,
        "array_position(make_array(n, m), 10)",
        "Where an item first stands, from 1.",
    ),
    entry("array_sort", DataFusion(sort::array_sort_udf), FUNCTION, "array_sort(make_array(n, m))", "The items in ascending order."),
    entry("array_reverse", DataFusion(reverse::array_reverse_udf), FUNCTION, "array_reverse(make_array(n, m))", "The items backwards."),
    entry(
        "array_concat",
        Millrace(|_| growing::array_concat()),
        FUNCTION,
        "array_concat(make_array(n), make_array(m))",
        "Several lists joined.",
    ),
    entry(
        "array_append",
        DataFusion(concat::array_append_udf),
        FUNCTION,
        "array_append(make_array(n), m)",
        "The list with one more item at its end.",
    ),
    entry(
        "array_to_string",
        Millrace(|_| growing::array_to_string()),
        FUNCTION,
        "array_to_string(make_array(n, m), ',')",
        "The items joined by a delimiter.",
    ),
    entry(
        "string_to_array",
        DataFusion(list_string::string_to_array_udf),
        FUNCTION,
        "string_to_array(s, ',')",
        "The parts of a text between delimiters, as a list.",
    ),
    entry("named_struct", Millrace(|_| growing::named_struct()), FUNCTION, "named_struct('a', n)", "A struct of names and values."),
    entry(
        "get_field",
        DataFusion(core::get_field),
        FUNCTION,
        "get_field(named_struct('a', n), 'a')",
        "One field of a struct; also written `value['a']`.",
    ),
    // The job and the record.
    entry("job_time", Millrace(job_time::udf), FUNCTION, "job_time()", "The instant the job was accepted: the same in every try."),
    entry(
        "record_id",
        Rewritten,
        FUNCTION,
        "record_id()",
        "A UUID made of the job, the file and the place of the record: the same in every try.",
    ),
];

/// The entry of a name in small letters.
pub fn find(name: &str) -> Option<&'static Allowed> {
    ALLOWED.iter().find(|entry| entry.name == name)
}

/// The code a function's refusals get. A function keeps its own name in plans whatever alias it was called by.
pub fn failure_code(name: &str) -> &'static str {
    find(name).map_or(FUNCTION, |entry| entry.failure)
}

/// All callable functions by name.
pub fn build_all(options: &ConfigOptions, job: &Job) -> HashMap<&'static str, Arc<ScalarUDF>> {
    let build = |entry: &'static Allowed| {
        let function = match entry.origin {
            DataFusion(make) => make(),
            Configured(make) => make(options),
            Millrace(make) => Arc::new(make(job)),
            Rewritten => return None,
        };
        Some((entry.name, function))
    };
    ALLOWED.iter().filter_map(build).collect()
}

/// Functions that need the job's privacy key.
pub const KEYED: [&str; 3] = ["hmac_sha256", "pseudonym", "shift_date"];

/// The table as a Markdown page.
pub fn document() -> String {
    let mut page = String::from(
        "# SQL functions\n\nMade from the tables in `crates/sql/src/functions`; a test fails when this page is not what they say. What is not here \
         does not exist for a query.\nNames are matched in any case. *Refusal* is the code of a row whose value the function refuses. Functions marked \
         *keyed* need `privacy.key` in the job.\n\n## Functions of a row\n\n| function | from | refusal | result |\n| --- | --- | --- | --- |\n",
    );
    for entry in ALLOWED {
        let origin = match entry.origin {
            DataFusion(_) | Configured(_) => "DataFusion",
            Millrace(_) | Rewritten => "Millrace",
        };
        page.push_str(&format!("| `{}` | {origin} | `{}` | {} |\n", entry.name, entry.failure, entry.sentence));
    }
    page.push_str("\n## Aggregates\n\nIn reduce stages and in subqueries over lookups; `DISTINCT`, `FILTER (WHERE …)` and `ORDER BY` may stand where SQL has them.\n\n| aggregate | result |\n| --- | --- |\n");
    for entry in aggregates::AGGREGATES {
        page.push_str(&format!("| `{}` | {} |\n", entry.name, entry.sentence));
    }
    page.push_str("\n## Window functions\n\nAggregates may stand before `OVER` as well.\n\n| window function | result |\n| --- | --- |\n");
    for entry in aggregates::WINDOWS {
        page.push_str(&format!("| `{}` | {} |\n", entry.name, entry.sentence));
    }
    page
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use datafusion_expr::Volatility;

    use super::*;

    #[test]
    fn every_name_stands_once_and_nothing_is_volatile() {
        let mut seen = HashSet::new();
        for entry in ALLOWED {
            assert!(seen.insert(entry.name), "{} stands twice", entry.name);
            assert_eq!(entry.name, entry.name.to_lowercase());
            assert!(entry.sentence.ends_with('.'), "{}", entry.name);
        }
        for (name, function) in build_all(&ConfigOptions::default(), &Job::default()) {
            assert_ne!(function.signature().volatility, Volatility::Volatile, "{name} gives another answer at each call");
        }
    }

    /// `MILLRACE_WRITE_DOCS=1` writes the page instead.
    #[test]
    fn the_page_says_what_the_tables_say() {
        let path = std::path::PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../../../../docs/sql-functions.md");
        if std::env::var_os("MILLRACE_WRITE_DOCS").is_some() {
            std::fs::write(&path, document()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), document(), "run this test with MILLRACE_WRITE_DOCS=1");
    }
}
