//! What fits each for itself and not together; and what is allowed and risky.

use crate::harness::{config, lines, mistakes, warned};

fn with(more: &str) -> String {
    format!("version: 0.1\nstorage: {{filesystem: {{rootdirectory: /data}}}}\n{more}\n")
}

const TOKEN: &str = "token: {realm: 'https://a/', service: s, issuer: i, jwks: j}";

#[test]
fn auth() {
    for (auth, starts) in [
        (format!("{{htpasswd: {{path: h}}, issuer: true, {TOKEN}}}"), vec!["auth.issuer = \"true\": expected either"]),
        ("{issuer: {}}".into(), vec!["auth.issuer: expected auth.htpasswd"]),
        ("{htpasswd: {path: h}, anonymous: {pull: ['*']}}".into(), vec!["auth.anonymous: expected auth.issuer"]),
        (
            "{htpasswd: {path: h}, acl: [{match: {account: a}, actions: [pull]}, {match: {account: ''}, actions: [pull]}]}".into(),
            vec!["auth.acl[1].match.account: expected auth.issuer"],
        ),
        ("{htpasswd: {path: h}, issuer: {expiration: 59s}}".into(), vec!["auth.issuer.expiration = \"59s\": expected at least 60s"]),
        ("{acl: [{match: {account: a}, actions: [pull]}]}".into(), vec!["auth.acl: expected auth.htpasswd"]),
        ("{htpasswd: {path: h}, none: {}}".into(), vec!["auth.none: expected alone"]),
        (
            "{token: {realm: r}}".into(),
            vec!["auth.token.service: missing", "auth.token.issuer: missing", "auth.token.rootcertbundle: missing"],
        ),
        (
            "{token: {realm: r, service: s, issuer: i, jwks: j, signingalgorithms: [ES256, ES265]}}".into(),
            vec!["auth.token.signingalgorithms[1] = \"ES265\": expected a signing algorithm that exists, such as ES256"],
        ),
        ("{htpasswd: {path: h}, issuer: {path: /v2/token}}".into(), vec!["auth.issuer.path = \"/v2/token\": expected a path"]),
    ] {
        let told = lines(&mistakes(&with(&format!("auth: {auth}"))));
        assert_eq!(told.lines().count(), starts.len(), "{told}");
        for (line, start) in told.lines().zip(starts) {
            assert!(line.starts_with(start), "{start} in {told}");
        }
    }
}

#[test]
fn rules_that_cannot_work() {
    let told = lines(&mistakes(&with(
        "
auth:
  htpasswd: {path: h}
  acl:
    - {match: {account: '/(/'}, actions: [pull]}
    - {match: {name: '[a'}, actions: [pul, '*']}
    - {match: {ip: 10.0.0.0/33}, actions: []}
    - {match: {account: '${acount}'}}
    - {match: {labels: {group: '['}}, actions: '*'}
    - {match: {ip: ''}, actions: '*'}
",
    )));
    for start in [
        "auth.acl[0].match.account = \"/(/\": expected a regular expression",
        "auth.acl[1].match.name = \"[a\": expected a glob",
        "auth.acl[1].actions[0] = \"pul\": expected pull, push, delete",
        "auth.acl[2].match.ip = \"10.0.0.0/33\": expected an IP address",
        "auth.acl[3].match.account = \"${acount}\": expected a variable that exists",
        "auth.acl[3].actions: missing",
        "auth.acl[4].match.labels.group = \"[\": expected a glob",
        "auth.acl[5].match.ip: expected an IP address or a network; leave",
    ] {
        assert!(told.lines().any(|line| line.starts_with(start)), "{start} in:\n{told}");
    }
    assert_eq!(told.lines().count(), 8, "{told}");
}

