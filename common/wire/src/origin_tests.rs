//! One table for proxy and registry.

use proptest::prelude::*;

use super::*;

/// Trusted proxies are in 10.0.0.0/8 and fd00::/8.
fn is_trusted(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.octets()[0] == 0xfd,
    }
}

const NGINX: &str = "10.0.0.1";
const STRANGER: &str = "192.0.2.7";

fn fields<'a>(lines: &[(&'a str, &'a str)]) -> ForwardedFields<'a> {
    ForwardedFields::new(lines.iter().map(|&(name, value)| (name, value.as_bytes())))
}

fn peer(address: &str) -> Peer {
    Peer {
        address: address.parse().ok(),
        is_own_proxy: false,
        scheme: None,
    }
}

/// Of a request for `hub` that came to the registry, which speaks plain HTTP.
fn origin(from: &str, lines: &[(&str, &str)]) -> Origin {
    Origin::new(&fields(lines), Some("hub"), peer(from), is_trusted)
}

#[track_caller]
fn check_url(from: &str, lines: &[(&str, &str)], url: &str, is_told: bool) {
    let origin = origin(from, lines);
    assert_eq!(
        (origin.url().as_deref(), origin.is_scheme_told),
        (Some(url), is_told),
        "{lines:?}"
    );
}

#[test]
fn the_client_is_the_first_from_the_right_that_is_no_trusted_proxy() {
    for (lines, client) in [
        (&[][..], NGINX),
        (&[("x-forwarded-for", "1.2.3.4")], "1.2.3.4"),
        (&[("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.7")], "1.2.3.4"),
        // Several lines are one list.
        (
            &[("x-forwarded-for", "6.6.6.6, 1.2.3.4"), ("x-forwarded-for", "10.0.0.7")],
            "1.2.3.4",
        ),
        (
            &[
                ("x-forwarded-for", "6.6.6.6"),
                ("x-forwarded-for", "1.2.3.4,fd00::1 , 10.0.0.7"),
            ],
            "1.2.3.4",
        ),
        // All of them are trusted: the first.
        (&[("x-forwarded-for", "10.0.0.9, 10.0.0.7")], "10.0.0.9"),
        // Ports, brackets, IPv4 as IPv6.
        (&[("x-forwarded-for", "6.6.6.6, 1.2.3.4:55, 10.0.0.7:1")], "1.2.3.4"),
        (
            &[("x-forwarded-for", "6.6.6.6, [2001:db8::1]:55, [fd00::1]")],
            "2001:db8::1",
        ),
        (
            &[("x-forwarded-for", "6.6.6.6, ::ffff:1.2.3.4, ::ffff:10.0.0.7")],
            "1.2.3.4",
        ),
        // What is no address ends the walk.
        (&[("x-forwarded-for", "6.6.6.6, unknown, 10.0.0.7")], "10.0.0.7"),
        (&[("x-forwarded-for", "6.6.6.6, unknown")], NGINX),
        (&[("x-forwarded-for", "6.6.6.6, , 10.0.0.7")], "10.0.0.7"),
        (&[("x-forwarded-for", "6.6.6.6, unix:")], NGINX),
        (&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "\u{e9}")], NGINX),
        // X-Real-IP is one more place to forge an address in, for a proxy that writes the other.
        (&[("x-real-ip", "6.6.6.6")], NGINX),
    ] {
        assert_eq!(
            origin(NGINX, lines).client,
            client.parse::<IpAddr>().unwrap(),
            "{lines:?}"
        );
    }
}

#[test]
fn a_stranger_is_the_client_whatever_it_says() {
    for lines in [
        &[("x-forwarded-for", "10.0.0.9")][..],
        &[("forwarded", "for=10.0.0.9;host=evil;proto=http")],
        &[("x-forwarded-host", "evil"), ("x-forwarded-port", "81")],
        &[("x-real-ip", "10.0.0.9")],
        &[("x-forwarded-proto", "http")],
    ] {
        let origin = origin(STRANGER, lines);
        assert_eq!(origin.client, STRANGER.parse::<IpAddr>().unwrap(), "{lines:?}");
        assert!(!origin.is_trusted && !origin.is_scheme_told, "{lines:?}");
        assert_eq!(origin.url().as_deref(), Some("http://hub"), "{lines:?}");
    }
}

