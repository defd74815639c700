//! The client's address at the end of a chain of proxies.

use std::net::{IpAddr, SocketAddr};

/// Goes back through `hops`, which come from the right, from `peer` to the first address that is not trusted: what
/// stands left of it is hearsay. A hop that is no address ends the walk too, since nobody knows who stood behind it.
pub(crate) fn client<'a>(
    hops: impl Iterator<Item = Option<&'a str>>,
    peer: IpAddr,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer;
    for hop in hops {
        let Some(address) = hop.and_then(address) else { break };
        client = address;
        if !is_trusted(client) {
            break;
        }
    }
    client
}

/// The hops of `X-Forwarded-For` from the right.
pub(crate) fn hops<'a>(lines: &[&'a [u8]]) -> impl Iterator<Item = Option<&'a str>> {
    lines
        .iter()
        .rev()
        .flat_map(|line| line.rsplit(|&byte| byte == b','))
        .map(|hop| std::str::from_utf8(hop).ok().map(str::trim))
}

/// An address with or without a port; brackets are for IPv6 alone. `::ffff:192.0.2.1` is `192.0.2.1`: a listener for both
/// families shows it that way.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.parse::<IpAddr>().ok();
    let bracketed = || {
        let inside = hop.strip_prefix('[')?.strip_suffix(']')?;
        inside.parse().ok().map(IpAddr::V6)
    };
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.or_else(bracketed)
        .or_else(with_port)
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_with_ports_and_brackets_or_without() {
        for (hop, expected) in [
            ("1.2.3.4", "1.2.3.4"),
            ("1.2.3.4:55", "1.2.3.4"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("[::1]:55", "::1"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("[::ffff:1.2.3.4]:55", "1.2.3.4"),
            ("[::FFFF:102:304]", "1.2.3.4"),
        ] {
            assert_eq!(address(hop), expected.parse().ok(), "{hop}");
        }
        for hop in [
            "",
            "unknown",
            "_hidden",
            "unix:",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "1.2.3.4:",
            "1.2.3.4:99999",
            "[1.2.3.4]",
            "[::1",
            "::1]",
            "[[::1]]",
            "[::1]x",
            "fe80::1%eth0",
            "1.2.3.4 5",
            "a.example",
        ] {
            assert_eq!(address(hop), None, "{hop}");
        }
    }
}
