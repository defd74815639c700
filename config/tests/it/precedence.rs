//! Variables over the file that set-up writes: what contradicts them gives way, and nothing opens by what they leave out.

use lockgate_config::{CertificateSource, Config, Level, template};

use crate::harness::{config_with, lines, mistakes_with, warned};

/// What decides who gets in, and how.
#[derive(Debug, PartialEq)]
enum Access {
    Accounts { path: String, issues_tokens: bool },
    TokenServer,
    Both,
    Everybody,
}

fn access(config: &Config) -> Access {
    match (&config.auth.htpasswd, &config.auth.token) {
        (Some(htpasswd), None) => Access::Accounts {
            path: htpasswd
                .path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            issues_tokens: config.auth.issuer.is_some(),
        },
        (None, Some(_)) => Access::TokenServer,
        (Some(_), Some(_)) => Access::Both,
        (None, None) => Access::Everybody,
    }
}

fn generated(variables: &[(&str, &str)]) -> Config {
    config_with(&template(":443", &["registry.example.com".into()]), variables)
}

fn accounts(path: &str) -> Access {
    Access::Accounts {
        path: path.into(),
        issues_tokens: true,
    }
}

fn is_auto(config: &Config) -> bool {
    let tls = config.http.tls.as_ref();
    tls.is_some_and(|tls| matches!(&tls.certificate, CertificateSource::Auto { hostnames } if hostnames.len() == 1))
}

const TOKEN: [(&str, &str); 4] = [
    ("REGISTRY_AUTH_TOKEN_REALM", "https://auth.example.com/auth"),
    ("REGISTRY_AUTH_TOKEN_SERVICE", "registry"),
    ("REGISTRY_AUTH_TOKEN_ISSUER", "Auth service"),
    ("REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE", "/certs/bundle.crt"),
];
const LETSENCRYPT: [(&str, &str); 3] = [
    ("REGISTRY_HTTP_TLS_LETSENCRYPT_CACHEFILE", "/cache/letsencrypt"),
    ("REGISTRY_HTTP_TLS_LETSENCRYPT_EMAIL", "me@example.com"),
    ("REGISTRY_HTTP_TLS_LETSENCRYPT_HOSTS", "[registry.example.com]"),
];

fn gave_way(config: &Config) -> Vec<String> {
    config.overridden.iter().map(ToString::to_string).collect()
}

#[test]
fn a_token_server_replaces_the_generated_accounts_and_tokens() {
    // Also as registry:2 compose files have it, with the kind in a variable of its own.
    for kind in [&[][..], &[("REGISTRY_AUTH", "token")]] {
        let config = generated(&[kind, &TOKEN].concat());
        assert_eq!(access(&config), Access::TokenServer, "{kind:?}");
        assert!(config.auth.issuer.is_none() && is_auto(&config));
    }
    assert_eq!(
        gave_way(&generated(&TOKEN)),
        [
            "auth.issuer of the file is not in force: REGISTRY_AUTH_TOKEN_ISSUER is set",
            "auth.htpasswd of the file is not in force: REGISTRY_AUTH_TOKEN_ISSUER is set",
        ]
    );
    // Who asks for accounts besides gets both, as before.
    let both = [&TOKEN[..], &[("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/mine")]].concat();
    assert_eq!(access(&generated(&both)), Access::Both);
}

#[test]
fn what_a_user_wrote_against_a_token_server_stays_an_error() {
    let written = template(":443", &[]).replace("expiration: 5m", "expiration: 9m");
    let told = lines(&mistakes_with(&written, &TOKEN));
    assert!(
        told.contains("auth.issuer: expected either this or auth.token"),
        "{told}"
    );
    // Half a token server is none, and opens nothing.
    let told = lines(&mistakes_with(&template(":443", &[]), &TOKEN[..1]));
    assert!(told.contains("auth.token.service: missing"), "{told}");
}

