//! The fields' JSON Pointers as a tree, so that one walk over a record meets them all.

use std::collections::HashMap;

use crate::error::Error;
use crate::schema::Schema;

/// Index of the node of the record itself.
pub(crate) const ROOT: usize = 0;

#[derive(Debug, Default)]
pub(crate) struct Node {
    /// Fields whose value this is.
    pub fields: Vec<usize>,
    /// Members or elements that are fields or lead to some; in order of the schema.
    order: Vec<(String, usize)>,
    by_key: HashMap<String, usize>,
}

impl Node {
    pub(crate) fn is_leaf(&self) -> bool {
        self.order.is_empty()
    }

    /// The node of a member. Records mostly keep the order of the schema: `hint` is where the last one was found.
    pub(crate) fn child(&self, key: &str, hint: &mut usize) -> Option<usize> {
        if let Some((expected, node)) = self.order.get(*hint)
            && expected == key
        {
            *hint += 1;
            return Some(*node);
        }
        let place = *self.by_key.get(key)?;
        *hint = place + 1;
        Some(self.order[place].1)
    }
}

#[derive(Debug)]
pub(crate) struct Pointers {
    pub nodes: Vec<Node>,
}

impl Pointers {
    /// Errors: `SPEC_SCHEMA_FIELD` for a path that is no JSON Pointer.
    pub(crate) fn compile(schema: &Schema) -> Result<Pointers, Error> {
        let mut pointers = Pointers { nodes: vec![Node::default()] };
        for (field, rules) in schema.fields.iter().enumerate() {
            let keys = match &rules.path {
                None => vec![rules.name.clone()],
                Some(path) => split_pointer(path).ok_or_else(|| {
                    Error::new("SPEC_SCHEMA_FIELD", format!("cannot use field {:?}: path {path:?} is no JSON Pointer", rules.name))
                })?,
            };
            let node = keys.into_iter().fold(ROOT, |node, key| pointers.child_of(node, key));
            pointers.nodes[node].fields.push(field);
        }
        Ok(pointers)
    }

    fn child_of(&mut self, parent: usize, key: String) -> usize {
        if let Some(&place) = self.nodes[parent].by_key.get(&key) {
            return self.nodes[parent].order[place].1;
        }
        self.nodes.push(Node::default());
        let child = self.nodes.len() - 1;
        let parent = &mut self.nodes[parent];
        parent.by_key.insert(key.clone(), parent.order.len());
        parent.order.push((key, child));
        child
    }

    /// All fields at a node and below.
    pub(crate) fn fields_below(&self, node: usize, visit: &mut impl FnMut(usize)) {
        self.nodes[node].fields.iter().for_each(|&field| visit(field));
        for &(_, child) in &self.nodes[node].order {
            self.fields_below(child, visit);
        }
    }
}

/// The reference tokens of a JSON Pointer (RFC 6901).
pub(crate) fn split_pointer(path: &str) -> Option<Vec<String>> {
    if path.is_empty() {
        return Some(Vec::new());
    }
    path.strip_prefix('/')?.split('/').map(unescape).collect()
}

fn unescape(token: &str) -> Option<String> {
    let mut plain = String::with_capacity(token.len());
    let mut characters = token.chars();
    while let Some(character) = characters.next() {
        match character {
            '~' => plain.push(match characters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            }),
            other => plain.push(other),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_split() {
        for (path, want) in [
            ("", Some(vec![])),
            ("/", Some(vec![""])),
            ("/a/0/b", Some(vec!["a", "0", "b"])),
            ("/a~1b/~0~01", Some(vec!["a/b", "~~1"])),
            ("a", None),
            ("/~2", None),
            ("/~", None),
        ] {
            assert_eq!(split_pointer(path), want.map(|keys| keys.into_iter().map(String::from).collect()), "{path:?}");
        }
    }
}
