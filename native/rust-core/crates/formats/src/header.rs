//! Header rows to column names, and column names to fields of the schema. Decided once a file, at planning.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::error::Error;
use crate::schema::{ExtraColumns, Field, MatchBy, MissingColumns, Schema};

/// Columns that a file may have.
pub const MAX_COLUMNS: usize = 20_000;

/// `OVER_LIMIT` for a file, or an input, with more columns than `MAX_COLUMNS`.
pub fn check_column_count(count: usize) -> Result<(), Error> {
    if count <= MAX_COLUMNS {
        return Ok(());
    }
    Err(Error::new("OVER_LIMIT", format!("cannot read the columns: there are {count}, the limit is {MAX_COLUMNS}")))
}

/// How the columns of one file find the fields of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// For each column of the file the index of the field it feeds.
    pub fields: Vec<Option<u32>>,
    /// Columns that no field takes.
    pub extra: Vec<String>,
}

/// Names of the columns from one or more header rows: blanks around cells cut, rows joined, empty and repeated names made unique
/// (`column_3`, `name_2`).
pub fn column_names(rows: &[Vec<String>], join: &str) -> Vec<String> {
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let joined = (0..width).map(|column| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.trim()).filter(|cell| !cell.is_empty());
        cells.collect::<Vec<_>>().join(join)
    });
    unique_names(joined.collect())
}

/// The names of columns of a file without a header.
pub fn numbered_names(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("column_{number}")).collect()
}

fn unique_names(names: Vec<String>) -> Vec<String> {
    let mut taken: HashSet<String> = names.iter().filter(|name| !name.is_empty()).cloned().collect();
    let mut seen = HashSet::new();
    let mut next = HashMap::new();
    let mut result = Vec::with_capacity(names.len());
    for (index, name) in names.into_iter().enumerate() {
        let first_choice = if name.is_empty() { format!("column_{}", index + 1) } else { name.clone() };
        let fresh = if name.is_empty() { !taken.contains(&first_choice) } else { seen.insert(name) };
        let chosen = if fresh { first_choice } else { next_free(first_choice, &taken, &mut next) };
        taken.insert(chosen.clone());
        result.push(chosen);
    }
    result
}

/// `name_2`, or with the next higher number that is free. `next` remembers for each name which numbers are known to be taken.
fn next_free(name: String, taken: &HashSet<String>, next: &mut HashMap<String, u64>) -> String {
    let mut number = next.get(&name).copied().unwrap_or(2);
    while taken.contains(&format!("{name}_{number}")) {
        number += 1;
    }
    let free = format!("{name}_{number}");
    next.insert(name, number + 1);
    free
}

/// Matches columns with fields. `by_position` overrides the schema's way for files whose names mean nothing.
///
/// Errors: `OVER_LIMIT`, `SCHEMA_MISSING_COLUMN`, `SCHEMA_EXTRA_COLUMN`, `SCHEMA_AMBIGUOUS_COLUMN`, and `SCHEMA_DRIFT` for a column that
/// `extraColumns: keep` would have to keep but that the pins do not know.
pub fn match_columns(schema: &Schema, header: &[String], by_position: bool) -> Result<Mapping, Error> {
    check_column_count(header.len())?;
    let positional = by_position || schema.match_by == MatchBy::Position;
    let fields = if positional { match_positions(schema, header.len()) } else { match_names(schema, header)? };
    check_missing(schema, &fields, header)?;
    let extra: Vec<String> = header.iter().zip(&fields).filter(|(_, field)| field.is_none()).map(|(name, _)| name.clone()).collect();
    if let Some(name) = extra.first() {
        match schema.extra_columns {
            ExtraColumns::Drop => {}
            ExtraColumns::Fail => {
                return Err(Error::new("SCHEMA_EXTRA_COLUMN", format!("cannot use column {name:?}: no field of the schema takes it")));
            }
            ExtraColumns::Keep => {
                return Err(Error::new(
                    "SCHEMA_DRIFT",
                    format!("cannot keep column {name:?}: it was in no sample when the columns were pinned"),
                ));
            }
        }
    }
    Ok(Mapping { fields, extra })
}

fn match_positions(schema: &Schema, columns: usize) -> Vec<Option<u32>> {
    (0..columns).map(|column| (column < schema.fields.len()).then_some(column as u32)).collect()
}

fn match_names(schema: &Schema, header: &[String]) -> Result<Vec<Option<u32>>, Error> {
    let mut by_name: HashMap<Cow<'_, str>, Vec<usize>> = HashMap::new();
    for (column, name) in header.iter().enumerate() {
        by_name.entry(compared(name, schema.case_sensitive)).or_default().push(column);
    }
    let mut mapping = vec![None; header.len()];
    for (index, field) in schema.fields.iter().enumerate() {
        let columns = columns_of(field, &by_name, schema.case_sensitive);
        if let [one, other, ..] = columns[..] {
            let message = format!("cannot fill field {:?}: columns {:?} and {:?} both match it", field.name, header[one], header[other]);
            return Err(Error::new("SCHEMA_AMBIGUOUS_COLUMN", message));
        }
        let Some(&column) = columns.first() else { continue };
        if let Some(taken) = mapping[column].replace(index as u32) {
            let other = &schema.fields[taken as usize].name;
            let message = format!("cannot use column {:?}: it matches the fields {other:?} and {:?}", header[column], field.name);
            return Err(Error::new("SCHEMA_AMBIGUOUS_COLUMN", message));
        }
    }
    Ok(mapping)
}

