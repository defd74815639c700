//! `REGISTRY_*` variables, by distribution's rules.

use std::path::Path;
use std::time::Duration;

use lockgate_config::{CertificateSource, Level, LoadError, RulePattern};

use crate::harness::{File, config_with, lines, mistakes_with, warned};

const HOME_LAB: &str = include_str!("fixtures/home-lab.yml");

// proves: TOY-03, HOMELAB-08
#[test]
fn the_usual_ones_beat_the_file() {
    let config = config_with(
        HOME_LAB,
        &[
            ("REGISTRY_HTTP_ADDR", "0.0.0.0:443"),
            ("REGISTRY_HTTP_TLS_CERTIFICATE", "/certs/registry.local.crt"),
            ("REGISTRY_HTTP_TLS_KEY", "/certs/registry.local.key"),
            ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/somewhere"),
            ("REGISTRY_STORAGE_DELETE_ENABLED", "true"),
            ("REGISTRY_AUTH", "htpasswd"),
            ("REGISTRY_AUTH_HTPASSWD_REALM", "Registry Realm"),
            ("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd"),
            ("REGISTRY_LOG_LEVEL", "debug"),
            ("REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL", "3s"),
            ("PATH", "/usr/bin"),
        ],
    );
    assert_eq!(config.http.addr.to_string(), "0.0.0.0:443");
    assert!(matches!(
        config.http.tls.as_ref().unwrap().certificate,
        CertificateSource::Files { ref certificate, ref key }
            if certificate == Path::new("/certs/registry.local.crt") && key == Path::new("/certs/registry.local.key")
    ));
    assert_eq!(config.storage.root, Path::new("/somewhere"));
    assert!(config.storage.delete);
    let htpasswd = config.auth.htpasswd.as_ref().unwrap();
    assert_eq!(
        (htpasswd.realm.as_str(), htpasswd.path.as_path()),
        ("Registry Realm", Path::new("/auth/htpasswd"))
    );
    assert_eq!(config.log.level, Level::Debug);
    assert_eq!(config.health.storage.unwrap().interval, Duration::from_secs(3));
    assert_eq!(
        config.health.storage.unwrap().threshold,
        3,
        "the file's, beside the variable"
    );
    assert_eq!(warned(&config), ["storage.cache.blobdescriptor"]);
}

#[test]
fn they_fill_what_the_file_only_names() {
    for text in [
        "{version: 0.1, storage: filesystem, auth: htpasswd}",
        "{version: 0.1, storage: {filesystem: }, auth: {htpasswd: }}",
        "{version: 0.1}",
    ] {
        let config = config_with(
            text,
            &[
                ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/data"),
                ("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd"),
                ("REGISTRY_AUTH_HTPASSWD_REALM", "realm"),
            ],
        );
        assert_eq!(config.storage.root, Path::new("/data"), "{text}");
        assert_eq!(
            config.auth.htpasswd.unwrap().path,
            Path::new("/auth/htpasswd"),
            "{text}"
        );
    }
}

#[test]
fn a_parent_replaces_the_file_and_its_children_come_after() {
    let text = "{version: 0.1, storage: {filesystem: {rootdirectory: /file, maxthreads: 50}, delete: {enabled: true}}}";
    let config = config_with(
        text,
        &[
            ("REGISTRY_STORAGE_FILESYSTEM_MAXTHREADS", "70"),
            ("REGISTRY_STORAGE", "{filesystem: {rootdirectory: /variable}}"),
        ],
    );
    assert_eq!(
        (config.storage.root.as_path(), config.storage.max_threads),
        (Path::new("/variable"), 70)
    );
    assert!(!config.storage.delete, "the parent replaced it");
}

#[test]
fn values_are_yaml() {
    let config = config_with(
        HOME_LAB,
        &[
            ("REGISTRY_LOG_FIELDS", "{service: other, instance: 7}"),
            ("REGISTRY_HTTP_HEADERS_X-Content-Type-Options", "[nosniff, again]"),
            ("REGISTRY_HTTP_HEADERS_X-Other", "[other]"),
            ("REGISTRY_HTTP_TRUSTEDPROXIES", "[10.0.0.0/8]"),
            ("REGISTRY_HTTP_SECRET", "007"),
            ("REGISTRY_HTTP_PREFIX", "\"/quoted/\""),
            ("REGISTRY_HTTP_DEBUG_ADDR", "[::1]:5001"),
            ("REGISTRY_LOG_FORMATTER", ""),
        ],
    );
    assert_eq!(config.log.fields["service"], "other");
    assert_eq!(config.log.fields["instance"], "7");
    let options = config.http.headers.get_all("X-Content-Type-Options");
    assert_eq!(options.iter().collect::<Vec<_>>(), ["nosniff", "again"]);
    assert_eq!(config.http.headers["x-other"], "other");
    assert_eq!(config.http.trusted_proxies.len(), 1);
    assert_eq!(config.http.secret.unwrap().reveal(), "007");
    assert_eq!(config.http.prefix, "/quoted/");
    assert_eq!(config.http.debug.unwrap().addr.to_string(), "[::1]:5001");
}

