//! What a check tells.

/// What was found, a line each.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// A start would end with 78.
    pub(crate) mistakes: Vec<String>,
    /// A person should know.
    pub(crate) warnings: Vec<String>,
    /// Whether this user could not look at something; each is among the warnings.
    pub(crate) is_partial: bool,
}

impl Findings {
    /// Something that this user may not look at.
    pub(super) fn unseen(&mut self, line: String) {
        self.warnings.push(line);
        self.is_partial = true;
    }
}
