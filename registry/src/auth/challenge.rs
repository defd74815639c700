//! `WWW-Authenticate` values.

use std::fmt::Write as _;

use super::policy::Scope;

/// What a Bearer challenge says went wrong (RFC 6750 section 3.1); nothing when no credentials were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChallengeError {
    /// No credentials yet, or Basic ones.
    #[default]
    None,
    /// The token is forged, expired, for somebody else...
    InvalidToken,
    /// The token is good, but not for this.
    InsufficientScope,
}

/// `Basic realm="..."`
pub(super) fn basic(realm: &str) -> String {
    format!("Basic realm={}", quoted(realm))
}

/// In the form of distribution's, which every client has met: no space after the commas, scopes separated by a space.
pub(super) fn bearer(realm: &str, service: &str, scopes: &[Scope], error: ChallengeError) -> String {
    let mut value = format!("Bearer realm={},service={}", quoted(realm), quoted(service));
    if !scopes.is_empty() {
        let scopes: Vec<String> = scopes.iter().map(Scope::to_string).collect();
        let _ = write!(value, ",scope={}", quoted(&scopes.join(" ")));
    }
    match error {
        ChallengeError::None => {}
        ChallengeError::InvalidToken => value.push_str(",error=\"invalid_token\""),
        ChallengeError::InsufficientScope => value.push_str(",error=\"insufficient_scope\""),
    }
    value
}

/// A quoted-string, RFC 9110 section 5.6.4. Control characters, which no header may hold, are left out.
fn quoted(text: &str) -> String {
    let mut value = String::with_capacity(text.len() + 2);
    value.push('"');
    for character in text.chars().filter(|character| !character.is_control()) {
        if matches!(character, '"' | '\\') {
            value.push('\\');
        }
        value.push(character);
    }
    value.push('"');
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_distributions_form() {
        let scopes = ["repository:a/b:pull,push", "repository:c:pull"].map(|scope| scope.parse().unwrap());
        assert_eq!(
            bearer(
                "https://r.example/auth/token",
                "lockgate",
                &scopes,
                ChallengeError::InsufficientScope
            ),
            "Bearer realm=\"https://r.example/auth/token\",service=\"lockgate\",\
             scope=\"repository:a/b:pull,push repository:c:pull\",error=\"insufficient_scope\""
        );
        assert_eq!(
            bearer("r", "s", &[], ChallengeError::None),
            "Bearer realm=\"r\",service=\"s\""
        );
        let invalid = bearer("r", "s", &[], ChallengeError::InvalidToken);
        assert_eq!(invalid, "Bearer realm=\"r\",service=\"s\",error=\"invalid_token\"");
    }

    #[test]
    fn quotes_are_escaped_and_line_breaks_never_reach_a_header() {
        assert_eq!(basic("a \"b\" \\ c\r\nX: y"), "Basic realm=\"a \\\"b\\\" \\\\ cX: y\"");
    }
}
