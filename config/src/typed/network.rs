//! IP networks.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An IP network, `10.0.0.0/8`; a bare address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The address with its host bits cleared.
    pub address: IpAddr,
    /// Bits that count.
    pub prefix: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an IP address or a network such as 10.0.0.0/8 or fd00::/8")]
pub struct NetworkError;

impl Network {
    /// Whether `address` is in it. An IPv4 address written as IPv6 (`::ffff:10.0.0.1`, RFC 4291 section 2.5.5.2) counts
    /// as the IPv4 address it is: a listener for both families reports peers that way.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => own == mask4(other, self.prefix),
            (IpAddr::V6(own), IpAddr::V6(other)) => own == mask6(other, self.prefix),
            // `::ffff:0:0/96` and what is larger hold every IPv4 address.
            (IpAddr::V6(own), IpAddr::V4(other)) => own == mask6(other.to_ipv6_mapped(), self.prefix),
            (IpAddr::V4(_), IpAddr::V6(_)) => false,
        }
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
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits
                .parse()
                .ok()
                .filter(|prefix| *prefix <= bits)
                .ok_or(NetworkError)?,
            Some(_) => return Err(NetworkError),
        };
        Ok(match address {
            IpAddr::V4(address) => Self {
                address: mask4(address, prefix).into(),
                prefix,
            },
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(address) if prefix >= 96 => Self {
                    address: mask4(address, prefix - 96).into(),
                    prefix: prefix - 96,
                },
                _ => Self {
                    address: mask6(address, prefix).into(),
                    prefix,
                },
            },
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn mask4(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    Ipv4Addr::from_bits(address.to_bits() & mask)
}

fn mask6(address: Ipv6Addr, prefix: u8) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
    Ipv6Addr::from_bits(address.to_bits() & mask)
}

#[cfg(test)]
mod tests {
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
