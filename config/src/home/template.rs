//! The config.yml that set-up writes.

/// The text of a new `config.yml`: `addr` as in `http.addr`, `hostnames` as in `http.tls.auto.hostnames`.
///
/// A comment a line, for the person who opens it; what people change next stands there commented out. Paths are
/// relative to the file.
pub fn template(addr: &str, hostnames: &[String]) -> String {
    let hostnames: Vec<_> = hostnames.iter().map(|name| quoted(name)).collect();
    let (addr, hostnames) = (quoted(addr), hostnames.join(", "));
    let mut text = String::from(HEAD);
    for (line, comment) in LINES {
        let line = line.replace("{addr}", &addr).replace("{hostnames}", &hostnames);
        match *comment {
            "" => text.push_str(&line),
            comment => text.push_str(&format!("{line:<COLUMN$} # {comment}")),
        }
        text.push('\n');
    }
    text
}

/// Where comments begin, unless a line is longer.
const COLUMN: usize = 40;

const HEAD: &str = "\
# Configuration of Lockgate, in the format of CNCF distribution's config.yml. `lockgate check` tells what is wrong.
# Paths are relative to this file. A variable named like a key overrides it, as REGISTRY_HTTP_ADDR does http.addr.

";

const LINES: &[(&str, &str)] = &[
    ("version: 0.1", "of the format, always this"),
    ("", ""),
    ("log:", "what is written about what happens"),
    ("  level: info", "silent, error, warn, info, debug or trace"),
    ("  #formatter: json", "one JSON object a line, for a log collector"),
    (
        "  #file: {maxsize: 100MiB, maxage: 672h}",
        "also into files below log/, rotated",
    ),
    ("", ""),
    ("storage:", "what is kept"),
    ("  filesystem:", "in files, with the layout of registry:2"),
    (
        "    rootdirectory: data",
        "where; may be the data directory of a registry:2",
    ),
    ("  delete:", "of images and tags"),
    ("    enabled: true", "false: asking for it is answered 405"),
    ("", ""),
    ("http:", "how clients reach it"),
    (
        "  addr: {addr}",
        "where it listens; \"127.0.0.1:5000\" is for this machine alone",
    ),
    (
        "  #host: https://registry.example.com",
        "the URL that clients use, where their requests do not tell",
    ),
    (
        "  #redirecthttps: \":80\"",
        "a second, plain port that redirects to this one",
    ),
    (
        "  #trustedproxies: [10.0.0.0/8]",
        "proxies in front whose X-Forwarded-For is believed",
    ),
    (
        "  #limits: {maxrequests: 4096, maxnetworkrequests: 1024}",
        "requests in flight in all, and from one address; more wait",
    ),
    (
        "  headers:",
        "added to each answer; with Access-Control-*, preflights of browsers are answered too",
    ),
    (
        "    X-Content-Type-Options: [nosniff]",
        "browsers do not guess what content is",
    ),
    ("  tls:", "which certificate it shows"),
    (
        "    auto:",
        "one of an authority of its own, tls/ca.crt, renewed in time",
    ),
    (
        "      hostnames: [{hostnames}]",
        "for these names, besides the names and addresses of this machine",
    ),
    (
        "    #certificate: tls/my.crt",
        "instead of auto: one of yours, with its chain",
    ),
    ("    #key: tls/my.key", "and its key"),
    ("", ""),
    ("auth:", "who may log in"),
    ("  htpasswd:", "accounts with passwords"),
    ("    realm: Lockgate", "what a login prompt shows"),
    (
        "    path: auth/htpasswd",
        "the file of accounts; `lockgate user` changes it",
    ),
    (
        "  issuer:",
        "tokens, so that clients need not send the password each time",
    ),
    ("    path: /auth/token", "where they are issued"),
    ("    expiration: 5m", "how long one is good, 60s at least"),
    (
        "  #acl: [{match: {account: admin}, actions: [\"*\"]}]",
        "who may do what; without it, every account everything",
    ),
    (
        "  #anonymous: {pull: [\"public/*\"]}",
        "what may be pulled without an account",
    ),
    ("", ""),
    ("health:", "what is watched"),
    ("  storagedriver:", "whether the files can be reached"),
    ("    enabled: true", "while they cannot, requests are answered 503"),
    ("    interval: 10s", "how often to look"),
    ("    threshold: 3", "failures in a row until then"),
    ("", ""),
    (
        "#process: {proxyuser: www, registryuser: registry}",
        "whom it runs as when root starts it; unprivileged users of their own unless set",
    ),
];

/// As a YAML double-quoted scalar, whatever it holds.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
