//! The columns of NDJSON samples: keys in order of first sight, a type for each where all its values are of one kind.

use std::collections::HashMap;
use std::fmt;

use millrace_scan::ElementScan;
use millrace_scan::json_array::is_blank;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::infer::{Column, Inferred};
use super::{Sampled, Text};
use crate::encoding::Encoding;
use crate::error::Error;
use crate::header::MAX_COLUMNS;
use crate::pins::InputPins;
use crate::schema::{Field, FieldType};

/// Lines that are no object are left out here; reading rejects them.
pub(super) fn columns(texts: &[Text<'_>], pins: &InputPins) -> Sampled {
    let encoding = Encoding::from_label(&pins.encoding).unwrap_or(Encoding::Utf8);
    let mut keys = Keys::default();
    for text in texts {
        let whole = if text.complete { text.bytes.len() } else { memchr::memrchr(b'\n', text.bytes).unwrap_or(0) };
        for line in text.bytes[..whole].split(|byte| *byte == b'\n') {
            if let Ok(Pairs(pairs)) = serde_json::from_str(encoding.decode(line).text.trim()) {
                pairs.iter().for_each(|(key, value)| keys.add(key, value.get()));
            }
        }
    }
    Sampled { fields: keys.finish() }
}

/// The same for elements of the array that the pins name, as far as the samples reach.
pub(super) fn columns_of_array(texts: &[Text<'_>], pins: &InputPins) -> Result<Sampled, Error> {
    let encoding = Encoding::from_label(&pins.encoding).unwrap_or(Encoding::Utf8);
    let pointer = crate::json::keys_of(pins)?;
    let mut keys = Keys::default();
    for text in texts {
        // A sample without the array, or with a broken one, says nothing: planning looks at the file as a whole.
        let Ok(array) = crate::json::find_array(&mut { text.bytes }, 0, &pointer) else { continue };
        for element in elements(&text.bytes[array.data_start as usize..]) {
            if let Ok(Pairs(pairs)) = serde_json::from_str(&encoding.decode(element).text) {
                pairs.iter().for_each(|(key, value)| keys.add(key, value.get()));
            }
        }
    }
    Ok(Sampled { fields: keys.finish() })
}

/// The elements that end within `bytes`, up to the first place where the structure cannot be followed.
fn elements(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|&byte| !is_blank(byte) && byte != b',')?;
        if matches!(rest[start], b']' | b'}') {
            return None;
        }
        let length = ElementScan::default().take(&rest[start..])?;
        let element = &rest[start..start + length];
        rest = &rest[start + length..];
        Some(element)
    })
}

/// The keys and raw values of one object, in their order.
struct Pairs(Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pairs, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Pairs;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Visit)
    }
}

#[derive(Default)]
struct Keys {
    names: Vec<String>,
    by_name: HashMap<String, usize>,
    gathered: Vec<Key>,
}

/// What the values of one key are.
struct Key {
    numbers: u64,
    texts: u64,
    booleans: u64,
    nested: u64,
    number: Column,
    text: Column,
}

impl Keys {
    /// Of more keys than an input may have columns, one is kept to tell.
    fn add(&mut self, name: &str, value: &str) {
        if self.names.len() > MAX_COLUMNS && !self.by_name.contains_key(name) {
            return;
        }
        let place = *self.by_name.entry(name.to_string()).or_insert_with(|| {
            self.names.push(name.to_string());
            let key = Key { numbers: 0, texts: 0, booleans: 0, nested: 0, number: Column::of_numbers(), text: Column::of_texts() };
            self.gathered.push(key);
            self.names.len() - 1
        });
        self.gathered[place].add(value);
    }

    fn finish(self) -> Vec<Inferred> {
        self.names.iter().zip(self.gathered).map(|(name, key)| key.finish(name)).collect()
    }
}

impl Key {
    fn add(&mut self, value: &str) {
        match value.as_bytes().first() {
            Some(b'n') | None => {}
            Some(b't' | b'f') => self.booleans += 1,
            Some(b'{' | b'[') => self.nested += 1,
            Some(b'"') => {
                self.texts += 1;
                if let Ok(text) = serde_json::from_str::<String>(value) {
                    self.text.add(&text);
                }
            }
            Some(_) => {
                self.numbers += 1;
                self.number.add(value);
            }
        }
    }

    fn finish(self, name: &str) -> Inferred {
        let any = |note: &str| Inferred { field: Field::new(name, FieldType::Any), note: Some(note.into()) };
        match (self.numbers > 0, self.texts > 0, self.booleans > 0, self.nested > 0) {
            (false, false, false, false) => any("any, because the sample has no value"),
            (true, false, false, false) if self.number.is_typed() => self.number.finish(name),
            (true, false, false, false) => any("any, because its numbers have more digits than integer and number keep"),
            (false, true, false, false) => Inferred { note: None, ..self.text.finish(name) },
            (false, false, true, false) => Inferred { field: Field::new(name, FieldType::Boolean), note: None },
            (false, false, false, true) => any("any: objects and arrays are kept as JSON text"),
            _ => any("any, because its values are of several kinds"),
        }
    }
}
