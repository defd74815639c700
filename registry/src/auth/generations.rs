//! A map of bounded size that forgets what was not used for longest, roughly, and in constant time.

use std::collections::HashMap;
use std::hash::Hash;

/// Two maps: when the young one is full it becomes the old one, and the old one goes.
///
/// Holds the last `capacity` entries that were used at least, and twice as many at most.
#[derive(Debug)]
pub(super) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    capacity: usize,
}

impl<K: Hash + Eq, V> Generations<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            capacity,
        }
    }

    /// The entry of `key`, which counts as used now.
    pub(super) fn get(&mut self, key: &K) -> Option<&mut V> {
        if let Some((key, value)) = self.old.remove_entry(key) {
            self.insert(key, value);
        }
        self.young.get_mut(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.capacity && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_bounded_and_what_is_used_stays() {
        let mut map = Generations::new(10);
        for number in 0..1000 {
            map.insert(number, number);
            assert_eq!(map.get(&0), Some(&mut 0), "lost after {number}");
            assert!(map.young.len() + map.old.len() <= 20);
        }
        assert_eq!(map.get(&999), Some(&mut 999));
        assert_eq!(map.get(&900), None);
    }

    #[test]
    fn a_removed_entry_is_gone_from_both_generations() {
        let mut map = Generations::new(1);
        map.insert("a", 1);
        map.insert("b", 2);
        map.remove(&"a");
        map.remove(&"b");
        assert_eq!(map.get(&"a"), None);
        assert_eq!(map.get(&"b"), None);
    }
}