#[test]
fn lists_go_by_index() {
    let hosts: Vec<_> = (0..12)
        .rev()
        .map(|index| {
            (
                format!("REGISTRY_HTTP_TRUSTEDPROXIES_{index}"),
                format!("10.0.0.{index}"),
            )
        })
        .collect();
    let hosts: Vec<_> = hosts
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let config = config_with(HOME_LAB, &hosts);
    assert_eq!(config.http.trusted_proxies.len(), 12);
    assert_eq!(config.http.trusted_proxies[10], "10.0.0.10".parse().unwrap());

    let text = "{version: 0.1, storage: filesystem, http: {trustedproxies: [10.0.0.1, 10.0.0.2]}}";
    let config = config_with(text, &[("REGISTRY_HTTP_TRUSTEDPROXIES_1", "10.9.9.9")]);
    assert_eq!(
        config.http.trusted_proxies,
        ["10.0.0.1".parse().unwrap(), "10.9.9.9".parse().unwrap()]
    );

    let mistakes = mistakes_with(text, &[("REGISTRY_HTTP_TRUSTEDPROXIES_7", "10.9.9.9")]);
    assert_eq!(
        lines(&mistakes),
        "REGISTRY_HTTP_TRUSTEDPROXIES_7: expected an index of 0 to 2: the list has 2 entries\n"
    );

    let rules = "{version: 0.1, storage: filesystem, auth: {htpasswd: {path: h}, acl: [{match: {account: a}, actions: [pull]}]}}";
    let config = config_with(
        rules,
        &[
            ("REGISTRY_AUTH_ACL_1_MATCH_ACCOUNT", "b"),
            ("REGISTRY_AUTH_ACL_1_ACTIONS", "[push]"),
            ("REGISTRY_AUTH_ACL_0_ACTIONS_1", "delete"),
        ],
    );
    let acl = config.auth.acl.unwrap();
    assert_eq!(
        (
            acl[0].actions.join(" "),
            acl[1].matches.account.as_ref().map(RulePattern::as_str)
        ),
        ("pull delete".into(), Some("b"))
    );
}

#[test]
fn go_field_names_count_too() {
    let mistakes = mistakes_with(
        HOME_LAB,
        &[("REGISTRY_NOTIFICATIONS_ENDPOINTS", "[{name: a, url: http://a/}]")],
    );
    assert_eq!(mistakes[0].key, "notifications.endpoints[0]");
    assert_eq!(
        mistakes[0].variable.as_deref(),
        Some("REGISTRY_NOTIFICATIONS_ENDPOINTS")
    );
    let config = config_with(
        HOME_LAB,
        &[("REGISTRY_NOTIFICATIONS_EVENTCONFIG_INCLUDEREFERENCES", "true")],
    );
    assert!(warned(&config).contains(&"notifications.events".to_owned()));
    let config = config_with(HOME_LAB, &[("REGISTRY_HEALTH_FILECHECKERS_0_FILE", "/down")]);
    assert!(warned(&config).contains(&"health.file".to_owned()));
}

#[test]
fn kubernetes_does_not_break_the_start() {
    // What a pod beside services named registry, registry-http, registry-auth and registry-storage is given.
    let services = [
        "REGISTRY",
        "REGISTRY_HTTP",
        "REGISTRY_AUTH",
        "REGISTRY_STORAGE",
        "REGISTRY_LOG",
        "REGISTRY_PROXY",
    ];
    let variables: Vec<(String, String)> = services
        .iter()
        .flat_map(|service| {
            [
                ("SERVICE_HOST", "10.96.0.10"),
                ("SERVICE_PORT", "5000"),
                ("SERVICE_PORT_HTTP", "5000"),
                ("PORT", "tcp://10.96.0.10:5000"),
                ("PORT_5000_TCP", "tcp://10.96.0.10:5000"),
                ("PORT_5000_TCP_PROTO", "tcp"),
                ("PORT_5000_TCP_PORT", "5000"),
                ("PORT_5000_TCP_ADDR", "10.96.0.10"),
            ]
            .map(|(name, value)| (format!("{service}_{name}"), value.to_owned()))
        })
        .collect();
    let file = File::new(HOME_LAB);
    let config = lockgate_config::Config::load(&file.path(), &variables).unwrap();
    assert_eq!(config.http.addr.to_string(), ":5000");
    assert!(config.auth.htpasswd.is_none() && config.http.tls.is_none());
    let ignored = config
        .warnings
        .iter()
        .filter(|warning| warning.key.starts_with("REGISTRY_"))
        .count();
    assert_eq!(ignored, variables.len());
}

