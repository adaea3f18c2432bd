//! The rows of one batch of JSON records, lines or elements of an array alike.
//!
//! Flat records that look like those before are walked by `stencil`, which only says where their values stand; they are typed column by
//! column when the batch is closed. All others, and those that a column finds bad, are judged one by one: both ways come to the same.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::interleave::interleave_record_batch;

use super::record::{JsonRules, Judge, content};
use super::stencil::{Cell, NOTHING, NULL, OFFSET, SIDE, Stencil};
use crate::batch::{Batch, Read, ReadCounts};
use crate::column::{ColumnBuilder, Noticed, Texts, type_column};
use crate::error::Error;
use crate::position::Place;
use crate::reject::Reject;
use crate::report::reject;

/// What is kept from batch to batch: the shape of records, and memory.
pub(crate) struct Reuse {
    stencil: Stencil,
    judge: Judge,
    cells: Vec<Cell>,
    side: String,
}

impl Reuse {
    pub(crate) fn new(rules: &JsonRules) -> Reuse {
        Reuse { stencil: rules.stencil(), judge: Judge::default(), cells: Vec::new(), side: String::new() }
    }
}

/// Where the values of a row are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// Number of the row among those in `cells`.
    Cells(u32),
    /// Number of the row among those in `columns`.
    Columns(u32),
    /// It became a reject.
    Nowhere,
}

pub(crate) struct Rows<'r> {
    reuse: &'r mut Reuse,
    /// Rows that were judged one by one.
    columns: Vec<ColumnBuilder>,
    judged: u32,
    walked: u32,
    kept: Vec<Kept>,
    pub places: Vec<Place>,
    pub rejects: Vec<Reject>,
}

/// The window that all records of a batch stand in, and its place in the stream.
pub(crate) struct Window<'w> {
    pub bytes: &'w Arc<Vec<u8>>,
    pub start: u64,
}

impl Window<'_> {
    fn raw(&self, place: &Place) -> &[u8] {
        &self.bytes[(place.byte - self.start) as usize..(place.byte_end - self.start) as usize]
    }
}

impl<'r> Rows<'r> {
    pub(crate) fn new(rules: &JsonRules, reuse: &'r mut Reuse) -> Rows<'r> {
        reuse.cells.clear();
        reuse.side.clear();
        let columns = rules.fields.iter().map(|field| ColumnBuilder::new(&field.kind)).collect();
        Rows { reuse, columns, judged: 0, walked: 0, kept: Vec::new(), places: Vec::new(), rejects: Vec::new() }
    }

    pub(crate) fn records(&self) -> usize {
        self.places.len() + self.rejects.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records() == 0
    }

    /// Adds the record with the bytes `raw`, which stand at `at` in the window and become a row or a reject.
    pub(crate) fn take(&mut self, rules: &JsonRules, raw: &[u8], at: usize, place: Place, counts: &mut ReadCounts) {
        let Reuse { stencil, cells, side, .. } = &mut *self.reuse;
        let (first, side_from) = (cells.len(), side.len());
        cells.resize(first + rules.fields.len(), NOTHING);
        if stencil.walk(content(raw), at, rules.pointers(), &mut cells[first..], side).is_some() {
            self.kept.push(Kept::Cells(self.walked));
            self.walked += 1;
            return self.places.push(place);
        }
        cells.truncate(first);
        side.truncate(side_from);
        if let Some(kept) = self.judge(rules, raw, &place, counts) {
            self.kept.push(kept);
            self.places.push(place);
        }
    }

    /// Judges one record, which becomes a row of `columns`, or a reject.
    fn judge(&mut self, rules: &JsonRules, raw: &[u8], place: &Place, counts: &mut ReadCounts) -> Option<Kept> {
        let judge = &mut self.reuse.judge;
        let line = judge.judge(rules, raw, place);
        if !judge.errors.is_empty() {
            self.rejects.push(reject(*place, std::mem::take(&mut judge.errors), raw));
            return None;
        }
        for (index, (column, judged)) in self.columns.iter_mut().zip(&judge.judged).enumerate() {
            let text = judge.text(index, &line);
            column.append(judged.value, rules.fields[index].trimmed(text));
        }
        count_repairs(judge, counts);
        self.judged += 1;
        Some(Kept::Columns(self.judged - 1))
    }

    /// The batch of everything taken.
    pub(crate) fn finish(
        mut self,
        rules: &JsonRules,
        schema: &SchemaRef,
        window: &Window<'_>,
        counts: &mut ReadCounts,
    ) -> Result<Read, Error> {
        let rejected = self.rejects.len();
        let text = self.span_text(rules, window);
        if text.is_none() {
            self.judge_illegal_rows(rules, window, counts);
        }
        let (walked, noticed) = self.type_walked(rules, schema, text, window)?;
        self.reject_bad_rows(rules, window, counts, &noticed)?;
        if self.rejects.len() > rejected {
            self.rejects.sort_by_key(|reject| reject.place.record);
        }
        self.count_walked_repairs(noticed, counts);
        let rows = self.join(schema, walked)?;
        let mut kept = self.kept.iter();
        self.places.retain(|_| kept.next() != Some(&Kept::Nowhere));
        let batch = Batch { rows, places: self.places, source: Arc::clone(window.bytes), source_start: window.start, file_rows: None };
        Ok(Read { batch, rejects: self.rejects })
    }

    /// The bytes of all rows as text, with their place in the window; none if some of them need a closer look.
    fn span_text<'w>(&self, rules: &JsonRules, window: &'w Window<'_>) -> Option<(&'w str, usize)> {
        let (Some(first), Some(last)) = (self.places.first(), self.places.last()) else { return Some(("", 0)) };
        let origin = (first.byte - window.start) as usize;
        let span = &window.bytes[origin..(last.byte_end - window.start) as usize];
        let is_legal = rules.is_utf8() || span.is_ascii();
        simdutf8::basic::from_utf8(span).ok().filter(|_| is_legal).map(|text| (text, origin))
    }

