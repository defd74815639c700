//! Keys that distribution does not have.

use std::time::Duration;

use lockgate_config::{AccountId, CertificateSource, Level, Network, Process, RulePattern};

use crate::harness::{File, config};

const ALL: &str = "
version: 0.1
log:
  level: warn
  console: {level: SILENT}
  file: {directory: logs, maxsize: 1MiB, maxage: 24h}
  system: {level: error}
storage:
  filesystem: {rootdirectory: data}
  manifest: {maxsize: 8MiB}
  upload: {chunkminlength: 1048576}
http:
  addr: unix:run/registry.sock
  trustedproxies: [127.0.0.1, 'fd00::/8']
  accel: /blobs
  redirecthttps: :80
  docroot: www
  tls: {auto: {hostnames: [Registry.example.com, 10.0.0.7, '*.example.org']}}
  aliases: [{name: '*.example.net', certificate: tls/a.crt, key: tls/a.key}]
  limits:
    {maxconnections: 5, idletimeout: 2s, backendwait: 0s, maxrequests: 6, maxnetworkrequests: 7, requestwait: 0s,
    bodytimeout: 8s, maxuploads: 9}
auth:
  htpasswd: {path: auth/htpasswd}
  issuer: {path: /authserver/auth, realm: 'https://a.example.com/authserver/auth', expiration: 60s}
  groups: {admins: [a, b], one: c}
  anonymous: {pull: ['public/*', '/^base/']}
  acl:
    - {match: {account: admin}, actions: ['*'], comment: everything}
    - {match: {account: '', ip: 10.0.0.0/8, labels: {group: admins}}, actions: []}
    - {match: {name: '${account}/*', type: repository, service: s}, actions: [pull, push, delete]}
process: {proxyuser: www-data, registryuser: 1000, group: '2000'}
";

#[test]
fn all_are_read() {
    let file = File::new(ALL);
    let config = file.load(&[]).unwrap();
    assert_eq!(config.warnings, []);
    let at = |path: &str| file.directory().join(path);

    let log = &config.log;
    assert_eq!(
        (log.level, log.console, log.system),
        (Level::Warn, Level::Silent, Some(Level::Error))
    );
    let sink = log.file.as_ref().unwrap();
    assert_eq!(
        (sink.level, sink.max_size, sink.max_age),
        (Level::Warn, 1 << 20, Duration::from_secs(86_400))
    );
    assert_eq!(sink.directory, Some(at("logs")));

    assert_eq!(
        (config.storage.root, config.storage.max_manifest_size),
        (at("data"), 8 << 20)
    );
    assert_eq!(config.storage.chunk_min_length, Some(1 << 20));

    let expected = Process {
        proxy_user: Some(AccountId::Name("www-data".to_owned())),
        registry_user: Some(AccountId::Number(1000)),
        group: Some(AccountId::Number(2000)),
    };
    assert_eq!(config.process, expected);

    let http = &config.http;
    assert_eq!(
        http.addr.to_string(),
        format!("unix:{}", at("run/registry.sock").display())
    );
    let proxies: Vec<_> = http.trusted_proxies.iter().map(Network::to_string).collect();
    assert_eq!(proxies, ["127.0.0.1/32", "fd00::/8"]);
    assert_eq!(http.accel.as_deref(), Some("/blobs/"));
    assert_eq!(http.redirect_https.as_ref().unwrap().to_string(), ":80");
    assert_eq!(http.docroot, Some(at("www")));
    let CertificateSource::Auto { hostnames } = &http.tls.as_ref().unwrap().certificate else {
        panic!("{:?}", http.tls)
    };
    assert_eq!(hostnames[..], ["registry.example.com", "10.0.0.7", "*.example.org"]);
    assert_eq!(
        (http.aliases[0].name.as_str(), &http.aliases[0].key),
        ("*.example.net", &at("tls/a.key"))
    );
    assert_eq!(
        (http.limits.max_connections, http.limits.idle_timeout),
        (5, Duration::from_secs(2))
    );
    assert_eq!(http.limits.backend_wait, Duration::ZERO);
    assert_eq!((http.limits.max_requests, http.limits.max_network_requests), (6, 7));
    assert_eq!(http.limits.request_wait, Duration::ZERO);
    assert_eq!(
        (http.limits.body_timeout, http.limits.max_uploads),
        (Duration::from_secs(8), 9)
    );

    let auth = &config.auth;
    assert_eq!(auth.htpasswd.as_ref().unwrap().realm, "Lockgate");
    let issuer = auth.issuer.as_ref().unwrap();
    assert_eq!(
        (issuer.path.as_str(), issuer.expiration),
        ("/authserver/auth", Duration::from_secs(60))
    );
    assert_eq!(
        (issuer.issuer.as_str(), issuer.service.as_str()),
        ("lockgate", "lockgate")
    );
    assert_eq!(issuer.key, at("auth/token.key"));
    assert_eq!(
        (&auth.groups["admins"][..], &auth.groups["one"][..]),
        (&["a".into(), "b".into()][..], &["c".into()][..])
    );
    let public: Vec<_> = auth.anonymous.iter().flat_map(|anonymous| &anonymous.pull).collect();
    assert_eq!(
        public.iter().map(|pattern| pattern.as_str()).collect::<Vec<_>>(),
        ["public/*", "/^base/"]
    );
    let acl = auth.acl.as_ref().unwrap();
    assert_eq!(
        (acl[0].actions.join(" "), acl[0].comment.as_deref()),
        ("*".into(), Some("everything"))
    );
    assert_eq!(
        (
            acl[1].matches.account.as_ref().map(RulePattern::as_str),
            acl[1].actions.len()
        ),
        (Some(""), 0)
    );
    assert_eq!(
        (
            acl[1].matches.ip.unwrap().prefix(),
            acl[1].matches.labels["group"].as_str()
        ),
        (8, "admins")
    );
    assert_eq!(
        acl[2].matches.name.as_ref().map(RulePattern::as_str),
        Some("${account}/*")
    );
    assert_eq!(acl[2].matches.account, None);
}

