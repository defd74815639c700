//! The fields of an event or of a span, in the order in which they were given.

use std::fmt;

use serde_json::Value;
use tracing::field::{Field, Visit};

/// Names and values; the message is among them as `message`.
#[derive(Debug, Default, Clone)]
pub(super) struct Fields(Vec<(&'static str, Value)>);

/// The field that holds the text of an event.
pub(super) const MESSAGE: &str = "message";
/// The prefix of fields that the bridge from the `log` crate adds.
const BRIDGE_PREFIX: &str = "log.";
const BRIDGE_TARGET: &str = "log.target";

impl Fields {
    /// The fields of a line that is no tracing event.
    pub(super) fn new(message: String, others: impl IntoIterator<Item = (&'static str, u64)>) -> Self {
        let others = others.into_iter().map(|(name, value)| (name, value.into()));
        Self(std::iter::once((MESSAGE, message.into())).chain(others).collect())
    }

    /// The text of the event.
    pub(super) fn message(&self) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == MESSAGE)?.1.as_str()
    }

    /// All fields but the message.
    pub(super) fn others(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0
            .iter()
            .filter(|(name, _)| *name != MESSAGE)
            .map(|(name, value)| (*name, value))
    }

    /// Adds fields of an outer span, unless there are such fields already.
    pub(super) fn add_missing(&mut self, outer: &Self) {
        for (name, value) in &outer.0 {
            if !self.0.iter().any(|(known, _)| known == name) {
                self.0.push((name, value.clone()));
            }
        }
    }

    /// Drops what the bridge from the `log` crate added, and gives the true target.
    pub(super) fn take_log_target(&mut self) -> Option<String> {
        let target = self
            .0
            .iter()
            .find(|(name, _)| *name == BRIDGE_TARGET)?
            .1
            .as_str()
            .map(str::to_owned);
        self.0.retain(|(name, _)| !name.starts_with(BRIDGE_PREFIX));
        target
    }

    fn put(&mut self, field: &Field, value: Value) {
        // Raw identifiers: `r#type` is recorded as the field `type`.
        let name = field.name().trim_start_matches("r#");
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}
