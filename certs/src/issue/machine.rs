//! The names and addresses under which this machine can be reached.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use crate::x509::HostName;

/// The machine's host name, when it is one that a certificate can hold, and `localhost`.
pub fn machine_names() -> Vec<HostName> {
    let host = nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.to_str().and_then(|name| name.parse::<HostName>().ok()));
    let localhost = "localhost".parse().expect("localhost is a host name");
    let mut names: Vec<HostName> = host.into_iter().collect();
    if !names.contains(&localhost) {
        names.push(localhost);
    }
    names
}

/// Every address of every interface that is up, sorted, loopback among them.
///
/// Container bridges count too: a container reaches the registry by them. Left out are IPv6 link-local addresses
/// (fe80::/10), which no image reference can name because they need a zone, and temporary IPv6 addresses (RFC 8981),
/// which change daily and would have the leaf issued again each time.
pub fn machine_addresses() -> Vec<IpAddr> {
    // Loopback is there even when the interfaces cannot be read.
    let mut addresses = BTreeSet::from([IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]);
    let temporary = temporary_addresses(&std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default());
    for interface in getifaddrs().into_iter().flatten() {
        if !interface.flags.contains(InterfaceFlags::IFF_UP) {
            continue;
        }
        let Some(address) = interface.address else { continue };
        let address = address
            .as_sockaddr_in()
            .map(|v4| IpAddr::from(v4.ip()))
            .or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())));
        addresses.extend(address.filter(|address| is_reachable_by(address) && !temporary.contains(address)));
    }
    addresses.into_iter().collect()
}

fn is_reachable_by(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_unicast_link_local(),
    }
}

/// Addresses with IFA_F_TEMPORARY (0x01) in Linux's `/proc/net/if_inet6`: address, index, prefix, scope, flags, name.
fn temporary_addresses(table: &str) -> Vec<IpAddr> {
    let temporary = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let address = u128::from_str_radix(fields.first()?, 16).ok()?;
        let flags = u8::from_str_radix(fields.get(4)?, 16).ok()?;
        (flags & 0x01 != 0).then(|| IpAddr::from(Ipv6Addr::from(address)))
    };
    table.lines().filter_map(temporary).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_localhost_are_always_there() {
        let addresses = machine_addresses();
        assert!(addresses.contains(&"127.0.0.1".parse().unwrap()));
        assert!(addresses.contains(&"::1".parse().unwrap()));
        assert!(addresses.iter().all(is_reachable_by));
        assert!(machine_names().iter().any(|name| name.as_str() == "localhost"));
    }

    #[test]
    fn link_local_addresses_are_left_out() {
        assert!(!is_reachable_by(&"fe80::1".parse().unwrap()));
        assert!(is_reachable_by(&"fd00::1".parse().unwrap()));
        assert!(is_reachable_by(&"172.17.0.1".parse().unwrap()));
    }

    #[test]
    fn temporary_addresses_are_read_from_their_flag() {
        let table = "\
00000000000000000000000000000001 01 80 10 80       lo
20010db8000000000000000000000001 02 40 00 00     eth0
20010db80000000000000000000000ff 02 40 00 01     eth0
garbage
";
        assert_eq!(temporary_addresses(table), ["2001:db8::ff".parse::<IpAddr>().unwrap()]);
    }
}
