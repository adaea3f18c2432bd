use std::sync::Arc;

use arrow_array::{
    BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, StringViewArray,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_schema::Field;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Case {
    keys: Vec<Value>,
    hash: String,
}

#[derive(Deserialize)]
struct Value {
    #[serde(rename = "type")]
    kind: String,
    value: Option<String>,
}

fn column(value: &Value) -> (ArrayRef, KeyKind) {
    let text = value.value.as_deref();
    let number = || text.map(|text| text.parse::<i64>().unwrap());
    match value.kind.as_str() {
        "integer" => (Arc::new(Int64Array::from(vec![number()])), KeyKind::Integer),
        "decimal2" => {
            let unscaled = text.map(|text| text.replace('.', "").parse::<i128>().unwrap());
            let values = Decimal128Array::from(vec![unscaled]).with_precision_and_scale(38, 2).unwrap();
            (Arc::new(values), KeyKind::Decimal(2))
        }
        "boolean" => (Arc::new(BooleanArray::from(vec![text.map(|text| text == "true")])), KeyKind::Boolean),
        "date" => (Arc::new(Date32Array::from(vec![number().map(|days| days as i32)])), KeyKind::Date),
        "time" => (Arc::new(Time64MicrosecondArray::from(vec![number()])), KeyKind::Time),
        "datetime" => (Arc::new(TimestampMicrosecondArray::from(vec![number()]).with_timezone("UTC")), KeyKind::Datetime),
        "text" => (Arc::new(StringViewArray::from(vec![text])), KeyKind::Bytes),
        other => panic!("unknown type {other}"),
    }
}

#[test]
fn hashes_are_those_of_the_shared_vectors() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../../../../../schemas/vectors/exchange.json")).unwrap();
    assert_eq!(cases.len(), 200);
    for case in cases {
        let columns: Vec<(ArrayRef, KeyKind)> = case.keys.iter().map(column).collect();
        encoded_keys(&columns, |_, bytes| assert_eq!(format!("{:016x}", XxHash3_64::oneshot(bytes)), case.hash)).unwrap();
        assert_eq!(partition_of(&columns), (u64::from_str_radix(&case.hash, 16).unwrap() % 1_009) as u32);
    }
}

fn partition_of(columns: &[(ArrayRef, KeyKind)]) -> u32 {
    let fields = columns.iter().enumerate().map(|(at, (array, _))| Field::new(format!("k{at}"), array.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let keys: Vec<Key> = columns.iter().enumerate().map(|(at, (_, kind))| Key { column: format!("k{at}"), kind: *kind }).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.iter().map(|(array, _)| Arc::clone(array)).collect()).unwrap();
    Partitioner::new(&schema, &keys, 1_009).unwrap().assign(&batch).unwrap()[0]
}

fn assign(array: ArrayRef, keys: &[Key]) -> Vec<u32> {
    let schema = Arc::new(Schema::new(vec![Field::new("k", array.data_type().clone(), true)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![array]).unwrap();
    Partitioner::new(&schema, keys, 1_009).unwrap().assign(&batch).unwrap()
}

#[test]
fn equal_values_of_other_types_meet_in_one_partition() {
    let schema = |data_type: DataType| Schema::new(vec![Field::new("k", data_type, true)]);
    let keys = |types: &[DataType]| {
        let schemas: Vec<Schema> = types.iter().cloned().map(schema).collect();
        let stages: Vec<(&str, &Schema)> = schemas.iter().map(|schema| ("s", schema)).collect();
        keys_of(&["k".to_string()], &stages)
    };
    let (wide, narrow) =
        (Arc::new(Int64Array::from(vec![Some(7), None, Some(-1)])), Arc::new(Int32Array::from(vec![Some(7), None, Some(-1)])));
    let found = keys(&[DataType::Int64, DataType::Int32]).unwrap();
    assert_eq!(assign(wide.clone(), &found), assign(narrow, &found));

    let found = keys(&[DataType::Int64, DataType::Decimal128(10, 3), DataType::Decimal128(9, 1)]).unwrap();
    assert_eq!(found[0].kind, KeyKind::Decimal(3));
    let thousandths = Decimal128Array::from(vec![Some(7_000), None, Some(-1_000)]).with_precision_and_scale(10, 3).unwrap();
    assert_eq!(assign(wide, &found), assign(Arc::new(thousandths), &found));

    let found = keys(&[DataType::Utf8, DataType::Utf8View]).unwrap();
    let views = Arc::new(StringViewArray::from(vec![Some("a text longer than a view holds inside"), None]));
    assert_eq!(
        assign(views, &found),
        assign(Arc::new(StringArray::from(vec![Some("a text longer than a view holds inside"), None])), &found)
    );

    let found = keys(&[DataType::Date32, DataType::Timestamp(TimeUnit::Microsecond, None)]).unwrap();
    let instants = Arc::new(TimestampMicrosecondArray::from(vec![3 * US_PER_DAY, -US_PER_DAY]));
    assert_eq!(assign(Arc::new(Date32Array::from(vec![3, -1])), &found), assign(instants, &found));

    assert_eq!(keys(&[DataType::Float64]).unwrap_err().code, "SPEC_EXCHANGE_KEY");
    assert_eq!(keys(&[DataType::Utf8, DataType::Int64]).unwrap_err().code, "SPEC_EXCHANGE_KEY");
    let missing = keys_of(&["other".to_string()], &[("s", &schema(DataType::Int64))]).unwrap_err();
    assert_eq!(missing.code, "SPEC_SQL_UNKNOWN_COLUMN");
    assert!(Partitioner::new(&schema(DataType::Float64), &[Key { column: "x".into(), kind: KeyKind::Integer }], 2).is_err());
}

#[test]
fn a_column_of_another_type_than_planned_is_refused() {
    let keys = [Key { column: "k".into(), kind: KeyKind::Integer }];
    let schema = Arc::new(Schema::new(vec![Field::new("k", DataType::Float64, true)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Float64Array::from(vec![1.0]))]).unwrap();
    assert_eq!(Partitioner::new(&schema, &keys, 2).unwrap().assign(&batch).unwrap_err().code, "PLAN_CONFLICT");
}

proptest::proptest! {
    #[test]
    fn an_integer_alone_hashes_as_its_nine_bytes(number: i64, near in -300i64..300) {
        for number in [number, near, i64::MIN, i64::MAX] {
            let mut bytes = vec![1];
            bytes.extend_from_slice(&number.to_le_bytes());
            proptest::prop_assert_eq!(hash_of_integer(number), XxHash3_64::oneshot(&bytes));
        }
    }
}
