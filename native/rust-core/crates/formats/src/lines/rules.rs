//! The pins of an input of lines, compiled.

use std::sync::Arc;

use millrace_scan::{Division, GroupRules, LineRules, LineStart};
use regex::{CaptureLocations, Regex, RegexBuilder};

use super::ascii::{Found, Program, Search};
use crate::encoding::Encoding;
use crate::error::Error;
use crate::field::{FieldRules, compile_fields};
use crate::pins::{FilePlan, InputPins, InvalidBytes, LinesOptions};

/// A compiled regex may take this many bytes.
const REGEX_BYTES: usize = 10 << 20;

pub(crate) struct LinesRules {
    regex: Regex,
    /// The same for texts of ASCII alone.
    ascii: Option<Program>,
    pub fields: Vec<FieldRules>,
    /// For each column the numbers of the groups that feed it.
    pub groups: Vec<Vec<usize>>,
    /// For each field the column that feeds it.
    pub columns: Vec<Option<usize>>,
    pub encoding: Encoding,
    pub replace_invalid: bool,
    pub max_record_bytes: u64,
    pub division: Division,
}

/// Where a column's text stands in the record's; none where none of its groups matched.
pub(crate) type Span = Option<(usize, usize)>;

impl LinesRules {
    pub(crate) fn compile(pins: &InputPins, file: &FilePlan) -> Result<LinesRules, Error> {
        let options = options_of(pins)?;
        let regex = compile_regex(&options.regex, "lines.regex")?;
        let fields = compile_fields(&pins.schema)?;
        let groups: Vec<Vec<usize>> = group_columns(&regex).into_iter().map(|(_, groups)| groups).collect();
        if file.mapping.len() != groups.len() {
            let message =
                format!("the plan of {} has {} columns where the regex has {} groups", file.uri, file.mapping.len(), groups.len());
            return Err(Error::new("PLAN_CONFLICT", message));
        }
        let column_of = |field: usize| file.mapping.iter().position(|fed| *fed == Some(field as u32));
        Ok(LinesRules {
            columns: (0..fields.len()).map(column_of).collect(),
            ascii: Program::compile(&options.regex),
            regex,
            fields,
            groups,
            encoding: Encoding::from_label(&pins.encoding)?,
            replace_invalid: pins.invalid_bytes == InvalidBytes::Replace,
            max_record_bytes: pins.max_record_bytes,
            division: division(pins)?,
        })
    }

    /// The spans of all columns in one record's text; none if the regex does not match.
    pub(crate) fn groups_of(&self, text: &str) -> Option<Vec<Span>> {
        let mut found = self.search();
        self.find(&mut found, text).then(|| self.groups.iter().map(|groups| found.first_of(groups)).collect())
    }

    pub(crate) fn search(&self) -> Groups {
        Groups { locations: self.regex.capture_locations(), ascii: self.ascii.as_ref().map(Program::search_state), is_ascii: false }
    }

    /// Whether the regex is found in `text`; its groups stand in `found`.
    pub(crate) fn find(&self, found: &mut Groups, text: &str) -> bool {
        if let (Some(program), Some(search)) = (&self.ascii, &mut found.ascii)
            && search.is_worthwhile()
            && text.is_ascii()
        {
            found.is_ascii = true;
            match program.find(search, text.as_bytes()) {
                Found::Yes => return true,
                Found::No => return false,
                Found::GivenUp => {}
            }
        }
        found.is_ascii = false;
        self.regex.captures_read(&mut found.locations, text).is_some()
    }
}

/// The groups of the last record that matched, and room to find those of the next.
pub(crate) struct Groups {
    locations: CaptureLocations,
    ascii: Option<Search>,
    /// The groups are those of `ascii`.
    is_ascii: bool,
}

impl Groups {
    /// The first of a column's groups that matched.
    pub(crate) fn first_of(&self, groups: &[usize]) -> Span {
        match &self.ascii {
            Some(search) if self.is_ascii => groups.iter().find_map(|&group| search.group(group)),
            _ => groups.iter().find_map(|&group| self.locations.get(group)),
        }
    }
}

fn options_of(pins: &InputPins) -> Result<&LinesOptions, Error> {
    pins.lines.as_ref().ok_or_else(|| Error::new("SPEC_MISSING_FIELD", "format lines needs lines.regex or lines.grok"))
}

/// How the stream is divided into records.
pub(crate) fn division(pins: &InputPins) -> Result<Division, Error> {
    let max_record_bytes = pins.max_record_bytes;
    Ok(match &options_of(pins)?.record_start {
        None => Division::Lines(LineRules::text(max_record_bytes)),
        Some(pattern) => {
            let start = Start { regex: compile_regex(pattern, "lines.recordStart")?, encoding: Encoding::from_label(&pins.encoding)? };
            Division::Groups(GroupRules { max_record_bytes, start: Arc::new(start) })
        }
    })
}

/// `recordStart` with the encoding of the lines it is looked for in.
#[derive(Debug)]
struct Start {
    regex: Regex,
    encoding: Encoding,
}

impl LineStart for Start {
    fn begins(&self, line: &[u8]) -> bool {
        self.regex.is_match(&self.encoding.decode(line).text)
    }
}

/// The columns that a regex feeds, each with the numbers of its groups, in order of first sight.
pub(crate) fn group_columns(regex: &Regex) -> Vec<(String, Vec<usize>)> {
    let mut columns: Vec<(String, Vec<usize>)> = Vec::new();
    for (number, name) in regex.capture_names().enumerate() {
        let Some(name) = name else { continue };
        let column = name.split_once("..").map_or(name, |(column, _)| column);
        match columns.iter_mut().find(|(known, _)| known == column) {
            Some((_, groups)) => groups.push(number),
            None => columns.push((column.to_string(), vec![number])),
        }
    }
    columns
}

/// Errors: `SPEC_REGEX`, naming the place in the spec.
pub(crate) fn compile_regex(pattern: &str, place: &str) -> Result<Regex, Error> {
    build_regex(pattern).map_err(|why| Error::new("SPEC_REGEX", format!("cannot use {place}: {why}")))
}

/// The error is the end of a sentence.
pub(super) fn build_regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(REGEX_BYTES).build().map_err(|error| error.to_string())
}
