//! What would be lost is refused with the reason; what asks for nothing loads.

use crate::harness::{config, lines, mistakes, warned};

fn with(more: &str) -> String {
    format!("version: 0.1\nstorage: {{filesystem: {{rootdirectory: /data}}}}\n{more}\n")
}

#[test]
fn what_would_lose_data_access_or_events() {
    for (more, start) in [
        (
            "notifications: {endpoints: [{name: a, url: http://a/}]}",
            "notifications.endpoints[0]: not supported",
        ),
        (
            "proxy: {remoteurl: https://registry-1.docker.io}",
            "proxy.remoteurl = \"https://registry-1.docker.io\": not supported",
        ),
        (
            "middleware: {storage: [{name: cloudfront, options: {baseurl: x}}]}",
            "middleware.storage[0]: not supported",
        ),
        ("auth: {silly: {realm: r, service: s}}", "auth.silly: not supported"),
        (
            "policy: {repository: {classes: [image]}}",
            "policy.repository.classes[0] = \"image\": not supported",
        ),
        (
            "compatibility: {schema1: {enabled: true}}",
            "compatibility.schema1.enabled = \"true\": not supported",
        ),
        (
            "log: {hooks: [{type: mail, levels: [panic]}]}",
            "log.hooks[0]: not supported",
        ),
        (
            "http: {tls: {certificate: c, key: k, clientcas: [ca], clientauth: require-any-client-cert}}",
            "http.tls.clientauth",
        ),
    ] {
        let told = lines(&mistakes(&with(more)));
        assert!(told.starts_with(start) && told.lines().count() == 1, "{told}");
    }
}

#[test]
fn other_storage_drivers() {
    for driver in [
        "inmemory: ",
        "s3: {bucket: b, secretkey: hunter2}",
        "s3aws: {bucket: b, secretkey: hunter2}",
        "rados: {poolname: p}",
        "azure: {}",
        "gcs: {bucket: b}",
        "swift: {}",
        "oss: {}",
    ] {
        let told = lines(&mistakes(&format!("version: 0.1\nstorage:\n  {driver}\n")));
        assert!(
            told.contains(": not supported") && told.contains("use filesystem"),
            "{told}"
        );
        assert!(told.lines().count() == 1 && !told.contains("hunter2"), "{told}");
    }
    for (driver, way_out) in [
        ("s3", "rclone"),
        ("gcs", "rclone"),
        ("swift", "skopeo sync"),
        ("rados", "skopeo sync"),
    ] {
        let told = lines(&mistakes(&format!(
            "version: 0.1\nstorage: {{{driver}: {{}}, filesystem: {{}}}}\n"
        )));
        assert!(told.contains(way_out), "{told}");
    }
    assert!(lines(&mistakes("{version: 0.1, storage: inmemory}")).starts_with("storage.inmemory: not supported"));
    assert!(lines(&mistakes("{version: 0.1, storage: filesytem}")).contains("did you mean storage.filesystem?"));
}

#[test]
fn empty_and_disabled_forms_load() {
    for more in [
        "notifications: {endpoints: []}",
        "notifications:",
        "notifications: {endpoints: [{name: a, url: http://a/, disabled: true}, {name: b, disabled: true}]}",
        "proxy: {remoteurl: ''}",
        "middleware: {registry: [], storage: [{name: redirect, disabled: true, options: {baseurl: x}}]}",
        "policy: {repository: {classes: []}}",
        "compatibility: {schema1: {enabled: false}}",
        "log: {hooks: [{type: mail, disabled: true}]}",
    ] {
        let config = config(&with(more));
        assert_eq!(
            lines(&config.warnings).lines().count(),
            1,
            "only that there are no accounts: {:?}",
            config.warnings
        );
    }
}

#[test]
fn some_disabled_and_one_not() {
    let told = lines(&mistakes(&with(
        "notifications: {endpoints: [{name: a, disabled: true}, {name: b, url: http://b/}]}",
    )));
    assert!(told.starts_with("notifications.endpoints[1]"), "{told}");
}

