//! Files that change under a server that runs.

use std::fs;
use std::sync::Arc;

use lockgate_certs::load::LoadError;
use lockgate_certs::{ReloadEvent, Resolver, ServerOptions, server_config};

use crate::harness::{Client, Home, Server, Settings, leaf_der, request};

struct Running {
    home: Home,
    resolver: Arc<Resolver>,
    server: Server,
}

impl Running {
    fn new() -> Self {
        let home = Home::new();
        let default = home.issue("leaf", &["localhost", "alias.example"]);
        let alias = home.issue("alias", &["localhost", "alias.example"]);
        let resolver = Resolver::new(default, vec![("alias.example".into(), alias)]).unwrap();
        let server = Server::start(server_config(resolver.clone(), &ServerOptions::default()).unwrap());
        Self { home, resolver, server }
    }

    /// Events of the second look at files that changed: the first may have come in the middle of the change.
    fn second_look(&self) -> Vec<ReloadEvent> {
        let events = self.resolver.refresh();
        assert!(events.is_empty(), "told at the first look: {events:?}");
        self.resolver.refresh()
    }

    fn connect(&self, name: &str) -> Client {
        // A client of its own each time: a resumed session would show no certificate.
        let config = Settings::trusting(&self.home.path("ca.crt")).build();
        Client::connect(&self.server, name, &config).unwrap()
    }
}

// proves: SECURE-07
#[test]
fn a_new_pair_is_served_and_connections_go_on() {
    let running = Running::new();
    let mut open = running.connect("localhost");
    let old = open.leaf();
    assert!(running.resolver.refresh().is_empty());

    let pair = running.home.issue("leaf", &["localhost"]);
    let events = running.resolver.refresh();
    assert!(
        matches!(&events[..], [ReloadEvent::Reloaded { certificate, .. }] if *certificate == pair.certificate),
        "{events:?}"
    );
    let new = running.connect("localhost").leaf();
    assert_ne!(new, old);
    assert_eq!(new, leaf_der(&pair.certificate));
    open.exchange().unwrap();
    assert!(running.resolver.refresh().is_empty(), "told twice");
}

#[test]
fn only_the_pair_that_changed_is_reloaded() {
    let running = Running::new();
    let default = running.connect("localhost").leaf();
    let alias = running.home.issue("alias", &["alias.example"]);
    assert_eq!(running.resolver.refresh().len(), 1);
    assert_eq!(running.connect("localhost").leaf(), default);
    assert_eq!(running.connect("alias.example").leaf(), leaf_der(&alias.certificate));
}

// proves: SECURE-07
#[test]
fn a_wrong_pair_is_refused_once_and_the_old_one_goes_on() {
    let running = Running::new();
    let old = running.connect("localhost").leaf();
    let (certificate, key) = (running.home.path("leaf.crt"), running.home.path("leaf.key"));
    let next = running.home.authority.issue(&request(&["localhost"])).unwrap();

    // Half of the certificate, as seen in the middle of a copy.
    fs::write(&certificate, &next.chain_pem[..200]).unwrap();
    let events = running.second_look();
    let [ReloadEvent::Refused { error, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert!(matches!(error, LoadError::MalformedCertificate { .. }));
    assert!(events[0].to_string().contains("the old one goes on"), "{}", events[0]);
    assert!(running.resolver.refresh().is_empty(), "told twice");
    assert_eq!(running.connect("localhost").leaf(), old);

    // The certificate is whole, its key not there yet.
    fs::write(&certificate, &next.chain_pem).unwrap();
    let events = running.second_look();
    assert!(
        matches!(
            &events[..],
            [ReloadEvent::Refused {
                error: LoadError::WrongKey { .. },
                ..
            }]
        ),
        "{events:?}"
    );
    assert_eq!(running.connect("localhost").leaf(), old);

    fs::write(&key, next.key_pem.reveal()).unwrap();
    assert!(matches!(
        &running.resolver.refresh()[..],
        [ReloadEvent::Reloaded { .. }]
    ));
    assert_eq!(running.connect("localhost").leaf(), leaf_der(&certificate));
}

#[test]
fn a_pair_that_is_seen_half_replaced_is_not_refused() {
    let running = Running::new();
    let (certificate, key) = (running.home.path("leaf.crt"), running.home.path("leaf.key"));
    let next = running.home.authority.issue(&request(&["localhost"])).unwrap();
    fs::write(&key, next.key_pem.reveal()).unwrap();
    assert!(running.resolver.refresh().is_empty());
    fs::write(&certificate, &next.chain_pem).unwrap();
    let events = running.resolver.refresh();
    assert!(matches!(&events[..], [ReloadEvent::Reloaded { .. }]), "{events:?}");
    assert_eq!(running.connect("localhost").leaf(), leaf_der(&certificate));
}

#[test]
fn a_file_that_vanishes_is_refused_and_may_come_back() {
    let running = Running::new();
    let certificate = running.home.path("leaf.crt");
    let contents = fs::read(&certificate).unwrap();
    fs::remove_file(&certificate).unwrap();
    let events = running.second_look();
    assert!(
        matches!(
            &events[..],
            [ReloadEvent::Refused {
                error: LoadError::Read { .. },
                ..
            }]
        ),
        "{events:?}"
    );
    running.connect("localhost");
    fs::write(&certificate, contents).unwrap();
    assert!(running.resolver.refresh().is_empty(), "the same certificate is no news");
}

// certbot's live/ directory holds links that are pointed elsewhere.
#[test]
fn a_symbolic_link_that_is_pointed_elsewhere_is_followed() {
    let home = Home::new();
    home.issue("one", &["localhost"]);
    let two = home.issue("two", &["localhost"]);
    let link = |name: &str| {
        for end in ["crt", "key"] {
            let path = home.path(&format!("live.{end}"));
            let _ = fs::remove_file(&path);
            std::os::unix::fs::symlink(home.path(&format!("{name}.{end}")), path).unwrap();
        }
    };
    link("one");
    let resolver = Resolver::new(home.pair("live"), vec![]).unwrap();
    let server = Server::start(server_config(resolver.clone(), &ServerOptions::default()).unwrap());
    link("two");
    assert!(matches!(&resolver.refresh()[..], [ReloadEvent::Reloaded { .. }]));
    let config = Settings::trusting(&home.path("ca.crt")).build();
    assert_eq!(
        Client::connect(&server, "localhost", &config).unwrap().leaf(),
        leaf_der(&two.certificate)
    );
}

#[test]
fn another_set_of_pairs_is_taken_whole_or_not_at_all() {
    let running = Running::new();
    let old = running.connect("alias.example").leaf();
    let good = running.home.issue("good", &["localhost", "alias.example"]);
    let missing = running.home.pair("missing");
    let refused = running
        .resolver
        .replace(good.clone(), vec![("alias.example".into(), missing)]);
    assert!(matches!(refused, Err(LoadError::Read { .. })));
    assert_eq!(running.connect("alias.example").leaf(), old);
    let misnamed = running
        .resolver
        .replace(good.clone(), vec![("a:443".into(), good.clone())]);
    assert!(matches!(misnamed, Err(LoadError::Name(_))));

    running.resolver.replace(good.clone(), vec![]).unwrap();
    assert_eq!(running.connect("alias.example").leaf(), leaf_der(&good.certificate));
    assert!(running.resolver.refresh().is_empty());
}

#[test]
fn a_wrong_pair_at_the_start_is_an_error() {
    let home = Home::new();
    let error = Resolver::new(home.pair("none"), vec![]).unwrap_err().to_string();
    assert!(error.contains("none.crt: cannot be read"), "{error}");
}