/// Columns that the field's name or one of its aliases matches, ascending.
fn columns_of(field: &Field, by_name: &HashMap<Cow<'_, str>, Vec<usize>>, case_sensitive: bool) -> Vec<usize> {
    let names = std::iter::once(&field.name).chain(&field.aliases);
    let mut columns: Vec<usize> =
        names.filter_map(|name| by_name.get(&compared(name, case_sensitive))).flat_map(|columns| columns.iter().copied()).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// A name as names are compared.
pub(crate) fn compared(name: &str, case_sensitive: bool) -> Cow<'_, str> {
    let name = name.trim();
    if case_sensitive { Cow::Borrowed(name) } else { Cow::Owned(name.to_lowercase()) }
}

fn check_missing(schema: &Schema, mapping: &[Option<u32>], header: &[String]) -> Result<(), Error> {
    if schema.missing_columns == MissingColumns::SetNull {
        return Ok(());
    }
    let have: HashSet<u32> = mapping.iter().flatten().copied().collect();
    match (0..schema.fields.len() as u32).find(|field| !have.contains(field)) {
        None => Ok(()),
        Some(field) => {
            let name = &schema.fields[field as usize].name;
            let columns: Vec<&str> = header.iter().take(20).map(String::as_str).collect();
            let message = format!("cannot fill field {name:?}: no column of the file matches it; it has {}", columns.join(", "));
            Err(Error::new("SCHEMA_MISSING_COLUMN", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::FieldType;

    fn schema(names: &[&str], edit: impl FnOnce(&mut Schema)) -> Schema {
        let mut schema = Schema {
            fields: names.iter().map(|name| Field::new(*name, FieldType::String)).collect(),
            missing_values: vec!["".into()],
            match_by: MatchBy::Name,
            case_sensitive: true,
            missing_columns: MissingColumns::Fail,
            extra_columns: ExtraColumns::Drop,
            primary_key: Vec::new(),
        };
        edit(&mut schema);
        schema
    }

    fn mapped(schema: &Schema, header: &[&str]) -> Result<Vec<Option<u32>>, &'static str> {
        let header: Vec<String> = header.iter().map(|name| name.to_string()).collect();
        match_columns(schema, &header, false).map(|mapping| mapping.fields).map_err(|error| error.code)
    }

    #[test]
    fn names() {
        let rows = |rows: &[&[&str]]| {
            let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| cell.to_string()).collect()).collect();
            column_names(&rows, " ")
        };
        assert_eq!(rows(&[&[" a ", "", "a", "a"]]), ["a", "column_2", "a_2", "a_3"]);
        assert_eq!(rows(&[&["a", "a", "a_2"]]), ["a", "a_3", "a_2"]);
        assert_eq!(rows(&[&["", "column_1"]]), ["column_1_2", "column_1"]);
        assert_eq!(rows(&[&["size", "", "x"], &["mm", "in"]]), ["size mm", "in", "x"]);
    }

    /// Each of them looks for a free name, and for its field: neither may look at all others.
    #[test]
    fn many_columns_of_one_name() {
        let names = column_names(&[vec!["a".into(); 100_000]], " ");
        assert_eq!((names[1].as_str(), names[99_999].as_str()), ("a_2", "a_100000"));
        let names: Vec<&str> = names.iter().take(MAX_COLUMNS).map(String::as_str).collect();
        let fields = mapped(&schema(&names, |_| {}), &names).unwrap();
        assert!(fields.iter().enumerate().all(|(column, field)| *field == Some(column as u32)));
        let one_more: Vec<&str> = names.iter().copied().chain(["b"]).collect();
        assert_eq!(mapped(&schema(&names, |_| {}), &one_more), Err("OVER_LIMIT"));
    }

    #[test]
    fn matching() {
        let plain = schema(&["a", "b"], |_| {});
        assert_eq!(mapped(&plain, &["b", "x", "a"]), Ok(vec![Some(1), None, Some(0)]));
        assert_eq!(mapped(&plain, &["a"]), Err("SCHEMA_MISSING_COLUMN"));
        assert_eq!(mapped(&plain, &["A", "b"]), Err("SCHEMA_MISSING_COLUMN"));
        assert_eq!(mapped(&schema(&["a", "b"], |s| s.case_sensitive = false), &["A", "b"]), Ok(vec![Some(0), Some(1)]));
        assert_eq!(mapped(&schema(&["a"], |s| s.case_sensitive = false), &["A", "a"]), Err("SCHEMA_AMBIGUOUS_COLUMN"));
        assert_eq!(mapped(&schema(&["a"], |s| s.fields[0].aliases = vec!["z".into()]), &["z"]), Ok(vec![Some(0)]));
        assert_eq!(mapped(&schema(&["a"], |s| s.fields[0].aliases = vec!["z".into()]), &["z", "a"]), Err("SCHEMA_AMBIGUOUS_COLUMN"));
        assert_eq!(mapped(&schema(&["a", "A"], |s| s.case_sensitive = false), &["a"]), Err("SCHEMA_AMBIGUOUS_COLUMN"));
        assert_eq!(mapped(&schema(&["a", "b"], |s| s.missing_columns = MissingColumns::SetNull), &["b"]), Ok(vec![Some(1)]));
        assert_eq!(mapped(&schema(&["a"], |s| s.extra_columns = ExtraColumns::Fail), &["a", "x"]), Err("SCHEMA_EXTRA_COLUMN"));
        assert_eq!(mapped(&schema(&["a"], |s| s.extra_columns = ExtraColumns::Keep), &["a", "x"]), Err("SCHEMA_DRIFT"));
        assert_eq!(mapped(&schema(&["a", "b"], |s| s.match_by = MatchBy::Position), &["x", "y", "z"]), Ok(vec![Some(0), Some(1), None]));
    }
}
