//! `object` with `fields` and `array` with `items`: JSON text whose members are typed and checked like fields of a record, down to any depth that a
//! schema may have. The column is a struct or a list.
//!
//! A member that is not there is null, as `null` is. Members that the shape does not name are left out, or refused with `extraColumns: fail`.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::{ArrayRef, ListArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field as ArrowField, Fields};
use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::column::{ColumnBuilder, arrow_type};
use crate::error::Error;
use crate::field::{FieldRules, Judged, Kind};
use crate::schema::{ExtraColumns, Field, FieldType, OnError, Schema};
use crate::validate::Value;
use crate::values::ValueError;
use crate::values::json::{JsonForm, is_deep};

/// Shapes within shapes.
pub const MAX_SHAPE_DEPTH: usize = 16;

/// What an object or an array must look like.
#[derive(Debug)]
pub enum Shape {
    Object { members: Vec<Member>, refuse_extra: bool },
    Array(Box<FieldRules>),
}

#[derive(Debug)]
pub struct Member {
    aliases: Vec<String>,
    pub rules: FieldRules,
}

/// What is wrong inside of a value, and where.
#[derive(Debug)]
pub struct Fault<'s> {
    /// JSON Pointer within the value; empty for the value itself.
    pub path: String,
    pub error: ValueError,
    /// The field that was not met; none if the text has not the form of the shape.
    pub rules: Option<&'s FieldRules>,
    /// The offending text.
    pub text: String,
}

/// How a JSON value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Null,
    Text,
    Number,
    True,
    False,
    Nested,
}

impl Shape {
    /// None for a field without `fields` and `items`, which keeps its JSON text.
    pub fn compile(field: &Field, schema: &Schema) -> Result<Option<Shape>, Error> {
        Shape::compile_at(field, schema, 1)
    }

    fn compile_at(field: &Field, schema: &Schema, depth: usize) -> Result<Option<Shape>, Error> {
        let refused = |why: &str| Err(Error::new("SPEC_SCHEMA_FIELD", format!("cannot use field {:?}: {why}", field.name)));
        if depth > MAX_SHAPE_DEPTH {
            return refused("shapes may be nested 16 deep");
        }
        // Keys of the record say nothing of members that happen to have their names.
        let inner = Schema {
            fields: Vec::new(),
            missing_values: schema.missing_values.clone(),
            match_by: schema.match_by,
            case_sensitive: schema.case_sensitive,
            missing_columns: schema.missing_columns,
            extra_columns: schema.extra_columns,
            primary_key: Vec::new(),
        };
        match (field.field_type, &field.fields, &field.items) {
            (_, None, None) => Ok(None),
            (FieldType::Object, Some(fields), None) if !fields.is_empty() => {
                let members = fields.iter().map(|field| Member::compile(field, &inner, depth)).collect::<Result<_, _>>()?;
                Ok(Some(Shape::Object { members, refuse_extra: schema.extra_columns == ExtraColumns::Fail }))
            }
            (FieldType::Array, None, Some(item)) => Ok(Some(Shape::Array(Box::new(compile_rules(item, &inner, depth)?)))),
            _ => refused("fields are for the type object, and items for the type array"),
        }
    }

    pub fn form(&self) -> JsonForm {
        match self {
            Shape::Object { .. } => JsonForm::Object,
            Shape::Array(_) => JsonForm::Array,
        }
    }

    pub fn arrow_type(&self) -> DataType {
        match self {
            Shape::Object { members, .. } => DataType::Struct(struct_fields(members)),
            Shape::Array(item) => DataType::new_list(arrow_type(&item.kind), true),
        }
    }

    /// The first thing wrong in the order of the shape, if there is any.
    pub fn parse(&self, text: &str) -> Result<Value, ValueError> {
        if is_deep(text) {
            return Err(self.no_form());
        }
        self.check(text).map(Value::Items).map_err(|fault| fault.error)
    }

