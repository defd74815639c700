//! The header fields that say where a request comes from, before anybody decides whether they are believed.

/// Forwarded headers as they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForwardedFields<'a> {
    pub(crate) forwarded_for: Vec<&'a [u8]>,
    pub(crate) forwarded: Vec<&'a [u8]>,
    pub(crate) proto: Option<&'a str>,
    pub(crate) host: Option<&'a str>,
    pub(crate) port: Option<u16>,
    /// Whether there is any `X-Forwarded-*` or `X-Real-IP`, known or not.
    pub(crate) has_legacy: bool,
}

impl<'a> ForwardedFields<'a> {
    /// Picks them out of all `fields` of a request: names in lower case, lines in their order.
    pub fn new(fields: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut found = Self::default();
        for (name, value) in fields {
            match name {
                "forwarded" => found.forwarded.push(value),
                "x-forwarded-for" => found.forwarded_for.push(value),
                "x-forwarded-proto" => found.proto = found.proto.or_else(|| first(value)),
                "x-forwarded-host" => found.host = found.host.or_else(|| first(value)),
                "x-forwarded-port" => {
                    found.port = found.port.or_else(|| first(value)?.parse().ok());
                }
                _ => {}
            }
            found.has_legacy |= name.starts_with("x-forwarded-") || name == "x-real-ip";
        }
        found
    }
}

/// The first member of a list (RFC 9110 section 5.6.1: empty ones do not count): what the proxy nearest to the client
/// said.
fn first(value: &[u8]) -> Option<&str> {
    let members = std::str::from_utf8(value).ok()?.split(',').map(str::trim);
    members.into_iter().find(|member| !member.is_empty())
}
