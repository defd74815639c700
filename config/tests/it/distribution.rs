//! Configurations that distribution's users have today load as they are, with distribution's meanings.

use std::path::Path;
use std::time::Duration;

use lockgate_config::{CertificateSource, ClientAuth, IndexPlatforms, Level, StorageHealth, TlsVersion, UploadPurging};

use crate::harness::{config, warned};

const MINIMAL: &str = "{version: 0.1, storage: {filesystem: {}}}";

// proves: HOMELAB-04
// part of: HOMELAB-01, HOMELAB-03, HOMELAB-06, HOMELAB-07 (what is read; what it does is shown where it is done)
#[test]
fn the_home_lab_loads() {
    let config = config(include_str!("fixtures/home-lab.yml"));
    assert_eq!(config.log.level, Level::Info);
    assert_eq!(config.log.fields.get("service").map(String::as_str), Some("registry"));
    assert!(config.log.access);
    assert_eq!(config.storage.root, Path::new("/var/lib/registry"));
    assert!(!config.storage.delete);
    assert_eq!(config.http.addr.to_string(), ":5000");
    assert_eq!(config.http.headers["X-Content-Type-Options"], "nosniff");
    assert!(config.http.tls.is_none());
    assert_eq!(
        config.health.storage,
        Some(StorageHealth {
            interval: Duration::from_secs(10),
            threshold: 3
        })
    );
    assert_eq!(warned(&config), ["storage.cache.blobdescriptor", "auth"]);
}

#[test]
fn the_examples_load() {
    let example = include_str!("fixtures/distribution-2-example.yml");
    let older = config(example);
    let htpasswd = older.auth.htpasswd.as_ref().unwrap();
    assert_eq!(
        (htpasswd.realm.as_str(), htpasswd.path.as_path()),
        ("basic-realm", Path::new("/etc/registry"))
    );
    assert_eq!(warned(&older), ["storage.cache.blobdescriptor", "http.tls"]);

    let newer = config(&example.replace("storage:", "storage:\n  tag: {concurrencylimit: 8}"));
    assert_eq!(
        warned(&newer),
        [
            "storage.tag.concurrencylimit",
            "storage.cache.blobdescriptor",
            "http.tls"
        ]
    );
}

