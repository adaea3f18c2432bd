//! What was read once and cannot change: records of the journal by their digest. Holds the few that a process works with.

use std::collections::VecDeque;
use std::sync::Arc;

pub struct Cache<K, V> {
    entries: VecDeque<(K, Arc<V>)>,
    capacity: usize,
}

impl<K: PartialEq, V> Cache<K, V> {
    pub fn new(capacity: usize) -> Cache<K, V> {
        Cache { entries: VecDeque::new(), capacity }
    }

    /// The entry of `key`, made if it is not there; the oldest goes when there is no room.
    pub fn get_or_try<E>(&mut self, key: K, make: impl FnOnce(&K) -> Result<V, E>) -> Result<Arc<V>, E> {
        if let Some((_, value)) = self.entries.iter().find(|(known, _)| *known == key) {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(make(&key)?);
        if self.entries.len() == self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back((key, Arc::clone(&value)));
        Ok(value)
    }
}
