//! The columns of lines: the groups of the regex, a type for each as its matches in the samples have it.

use millrace_scan::groups::content;
use millrace_scan::planner::Division;
use millrace_scan::{ExtentKind, LineRules, Step, next_group, next_line};

use super::infer::Column;
use super::{Sampled, Text};
use crate::encoding::Encoding;
use crate::error::Error;
use crate::lines::{compile_regex, division, group_columns};
use crate::pins::InputPins;

/// Records that do not match are left out here; reading rejects them.
pub(super) fn columns(texts: &[Text<'_>], pins: &InputPins) -> Result<Sampled, Error> {
    let encoding = Encoding::from_label(&pins.encoding)?;
    let pattern = pins.lines.as_ref().map(|lines| lines.regex.as_str()).unwrap_or_default();
    let regex = compile_regex(pattern, "lines.regex")?;
    let division = division(pins)?;
    let mut gathered: Vec<(String, Vec<usize>, Column)> =
        group_columns(&regex).into_iter().map(|(name, groups)| (name, groups, Column::new())).collect();
    for text in texts {
        each_record(text, &division, |raw| {
            let decoded = encoding.decode(content(raw));
            let Some(captures) = regex.captures(&decoded.text) else { return };
            for (_, groups, column) in &mut gathered {
                if let Some(found) = groups.iter().find_map(|&group| captures.get(group)) {
                    column.add(found.as_str());
                }
            }
        });
    }
    Ok(Sampled { fields: gathered.into_iter().map(|(name, _, column)| column.finish(&name)).collect() })
}

/// The whole records of a sample; a last one that the sample may have cut off is left out.
fn each_record(text: &Text<'_>, division: &Division, mut each: impl FnMut(&[u8])) {
    let mut rest = text.bytes;
    while !rest.is_empty() {
        let step = match division {
            Division::Groups(rules) => next_group(rest, text.complete, 0, rules),
            Division::Lines(rules) => next_line(rest, text.complete, 0, rules),
            Division::Csv(_) => next_line(rest, text.complete, 0, &LineRules::text(u64::MAX)),
        };
        // A record over the limit ends what the sample can tell cheaply.
        let Step::Extent(extent) = step else { return };
        let (raw, after) = rest.split_at(extent.length as usize);
        if extent.kind == ExtentKind::Record {
            each(raw);
        }
        rest = after;
    }
}