    /// Walked rows whose bytes are no plain text are judged instead.
    fn judge_illegal_rows(&mut self, rules: &JsonRules, window: &Window<'_>, counts: &mut ReadCounts) {
        for row in 0..self.kept.len() {
            let place = self.places[row];
            let raw = window.raw(&place);
            let is_legal = if rules.is_utf8() { simdutf8::basic::from_utf8(raw).is_ok() } else { raw.is_ascii() };
            if let (Kept::Cells(_), false) = (self.kept[row], is_legal) {
                self.kept[row] = self.judge(rules, raw, &place, counts).unwrap_or(Kept::Nowhere);
            }
        }
    }

    /// Types the walked rows column by column.
    fn type_walked(
        &self,
        rules: &JsonRules,
        schema: &SchemaRef,
        text: Option<(&str, usize)>,
        window: &Window<'_>,
    ) -> Result<(RecordBatch, Noticed), Error> {
        let width = rules.fields.len();
        let rows = self.walked as usize;
        let mut noticed = Noticed { bad: vec![false; rows], repairs: Vec::new() };
        let column = |(field, slot)| -> ArrayRef {
            let cells = Cells { cells: &self.reuse.cells, side: &self.reuse.side, text, bytes: window.bytes, width, slot, rows };
            type_column(field, &cells, &mut noticed)
        };
        let columns: Vec<ArrayRef> = rules.fields.iter().zip(0..).map(column).collect();
        Ok((batch_of(schema, columns, rows)?, noticed))
    }

    /// Every row that a column found bad is judged as a whole; it must come to a reject then.
    fn reject_bad_rows(&mut self, rules: &JsonRules, window: &Window<'_>, counts: &mut ReadCounts, noticed: &Noticed) -> Result<(), Error> {
        if !noticed.bad.contains(&true) {
            return Ok(());
        }
        for row in 0..self.kept.len() {
            let Kept::Cells(walked) = self.kept[row] else { continue };
            if !noticed.bad[walked as usize] {
                continue;
            }
            let place = self.places[row];
            if self.judge(rules, window.raw(&place), &place, counts).is_some() {
                let message =
                    format!("cannot judge record {} at byte {}: the column said no, the record says yes", place.record, place.byte);
                return Err(Error::new("CORE_PANIC", message));
            }
            self.kept[row] = Kept::Nowhere;
        }
        Ok(())
    }

