//! Host names that a TLS client asks for.

use super::public_url::is_host;

/// A host name in lower case, its first label perhaps `*`.
pub(super) fn sni_name(text: &str) -> Result<String, &'static str> {
    let name = text.to_ascii_lowercase();
    match is_host(name.strip_prefix("*.").unwrap_or(&name)) && !name.starts_with('[') {
        true => Ok(name),
        false => Err("expected a host name such as registry.example.com or *.example.com, without scheme and port"),
    }
}