#[test]
fn an_empty_text_in_a_rule_is_a_value_and_null_is_none() {
    let config = config(&with(
        "
auth:
  htpasswd: {path: h}
  acl: [{match: {name: '', type: '', service: ''}, actions: [pull]}, {match: {name: ~, ip: ~}, actions: [pull]}]
",
    ));
    let acl = config.auth.acl.unwrap();
    let empty = Some("".parse().unwrap());
    let first = &acl[0].matches;
    assert_eq!([&first.name, &first.r#type, &first.service], [&empty; 3]);
    assert_eq!((&acl[1].matches.name, acl[1].matches.ip), (&None, None));
}

#[test]
fn tls() {
    for (http, start) in [
        (
            "{tls: {key: k}}",
            "http.tls.certificate: missing; expected besides http.tls.key",
        ),
        (
            "{tls: {certificate: c, key: k, auto: true}}",
            "http.tls.auto = \"true\": expected either",
        ),
        (
            "{tls: {certificate: c, key: k, letsencrypt: {cachefile: f, hosts: [a]}}}",
            "http.tls.letsencrypt: expected either",
        ),
        (
            "{tls: {auto: true, letsencrypt: {cachefile: f, hosts: [a]}}}",
            "http.tls.letsencrypt: expected either",
        ),
        (
            "{tls: {letsencrypt: {hosts: [a.example.com]}}}",
            "http.tls.letsencrypt.cachefile: missing",
        ),
        (
            "{tls: {letsencrypt: {cachefile: f}}}",
            "http.tls.letsencrypt.hosts: missing",
        ),
        (
            "{host: 'https://registry.lan', tls: {letsencrypt: {cachefile: f}}}",
            "http.tls.letsencrypt.hosts: missing; expected the host names to get certificates for; http.host = registry.lan",
        ),
        (
            "{host: 'https://registry.example.com', tls: {letsencrypt: {cachefile: f, hosts: []}}}",
            "http.tls.letsencrypt.hosts",
        ),
        (
            "{tls: {letsencrypt: {cachefile: f, hosts: ['*.a.com']}}}",
            "http.tls.letsencrypt.hosts[0] = \"*.a.com\"",
        ),
        (
            "{tls: {letsencrypt: {cachefile: f, hosts: [a.example.com, 192.0.2.1]}}}",
            "http.tls.letsencrypt.hosts[1] = \"192.0.2.1\": expected a host name",
        ),
        (
            "{tls: {letsencrypt: {cachefile: f, hosts: []}}}",
            "http.tls.letsencrypt.hosts",
        ),
        (
            "{tls: {letsencrypt: {cachefile: f, directoryurl: 'https://ca.lan/acme', hosts: [localhost]}}}",
            "http.tls.letsencrypt.hosts[0] = \"localhost\": expected a host name that leads here",
        ),
        (
            "{tls: {letsencrypt: {cachefile: f, hosts: [registry]}}}",
            "http.tls.letsencrypt.hosts[0] = \"registry\": expected a name of the public DNS",
        ),
        (
            "{tls: {letsencrypt: {cachefile: f, hosts: [registry.lan]}}}",
            "http.tls.letsencrypt.hosts[0] = \"registry.lan\": expected a name of the public DNS",
        ),
        (
            "{tls: {letsencrypt: {cachefile: f, directoryurl: 'http://ca.lan/acme', hosts: [registry.lan]}}}",
            "http.tls.letsencrypt.directoryurl = \"http://ca.lan/acme\": expected the https://",
        ),
        (
            "{tls: {auto: {hostnames: ['https://a']}}}",
            "http.tls.auto.hostnames[0] = \"https://a\": expected a host name",
        ),
        (
            "{tls: {auto: true, minimumtls: tls1.1}}",
            "http.tls.minimumtls = \"tls1.1\": expected tls1.2 or tls1.3: older",
        ),
        (
            "{tls: {auto: true, ciphersuites: [TLS_RSA_WITH_RC4_128_SHA]}}",
            "http.tls.ciphersuites = \"[TLS_RSA_WITH_RC4_128_SHA]\"",
        ),
        (
            "{tls: {auto: true, ciphersuites: [TLS_AES_128_GCM_SHA265]}}",
            "http.tls.ciphersuites[0]",
        ),
        (
            "{tls: {clientcas: [ca]}}",
            "http.tls.clientcas = \"[ca]\": expected a certificate besides",
        ),
        (
            "{redirecthttps: ':80'}",
            "http.redirecthttps = \":80\": expected http.tls",
        ),
        (
            "{addr: ':80', redirecthttps: ':80', tls: {auto: true}}",
            "http.redirecthttps = \":80\": expected another",
        ),
        (
            "{addr: ':80', debug: {addr: '127.0.0.1:80'}}",
            "http.debug.addr = \"127.0.0.1:80\": expected an address",
        ),
        ("{aliases: [{name: a, certificate: c, key: k}]}", "http.aliases"),
        (
            "{tls: {auto: true}, aliases: [{name: a, certificate: c, key: k}, {name: A, certificate: c, key: k}]}",
            "http.aliases[1].name = \"A\": expected each name once",
        ),
        ("{net: unix}", "http.addr: missing"),
        ("{net: udp, addr: ':80'}", "http.net = \"udp\""),
    ] {
        let told = lines(&mistakes(&with(&format!("http: {http}"))));
        assert!(
            told.starts_with(start) && told.lines().count() == 1,
            "{start} in {told}"
        );
    }
}

#[test]
fn risky_and_allowed() {
    assert_eq!(warned(&config(&with(""))), ["auth"]);
    let accounts = "auth: {htpasswd: {path: h}}";
    for (http, keys) in [
        ("{addr: ':5000'}", &["http.tls"][..]),
        ("{addr: '127.0.0.1:5000'}", &[]),
        ("{addr: 'unix:/run/x'}", &[]),
        ("{tls: {auto: true}}", &[]),
        ("{tls: {auto: false}}", &["http.tls"]),
    ] {
        assert_eq!(
            warned(&config(&with(&format!("{accounts}\nhttp: {http}")))),
            keys,
            "{http}"
        );
    }
}
