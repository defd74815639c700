//! Tokens: names of header fields, methods and parameters.

/// Whether `text` is a token of RFC 9110 section 5.6.2.
pub fn is_token(text: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_allowed)
}