#[test]
fn the_development_configurations_load() {
    for (text, warnings) in [
        (
            include_str!("fixtures/distribution-2-dev.yml"),
            [
                "storage.cache.blobdescriptor",
                "http.debug.addr",
                "redis",
                "notifications.events",
                "auth",
            ],
        ),
        (
            include_str!("fixtures/distribution-3-dev.yml"),
            [
                "storage.cache.blobdescriptor",
                "storage.tag.concurrencylimit",
                "http.debug.addr",
                "auth",
                "",
            ],
        ),
    ] {
        let config = config(text);
        assert_eq!(config.log.level, Level::Debug);
        assert!(config.storage.delete);
        assert_eq!(config.storage.upload_purging, None);
        let debug = config.http.debug.as_ref().unwrap();
        assert_eq!(
            (debug.addr.to_string().as_str(), debug.prometheus.as_deref()),
            (":5001", Some("/metrics"))
        );
        assert_eq!(
            warned(&config),
            warnings
                .iter()
                .filter(|key| !key.is_empty())
                .copied()
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn every_key_of_the_reference_loads() {
    let config = config(include_str!("fixtures/distribution-3-all.yml"));
    assert!(!config.log.access);
    assert_eq!(config.storage.max_threads, 100);
    let (week, day) = (Duration::from_secs(604_800), Duration::from_secs(86_400));
    assert_eq!(
        config.storage.upload_purging,
        Some(UploadPurging {
            age: week,
            interval: day,
            dry_run: false
        })
    );
    let http = &config.http;
    assert_eq!(http.prefix, "/my/nested/registry/");
    assert_eq!(
        http.host.as_ref().unwrap().to_string(),
        "https://myregistryaddress.org:5000"
    );
    assert_eq!(http.secret.as_ref().unwrap().reveal(), "asecretforlocaldevelopment");
    assert_eq!(http.drain_timeout, Duration::from_secs(60));
    assert!(http.http2);
    let tls = http.tls.as_ref().unwrap();
    assert!(
        matches!(&tls.certificate, CertificateSource::Files { key, .. } if key == Path::new("/path/to/x509/private"))
    );
    assert_eq!(
        (tls.minimum, tls.client_auth, tls.client_cas.len()),
        (TlsVersion::Tls12, ClientAuth::RequireAndVerify, 2)
    );
    let token = config.auth.token.as_ref().unwrap();
    assert_eq!(
        (token.realm.as_str(), token.service.as_str()),
        ("token-realm", "token-service")
    );
    assert_eq!(
        (token.auto_redirect, token.auto_redirect_path.as_str()),
        (true, "/auth/token")
    );
    assert_eq!(token.signing_algorithms, ["EdDSA", "HS256"]);
    assert_eq!(
        config.validation.platforms,
        IndexPlatforms::List(vec![("linux".into(), "amd64".into())])
    );
    assert_eq!(
        (config.validation.urls_allow.len(), config.validation.urls_deny.len()),
        (1, 1)
    );
    assert_eq!(
        warned(&config),
        [
            "log.reportcaller",
            "loglevel",
            "storage.tag.concurrencylimit",
            "storage.cache.blobdescriptor",
            "storage.cache.blobdescriptorsize",
            "catalog.maxentries",
            "tags.maxtags",
            "http.tls.ciphersuites",
            "redis",
            "health.file",
            "health.http",
            "health.tcp",
        ]
    );
}

#[test]
fn defaults_are_those_of_distribution() {
    let config = config(MINIMAL);
    assert_eq!(
        (config.log.level, config.log.console, config.log.system),
        (Level::Info, Level::Info, None)
    );
    assert!(config.log.file.is_none());
    assert_eq!(config.storage.root, Path::new("/var/lib/registry"));
    assert!(!config.storage.delete && !config.storage.read_only);
    assert_eq!(config.storage.upload_purging.unwrap().age, Duration::from_secs(604_800));
    assert_eq!(config.storage.max_threads, 100);
    assert_eq!(config.http.addr.to_string(), ":5000");
    assert_eq!(
        (
            config.http.prefix.as_str(),
            config.http.relative_urls,
            config.http.http2
        ),
        ("/", false, true)
    );
    assert_eq!(config.http.drain_timeout, Duration::from_secs(30));
    assert_eq!(config.health.storage, None);
    assert!(config.validation.enabled && config.validation.urls_allow.is_empty());
    assert_eq!(config.validation.platforms, IndexPlatforms::All);
}

#[test]
fn health_defaults_are_those_of_distribution() {
    let health = |text: &str| {
        config(&MINIMAL.replace("}}}", &format!("}}}}, health: {{storagedriver: {text}}}}}")))
            .health
            .storage
    };
    let ten = Duration::from_secs(10);
    assert_eq!(
        health("{enabled: true}"),
        Some(StorageHealth {
            interval: ten,
            threshold: 1
        })
    );
    assert_eq!(
        health("{enabled: true, interval: 0s, threshold: -1}"),
        Some(StorageHealth {
            interval: ten,
            threshold: 1
        })
    );
    assert_eq!(health("{interval: 5s, threshold: 3}"), None);
    // A bare number is nanoseconds.
    assert_eq!(
        health("{enabled: yes, interval: 5000000000}").unwrap().interval,
        Duration::from_secs(5)
    );
}

#[test]
fn validation_is_on_unless_disabled() {
    for (text, enabled) in [
        ("{}", true),
        ("{enabled: false}", true),
        ("{disabled: true}", false),
        ("{enabled: true, disabled: true}", true),
    ] {
        let config = config(&MINIMAL.replace("}}}", &format!("}}}}, validation: {text}}}")));
        assert_eq!(config.validation.enabled, enabled, "{text}");
    }
}

#[test]
fn short_forms() {
    let short = config("{version: '0.1', storage: filesystem, auth: none, loglevel: WARN}");
    assert_eq!(short.storage.root, Path::new("/var/lib/registry"));
    assert_eq!(short.log.level, Level::Warn);
    assert_eq!(warned(&short), ["auth"]);
}

#[test]
fn unix_sockets() {
    for http in [
        "{net: unix, addr: /run/r.sock}",
        "{addr: 'unix:/run/r.sock'}",
        "{net: unix, addr: 'unix:/run/r.sock'}",
    ] {
        let config = config(&MINIMAL.replace("}}}", &format!("}}}}, http: {http}}}")));
        assert_eq!(config.http.addr.to_string(), "unix:/run/r.sock", "{http}");
    }
}
