//! Configurations: broken, wrong, one's own, and read again.

use std::net::{Ipv6Addr, TcpListener, TcpStream};

use lockgate_testkit::eventually;
use nix::sys::signal::Signal;

use crate::harness::{PLAIN, Running, Workdir, ready_pid, status};

#[test]
fn a_broken_configuration_is_refused_with_its_place_and_left_alone() {
    // proves: MOSI-02
    let workdir = Workdir::new();
    workdir.run(&["setup", "--listen", ":5000"]).expect(0);
    let broken = workdir.read("lockgate/config.yml") + "{";
    workdir.write("lockgate/config.yml", &broken);
    let lines = broken.lines().count();
    let ran = workdir.run(&["start"]).expect(78);
    let place = ran.stderr.split("config.yml:").nth(1).unwrap_or_default();
    let line: usize = place
        .split(':')
        .next()
        .unwrap()
        .parse()
        .unwrap_or_else(|_| panic!("{}", ran.stderr));
    let column = place.split(':').nth(1).unwrap();
    assert!(
        line.abs_diff(lines) <= 1 && column.parse::<usize>().is_ok(),
        "{}",
        ran.stderr
    );
    assert_eq!(workdir.read("lockgate/config.yml"), broken, "untouched");
    assert!(
        !workdir.path("lockgate/run/registry.sock").exists(),
        "nothing is left running"
    );
}

#[test]
fn check_lists_every_mistake_with_key_and_value() {
    let workdir = Workdir::new();
    let wrong = PLAIN.replace("127.0.0.1:0", "nowhere") + "  draintimeout: soon\nlog: {level: loud}\nhtpp: {}\n";
    let config = workdir.write("config.yml", &wrong);
    for command in ["check", "start", "registry", "proxy"] {
        let ran = workdir.run(&[command, "--config", config.to_str().unwrap()]).expect(78);
        for text in [
            "http.addr = \"nowhere\"",
            "http.draintimeout = \"soon\"",
            "log.level = \"loud\"",
            "htpp",
        ] {
            assert!(
                ran.stderr.contains(text),
                "{command}: {text} is not in:\n{}",
                ran.stderr
            );
        }
    }
    workdir.write("config.yml", PLAIN);
    workdir.run(&["check", "--config", "config.yml"]).expect(0);
}

#[test]
fn a_missing_configuration_that_was_named_is_not_made() {
    let workdir = Workdir::new();
    let ran = workdir.run(&["start", "--config", "mine.yml"]).expect(78);
    assert!(
        ran.stderr
            .contains("mine.yml: there is no configuration here; `lockgate setup` makes one"),
        "{}",
        ran.stderr
    );
    assert!(!workdir.path("mine.yml").exists());
}

#[test]
fn a_plain_configuration_of_ones_own_sets_nothing_up() {
    // proves: TOY-01
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    assert!(running.banner.contains("http://localhost:"), "{}", running.banner);
    assert_eq!(running.get("/v2/"), "200");
    assert_eq!(workdir.read("config.yml"), PLAIN, "untouched");
    for name in ["config.yml", "password", "auth", "ca", "tls", "data"] {
        assert!(!workdir.path("lockgate").join(name).exists(), "{name}");
    }
    assert!(
        workdir.path("data/docker/registry/v2").exists(),
        "relative to the configuration"
    );
}

#[test]
fn a_reload_takes_a_good_configuration_and_refuses_a_bad_one() {
    // proves: MAKINA-16
    let workdir = Workdir::new();
    let running = workdir.start_plain();
    let header = "  headers: {X-Told: [once]}\n";
    let told = |running: &crate::harness::Running| {
        running
            .http("GET /v2/ HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n")
            .to_lowercase()
            .contains("x-told: once")
    };
    assert!(!told(&running));
    workdir.write("config.yml", &(PLAIN.to_owned() + header));
    workdir.run(&["reload"]).expect(0);
    eventually("the new header", || told(&running));

    workdir.write("config.yml", &(PLAIN.to_owned() + "  nonsense: 1\n"));
    let ran = workdir.run(&["reload"]).expect(78);
    assert!(ran.stderr.contains("http.nonsense"), "{}", ran.stderr);
    assert!(told(&running), "the old one goes on");
    assert!(
        status(&workdir)["reload_error"]
            .as_str()
            .unwrap()
            .contains("http.nonsense")
    );

    // A child that comes back while the file is broken runs with what the others run with.
    let registry = ready_pid(&workdir, "registry");
    nix::sys::signal::kill(registry, Signal::SIGKILL).unwrap();
    eventually("a new registry", || ready_pid(&workdir, "registry") != registry);
    assert!(told(&running));

    workdir.write("config.yml", PLAIN);
    running.signal(Signal::SIGHUP);
    eventually("the old headers", || !told(&running));
    assert!(status(&workdir)["reload_error"].is_null());
}

