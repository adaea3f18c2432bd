//! The schema records are typed and checked by: the vocabulary of Frictionless Table Schema, resolved (every default filled in).

use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schema {
    #[serde(serialize_with = "lean_fields", deserialize_with = "full_fields")]
    pub fields: Vec<Field>,
    pub missing_values: Vec<String>,
    #[serde(rename = "match")]
    pub match_by: MatchBy,
    pub case_sensitive: bool,
    pub missing_columns: MissingColumns,
    pub extra_columns: ExtraColumns,
    pub primary_key: Vec<String>,
}

/// Members that are as usual are left out, so that pins of 20,000 columns fit into a record.
fn lean_fields<S: Serializer>(fields: &[Field], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(fields.iter().map(lean_field))
}

fn lean_field(field: &Field) -> Map<String, Value> {
    let mut members = members_of(field);
    for (name, usual) in members_of(&Field::new("", field.field_type)) {
        // A column may have no name at all: `{"": 1}`.
        if name != "type" && name != "name" && members.get(&name) == Some(&usual) {
            members.remove(&name);
        }
    }
    members
}

fn members_of(field: &Field) -> Map<String, Value> {
    match serde_json::to_value(field) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn full_fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Field>, D::Error> {
    let written = Vec::<Map<String, Value>>::deserialize(deserializer)?;
    let usual = members_of(&Field::new("", FieldType::Any));
    written.into_iter().map(|field| full_field(field, &usual).map_err(D::Error::custom)).collect()
}

fn full_field(mut field: Map<String, Value>, usual: &Map<String, Value>) -> serde_json::Result<Field> {
    for (name, value) in usual.iter().filter(|(name, _)| !["name", "type"].contains(&name.as_str())) {
        if !field.contains_key(name) {
            field.insert(name.clone(), value.clone());
        }
    }
    serde_json::from_value(Value::Object(field))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MatchBy {
    Name,
    Position,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MissingColumns {
    Fail,
    SetNull,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExtraColumns {
    Drop,
    Keep,
    Fail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    String,
    Integer,
    Number,
    Boolean,
    Date,
    Time,
    Datetime,
    Year,
    Yearmonth,
    Duration,
    /// JSON text of an object.
    Object,
    /// JSON text of an array.
    Array,
    /// Items between delimiters.
    List,
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnError {
    Reject,
    SetNull,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Field {
    pub name: String,
    #[serde(rename = "type")]
    pub field_type: FieldType,
    pub format: String,
    pub aliases: Vec<String>,
    /// JSON Pointer of the value in an NDJSON record; None: `/name`.
    pub path: Option<String>,
    /// None: the schema's.
    pub missing_values: Option<Vec<String>>,
    /// None: true for every type but `string` and `any`.
    pub trim: Option<bool>,
    pub on_error: OnError,
    pub decimal_char: String,
    pub group_char: Option<String>,
    pub bare_number: bool,
    pub precision: Option<u8>,
    pub scale: Option<u8>,
    pub true_values: Vec<String>,
    pub false_values: Vec<String>,
    pub timezone: String,
    /// Between the items of a `list`.
    #[serde(default = "comma")]
    pub delimiter: String,
    /// Of the items of a `list`; a type without settings of its own.
    #[serde(default = "text_type")]
    pub item_type: FieldType,
    /// The shape of an `object`; None: its JSON text is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<Field>>,
    /// Of each item of an `array`; None: its JSON text is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Box<Field>>,
    pub constraints: Constraints,
}

fn comma() -> String {
    ",".into()
}

fn text_type() -> FieldType {
    FieldType::String
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Constraints {
    pub required: bool,
    pub unique: bool,
    pub minimum: Option<Value>,
    pub maximum: Option<Value>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
    pub pattern: Option<String>,
    #[serde(rename = "enum")]
    pub allowed: Option<Vec<Value>>,
}

impl Field {
    /// A field of the given type with every other setting at its default.
    pub fn new(name: impl Into<String>, field_type: FieldType) -> Field {
        Field {
            name: name.into(),
            field_type,
            format: "default".into(),
            aliases: Vec::new(),
            path: None,
            missing_values: None,
            trim: None,
            on_error: OnError::Reject,
            decimal_char: ".".into(),
            group_char: None,
            bare_number: true,
            precision: None,
            scale: None,
            true_values: ["true", "True", "TRUE", "1"].map(String::from).into(),
            false_values: ["false", "False", "FALSE", "0"].map(String::from).into(),
            timezone: "UTC".into(),
            delimiter: comma(),
            item_type: text_type(),
            fields: None,
            items: None,
            constraints: Constraints::default(),
        }
    }

    /// The field that an item of this `list` would be.
    pub fn item(&self) -> Field {
        Field { missing_values: Some(Vec::new()), ..Field::new(self.name.clone(), self.item_type) }
    }

    /// The Arrow type of this field's column. Text is `Utf8View` everywhere in the core.
    pub fn arrow_type(&self) -> DataType {
        match self.field_type {
            FieldType::String if self.format == "binary" => DataType::Binary,
            FieldType::Object | FieldType::Array => self.nested_type(),
            FieldType::String | FieldType::Any => DataType::Utf8View,
            FieldType::Integer => DataType::Int64,
            FieldType::Number => match self.precision {
                Some(precision) => DataType::Decimal128(precision, self.scale.unwrap_or(0) as i8),
                None => DataType::Float64,
            },
            FieldType::Boolean => DataType::Boolean,
            FieldType::Date => DataType::Date32,
            FieldType::Time => DataType::Time64(TimeUnit::Microsecond),
            FieldType::Datetime => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            FieldType::Year => DataType::Int32,
            FieldType::Yearmonth => DataType::Date32,
            FieldType::Duration => DataType::Interval(IntervalUnit::MonthDayNano),
            FieldType::List => DataType::new_list(self.item().arrow_type(), true),
        }
    }
}

impl Field {
    fn nested_type(&self) -> DataType {
        let column = |field: &Field| arrow_schema::Field::new(&field.name, field.arrow_type(), true);
        match (&self.fields, &self.items) {
            (Some(fields), _) => DataType::Struct(fields.iter().map(column).collect()),
            (_, Some(item)) => DataType::new_list(item.arrow_type(), true),
            (None, None) => DataType::Utf8View,
        }
    }
}

impl Schema {
    /// One nullable column for each field, in order.
    pub fn arrow_schema(&self) -> arrow_schema::SchemaRef {
        let fields = self.fields.iter().map(|field| arrow_schema::Field::new(&field.name, field.arrow_type(), true));
        arrow_schema::Schema::new(fields.collect::<Vec<_>>()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(field: &Field) -> (String, Field) {
        let lean = serde_json::to_string(&lean_field(field)).unwrap();
        let read = full_field(serde_json::from_str(&lean).unwrap(), &members_of(&Field::new("", FieldType::Any))).unwrap();
        (lean, read)
    }

    #[test]
    fn a_field_is_written_without_what_is_as_usual_and_read_back_whole() {
        let plain = Field::new("id", FieldType::Integer);
        let (lean, read) = round_trip(&plain);
        assert_eq!(serde_json::from_str::<Value>(&lean).unwrap(), serde_json::json!({"name": "id", "type": "integer"}));
        assert_eq!(read, plain);

        let mut set = Field::new("amount", FieldType::Number);
        set.decimal_char = ",".into();
        set.missing_values = Some(vec!["-".into()]);
        set.constraints.required = true;
        set.true_values = Vec::new();
        assert_eq!(round_trip(&set).1, set);
        let nameless = Field::new("", FieldType::Any);
        assert_eq!(round_trip(&nameless).1, nameless);
    }
}