#[test]
fn of_a_strangers_words_https_alone_counts() {
    for lines in [
        &[("x-forwarded-proto", "https")][..],
        &[("x-forwarded-proto", "HTTPS")],
        &[("x-forwarded-proto", "https, http")],
        &[("x-forwarded-port", "443")],
        &[("forwarded", "for=1.2.3.4;Proto=\"HTTPS\"")],
        &[("forwarded", "proto=https"), ("x-forwarded-for", "1.2.3.4")],
        &[("forwarded", "proto=https"), ("x-forwarded-proto", "http")],
        &[
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-port", "81"),
        ],
    ] {
        check_url(STRANGER, lines, "https://hub", false);
    }
    for lines in [
        &[("x-forwarded-proto", "http")][..],
        &[("x-forwarded-proto", "http, https")],
        &[("x-forwarded-proto", "ftp")],
        &[("x-forwarded-proto", "httpss")],
        &[("x-forwarded-port", "80")],
        &[("forwarded", "proto=http")],
        &[("forwarded", "proto=https;for=\"")],
    ] {
        check_url(STRANGER, lines, "http://hub", false);
    }
}

#[test]
fn a_trusted_proxy_says_scheme_host_and_port() {
    for (lines, url) in [
        (&[("x-forwarded-proto", "https")][..], "https://hub"),
        (&[("x-forwarded-proto", "HTTPS")], "https://hub"),
        (&[("x-forwarded-proto", "https, http")], "https://hub"),
        (
            &[("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")],
            "https://hub",
        ),
        (&[("x-forwarded-proto", " , https")], "https://hub"),
        (&[("x-forwarded-proto", "http, https")], "http://hub"),
        (&[("x-forwarded-proto", "Http")], "http://hub"),
        (
            &[("x-forwarded-proto", "https"), ("x-forwarded-host", "a, b")],
            "https://a",
        ),
        (
            &[("x-forwarded-proto", "https"), ("x-forwarded-host", "a:5043,b")],
            "https://a:5043",
        ),
        (
            &[("x-forwarded-proto", "https"), ("x-forwarded-host", "a:443")],
            "https://a",
        ),
        // nginx's `$host` has no port: a public port that is not the scheme's own comes back.
        (
            &[("x-forwarded-proto", "https"), ("x-forwarded-port", "5043")],
            "https://hub:5043",
        ),
        (
            &[("x-forwarded-proto", "https"), ("x-forwarded-port", "5043, 80")],
            "https://hub:5043",
        ),
        (
            &[("x-forwarded-proto", "https"), ("x-forwarded-port", "443")],
            "https://hub",
        ),
        (
            &[
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "a:5043"),
                ("x-forwarded-port", "443"),
            ],
            "https://a:5043",
        ),
        // The other scheme's port is that of a listener in between.
        (
            &[("x-forwarded-proto", "https"), ("x-forwarded-port", "80")],
            "https://hub",
        ),
        (
            &[("x-forwarded-proto", "http"), ("x-forwarded-port", "443")],
            "https://hub",
        ),
        (&[("x-forwarded-port", "443")], "https://hub"),
        (
            &[("x-forwarded-proto", "ftp"), ("x-forwarded-port", "443")],
            "https://hub",
        ),
        // A host that could leave a header or a URL is none; Host is taken.
        (
            &[("x-forwarded-proto", "https"), ("x-forwarded-host", "a/b")],
            "https://hub",
        ),
        (
            &[("x-forwarded-proto", "https"), ("x-forwarded-host", "user@a")],
            "https://hub",
        ),
        (
            &[("x-forwarded-proto", "https"), ("x-forwarded-host", "a\"b")],
            "https://hub",
        ),
        (
            &[("x-forwarded-proto", "https"), ("x-forwarded-host", "[::1]:5043")],
            "https://[::1]:5043",
        ),
    ] {
        check_url(NGINX, lines, url, true);
        // Its `Forwarded` is the client's.
        check_url(
            NGINX,
            &[lines, &[("forwarded", "host=evil;proto=http")]].concat(),
            url,
            true,
        );
    }
}

