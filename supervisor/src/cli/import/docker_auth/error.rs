//! Why nothing can be taken over.

/// A configuration that is not taken over, also not in part.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli::import) enum ImportError {
    #[error("there are no `users` in it; expected users: {{NAME: {{password: HASH}}}} and acl: [RULES]")]
    NoUsers,
    #[error("there are users and rules at {0}; which of them? Make a file of those that are meant")]
    Several(String),
    #[error("{}", .0.join("\n"))]
    Mistakes(Vec<String>),
}