#[test]
fn what_is_harmless_is_warned_about() {
    for (more, start) in [
        (
            "redis: {addr: 'localhost:6379', password: hunter2}",
            "redis: without effect",
        ),
        ("reporting: {bugsnag: {apikey: hunter2}}", "reporting: without effect"),
        (
            "http: {h2c: {enabled: true}}",
            "http.h2c.enabled = \"true\": without effect",
        ),
        (
            "log: {reportcaller: true}",
            "log.reportcaller = \"true\": without effect",
        ),
        ("catalog: {maxentries: 5}", "catalog.maxentries = \"5\": without effect"),
        (
            "proxy: {username: a, password: hunter2}",
            "proxy.password: without effect",
        ),
        (
            "compatibility: {schema1: {signingkeyfile: /k}}",
            "compatibility.schema1.signingkeyfile",
        ),
        (
            "http: {tls: {minimumtls: tls1.3}}",
            "http.tls.minimumtls = \"tls1.3\": without effect",
        ),
        (
            "http: {tls: {certificate: c, key: k, clientauth: require-and-verify-client-cert}}",
            "http.tls.clientauth",
        ),
        (
            "http: {debug: {prometheus: {enabled: true}}}",
            "http.debug.prometheus.enabled = \"true\": without effect",
        ),
        ("auth: {htpasswd: {path: h}, acl: []}", "auth.acl"),
        ("auth: {htpasswd: {path: h}, issuer: {}}", "http.host: not set"),
        ("http: {trustedproxies: ['::/0']}", "http.trustedproxies = "),
        (
            "http: {trustedproxies: [10.0.0.0/8, 0.0.0.0/0]}",
            "http.trustedproxies = ",
        ),
        ("auth: {htpasswd: {path: h}, groups: {a: [b]}}", "auth.groups"),
    ] {
        let warnings = lines(&config(&with(more)).warnings);
        assert!(
            warnings.lines().any(|line| line.starts_with(start)),
            "{start} in {warnings}"
        );
        assert!(!warnings.contains("hunter2"), "{warnings}");
    }
}

/// Where the realm of a challenge comes from a request alone, passwords may be asked for over http.
#[test]
fn a_realm_that_only_requests_say_is_warned_about() {
    let told = |auth: &str, http: &str| {
        let config = config(&with(&format!(
            "auth: {{htpasswd: {{path: h}}, {auth}}}\nhttp: {{addr: ':5000', {http}}}"
        )));
        warned(&config).contains(&"http.host".to_owned())
    };
    for http in [
        "",
        "prefix: /hub/",
        "relativeurls: true",
        "host: 'http://hub.example.com'",
        "host: 'http://hub.example.com', trustedproxies: [10.0.0.0/8]",
    ] {
        assert!(told("issuer: {}", http), "{http}");
    }
    for http in [
        "host: 'https://hub.example.com'",
        "host: 'http://localhost:5000'",
        "host: 'http://127.0.0.1:5000'",
        "trustedproxies: [10.0.0.0/8]",
        "tls: {certificate: c, key: k}",
    ] {
        assert!(!told("issuer: {}", http), "{http}");
    }
    assert!(!told("issuer: {realm: 'https://hub.example.com/auth/token'}", ""));
    assert!(!told("acl: []", ""));
    assert!(!told("acl: []", "host: 'http://hub.example.com'"));
    let external =
        |more| format!("auth: {{token: {{realm: 'https://a/t', service: s, issuer: i, rootcertbundle: b{more}}}}}");
    assert!(warned(&config(&with(&external(", autoredirect: true")))).contains(&"http.host".to_owned()));
    assert!(!warned(&config(&with(&external("")))).contains(&"http.host".to_owned()));
}

#[test]
fn a_realm_that_is_plain_is_warned_about() {
    let told = |host: &str| {
        let issuer = format!("issuer: {{realm: '{host}/t'}}");
        let token = format!("token: {{realm: '{host}/t', service: s, issuer: i, rootcertbundle: b}}");
        [
            ("auth.issuer.realm", format!("htpasswd: {{path: h}}, {issuer}")),
            ("auth.token.realm", token),
        ]
        .map(|(key, auth)| warned(&config(&with(&format!("auth: {{{auth}}}")))).contains(&key.to_owned()))
    };
    for plain in ["http://hub", "http://10.0.0.1:5001"] {
        assert_eq!(told(plain), [true, true], "{plain}");
    }
    for other in [
        "https://hub",
        "http://localhost:5001",
        "http://127.0.0.1",
        "http://[::1]:1",
    ] {
        assert_eq!(told(other), [false, false], "{other}");
    }
}
