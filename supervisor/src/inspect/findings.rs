//! The result of a check.

/// Mistakes and warnings, a line each.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Each makes a start end with exit code 78.
    pub(crate) mistakes: Vec<String>,
    /// Things that a person should know and that do not prevent a start.
    pub(crate) warnings: Vec<String>,
    /// Whether this user could not look at something; each is among the warnings.
    pub(crate) is_partial: bool,
}

impl Findings {
    /// Adds a warning about something that this user may not look at.
    pub(super) fn unseen(&mut self, line: String) {
        self.warnings.push(line);
        self.is_partial = true;
    }
}