    /// The same with the place of the fault.
    pub fn fault(&self, text: &str) -> Option<Fault<'_>> {
        if is_deep(text) { Some(self.plain_fault(text)) } else { self.check(text).err() }
    }

    fn check(&self, text: &str) -> Result<u64, Fault<'_>> {
        match self {
            Shape::Object { members, refuse_extra } => {
                let found = self.entries(text)?;
                let mut known = 0;
                for member in members {
                    let mut values = found.iter().filter(|(key, _)| member.is_named(key)).map(|(_, value)| *value);
                    let value = values.next();
                    if let Some(again) = values.next() {
                        let error = ValueError::new("TYPE_OBJECT", "a member stands twice");
                        return Err(Fault { path: pointer(&member.rules.name), error, rules: None, text: again.get().into() });
                    }
                    known += usize::from(value.is_some());
                    check_value(&member.rules, value.map(RawValue::get)).map_err(|fault| fault.below(&member.rules.name))?;
                }
                if *refuse_extra && known < found.len() {
                    let extra = found.iter().find(|(key, _)| !members.iter().any(|member| member.is_named(key)));
                    let (key, value) = extra.map_or(("", ""), |(key, value)| (key.as_ref(), value.get()));
                    let error = ValueError::new("TYPE_OBJECT", "a member that the schema does not have");
                    return Err(Fault { path: pointer(key), error, rules: None, text: value.into() });
                }
                Ok(found.len() as u64)
            }
            Shape::Array(item) => {
                let values = self.items(text)?;
                for (index, value) in values.iter().enumerate() {
                    check_value(item, Some(value.get())).map_err(|fault| fault.below(&index.to_string()))?;
                }
                Ok(values.len() as u64)
            }
        }
    }

    fn entries<'t>(&self, text: &'t str) -> Result<Vec<(Cow<'t, str>, &'t RawValue)>, Fault<'_>> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let found = reader.deserialize_map(Entries);
        found.and_then(|found| reader.end().map(|()| found)).map_err(|_| self.plain_fault(text))
    }

    fn items<'t>(&self, text: &'t str) -> Result<Vec<&'t RawValue>, Fault<'_>> {
        serde_json::from_str(text).map_err(|_| self.plain_fault(text))
    }

    fn no_form(&self) -> ValueError {
        match self {
            Shape::Object { .. } => ValueError::new("TYPE_OBJECT", "no JSON object"),
            Shape::Array(_) => ValueError::new("TYPE_ARRAY", "no JSON array"),
        }
    }

    fn plain_fault(&self, text: &str) -> Fault<'_> {
        Fault { path: String::new(), error: self.no_form(), rules: None, text: text.into() }
    }
}

impl Member {
    fn compile(field: &Field, schema: &Schema, depth: usize) -> Result<Member, Error> {
        Ok(Member { aliases: field.aliases.clone(), rules: compile_rules(field, schema, depth)? })
    }

    fn is_named(&self, key: &str) -> bool {
        self.rules.name == key || self.aliases.iter().any(|alias| alias == key)
    }
}

impl Fault<'_> {
    fn below(mut self, key: &str) -> Self {
        self.path.insert_str(0, &pointer(key));
        self
    }
}

fn pointer(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn compile_rules(field: &Field, schema: &Schema, depth: usize) -> Result<FieldRules, Error> {
    let only =
        |what: &str| Err(Error::new("SPEC_SCHEMA_FIELD", format!("cannot use field {:?}: {what} is for fields of the record", field.name)));
    if field.on_error == OnError::SetNull {
        return only("onError: setNull");
    }
    if field.constraints.unique {
        return only("unique");
    }
    if field.path.is_some() {
        return only("path");
    }
    let shape = Shape::compile_at(field, schema, depth + 1)?;
    FieldRules::compile_shaped(field, schema, shape)
}

/// A value as it stands in JSON text, against its field.
fn check_value<'s>(rules: &'s FieldRules, raw: Option<&str>) -> Result<(), Fault<'s>> {
    let (judged, text) = judge(rules, raw);
    let Some(error) = judged.errors.first().copied() else { return Ok(()) };
    if let Kind::Nested(shape) = &rules.kind
        && let Some(fault) = shape.fault(&text).filter(|fault| fault.error == error)
    {
        return Err(fault);
    }
    Err(Fault { path: String::new(), error, rules: Some(rules), text: text.into_owned() })
}