#[test]
fn where_a_trusted_proxy_says_no_scheme_https_is_still_taken_from_anybody() {
    check_url(NGINX, &[], "http://hub", false);
    check_url(NGINX, &[("x-forwarded-for", "1.2.3.4")], "http://hub", false);
    check_url(NGINX, &[("x-forwarded-host", "a")], "http://a", false);
    check_url(NGINX, &[("x-forwarded-proto", "ftp")], "http://hub", false);
    let passed_on = [
        ("x-forwarded-for", "1.2.3.4"),
        ("forwarded", "for=6.6.6.6;proto=https;host=evil"),
    ];
    check_url(NGINX, &passed_on, "https://hub", false);
    assert_eq!(origin(NGINX, &passed_on).client, "1.2.3.4".parse::<IpAddr>().unwrap());
}

#[test]
fn forwarded_counts_where_a_trusted_proxy_sent_nothing_else() {
    for (lines, client, url) in [
        (
            &[("forwarded", "for=1.2.3.4;proto=https;host=a")][..],
            "1.2.3.4",
            "https://a",
        ),
        (
            &[("forwarded", "for=\"[2001:db8::1]:4711\";PROTO=HTTPS;Host=\"a:5043\"")],
            "2001:db8::1",
            "https://a:5043",
        ),
        (
            &[(
                "forwarded",
                "for=6.6.6.6, for=1.2.3.4;proto=https, for=10.0.0.7;proto=http",
            )],
            "1.2.3.4",
            "https://hub",
        ),
        (
            &[
                ("forwarded", "for=6.6.6.6;proto=http"),
                ("forwarded", "for=1.2.3.4;proto=https"),
            ],
            "1.2.3.4",
            "http://hub",
        ),
        (
            &[("forwarded", "for=\"::ffff:1.2.3.4\";proto=https")],
            "1.2.3.4",
            "https://hub",
        ),
        // A hop that hides itself ends the walk.
        (
            &[("forwarded", "for=6.6.6.6, for=_hidden;proto=https, for=10.0.0.7")],
            "10.0.0.7",
            "https://hub",
        ),
        (&[("forwarded", "for=6.6.6.6, proto=https")], NGINX, "https://hub"),
    ] {
        check_url(NGINX, lines, url, true);
        assert_eq!(
            origin(NGINX, lines).client,
            client.parse::<IpAddr>().unwrap(),
            "{lines:?}"
        );
    }
    for other in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-ssl", "x-real-ip"] {
        let lines = [("forwarded", "for=6.6.6.6;host=evil;proto=http"), (other, "")];
        check_url(NGINX, &lines, "http://hub", false);
        assert_eq!(
            origin(NGINX, &lines).client,
            NGINX.parse::<IpAddr>().unwrap(),
            "{other}"
        );
    }
    // One that cannot be read says nothing.
    check_url(
        NGINX,
        &[("forwarded", "for=6.6.6.6;proto=https;host=\"a")],
        "http://hub",
        false,
    );
}

#[test]
fn odd_hosts_lead_to_no_http_url_where_anybody_said_https() {
    for (from, is_told) in [(NGINX, true), (STRANGER, false)] {
        for (host, url) in [
            ("a,b", Some("https://a,b")),
            ("a'b", Some("https://a'b")),
            ("a,b:5043", Some("https://a,b:5043")),
            ("a:443", Some("https://a")),
            ("[::1]:5000", Some("https://[::1]:5000")),
            ("", None),
            ("a/b", None),
            ("a b", None),
            ("a\"b", None),
            ("user@a", None),
            ("::1", None),
            ("a[::1]", None),
            ("a[:1]:4111.6", None),
            ("[]:1", None),
        ] {
            let origin = Origin::new(
                &fields(&[("x-forwarded-proto", "https")]),
                Some(host),
                peer(from),
                is_trusted,
            );
            assert_eq!(
                (origin.url().as_deref(), origin.is_scheme_told),
                (url, is_told),
                "{host}"
            );
        }
    }
    let nameless = Origin::new(&fields(&[]), None, peer(NGINX), is_trusted);
    assert_eq!(nameless.url(), None);
}

