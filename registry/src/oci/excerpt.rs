//! Values quoted in errors.

/// Enough of a wrong value to recognise it by, never all of a huge one.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}
