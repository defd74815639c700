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

    /// The entry of `key`, made when it is missing; it counts as used now.
    pub(super) fn get_or_default(&mut self, key: K) -> &mut V
    where
        K: Copy,
        V: Default,
    {
        if self.get(&key).is_none() {
            self.insert(key, V::default());
        }
        self.young.entry(key).or_default()
    }
}

#[cfg(test)]
impl<K, V> Generations<K, V> {
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
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
            assert!(map.len() <= 20);
        }
        assert_eq!(map.get(&999), Some(&mut 999));
        assert_eq!(map.get(&900), None);
    }

    #[test]
    fn an_entry_that_is_missing_is_made_once() {
        let mut map: Generations<u32, u32> = Generations::new(1);
        *map.get_or_default(1) += 1;
        map.insert(2, 20);
        // From the old generation.
        *map.get_or_default(1) += 1;
        assert_eq!(map.get(&1), Some(&mut 2));
    }
}
