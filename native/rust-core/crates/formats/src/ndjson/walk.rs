//! One pass over one JSON value: checks it whole, and notes where the values of fields stand.

use jiter::{Jiter, JiterError, JiterErrorType, JsonErrorType, Peek};

use super::pointers::{Pointers, ROOT};
use crate::pins::{DuplicateKeys, JsonOptions};

/// What kind of JSON value a field was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Null,
    True,
    False,
    Number,
    String,
    /// An object or an array.
    Nested,
}

/// A value that a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub shape: Shape,
    /// Where it stands in the text.
    pub start: usize,
    pub end: usize,
    /// A string with escapes: where its decoded text stands in `Walk::decoded`.
    pub decoded: Option<(usize, usize)>,
}

/// Why a line is no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub code: &'static str,
    /// Offset in the text.
    pub at: usize,
    pub message: String,
    /// The key concerned.
    pub key: Option<String>,
}

/// Reused from line to line.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// For each field of the schema the value it was given.
    pub found: Vec<Option<Found>>,
    pub decoded: String,
    /// Keys of the record itself that no field takes: first one's offset and name, if anybody asked.
    pub extra: Option<(usize, String)>,
    tape: Vec<u8>,
    /// For each node the number of the object in which its key stood last.
    seen: Vec<u32>,
    objects: u32,
    /// Keys of all objects that are open, decoded, one after another.
    keys: String,
}

/// What a walk goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WalkRules<'a> {
    pub pointers: &'a Pointers,
    pub options: &'a JsonOptions,
    pub fields: usize,
    pub wants_extra: bool,
}

/// The members of one object that is open.
struct Members {
    hint: usize,
    /// Number of this object in its line: marks the nodes whose key stood here already.
    object: u32,
    /// Keys that lead to no field: their place in `Walk::keys`, and in the text.
    others: Vec<(usize, usize, usize)>,
}

impl Walk {
    /// Walks `text`, one line without its terminator.
    pub(crate) fn walk(&mut self, text: &str, rules: WalkRules<'_>) -> Result<(), Fault> {
        self.found.clear();
        self.found.resize(rules.fields, None);
        self.decoded.clear();
        self.keys.clear();
        self.seen.clear();
        self.seen.resize(rules.pointers.nodes.len(), 0);
        self.objects = 0;
        self.extra = None;
        let mut json = Jiter::with_tape(text.as_bytes(), std::mem::take(&mut self.tape));
        let result = self.record(&mut json, text, rules);
        self.tape = json.into_tape();
        result
    }

    fn record(&mut self, json: &mut Jiter<'_>, text: &str, rules: WalkRules<'_>) -> Result<(), Fault> {
        let peek = json.peek().map_err(fault)?;
        let start = json.current_index();
        self.value(json, text, peek, Some(ROOT), 1, rules)?;
        json.finish().map_err(fault)?;
        if peek == Peek::Object {
            return Ok(());
        }
        Err(Fault { code: "JSON_NOT_OBJECT", at: start, message: "a JSON value that is no object".into(), key: None })
    }

    fn value(
        &mut self,
        json: &mut Jiter<'_>,
        text: &str,
        peek: Peek,
        node: Option<usize>,
        depth: u32,
        rules: WalkRules<'_>,
    ) -> Result<(), Fault> {
        let start = json.current_index();
        let mut decoded = None;
        let shape = match peek {
            Peek::Null => json.known_null().map(|()| Shape::Null).map_err(fault)?,
            Peek::True | Peek::False => json.known_bool(peek).map(|truth| if truth { Shape::True } else { Shape::False }).map_err(fault)?,
            Peek::String => {
                let takes = node.is_some_and(|node| !rules.pointers.nodes[node].fields.is_empty());
                decoded = self.string(json, start, takes)?;
                Shape::String
            }
            Peek::Array | Peek::Object if depth > rules.options.max_depth => {
                let message = format!("nested more than {} deep", rules.options.max_depth);
                return Err(Fault { code: "JSON_TOO_DEEP", at: start, message, key: None });
            }
            Peek::Array => self.array(json, text, node, depth, rules)?,
            Peek::Object => self.object(json, text, node, depth, rules)?,
            _ => json.known_number_bytes(peek).map(|_| Shape::Number).map_err(fault)?,
        };
        let found = Found { shape, start, end: json.current_index(), decoded };
        if let Some(node) = node {
            for &field in &rules.pointers.nodes[node].fields {
                self.found[field] = Some(found);
            }
        }
        Ok(())
    }

    /// Passes a string; keeps its text if it is wanted and not just what stands between the quotes.
    fn string(&mut self, json: &mut Jiter<'_>, start: usize, takes: bool) -> Result<Option<(usize, usize)>, Fault> {
        let from = self.decoded.len();
        let length = {
            let text = json.known_str().map_err(fault)?;
            if takes {
                self.decoded.push_str(text);
            }
            text.len()
        };
        let is_plain = length + 2 == json.current_index() - start;
        if is_plain {
            self.decoded.truncate(from);
        }
        Ok((takes && !is_plain).then_some((from, self.decoded.len())))
    }

    fn array(&mut self, json: &mut Jiter<'_>, text: &str, node: Option<usize>, depth: u32, rules: WalkRules<'_>) -> Result<Shape, Fault> {
        let node = node.map(|node| &rules.pointers.nodes[node]).filter(|node| !node.is_leaf());
        let mut next = json.known_array().map_err(fault)?;
        let mut index = 0usize;
        while let Some(peek) = next {
            let child = node.and_then(|node| node.child(&index.to_string(), &mut 0));
            self.value(json, text, peek, child, depth + 1, rules)?;
            next = json.array_step().map_err(fault)?;
            index += 1;
        }
        Ok(Shape::Nested)
    }

