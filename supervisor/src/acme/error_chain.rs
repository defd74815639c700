//! Errors of HTTP libraries in one line: they tell the reason last.

use std::error::Error;

/// What went wrong, with each cause that the text before does not name already.
pub(super) fn explain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
