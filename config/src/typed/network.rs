//! IP networks.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// An IP network, `10.0.0.0/8`, with its host bits cleared; a bare address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an IP address or a network such as 10.0.0.0/8 or fd00::/8")]
pub struct NetworkError;

impl Network {
    /// Whether `address` is in it. An IPv4 address written as IPv6 (`::ffff:10.0.0.1`, RFC 4291 section 2.5.5.2) counts
    /// as the IPv4 address it is: a listener for both families reports peers that way.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.0, address.to_canonical()) {
            // `::ffff:0:0/96` and what is larger hold every IPv4 address.
            (IpNet::V6(own), IpAddr::V4(other)) => own.contains(&other.to_ipv6_mapped()),
            (own, other) => own.contains(&other),
        }
    }

    /// How many bits of an address count.
    pub fn prefix(&self) -> u8 {
        self.0.prefix_len()
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let network = match prefix {
            None => IpNet::from(address),
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let prefix = digits.parse().map_err(|_| NetworkError)?;
                IpNet::new(address, prefix).map_err(|_| NetworkError)?
            }
            Some(_) => return Err(NetworkError),
        };
        let mapped = match network {
            IpNet::V6(network) if network.prefix_len() >= 96 => network
                .addr()
                .to_ipv4_mapped()
                .and_then(|address| Ipv4Net::new(address, network.prefix_len() - 96).ok()),
            _ => None,
        };
        Ok(Self(mapped.map_or(network, IpNet::V4).trunc()))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn contains() {
        for (net, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.1.1.1", "::ffff:11.0.0.1"),
            ("192.168.1.7", "192.168.1.7", "192.168.1.8"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::ffff:10.0.0.0/104", "10.1.1.1", "11.1.1.1"),
            ("::1", "::1", "::2"),
            ("fd00::/8", "fdff::1", "fc00::1"),
        ] {
            assert!(network(net).contains(inside.parse().unwrap()), "{inside} in {net}");
            assert!(
                !network(net).contains(outside.parse().unwrap()),
                "{outside} not in {net}"
            );
        }
        assert!(network("::/0").contains("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn clears_host_bits() {
        assert_eq!(network("10.1.2.3/8"), network("10.0.0.0/8"));
        assert_eq!(network("10.1.2.3/8").to_string(), "10.0.0.0/8");
        assert_eq!(network("::ffff:10.1.2.3").to_string(), "10.1.2.3/32");
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0/8",
            "10.0.0.0/+8",
            "localhost",
            "10.0.0.0/8/8",
            "10.0.0.0/256",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_in_its_own_networks(bits: u128, prefix in 0_u8..=128) {
            let v6 = IpAddr::from(Ipv6Addr::from_bits(bits));
            let own = network(&format!("{v6}/{prefix}"));
            prop_assert!(own.contains(v6));
            let v4 = Ipv4Addr::from_bits(bits as u32);
            let net = network(&format!("{v4}/{}", prefix % 33));
            prop_assert!(net.contains(v4.into()) && net.contains(v4.to_ipv6_mapped().into()));
            prop_assert_eq!(network(&net.to_string()), net);
        }

        #[test]
        fn a_flipped_bit_is_outside(bits: u32, prefix in 1_u8..=32, flip in 0_u8..32) {
            prop_assume!(flip < prefix);
            let net = network(&format!("{}/{prefix}", Ipv4Addr::from_bits(bits)));
            prop_assert!(!net.contains(Ipv4Addr::from_bits(bits ^ (1 << (31 - flip))).into()));
        }
    }
}