#[test]
fn a_mistyped_variable_is_told() {
    let config = config_with(
        HOME_LAB,
        &[("REGISTRY_HTTP_TSL_KEY", "k"), ("REGISTRY_HTTP_ADDR_FOO", "x")],
    );
    let told = lines(&config.warnings);
    assert!(
        told.contains("REGISTRY_HTTP_TSL_KEY: ignored, it names no key; did you mean REGISTRY_HTTP_TLS_KEY?\n"),
        "{told}"
    );
    assert!(told.contains("REGISTRY_HTTP_ADDR_FOO: ignored"), "{told}");
    assert_eq!(config.http.addr.to_string(), ":5000");
}

/// A public slip: the registry is open, and the variable seems to close it.
#[test]
fn a_section_below_another_is_told() {
    for (variable, meant) in [
        ("REGISTRY_HTTP_AUTH_HTPASSWD_PATH", "REGISTRY_AUTH_HTPASSWD_PATH"),
        ("REGISTRY_HTTP_AUTH_HTPASSWD_REALM", "REGISTRY_AUTH_HTPASSWD_REALM"),
        ("REGISTRY_REGISTRY_HTTP_ADDR", "REGISTRY_HTTP_ADDR"),
        (
            "REGISTRY_HTTP_STORAGE_FILESYSTEM_ROOTDIRECTORY",
            "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY",
        ),
        ("REGISTRY_STORAGE_HTTP_TLS_CLIENTCAS_0", "REGISTRY_HTTP_TLS_CLIENTCAS_0"),
    ] {
        let config = config_with(HOME_LAB, &[(variable, "x")]);
        let told = lines(&config.warnings);
        assert!(
            told.contains(&format!(
                "{variable}: ignored, it names no key; did you mean {meant}?\n"
            )),
            "{told}"
        );
    }
    let told = lines(&config_with(HOME_LAB, &[("REGISTRY_HTTP_AUTH_FOO", "x")]).warnings);
    assert!(
        told.contains("REGISTRY_HTTP_AUTH_FOO: ignored") && !told.contains("did you mean"),
        "{told}"
    );
}

#[test]
fn some_are_no_keys() {
    let config = config_with(
        HOME_LAB,
        &[
            ("REGISTRY_VERSION", "2.8.3"),
            ("REGISTRY_CONFIGURATION_PATH", "/etc/x.yml"),
        ],
    );
    assert!(
        !warned(&config).iter().any(|key| key.starts_with("REGISTRY")),
        "{:?}",
        config.warnings
    );
}

#[test]
fn mistakes_name_the_variable() {
    let told = lines(&mistakes_with(
        HOME_LAB,
        &[("REGISTRY_HTTP_ADDR", "foo"), ("REGISTRY_LOG", "loud")],
    ));
    assert!(
        told.contains("http.addr = \"foo\": expected host:port, :port or unix:PATH"),
        "{told}"
    );
    assert!(told.contains("(from REGISTRY_HTTP_ADDR)\n"), "{told}");
    assert!(
        told.contains("log = \"loud\": expected a section") && told.contains("(from REGISTRY_LOG)"),
        "{told}"
    );
    // A section that only variables made.
    let told = lines(&mistakes_with(
        HOME_LAB,
        &[("REGISTRY_STORAGE_S3_BUCKET", "x"), ("REGISTRY_STORAGE_S3_REGION", "y")],
    ));
    assert!(
        told.contains("storage.s3: not supported") && told.contains("(from REGISTRY_STORAGE_S3_BUCKET)"),
        "{told}"
    );
}

/// A pair from variables replaces the certificate that a generated file asks for.
#[test]
fn a_certificate_from_variables_beats_auto() {
    let text = lockgate_config::template(":5000", &[]);
    let pair = [
        ("REGISTRY_HTTP_TLS_CERTIFICATE", "c.pem"),
        ("REGISTRY_HTTP_TLS_KEY", "k.pem"),
    ];
    let tls = config_with(&text, &pair).http.tls.unwrap();
    assert!(matches!(tls.certificate, CertificateSource::Files { .. }));
    let told = lines(&mistakes_with(&text, &pair[..1]));
    assert!(told.contains("http.tls.key: missing"), "{told}");
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let file = File::new("");
    let missing = file.directory().join("other.yml");
    let error = lockgate_config::Config::load(&missing, &[]).unwrap_err();
    assert!(
        matches!(&error, LoadError::Unreadable { path, .. } if *path == missing),
        "{error}"
    );
}