    fn object(&mut self, json: &mut Jiter<'_>, text: &str, node: Option<usize>, depth: u32, rules: WalkRules<'_>) -> Result<Shape, Fault> {
        let keys_from = self.keys.len();
        self.objects += 1;
        let mut members = Members { hint: 0, object: self.objects, others: Vec::new() };
        let mut searched_from = json.current_index() + 1;
        let mut next = self.key(json.known_object(), node, &mut members, rules, depth)?;
        while let Some(key) = next {
            let child = self.member(key, text, searched_from, &mut members, rules)?;
            let peek = json.peek().map_err(fault)?;
            self.value(json, text, peek, child, depth + 1, rules)?;
            searched_from = json.current_index();
            next = self.key(json.next_key(), node, &mut members, rules, depth)?;
        }
        let result = self.check_others(text, &members);
        self.keys.truncate(keys_from);
        result.map(|()| Shape::Nested)
    }

    /// What the next key leads to. Keys of no field are kept only where somebody will look at them.
    fn key(
        &mut self,
        key: Result<Option<&str>, JiterError>,
        node: Option<usize>,
        members: &mut Members,
        rules: WalkRules<'_>,
        depth: u32,
    ) -> Result<Option<Key>, Fault> {
        let Some(key) = key.map_err(fault)? else { return Ok(None) };
        if let Some(child) = node.and_then(|node| rules.pointers.nodes[node].child(key, &mut members.hint)) {
            return Ok(Some(Key::Known(child)));
        }
        let is_extra = depth == 1 && rules.wants_extra && self.extra.is_none();
        if rules.options.duplicate_keys != DuplicateKeys::Reject && !is_extra {
            return Ok(Some(Key::Other(None)));
        }
        let start = self.keys.len();
        self.keys.push_str(key);
        Ok(Some(Key::Other(Some((start, self.keys.len(), is_extra)))))
    }

    /// The node below which the member's value counts.
    fn member(
        &mut self,
        key: Key,
        text: &str,
        searched_from: usize,
        members: &mut Members,
        rules: WalkRules<'_>,
    ) -> Result<Option<usize>, Fault> {
        match key {
            Key::Other(None) => Ok(None),
            Key::Other(Some((start, end, is_extra))) => {
                if is_extra {
                    self.extra = Some((key_offset(text, searched_from), self.keys[start..end].to_string()));
                }
                if rules.options.duplicate_keys == DuplicateKeys::Reject {
                    members.others.push((start, end, searched_from));
                }
                Ok(None)
            }
            Key::Known(child) if self.seen[child] != members.object => {
                self.seen[child] = members.object;
                Ok(Some(child))
            }
            Key::Known(child) => match rules.options.duplicate_keys {
                DuplicateKeys::Reject => Err(duplicate(text, searched_from)),
                DuplicateKeys::First => Ok(None),
                DuplicateKeys::Last => {
                    rules.pointers.fields_below(child, &mut |field| self.found[field] = None);
                    Ok(Some(child))
                }
            },
        }
    }

    /// Looks for a key of no field that stands twice; the first repetition counts.
    fn check_others(&self, text: &str, members: &Members) -> Result<(), Fault> {
        if members.others.len() < 2 {
            return Ok(());
        }
        let mut others = members.others.clone();
        others.sort_by_key(|&(start, end, from)| (&self.keys[start..end], from));
        let repeated =
            others.windows(2).filter(|pair| self.keys[pair[0].0..pair[0].1] == self.keys[pair[1].0..pair[1].1]).map(|pair| pair[1].2);
        repeated.min().map_or(Ok(()), |from| Err(duplicate(text, from)))
    }
}

enum Key {
    Known(usize),
    /// Where the key stands in `Walk::keys`, if it was kept, and whether it is the record's first key without a field.
    Other(Option<(usize, usize, bool)>),
}

/// The key that begins at or after `from`: its opening quote.
fn key_offset(text: &str, from: usize) -> usize {
    text[from..].find('"').map_or(from, |at| from + at)
}

fn duplicate(text: &str, from: usize) -> Fault {
    let at = key_offset(text, from);
    let mut json = Jiter::new(&text.as_bytes()[at..]);
    let key = json.next_str().map(String::from).unwrap_or_default();
    Fault {
        code: "JSON_DUPLICATE_KEY",
        at,
        message: format!("the key {:?} stands twice in an object", crate::report::shown(&key)),
        key: Some(key),
    }
}

fn fault(error: JiterError) -> Fault {
    let (code, message) = match &error.error_type {
        JiterErrorType::JsonError(kind) => (code_of(kind), kind.to_string()),
        other => ("JSON_SYNTAX", other.to_string()),
    };
    Fault { code, at: error.index, message, key: None }
}

fn code_of(kind: &JsonErrorType) -> &'static str {
    match kind {
        JsonErrorType::InvalidEscape
        | JsonErrorType::InvalidUnicodeCodePoint
        | JsonErrorType::LoneLeadingSurrogateInHexEscape
        | JsonErrorType::UnexpectedEndOfHexEscape => "JSON_BAD_ESCAPE",
        _ => "JSON_SYNTAX",
    }
}