#[test]
fn a_storage_root_that_cannot_be_used_ends_everything_with_the_reason() {
    let workdir = Workdir::new();
    workdir.write("data", "a file, not a directory");
    let config = workdir.write("config.yml", PLAIN);
    let ran = workdir.run(&["start", "--config", config.to_str().unwrap()]).expect(78);
    assert!(
        ran.stderr.contains("storage.filesystem.rootdirectory"),
        "{}",
        ran.stderr
    );
    assert!(!workdir.path("lockgate/run/registry.sock").exists());
}

/// As registry:2 does with `[::]`, and whatever `net.ipv6.bindv6only` says.
#[test]
fn every_address_is_served_over_both_families() {
    let workdir = Workdir::new();
    workdir.write("config.yml", PLAIN);
    for address in ["[::]:0", ":0"] {
        let start = workdir.command(&["start", "--config", "config.yml", "--listen", address]);
        let running = Running::of(start, &workdir.path("stderr"));
        assert_eq!(running.get("/v2/"), "200", "IPv4, {address}");
        let port = running.address.rsplit(':').next().unwrap().parse().unwrap();
        // Where the machine has IPv6.
        if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap_or_else(|error| panic!("IPv6, {address}: {error}"));
        }
    }
}

#[test]
fn a_unix_socket_is_no_front_door() {
    let workdir = Workdir::new();
    let config = workdir.write("config.yml", &PLAIN.replace("127.0.0.1:0", "unix:/tmp/x.sock"));
    let ran = workdir.run(&["start", "--config", config.to_str().unwrap()]).expect(78);
    assert!(ran.stderr.contains("http.addr = unix:/tmp/x.sock"), "{}", ran.stderr);
}

#[test]
fn check_explains_what_an_account_may_do_and_why() {
    let workdir = Workdir::new();
    let rules = "auth:\n  htpasswd: {realm: x, path: htpasswd}\n  acl:\n    - {match: {account: alice, name: team/*}, actions: [pull]}\n    - {match: {account: alice, ip: 10.0.0.0/8}, actions: ['*'], comment: from the office}\n";
    workdir.write("config.yml", &format!("{PLAIN}{rules}"));
    let check = |more: &[&str]| {
        let arguments = [&["check", "--config", "config.yml", "--as", "alice"], more].concat();
        workdir.run(&arguments)
    };
    let granted = check(&["pull", "repository:team/app"]).expect(0);
    assert!(granted.stdout.contains("rule 1"), "{}", granted.stdout);
    let denied = check(&["pull,push", "repository:team/app"]).expect(1);
    assert!(denied.stdout.contains("rule 1"), "{}", denied.stdout);
    let by_address = check(&["push", "repository:other", "--from", "10.1.2.3"]).expect(0);
    assert!(by_address.stdout.contains("from the office"), "{}", by_address.stdout);
    check(&["push", "repository:other"]).expect(1);
    let bare = check(&["push", "team/app"]).expect(1);
    assert!(
        bare.stderr.contains("did you mean repository:team/app?"),
        "{}",
        bare.stderr
    );
    let unknown = |ran: crate::harness::Ran| ran.stdout.contains("has no account alice");
    assert!(
        !unknown(check(&["pull", "repository:team/app"])),
        "nothing is known of accounts"
    );
    for (accounts, is_unknown) in [("bob:x\n", true), ("alice:x\n", false)] {
        workdir.write("htpasswd", accounts);
        assert_eq!(unknown(check(&["pull", "repository:team/app"]).expect(0)), is_unknown);
    }
    check(&["push"]).expect(2);
}
