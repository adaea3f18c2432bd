//! Grok to one regex: `%{NAME}` stands for a pattern, `%{NAME:column}` for one that feeds a column.
//!
//! The engine is one of linear time and has no look-around and no atomic groups: a pattern that uses them is refused, and those that
//! come with Millrace do without (docs/decisions/0012).

use std::collections::{BTreeMap, HashMap};

use super::patterns::PATTERNS;
use crate::error::Error;

/// An expanded pattern may take this many bytes.
const EXPANSION_BYTES: usize = 64 << 10;
/// Patterns may stand in each other this deep; one that stands in itself never ends.
const DEPTH: usize = 64;

/// The regex of a grok pattern. A column that several groups feed has them named `name`, `name..2` and so on.
///
/// Errors: `SPEC_GROK` for unknown names, names of columns that cannot be, endless or too long expansions, and what the engine lacks.
pub(crate) fn expand_grok(pattern: &str, own: &BTreeMap<String, String>) -> Result<String, Error> {
    let mut known: HashMap<&str, &str> = PATTERNS.into_iter().collect();
    known.extend(own.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    let mut expansion = Expansion { known, regex: String::new(), columns: HashMap::new() };
    expansion.append(pattern, &mut Vec::new())?;
    super::rules::build_regex(&expansion.regex)
        .map_err(|why| refused(format!("the pattern is {} as a regex, and {why}", shown(&expansion.regex))))?;
    Ok(expansion.regex)
}

struct Expansion<'a> {
    known: HashMap<&'a str, &'a str>,
    regex: String,
    /// How often each column was met.
    columns: HashMap<String, u32>,
}

impl<'a> Expansion<'a> {
    /// Appends the regex of `pattern`; `open` are the names of the patterns it stands in.
    fn append(&mut self, pattern: &'a str, open: &mut Vec<&'a str>) -> Result<(), Error> {
        let mut rest = pattern;
        while let Some(at) = rest.find(['%', '(', '\\']) {
            let (plain, special) = rest.split_at(at);
            self.push(plain)?;
            rest = match special.as_bytes() {
                [b'%', b'{', ..] => self.reference(special, open)?,
                [b'(', b'?', ..] => self.group(special, open)?,
                // An escaped character means itself, whatever it is.
                [b'\\', ..] => self.keep(special, special.chars().take(2).map(char::len_utf8).sum())?,
                _ => self.keep(special, 1)?,
            };
        }
        self.push(rest)
    }

    fn push(&mut self, text: &str) -> Result<(), Error> {
        self.regex.push_str(text);
        if self.regex.len() > EXPANSION_BYTES {
            return Err(refused(format!("it expands to more than {EXPANSION_BYTES} bytes")));
        }
        Ok(())
    }

    fn keep<'t>(&mut self, text: &'t str, length: usize) -> Result<&'t str, Error> {
        self.push(&text[..length])?;
        Ok(&text[length..])
    }

    /// `%{NAME}`, `%{NAME:column}` or `%{NAME:column:type}` at the start of `text`; answers what follows.
    fn reference(&mut self, text: &'a str, open: &mut Vec<&'a str>) -> Result<&'a str, Error> {
        let end = text.find('}').ok_or_else(|| refused(format!("{} has no closing bracket", shown(text))))?;
        let mut parts = text[2..end].splitn(3, ':');
        let (name, column, kind) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        if let Some(kind) = kind.filter(|kind| !matches!(*kind, "int" | "float")) {
            return Err(refused(format!("{} asks for the type {kind:?}; types are int and float", &text[..=end])));
        }
        let Some(&pattern) = self.known.get(name) else {
            return Err(refused(format!("there is no pattern {name:?}; own ones stand in lines.patterns")));
        };
        if open.contains(&name) || open.len() >= DEPTH {
            return Err(refused(format!("pattern {name} stands in itself, by way of {}", open.join(", "))));
        }
        match column {
            Some(column) => self.begin_column(column)?,
            None => self.push("(?:")?,
        }
        open.push(name);
        self.append(pattern, open)?;
        open.pop();
        self.push(")")?;
        Ok(&text[end + 1..])
    }

    /// `(?…` at the start of `text`: named groups feed columns as references do.
    fn group(&mut self, text: &'a str, open: &[&str]) -> Result<&'a str, Error> {
        let lacks = ["(?=", "(?!", "(?<=", "(?<!", "(?>"].iter().find(|start| text.starts_with(**start));
        if let Some(start) = lacks {
            let place = open.last().map_or("the pattern".into(), |name| format!("pattern {name}"));
            return Err(refused(format!("{place} uses {start}, and there is no look-around and no atomic group")));
        }
        for start in ["(?P<", "(?<"] {
            if let Some(named) = text.strip_prefix(start) {
                let end = named.find('>').ok_or_else(|| refused(format!("{} has no closing bracket", shown(text))))?;
                self.begin_column(&named[..end])?;
                return Ok(&named[end + 1..]);
            }
        }
        self.keep(text, 2)
    }

    fn begin_column(&mut self, column: &str) -> Result<(), Error> {
        let mut characters = column.chars();
        let begins = characters.next().is_some_and(|first| first == '_' || first.is_alphabetic());
        if !begins || column.contains("..") || !characters.all(|c| c == '_' || c == '.' || c.is_alphanumeric()) {
            return Err(refused(format!("{column:?} cannot name a column: letters, digits, _ and single dots can")));
        }
        let count = self.columns.entry(column.to_string()).or_default();
        *count += 1;
        let name = if *count == 1 { column.to_string() } else { format!("{column}..{count}") };
        self.push(&format!("(?P<{name}>"))
    }
}

fn refused(why: String) -> Error {
    Error::new("SPEC_GROK", format!("cannot use lines.grok: {why}"))
}