#[test]
fn bare_true_stands_for_all_defaults() {
    let text = "{version: 0.1, storage: filesystem, http: {tls: {auto: true}}, log: {file: true}, auth: {htpasswd: {path: h}, issuer: true}}";
    let config = config(text);
    assert!(config.log.file.unwrap().directory.is_none());
    assert_eq!(config.auth.issuer.unwrap().expiration, Duration::from_secs(300));
    let certificate = config.http.tls.unwrap().certificate;
    assert!(
        matches!(&certificate, CertificateSource::Auto { hostnames } if hostnames.is_empty()),
        "{certificate:?}"
    );
}

#[test]
fn lets_encrypt() {
    let text = "{version: 0.1, storage: filesystem, http: {tls: {letsencrypt: {cachefile: acme, email: a@b.c, hosts: [r.example.com], directoryurl: 'https://localhost:14000/dir'}}}}";
    let file = File::new(text);
    let CertificateSource::Acme(acme) = file.load(&[]).unwrap().http.tls.unwrap().certificate else {
        panic!("another source")
    };
    assert_eq!(
        (acme.cache_file, acme.email.as_str()),
        (file.directory().join("acme"), "a@b.c")
    );
    assert_eq!(
        (acme.hosts[0].as_str(), acme.directory_url.as_deref()),
        ("r.example.com", Some("https://localhost:14000/dir"))
    );

    // As distribution documents it.
    let text = "{version: 0.1, storage: filesystem, http: {tls: {letsencrypt: {cachefile: acme}}}}";
    let hosts = [
        ("REGISTRY_HTTP_TLS_LETSENCRYPT_HOSTS_0", "b.example.com"),
        ("REGISTRY_HTTP_TLS_LETSENCRYPT_HOSTS_1", "a.example.com"),
        ("REGISTRY_HTTP_TLS_LETSENCRYPT_HOSTS_2", "b.example.com"),
    ];
    let config = File::new(text).load(&hosts).unwrap();
    let CertificateSource::Acme(acme) = config.http.tls.unwrap().certificate else {
        panic!("another source")
    };
    assert_eq!(acme.hosts, ["b.example.com", "a.example.com"]);
    assert_eq!(acme.directory(), "https://acme-v02.api.letsencrypt.org/directory");
}

#[test]
fn lets_encrypt_orders_for_the_host_that_clients_use() {
    let with = |more: &str| {
        let text = format!(
            "{{version: 0.1, storage: filesystem, http: {{{more}, tls: {{letsencrypt: {{cachefile: acme, email: a@b.c}}}}}}}}"
        );
        let tls = File::new(text).load(&[]).unwrap().http.tls.unwrap();
        tls.acme().unwrap().hosts.clone()
    };
    assert_eq!(with("host: 'https://Registry.example.com'"), ["registry.example.com"]);
    assert_eq!(
        with("host: 'https://registry.example.com:5000/'"),
        ["registry.example.com"]
    );
}

#[test]
fn a_relative_configuration_path_makes_absolute_paths() {
    // The package's own directory is where tests run.
    let config = lockgate_config::Config::load("tests/it/fixtures/relative.yml".as_ref(), &[]).unwrap();
    assert!(config.storage.root.is_absolute(), "{:?}", config.storage.root);
    assert!(
        config.storage.root.ends_with("tests/it/fixtures/data"),
        "{:?}",
        config.storage.root
    );
}
