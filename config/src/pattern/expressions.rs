//! Regular expressions whose variables differ from request to request.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;
use regex::Regex;

/// How many filled-in expressions are kept compiled.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(1024).expect("it is not zero");

/// Filled-in expressions of [`RulePattern`](super::RulePattern)s, compiled once for all requests.
#[derive(Debug)]
pub struct Expressions(Mutex<LruCache<String, Option<Regex>>>);

impl Default for Expressions {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }
}

impl Expressions {
    /// Whether `expression` matches in `text`; one that is malformed once it is filled in matches nothing.
    pub(super) fn is_match(&self, expression: String, text: &str) -> bool {
        let mut compiled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let regex = match compiled.get(&expression) {
            Some(regex) => regex.clone(),
            None => {
                let regex = Regex::new(&expression).ok();
                compiled.put(expression, regex.clone());
                regex
            }
        };
        drop(compiled);
        regex.is_some_and(|regex| regex.is_match(text))
    }
}