#[test]
fn certificates_of_other_kinds_replace_the_generated_one() {
    let ordered = generated(&LETSENCRYPT);
    let tls = ordered.http.tls.as_ref().unwrap();
    assert_eq!(tls.acme().unwrap().hosts, ["registry.example.com"]);
    assert_eq!(
        gave_way(&ordered),
        ["http.tls.auto of the file is not in force: REGISTRY_HTTP_TLS_LETSENCRYPT_CACHEFILE is set"]
    );
    assert_eq!(access(&ordered), accounts("htpasswd"));

    let pair = [
        ("REGISTRY_HTTP_TLS_CERTIFICATE", "/certs/domain.crt"),
        ("REGISTRY_HTTP_TLS_KEY", "/certs/domain.key"),
    ];
    let own = generated(&pair);
    assert!(matches!(
        own.http.tls.unwrap().certificate,
        CertificateSource::Files { .. }
    ));
    // One half of a pair says what is missing, and nothing else.
    let told = lines(&mistakes_with(&template(":443", &[]), &pair[1..]));
    assert!(
        told.contains("http.tls.certificate: missing") && !told.contains("auto"),
        "{told}"
    );
}

#[test]
fn a_certificate_that_a_user_wrote_against_an_ordered_one_stays_an_error() {
    let text = "{version: 0.1, storage: filesystem, http: {addr: ':443', tls: {certificate: c, key: k}}}";
    let told = lines(&mistakes_with(text, &LETSENCRYPT));
    assert!(told.contains("http.tls.letsencrypt: expected either this"), "{told}");
    let text = "{version: 0.1, storage: filesystem, http: {addr: ':443', tls: {auto: true}}}";
    let told = lines(&mistakes_with(text, &LETSENCRYPT));
    assert!(told.contains("http.tls.letsencrypt: expected either this"), "{told}");
}

#[test]
fn the_kind_of_access_alone_takes_nothing_away() {
    // proves: HOMELAB-08
    let kind = ("REGISTRY_AUTH", "htpasswd");
    assert_eq!(access(&generated(&[kind])), accounts("htpasswd"));
    let realm = ("REGISTRY_AUTH_HTPASSWD_REALM", "Registry Realm");
    let path = ("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/mine");
    let config = generated(&[kind, realm, path]);
    assert_eq!(access(&config), accounts("mine"));
    assert_eq!(config.auth.htpasswd.unwrap().realm, "Registry Realm");

    // The rules above all: without them every account may do everything.
    let rules = "{version: 0.1, storage: filesystem, auth: {htpasswd: {path: h}, issuer: true, \
                 groups: {all: [a]}, acl: [{match: {account: a}, actions: [pull]}]}}";
    for value in ["htpasswd", "{htpasswd: {path: other}}", "{}"] {
        let config = config_with(rules, &[("REGISTRY_AUTH", value)]);
        assert_eq!(config.auth.acl.as_ref().map(Vec::len), Some(1), "{value}");
        assert_eq!(config.auth.groups.len(), 1, "{value}");
    }
    let told = lines(&mistakes_with(rules, &[("REGISTRY_AUTH", "none")]));
    assert!(told.contains("auth.acl: expected auth.htpasswd besides"), "{told}");
}

#[test]
fn opening_takes_a_word() {
    let open = generated(&[("REGISTRY_AUTH", "none")]);
    assert_eq!(access(&open), Access::Everybody);
    assert!(warned(&open).contains(&"auth".to_owned()), "{:?}", open.warnings);
    assert!(is_auto(&open), "that says nothing about TLS");
    let plain = generated(&[("REGISTRY_HTTP_TLS_AUTO", "false")]);
    assert!(plain.http.tls.is_none());
    assert_eq!(access(&plain), accounts("htpasswd"), "that says nothing about accounts");
    let told = lines(&mistakes_with(&template(":443", &[]), &[("REGISTRY_AUTH", "silly")]));
    assert!(told.contains("auth.silly: not supported"), "{told}");
    let told = lines(&mistakes_with(
        &template(":443", &[]),
        &[("REGISTRY_AUTH_SILLY_REALM", "r")],
    ));
    assert!(told.contains("auth.silly: not supported"), "{told}");
}

