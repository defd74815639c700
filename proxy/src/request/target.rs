//! Request targets that are passed on.

use http::Uri;

use crate::request::head_error::HeadError;

/// Whether the registry would understand `target`: a path, `*`, or an absolute URL, of characters that RFC 3986 allows
/// there. The registry hangs up on anything else.
pub(crate) fn check_target(target: &[u8]) -> Result<(), HeadError> {
    let wrong = HeadError::Malformed("the request target is neither a path, which starts with /, nor an http URL");
    let uri = Uri::try_from(target).map_err(|_| {
        HeadError::Malformed("the request target is no path or URL, or has characters that must be percent-encoded")
    })?;
    match uri.scheme_str() {
        None if target.starts_with(b"/") || target == b"*" => Ok(()),
        Some("http" | "https") => Ok(()),
        _ => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_the_registry_would_not_understand_are_refused() {
        for target in ["/", "/v2/?n=1", "*", "http://a/x", "https://a?x", "/a%3Cb", "/a:b@c/d"] {
            assert_eq!(check_target(target.as_bytes()), Ok(()), "{target}");
        }
        for target in [
            "?x",
            "x",
            "",
            "x/y",
            "//",
            "/<x>",
            "ftp://a/",
            "http:///x",
            "a:443",
            "#x",
            "**",
        ] {
            // A path may begin with two slashes; what it names is the registry's to say.
            assert_eq!(check_target(target.as_bytes()).is_err(), target != "//", "{target}");
        }
    }
}
