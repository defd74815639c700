//! The environment, read once and injected, so that tests set none.

/// Set for a binary that takes the place of another one in the same process.
pub(crate) const TAKE_OVER_VARIABLE: &str = "LOCKGATE_TAKE_OVER";

/// Variables whose name and value are UTF-8.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment(Vec<(String, String)>);

impl Environment {
    pub(crate) fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    /// The first variable of ours that is not UTF-8: it must not be passed over.
    pub(crate) fn unreadable() -> Option<String> {
        let is_ours = |name: &str| ["LOCKGATE_", "REGISTRY_"].iter().any(|prefix| name.starts_with(prefix));
        std::env::vars_os()
            .filter(|(_, value)| value.to_str().is_none())
            .map(|(name, _)| name.to_string_lossy().into_owned())
            .find(|name| is_ours(name))
    }

    /// The value of `name` unless it is empty.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// Whether this binary takes the place of another one, which has left it its state.
    pub(crate) fn is_taking_over(&self) -> bool {
        self.value(TAKE_OVER_VARIABLE).is_some()
    }

    /// The same with `name` set to `value`.
    #[must_use]
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut variables: Vec<_> = self.0.iter().filter(|(known, _)| known != name).cloned().collect();
        variables.push((name.to_owned(), value.to_owned()));
        Self(variables)
    }

    /// The same without the variables that begin with `prefix`.
    #[must_use]
    pub(crate) fn without(&self, prefix: &str) -> Self {
        let others = self.0.iter().filter(|(name, _)| !name.starts_with(prefix));
        Self(others.cloned().collect())
    }

    /// The same with `others` over it.
    #[must_use]
    pub(crate) fn and(&self, others: &[(String, String)]) -> Self {
        others
            .iter()
            .fold(self.clone(), |all, (name, value)| all.with(name, value))
    }

    /// Name and value, as `lockgate_config` takes them.
    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.0
    }
}