/// The beginning of a text, for messages.
fn shown(text: &str) -> String {
    let cut: String = text.chars().take(80).collect();
    if cut.len() < text.len() { format!("{cut:?}…") } else { format!("{cut:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;

    fn expand(pattern: &str) -> Result<Regex, String> {
        expand_with(pattern, &[])
    }

    fn expand_with(pattern: &str, own: &[(&str, &str)]) -> Result<Regex, String> {
        let own = own.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
        match expand_grok(pattern, &own) {
            Ok(regex) => Ok(Regex::new(&regex).expect("an expansion is a regex")),
            Err(error) => {
                assert_eq!(error.code, "SPEC_GROK");
                Err(error.message)
            }
        }
    }

    #[track_caller]
    fn matched(pattern: &str, text: &str) -> Vec<(String, String)> {
        let regex = expand(pattern).expect("a legal pattern");
        let captures = regex.captures(text).expect("a match");
        let group = |name: &str| captures.name(name).map(|found| (name.to_string(), found.as_str().to_string()));
        regex.capture_names().flatten().filter_map(group).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect()
    }

    #[test]
    fn the_patterns_that_everybody_uses() {
        let line =
            r#"203.0.113.9 - alice [10/Oct/2026:13:55:36 -0700] "GET /a.html?x=1 HTTP/1.1" 200 2326 "https://e.org/" "curl/8.5 \"x\"""#;
        let want = [
            ("clientip", "203.0.113.9"),
            ("ident", "-"),
            ("auth", "alice"),
            ("timestamp", "10/Oct/2026:13:55:36 -0700"),
            ("verb", "GET"),
            ("request", "/a.html?x=1"),
            ("httpversion", "1.1"),
            ("response", "200"),
            ("bytes", "2326"),
            ("referrer", "\"https://e.org/\""),
            ("agent", r#""curl/8.5 \"x\"""#),
        ];
        assert_eq!(matched("%{COMBINEDAPACHELOG}", line), pairs(&want));
        let syslog = "Feb  7 09:03:01 web-1 sshd[4711]: Failed password for root";
        assert_eq!(
            matched("%{SYSLOGBASE} %{GREEDYDATA:message}", syslog),
            pairs(&[
                ("timestamp", "Feb  7 09:03:01"),
                ("logsource", "web-1"),
                ("program", "sshd"),
                ("pid", "4711"),
                ("message", "Failed password for root")
            ])
        );
        let app = "2026-02-07T09:03:01.250Z [WARN] took 12.5 ms id=550e8400-e29b-41d4-a716-446655440000 from fe80::1";
        assert_eq!(
            matched("%{TIMESTAMP_ISO8601:at} \\[%{LOGLEVEL:level}\\] took %{NUMBER:ms:float} ms id=%{UUID:id} from %{IP:peer}", app),
            pairs(&[
                ("at", "2026-02-07T09:03:01.250Z"),
                ("level", "WARN"),
                ("ms", "12.5"),
                ("id", "550e8400-e29b-41d4-a716-446655440000"),
                ("peer", "fe80::1")
            ])
        );
    }

    /// None needs what the engine lacks, or another that is not there.
    #[test]
    fn every_known_pattern_expands() {
        let failing: Vec<String> = PATTERNS.iter().filter_map(|(name, _)| expand(&format!("%{{{name}}}")).err()).collect();
        assert_eq!(failing, Vec::<String>::new());
    }

    #[test]
    fn own_patterns_come_first_and_may_use_others() {
        let own = [("ORDER", "o-%{POSINT:number}"), ("WORD", "[a-z]+")];
        let regex = expand_with("^%{ORDER:order} %{WORD:word}$", &own).expect("legal");
        let captures = regex.captures("o-17 abc").expect("a match");
        assert_eq!((&captures["order"], &captures["number"], &captures["word"]), ("o-17", "17", "abc"));
        assert!(!regex.is_match("o-17 ABC"));
    }

    #[test]
    fn a_column_may_have_several_groups() {
        let regex = expand("a=%{INT:n}|b=%{INT:n}|(?<n>x)").expect("legal");
        let names: Vec<&str> = regex.capture_names().flatten().collect();
        assert_eq!(names, ["n", "n..2", "n..3"]);
    }

    #[test]
    fn what_is_refused() {
        for (pattern, why) in [
            ("%{NOSUCH:x}", "no pattern \"NOSUCH\""),
            ("%{WORD", "no closing bracket"),
            ("%{WORD:a b}", "cannot name a column"),
            ("%{WORD:[a][b]}", "cannot name a column"),
            ("%{WORD:a..b}", "cannot name a column"),
            ("%{WORD:1a}", "cannot name a column"),
            ("%{WORD:a:string}", "the type \"string\""),
            ("a(?=b)", "no look-around"),
            ("a(?<!b)", "no look-around"),
            ("(?>a)", "no atomic group"),
            ("(a", "as a regex"),
            ("(a)\\1", "as a regex"),
        ] {
            let message = expand(pattern).err().unwrap_or_default();
            assert!(message.contains(why), "{pattern}: {message}");
        }
        let message = expand_with("%{A}", &[("A", "%{B}"), ("B", "x%{A}")]).expect_err("endless");
        assert!(message.contains("stands in itself"), "{message}");
        let doubling: Vec<(String, String)> = (0..40).map(|n| (format!("P{n}"), format!("%{{P{}}}%{{P{}}}", n + 1, n + 1))).collect();
        let mut own: Vec<(&str, &str)> = doubling.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        own.push(("P40", "x"));
        let message = expand_with("%{P0}", &own).expect_err("too long");
        assert!(message.contains("65536"), "{message}");
        assert!(expand("\\(?=%{INT:n}\\)").is_ok(), "an escaped bracket begins no group");
    }
}
