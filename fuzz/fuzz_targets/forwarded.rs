//! Forwarded headers, `name: value` a line: of a stranger nothing counts but https, and no text leads to a URL that is none.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::fuzz_target;
use lockgate_wire::{ForwardedFields, Origin, Peer};

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

fuzz_target!(|input: (bool, &str)| {
    let (is_trusted, text) = input;
    let lines: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(": ")).collect();
    let fields = ForwardedFields::new(lines.iter().map(|(name, value)| (*name, value.as_bytes())));
    let host = lines.iter().find(|(name, _)| *name == "host").map(|(_, value)| *value);
    let peer = Peer {
        address: Some(PROXY),
        is_own_proxy: false,
        scheme: None,
    };
    let origin = Origin::new(&fields, host, peer, |address| is_trusted && address == PROXY);
    assert_eq!(origin.is_trusted, is_trusted);
    assert_eq!(origin.client, origin.client.to_canonical());
    if !is_trusted {
        assert_eq!(origin.client, PROXY);
        assert!(origin.port.is_none() && !origin.is_scheme_told);
    }
    if let Some(url) = origin.url() {
        assert!(url.parse::<http::Uri>().is_ok(), "{url}");
        let authority = url.split_once("://").expect("a scheme").1;
        assert!(
            !authority.contains(['/', '?', '#', '@', '"', '\\']) && authority.is_ascii(),
            "{url}"
        );
        assert!(
            !authority.contains(|letter: char| letter.is_ascii_whitespace() || letter.is_ascii_control()),
            "{url}"
        );
    }
});
