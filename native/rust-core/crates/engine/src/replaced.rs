//! Records that replays have read in place of rejected ones. What such a record held before, it holds no more.

use std::collections::HashMap;

use crate::error::Error;

/// Entries of one stored list: of the longest numbers it stays below the longest record of the journal.
pub const MAX_ENTRIES: usize = 150_000;

/// The place of a record, by file and number, and a generation in which it was read again.
pub type Replacement = (u32, u64, u32);

/// By place the generations in which a record was read again, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replaced(HashMap<(u32, u64), Vec<u32>>);

impl Replaced {
    pub fn of(replacements: impl IntoIterator<Item = Replacement>) -> Replaced {
        let mut places: HashMap<(u32, u64), Vec<u32>> = HashMap::new();
        for (file, record, generation) in replacements {
            places.entry((file, record)).or_default().push(generation);
        }
        places.values_mut().for_each(|generations| generations.sort_unstable());
        Replaced(places)
    }

    /// Whether what was read of a place in generation `read` was replaced by generation `by`.
    pub fn is_replaced(&self, place: (u32, u64), read: u32, by: u32) -> bool {
        self.0.get(&place).is_some_and(|generations| generations.iter().any(|generation| *generation > read && *generation <= by))
    }
}

/// The stored bytes of a list: a line `[file,record,generation]` for each.
pub fn replaced_bytes(replacements: &[Replacement]) -> Vec<u8> {
    replacements.iter().flat_map(crate::records::to_bytes).collect()
}

pub fn parse_replaced(key: &str, bytes: &[u8]) -> Result<Vec<Replacement>, Error> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let parsed: Result<Vec<Replacement>, _> = lines.map(serde_json::from_slice).collect();
    parsed.map_err(|error| Error::new("PLAN_CONFLICT", format!("{key}: expected a list of replaced records: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_replaced_by_a_later_generation_alone() {
        let replaced = Replaced::of([(0, 7, 4), (0, 7, 2)]);
        assert!(!replaced.is_replaced((0, 7), 1, 1), "before it was read again");
        assert!(replaced.is_replaced((0, 7), 1, 2) && replaced.is_replaced((0, 7), 1, 9));
        assert!(!replaced.is_replaced((0, 7), 2, 3) && replaced.is_replaced((0, 7), 2, 4));
        assert!(!replaced.is_replaced((0, 7), 4, 9) && !replaced.is_replaced((1, 7), 1, 9));
    }

    #[test]
    fn a_list_comes_back_as_it_was_put() {
        let list = vec![(0, 7, 2), (u32::MAX, u64::MAX, u32::MAX)];
        assert_eq!(parse_replaced("k", &replaced_bytes(&list)).unwrap(), list);
        assert_eq!(parse_replaced("k", b"").unwrap(), []);
        assert_eq!(parse_replaced("k", b"[1,2]\n").unwrap_err().code, "PLAN_CONFLICT");
        assert!(replaced_bytes(&[(u32::MAX, u64::MAX, u32::MAX)]).len() * MAX_ENTRIES < 8 << 20);
    }
}