    /// One repair a record and code, of rows that stay.
    fn count_walked_repairs(&self, mut noticed: Noticed, counts: &mut ReadCounts) {
        if noticed.repairs.is_empty() {
            return;
        }
        let mut stays = vec![false; noticed.bad.len()];
        for kept in &self.kept {
            if let Kept::Cells(walked) = kept {
                stays[*walked as usize] = true;
            }
        }
        noticed.repairs.retain(|&(row, _)| stays[row as usize]);
        noticed.repairs.sort_unstable();
        noticed.repairs.dedup();
        for (_, code) in noticed.repairs {
            *counts.repairs.entry(code).or_default() += 1;
        }
    }

    /// Puts the rows of both ways into their order.
    fn join(&mut self, schema: &SchemaRef, walked: RecordBatch) -> Result<RecordBatch, Error> {
        let is_plain = self.judged == 0 && walked.num_rows() == self.kept.len() && !self.kept.contains(&Kept::Nowhere);
        if is_plain {
            return Ok(walked);
        }
        let judged = batch_of(schema, self.columns.iter_mut().map(ColumnBuilder::finish).collect(), self.judged as usize)?;
        let place = |kept: &Kept| match kept {
            Kept::Cells(row) => Some((0, *row as usize)),
            Kept::Columns(row) => Some((1, *row as usize)),
            Kept::Nowhere => None,
        };
        let order: Vec<(usize, usize)> = self.kept.iter().filter_map(place).collect();
        if self.columns.is_empty() {
            return batch_of(schema, Vec::new(), order.len());
        }
        interleave_record_batch(&[&walked, &judged], &order).map_err(broken)
    }
}

fn batch_of(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, Error> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(broken)
}

fn broken(error: ArrowError) -> Error {
    Error::new("CORE_PANIC", format!("cannot build a batch: {error}"))
}

/// One repair a record and code.
fn count_repairs(judge: &mut Judge, counts: &mut ReadCounts) {
    judge.repairs.extend(judge.judged.iter().filter_map(|judged| judged.repair));
    if judge.repairs.is_empty() {
        return;
    }
    judge.repairs.sort_unstable();
    judge.repairs.dedup();
    for code in &judge.repairs {
        *counts.repairs.entry(code).or_default() += 1;
    }
}

/// One field of all walked rows.
struct Cells<'a> {
    cells: &'a [Cell],
    side: &'a str,
    /// Text of the window from an offset on, where all of it is legal.
    text: Option<(&'a str, usize)>,
    bytes: &'a [u8],
    width: usize,
    slot: usize,
    rows: usize,
}