/// What a value comes to, and its text as its column keeps it.
fn judge<'t>(rules: &FieldRules, raw: Option<&'t str>) -> (Judged, Cow<'t, str>) {
    let raw = raw.unwrap_or("null");
    let form = form_of(raw);
    let text: Cow<'t, str> = match form {
        Form::Null => return (rules.judge_prepared(None), "".into()),
        Form::Text => match serde_json::from_str::<String>(raw) {
            Ok(text) => Cow::Owned(text),
            Err(_) => return (rules.refuse("half of a surrogate pair"), raw.into()),
        },
        _ => raw.into(),
    };
    let judged = match (form, &rules.kind) {
        (Form::Text, _) => rules.judge(&text),
        (Form::Nested, Kind::Any) => rules.judge_value(Value::Text, &text),
        (Form::Nested, Kind::Json(_) | Kind::Nested(_)) => rules.judge(&text),
        (Form::Nested, _) => rules.refuse("an object or array"),
        (_, Kind::Any) => rules.judge(&text),
        (Form::Number, Kind::Text(_)) => rules.refuse("a number without quotes"),
        (Form::Number, _) => rules.judge_json_number(&text),
        (truth, Kind::Boolean(_)) => rules.judge_value(Value::Boolean(truth == Form::True), &text),
        _ => rules.refuse("true or false"),
    };
    (judged, text)
}

fn form_of(raw: &str) -> Form {
    match raw.as_bytes().first() {
        Some(b'"') => Form::Text,
        Some(b'{' | b'[') => Form::Nested,
        Some(b't') => Form::True,
        Some(b'f') => Form::False,
        Some(b'n') | None => Form::Null,
        _ => Form::Number,
    }
}

/// All members in their order, also those that stand twice.
struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(entry) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            found.push((entry.0.0, entry.1));
        }
        Ok(found)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'k>(#[serde(borrow)] Cow<'k, str>);

fn struct_fields(members: &[Member]) -> Fields {
    members.iter().map(|member| ArrowField::new(&member.rules.name, arrow_type(&member.rules.kind), true)).collect()
}

/// Structs or lists under construction.
pub(crate) struct NestedColumn {
    shape: Arc<Shape>,
    /// One for each member, or one for all items.
    columns: Vec<ColumnBuilder>,
    /// Of lists: where each ends.
    ends: Vec<i32>,
    valid: Vec<bool>,
}

impl NestedColumn {
    pub(crate) fn new(shape: Arc<Shape>) -> NestedColumn {
        let columns = match shape.as_ref() {
            Shape::Object { members, .. } => members.iter().map(|member| ColumnBuilder::new(&member.rules.kind)).collect(),
            Shape::Array(item) => vec![ColumnBuilder::new(&item.kind)],
        };
        NestedColumn { shape, columns, ends: vec![0], valid: Vec::new() }
    }

    /// The text was judged: all of it fits the shape.
    pub(crate) fn append(&mut self, text: Option<&str>) {
        let shape = Arc::clone(&self.shape);
        match shape.as_ref() {
            Shape::Object { members, .. } => {
                let found = text.and_then(|text| shape.entries(text).ok()).unwrap_or_default();
                for (member, column) in members.iter().zip(&mut self.columns) {
                    let value = found.iter().find(|(key, _)| member.is_named(key)).map(|(_, value)| value.get());
                    append_value(&member.rules, value, column);
                }
            }
            Shape::Array(item) => {
                let values = text.and_then(|text| shape.items(text).ok()).unwrap_or_default();
                for value in &values {
                    append_value(item, Some(value.get()), &mut self.columns[0]);
                }
                // A batch is far smaller than 2 GiB, and so are the items in it.
                self.ends.push(self.ends.last().copied().unwrap_or_default() + values.len() as i32);
            }
        }
        self.valid.push(text.is_some());
    }