#[test]
fn empty_variables_open_nothing_and_are_told_of() {
    let empty = [
        "REGISTRY_HTTP",
        "REGISTRY_HTTP_TLS",
        "REGISTRY_HTTP_TLS_AUTO",
        "REGISTRY_HTTP_TLS_CERTIFICATE",
        "REGISTRY_HTTP_TLS_LETSENCRYPT",
        "REGISTRY_AUTH",
        "REGISTRY_AUTH_HTPASSWD",
        "REGISTRY_AUTH_HTPASSWD_PATH",
        "REGISTRY_AUTH_TOKEN",
        "REGISTRY_AUTH_TOKEN_REALM",
        "REGISTRY_AUTH_ISSUER",
        "REGISTRY_STORAGE",
    ];
    for value in ["", " ", "~"] {
        for name in empty {
            let config = generated(&[(name, value)]);
            assert_eq!(access(&config), accounts("htpasswd"), "{name}={value:?}");
            assert!(is_auto(&config), "{name}={value:?}");
            assert_eq!(warned(&config), [name]);
            assert_eq!(config.variables, [""; 0]);
        }
    }
    let written = "{version: 0.1, storage: filesystem, http: {tls: {certificate: c, key: k}}, \
                   auth: {htpasswd: {path: h}, acl: [{match: {account: a}, actions: [pull]}]}}";
    let config = config_with(
        written,
        &[
            ("REGISTRY_HTTP_TLS_CERTIFICATE", ""),
            ("REGISTRY_HTTP_TLS_KEY", ""),
            ("REGISTRY_AUTH_ACL", ""),
        ],
    );
    assert!(config.http.tls.is_some() && config.auth.acl.is_some());
    // Elsewhere an empty one clears what the file says, as in registry:2.
    let config = config_with(
        "{version: 0.1, storage: filesystem, http: {host: 'https://r.example.com'}}",
        &[("REGISTRY_HTTP_HOST", "")],
    );
    assert!(config.http.host.is_none());
}

#[test]
fn whole_sections_take_neither_tls_nor_accounts_away() {
    for (name, value) in [
        ("REGISTRY_HTTP", "{addr: ':5000'}"),
        ("REGISTRY_HTTP", "{addr: ':5000', tls: {}}"),
        ("REGISTRY_HTTP_TLS", "{}"),
        ("REGISTRY_HTTP_TLS", "{minimumtls: tls1.3}"),
        ("REGISTRY_HTTP_TLS", "{certificate: , key: ''}"),
        ("REGISTRY_AUTH", "{}"),
        ("REGISTRY_STORAGE", "filesystem"),
        ("REGISTRY_STORAGE", "{filesystem: {rootdirectory: data}}"),
    ] {
        let config = generated(&[(name, value)]);
        assert!(is_auto(&config), "{name}={value}");
        assert_eq!(access(&config), accounts("htpasswd"), "{name}={value}");
        assert!(config.storage.root.ends_with("data"), "{name}={value}");
    }
    assert!(generated(&[("REGISTRY_STORAGE", "filesystem")]).storage.delete);
    let plain = generated(&[("REGISTRY_HTTP", "{addr: ':5000', tls: {auto: false}}")]);
    assert!(plain.http.tls.is_none(), "that is a word");
}

#[test]
fn the_older_name_of_the_level_counts_too() {
    let config = generated(&[("REGISTRY_LOGLEVEL", "error")]);
    assert_eq!(config.log.level, Level::Error);
    assert_eq!(warned(&config), [""; 0]);
    let both = generated(&[("REGISTRY_LOGLEVEL", "error"), ("REGISTRY_LOG_LEVEL", "info")]);
    assert_eq!(both.log.level, Level::Info);
}

#[test]
fn those_in_force_are_named() {
    let config = generated(&[
        ("REGISTRY_STORAGE_DELETE_ENABLED", "false"),
        ("REGISTRY_HTTP_ADDR", ":5000"),
        ("REGISTRY_HTTP_SECRET", "hush"),
        ("REGISTRY_PORT", "tcp://10.0.0.1:5000"),
        ("PATH", "/bin"),
    ]);
    assert_eq!(
        config.variables,
        [
            "REGISTRY_HTTP_ADDR",
            "REGISTRY_HTTP_SECRET",
            "REGISTRY_STORAGE_DELETE_ENABLED"
        ]
    );
}