impl Texts for Cells<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    #[inline]
    fn text(&self, row: usize) -> Option<&str> {
        let Cell { start, end } = self.cells[row * self.width + self.slot];
        if end & (SIDE | NULL) != 0 {
            return if end & NULL != 0 { None } else { Some(&self.side[start as usize..(end & OFFSET) as usize]) };
        }
        match self.text {
            Some((text, origin)) => Some(&text[start as usize - origin..end as usize - origin]),
            // Illegal texts belong to rows that are judged already.
            None => Some(std::str::from_utf8(&self.bytes[start as usize..end as usize]).unwrap_or_default()),
        }
    }

    #[inline]
    fn around(&self, row: usize) -> &str {
        let Cell { end, .. } = self.cells[row * self.width + self.slot];
        match self.text {
            _ if end & SIDE != 0 => self.side,
            Some((text, _)) => text,
            None => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pins::{DuplicateKeys, InputPins, InvalidBytes};
    use crate::position::Counter;
    use crate::schema::{ExtraColumns, FieldType, OnError};
    use crate::testing::{field, ndjson_pins, rows_of};
    use proptest::prelude::*;
    use serde_json::json;

    #[derive(Debug, PartialEq)]
    struct Outcome {
        rows: Vec<(Place, Vec<String>)>,
        rejects: Vec<Reject>,
        counts: ReadCounts,
    }

    /// Reads lines as one batch; `walks`: as readers do it, else each record is judged by itself. Also how many were walked.
    fn read(rules: &JsonRules, schema: &SchemaRef, reuse: &mut Reuse, lines: &[Vec<u8>], walks: bool) -> (Outcome, u32) {
        let bytes = Arc::new(lines.concat());
        let window = Window { bytes: &bytes, start: 7 };
        let mut counter = Counter { file: 0, record: 1, line: 1 };
        let mut counts = ReadCounts::default();
        let mut rows = Rows::new(rules, reuse);
        let mut at = 0;
        for line in lines {
            let place = counter.take(7 + at as u64, line.len() as u64, 1);
            if walks {
                rows.take(rules, line, at, place, &mut counts);
            } else if let Some(kept) = rows.judge(rules, line, &place, &mut counts) {
                rows.kept.push(kept);
                rows.places.push(place);
            }
            at += line.len();
        }
        let walked = rows.walked;
        let read = rows.finish(rules, schema, &window, &mut counts).expect("a batch");
        let rows = read.batch.places.iter().copied().zip(rows_of(&read.batch.rows)).collect();
        (Outcome { rows, rejects: read.rejects, counts }, walked)
    }

    fn pins() -> InputPins {
        let mut fields = vec![
            field("id", FieldType::Integer),
            field("name", FieldType::String),
            field("price", FieldType::Number),
            field("ok", FieldType::Boolean),
            field("any", FieldType::Any),
            field("at", FieldType::Datetime),
            field("day", FieldType::Date),
            field("year", FieldType::Year),
            field("exact", FieldType::Number),
            field("soft", FieldType::Integer),
            field("must", FieldType::String),
            field("deep", FieldType::Any),
            field("grouped", FieldType::Integer),
            field("truth", FieldType::Boolean),
        ];
        fields[3].missing_values = Some(vec!["".into(), "1".into(), "-".into()]);
        (fields[8].precision, fields[8].scale) = (Some(6), Some(2));
        fields[9].on_error = OnError::SetNull;
        fields[9].constraints.maximum = Some(json!(50));
        fields[10].constraints.required = true;
        fields[11].path = Some("/a/b".into());
        fields[12].group_char = Some("'".into());
        (fields[13].true_values, fields[13].false_values) = (vec!["yes".into()], vec!["no".into(), "true".into()]);
        ndjson_pins(fields)
    }

    fn value() -> impl Strategy<Value = String> {
        let fixed = [
            "null",
            "true",
            "false",
            "0",
            "-0",
            "7",
            "49",
            "51",
            "1.5",
            "-2.25e3",
            "1e999",
            "123456789012345678901",
            "0.125",
            "01",
            "1.",
            "-",
            "+1",
            "NaN",
            "\"\"",
            "\"x\"",
            "\" 12 \"",
            "\"12\"",
            "\"1'234\"",
            "\"-\"",
            "\"yes\"",
            "\"true\"",
            "\"1.25\"",
            "\"2026-01-02T03:04:05.678Z\"",
            "\"2026-01-02\"",
            "\"2026\"",
            "\"ä€😀 long enough for more than a word\"",
            "\"a\\\"b\\\\c\\n\\u00e9\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "\"\\q\"",
            "\"a\tb\"",
            "\"open",
            "{}",
            "[]",
            "{\"b\":1}",
            "{\"b\":{\"c\":[1]}}",
            "[1,{\"x\":2}]",
            "tru",
            "nul",
            "\"\u{7f}\"",
        ];
        prop::sample::select(fixed.to_vec()).prop_map(String::from)
    }

    fn key() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "id",
            "name",
            "price",
            "ok",
            "any",
            "at",
            "day",
            "year",
            "exact",
            "soft",
            "must",
            "a",
            "grouped",
            "truth",
            "other",
            "more",
            "n\\u0061me",
            "",
        ])
    }

    /// Records that mostly have the same keys in the same order, some of them broken.
    fn line() -> impl Strategy<Value = Vec<u8>> {
        let usual =
            (value(), value(), value(), value()).prop_map(|(a, b, c, d)| format!("{{\"id\":{a},\"must\":{b},\"any\":{c},\"soft\":{d}}}"));
        let good = (0_u32..60, "[a-zäß ]{0,12}", any::<bool>()).prop_map(|(id, name, ok)| {
            format!("{{\"id\":{id},\"name\":\"{name}\",\"price\":{id}.25,\"must\":\"m\",\"truth\":\"yes\",\"soft\":{id},\"any\":{ok}}}")
        });
        let blanks = prop::sample::select(vec!["", "", " ", "\t", "  "]);
        let free = (prop::collection::vec((key(), value(), blanks.clone(), blanks), 0..6), any::<bool>()).prop_map(|(members, closed)| {
            let members: Vec<String> =
                members.iter().map(|(key, value, before, after)| format!("{before}\"{key}\"{after}:{before}{value}{after}")).collect();
            format!("{{{}{}", members.join(","), if closed { "}" } else { "} x" })
        });
        let text = prop_oneof![3 => good, 2 => usual, 3 => free];
        (text, prop::sample::select(vec!["\n", "\r\n", " \n"]), prop::option::weighted(0.08, (any::<prop::sample::Index>(), any::<u8>())))
            .prop_map(|(text, end, change)| {
                let mut bytes = format!("{text}{end}").into_bytes();
                if let Some((place, byte)) = change {
                    let place = place.index(bytes.len() - 1);
                    bytes[place] = if byte == b'\n' { b' ' } else { byte };
                }
                bytes
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

        #[test]
        fn walking_equals_judging_one_by_one(
            batches in prop::collection::vec(prop::collection::vec(line(), 0..12), 1..3),
            keys in prop::sample::select(vec![DuplicateKeys::Reject, DuplicateKeys::First, DuplicateKeys::Last]),
            refuses_extra in any::<bool>(), replace in any::<bool>(), latin in prop::bool::weighted(0.3), depth in 1_u32..4,
        ) {
            let mut pins = pins();
            pins.json.duplicate_keys = keys;
            pins.json.max_depth = depth;
            pins.schema.extra_columns = if refuses_extra { ExtraColumns::Fail } else { ExtraColumns::Drop };
            pins.invalid_bytes = if replace { InvalidBytes::Replace } else { InvalidBytes::Reject };
            if latin {
                pins.encoding = "latin-1".into();
            }
            let rules = JsonRules::compile(&pins).expect("legal pins");
            let schema = pins.schema.arrow_schema();
            let mut reuse = Reuse::new(&rules);
            for lines in &batches {
                let (walked, _) = read(&rules, &schema, &mut reuse, lines, true);
                let (judged, _) = read(&rules, &schema, &mut Reuse::new(&rules), lines, false);
                prop_assert_eq!(walked, judged);
            }
        }
    }

    #[test]
    fn usual_records_are_walked() {
        let mut pins = pins();
        pins.schema.fields[10].constraints.required = false;
        let rules = JsonRules::compile(&pins).expect("legal pins");
        let lines: Vec<Vec<u8>> = [
            "{\"id\": 1, \"name\": \"a \\\"b\\\"\", \"other\": 1.5, \"ok\": null}\n",
            "{\"id\": 2, \"name\": \"b\", \"other\": 2.5, \"ok\": \"true\"}\r\n",
            "{\"name\":\"c\",\"id\":3,\"any\":true,\"soft\":99}",
            "{\"id\":4}\n",
        ]
        .map(|line| line.as_bytes().to_vec())
        .to_vec();
        let (outcome, walked) = read(&rules, &pins.schema.arrow_schema(), &mut Reuse::new(&rules), &lines, true);
        assert_eq!((walked, outcome.rows.len(), outcome.counts.repairs.len()), (4, 4, 1));
        assert_eq!(outcome.rows[0].1[1], "a \"b\"");
    }

    #[test]
    fn records_with_ever_new_keys_are_read_all_the_same() {
        let pins = pins();
        let rules = JsonRules::compile(&pins).expect("legal pins");
        let lines: Vec<Vec<u8>> = (0..6_000).map(|n| format!("{{\"must\":\"x\",\"k{n}\":{n}}}\n").into_bytes()).collect();
        let (outcome, walked) = read(&rules, &pins.schema.arrow_schema(), &mut Reuse::new(&rules), &lines, true);
        assert_eq!(outcome.rows.len(), 6_000);
        assert!(walked > 4_000 && walked < 6_000, "{walked}");
    }
}