    pub(crate) fn finish(&mut self) -> ArrayRef {
        let nulls = NullBuffer::from(std::mem::take(&mut self.valid));
        match self.shape.as_ref() {
            Shape::Object { members, .. } => {
                let columns = self.columns.iter_mut().map(ColumnBuilder::finish).collect();
                Arc::new(StructArray::new(struct_fields(members), columns, Some(nulls)))
            }
            Shape::Array(item) => {
                let field = ArrowField::new_list_field(arrow_type(&item.kind), true);
                let ends = OffsetBuffer::new(std::mem::replace(&mut self.ends, vec![0]).into());
                Arc::new(ListArray::new(Arc::new(field), ends, self.columns[0].finish(), Some(nulls)))
            }
        }
    }
}

fn append_value(rules: &FieldRules, raw: Option<&str>, column: &mut ColumnBuilder) {
    let (judged, text) = judge(rules, raw);
    column.append(judged.value, rules.trimmed(&text));
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use serde_json::json;

    use super::*;
    use crate::field::compile_fields;
    use crate::testing::{csv_pins, field};

    /// An order with a customer and lines.
    fn order() -> Field {
        let mut price = field("price", FieldType::Number);
        (price.precision, price.scale) = (Some(8), Some(2));
        let mut sku = field("sku", FieldType::String);
        sku.constraints.required = true;
        sku.constraints.pattern = Some("[A-Z]+".into());
        let line = Field { fields: Some(vec![sku, price]), ..field("line", FieldType::Object) };
        let mut lines = Field { items: Some(Box::new(line)), ..field("lines", FieldType::Array) };
        lines.constraints.max_length = Some(2);
        let mut when = field("when", FieldType::Date);
        when.aliases = vec!["date".into()];
        Field { fields: Some(vec![when, lines, field("note", FieldType::Any)]), ..field("order", FieldType::Object) }
    }

    fn rules(edit: impl FnOnce(&mut Schema)) -> FieldRules {
        let mut schema = csv_pins(vec![order()]).schema;
        edit(&mut schema);
        compile_fields(&schema).expect("valid").remove(0)
    }

    fn fault(rules: &FieldRules, text: &str) -> Option<(String, &'static str, String)> {
        let Kind::Nested(shape) = &rules.kind else { panic!("no shape") };
        let fault = shape.fault(text);
        assert_eq!(rules.judge(text).errors.first().copied(), fault.as_ref().map(|fault| fault.error), "{text}");
        fault.map(|fault| (fault.path, fault.error.code, fault.text))
    }

    #[test]
    fn every_member_is_typed_and_checked_at_its_place() {
        let rules = rules(|_| ());
        for text in [
            r#"{"when":"2026-01-02","lines":[{"sku":"A","price":1.5},{"sku":"B","price":"2.50"}],"note":{"x":[1]}}"#,
            r#"{"date":"2026-01-02","lines":[],"more":true}"#,
            r#" { "lines" : null } "#,
            "{}",
        ] {
            assert_eq!(fault(&rules, text), None, "{text}");
        }
        let wrong = |text: &str| fault(&rules, text).expect("a fault");
        let of = |path: &str, code, text: &str| (path.to_string(), code, text.to_string());
        assert_eq!(wrong(r#"{"when":"02.01.2026"}"#), of("/when", "TYPE_DATE", "02.01.2026"));
        assert_eq!(wrong(r#"{"when":7}"#), of("/when", "TYPE_DATE", "7"));
        assert_eq!(wrong(r#"{"lines":[{"sku":"A"},{"sku":"a"}]}"#), of("/lines/1/sku", "CONSTRAINT_PATTERN", "a"));
        assert_eq!(wrong(r#"{"lines":[{"price":1}]}"#), of("/lines/0/sku", "CONSTRAINT_REQUIRED", ""));
        assert_eq!(wrong(r#"{"lines":[{"sku":"A","price":0.125}]}"#), of("/lines/0/price", "TYPE_PRECISION", "0.125"));
        assert_eq!(wrong(r#"{"lines":[3]}"#), of("/lines/0", "TYPE_OBJECT", "3"));
        assert_eq!(wrong(r#"{"lines":[{"sku":"A"},{"sku":"A"},{"sku":"A"}]}"#).1, "CONSTRAINT_MAX_LENGTH");
        assert_eq!(wrong(r#"{"when":null,"date":null}"#), of("/when", "TYPE_OBJECT", "null"));
        for text in ["[]", "7", "{", r#"{"a":1}x"#, r#"{"a":1,}"#, &format!("{}{}", "[".repeat(9_000), "]".repeat(9_000))] {
            assert_eq!(wrong(text), of("", "TYPE_OBJECT", text));
        }
    }

    #[test]
    fn members_without_a_field_are_refused_where_the_schema_says_so() {
        let rules = rules(|schema| schema.extra_columns = ExtraColumns::Fail);
        let found = fault(&rules, r#"{"lines":[{"sku":"A","a/b":1}]}"#);
        assert_eq!(found, Some(("/lines/0/a~1b".into(), "TYPE_OBJECT", "1".into())));
    }

    #[test]
    fn columns_are_structs_and_lists() {
        let rules = rules(|_| ());
        let mut column = ColumnBuilder::new(&rules.kind);
        let texts = [
            r#"{"when":"2026-01-02","lines":[{"sku":"A","price":1.5},{"sku":"B"}],"note":{"x":1}}"#,
            "",
            r#"{"lines":null,"note":"\u00e4"}"#,
        ];
        for text in texts {
            let prepared = rules.prepare(text);
            column.append(rules.judge(text).value, prepared.unwrap_or_default());
        }
        let column = column.finish();
        assert_eq!(column.data_type(), &order().arrow_type());
        let batch = arrow_array::RecordBatch::try_from_iter([("order", column)]).expect("a batch");
        let orders = batch.column(0).as_struct();
        assert!(orders.is_null(1) && orders.column(1).is_null(2) && orders.column(0).is_null(2));
        let lines = orders.column(1).as_list::<i32>();
        assert_eq!((lines.value_length(0), lines.value_length(1)), (2, 0));
        let written = |row: usize| -> serde_json::Value {
            let mut out = Vec::new();
            crate::write::column::Column::of(batch.column(0)).expect("a column").append(row, &mut out);
            serde_json::from_slice(&out).expect("JSON")
        };
        let first =
            json!({ "when": "2026-01-02", "lines": [{ "sku": "A", "price": 1.50 }, { "sku": "B", "price": null }], "note": "{\"x\":1}" });
        assert_eq!(written(0), first);
        assert_eq!(written(2)["note"], "ä");
    }

    #[test]
    fn shapes_that_are_refused() {
        let refused = |edit: fn(&mut Field)| {
            let mut field = order();
            edit(&mut field);
            compile_fields(&csv_pins(vec![field]).schema).err().map(|error| error.code)
        };
        let inner = |field: &mut Field, edit: fn(&mut Field)| edit(&mut field.fields.as_mut().expect("members")[0]);
        assert_eq!(refused(|_| ()), None);
        assert_eq!(refused(|field| field.fields = Some(Vec::new())), Some("SPEC_SCHEMA_FIELD"));
        assert_eq!(refused(|field| field.field_type = FieldType::String), Some("SPEC_SCHEMA_FIELD"));
        assert_eq!(refused(|field| field.items = Some(Box::new(Field::new("i", FieldType::Integer)))), Some("SPEC_SCHEMA_FIELD"));
        let mut deep = Field::new("x", FieldType::Integer);
        for _ in 0..=MAX_SHAPE_DEPTH {
            deep = Field { items: Some(Box::new(deep)), ..Field::new("x", FieldType::Array) };
        }
        assert!(compile_fields(&csv_pins(vec![deep]).schema).is_err());
        for edit in [
            (|field: &mut Field| field.on_error = OnError::SetNull) as fn(&mut Field),
            |field| field.constraints.unique = true,
            |field| field.path = Some("/a".into()),
            |field| field.format = "%Q".into(),
        ] {
            let mut field = order();
            inner(&mut field, edit);
            assert!(compile_fields(&csv_pins(vec![field]).schema).is_err());
        }
    }
}