#[test]
fn port_443_in_host_is_https_unless_a_trusted_proxy_says_http() {
    for (from, lines, host, url) in [
        (STRANGER, &[][..], "a:443", "https://a"),
        (STRANGER, &[("x-forwarded-proto", "http")], "a:443", "https://a"),
        (STRANGER, &[], "[::1]:443", "https://[::1]"),
        (NGINX, &[("x-forwarded-for", "1.2.3.4")], "a:443", "https://a"),
        (NGINX, &[("x-forwarded-host", "b:443")], "a", "https://b"),
        (NGINX, &[("x-forwarded-host", "b:81")], "a:443", "http://b:81"),
        (NGINX, &[("x-forwarded-proto", "http")], "a:443", "http://a:443"),
        (STRANGER, &[("x-forwarded-host", "b:443")], "a", "http://a"),
        (STRANGER, &[], "a:4430", "http://a:4430"),
        (STRANGER, &[], "a:80", "http://a"),
    ] {
        let origin = Origin::new(&fields(lines), Some(host), peer(from), is_trusted);
        assert_eq!(origin.url().as_deref(), Some(url), "{from} {host} {lines:?}");
    }
}

#[test]
fn a_connection_says_its_scheme_and_a_trusted_proxy_corrects_it() {
    let over = |scheme, from, lines: &[(&str, &str)]| {
        let peer = Peer {
            scheme: Some(scheme),
            ..peer(from)
        };
        let origin = Origin::new(&fields(lines), Some("hub"), peer, is_trusted);
        assert!(origin.is_scheme_told);
        (origin.scheme, origin.public_port())
    };
    let http = [("x-forwarded-proto", "http")];
    let https = [("x-forwarded-proto", "https")];
    assert_eq!(over(Scheme::Https, STRANGER, &[]), (Scheme::Https, 443));
    assert_eq!(over(Scheme::Https, STRANGER, &http), (Scheme::Https, 443));
    assert_eq!(over(Scheme::Https, NGINX, &http), (Scheme::Http, 80));
    assert_eq!(over(Scheme::Http, NGINX, &https), (Scheme::Https, 443));
    assert_eq!(over(Scheme::Http, STRANGER, &https), (Scheme::Https, 443));
    assert_eq!(over(Scheme::Http, STRANGER, &[]), (Scheme::Http, 80));
}

#[test]
fn a_unix_socket_is_127_0_0_1_and_the_own_proxy_is_believed() {
    let lines = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")];
    let seen = |is_own_proxy, is_trusted: fn(IpAddr) -> bool| {
        let peer = Peer {
            address: None,
            is_own_proxy,
            scheme: None,
        };
        let origin = Origin::new(&fields(&lines), Some("hub"), peer, is_trusted);
        (origin.client.to_string(), origin.is_trusted)
    };
    assert_eq!(seen(false, |_| false), ("127.0.0.1".to_owned(), false));
    assert_eq!(
        seen(false, |address| address.is_loopback()),
        ("1.2.3.4".to_owned(), true)
    );
    assert_eq!(seen(true, |_| false), ("1.2.3.4".to_owned(), true));
    // Everybody is trusted: the first address of the chain, which anybody may write.
    assert_eq!(seen(false, |_| true), ("1.2.3.4".to_owned(), true));
}

#[test]
fn a_peer_of_a_listener_for_both_families_is_known_by_its_ipv4_address() {
    let origin = origin("::ffff:10.0.0.1", &[("x-forwarded-for", "1.2.3.4")]);
    assert!(origin.is_trusted);
    assert_eq!(origin.client.to_string(), "1.2.3.4");
    assert_eq!(self::origin("::ffff:192.0.2.7", &[]).client.to_string(), STRANGER);
}

proptest! {
    /// Whatever stands in the headers, what is said of a stranger is its own address and Host.
    #[test]
    fn strangers_gain_nothing(value in "[ -~é]{0,40}", name in 0usize..6) {
        let name = ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-real-ip"][name];
        let origin = origin(STRANGER, &[(name, &value)]);
        prop_assert_eq!(origin.client.to_string(), STRANGER);
        prop_assert_eq!(origin.host.as_ref().map(Authority::as_str), Some("hub"));
        prop_assert!(!origin.is_scheme_told && origin.port.is_none());
    }
}
