//! A certificate ordered over port 443, as on a machine of one's own, and docker that trusts its authority alone.

use std::fs;
use std::time::Duration;

use lockgate_testkit::pebble::{self, Pebble};
use lockgate_testkit::{eventually, eventually_within, require};

use super::support::engine::{self, Generation};
use super::support::images;
use super::support::lockgate::Lockgate;
use super::support::machine::{HOST, Run};

#[test]
fn docker_trusts_a_certificate_that_was_ordered_over_port_443() {
    if !require(&["pebble", "pebble-challtestsrv", "curl"]) {
        return;
    }
    let Some((machine, engine)) = engine::in_machine(Generation::Old) else {
        return;
    };
    let config = pebble::Config {
        directory: 14000,
        management: 15000,
        http: 80,
        tls: 443,
        // Names are those of the machine's hosts file.
        name_server: None,
    };
    let trusted = config.make_certificate(&machine.path(""));
    let _pebble = Pebble::start(&machine.path(""), machine.daemon("pebble"), &config);

    let authority = trusted.to_str().expect("a path");
    let root = eventually("pebble's root", || {
        let mut ask = machine.command("curl");
        let ask = ask.args(["--silent", "--fail", "--cacert", authority, &config.root_url()]);
        let output = ask.output().expect("curl");
        output.status.success().then_some(output.stdout)
    });
    let trust = [("SSL_CERT_FILE", authority)];
    let lockgate = Lockgate::start_with_variables(&machine, &trust, |text| ordering(text, &config.url()));
    let certs = machine.etc_docker().join("certs.d").join(HOST);
    fs::create_dir_all(&certs).expect("certs.d");
    fs::write(certs.join("ca.crt"), root).expect("ca.crt");
    eventually_within(Duration::from_secs(60), "a certificate of that root", || {
        let url = format!("https://{HOST}/v2/");
        let mut ask = machine.command("curl");
        ask.args(["--silent", "--output", "/dev/null", "--cacert"]);
        let ask = ask.arg(certs.join("ca.crt")).arg(url);
        assert!(!lockgate.logs().contains("ERROR"), "{}", lockgate.logs());
        ask.status().expect("curl").success()
    });
    let logs = lockgate.logs();
    assert!(logs.contains("tls-alpn-01") && !logs.contains("http-01"), "{logs}");

    let image = format!("{HOST}/team/app:1");
    images::build_layered(&machine, &engine, &image, "layered");
    engine.login(&lockgate, HOST);
    engine.docker(["push", &image]).ok();
    engine.docker(["rmi", &image]).ok();
    engine.docker(["pull", &image]).ok();
    lockgate.stop();
}

/// The configuration of set-up, as a person changes it.
fn ordering(text: &str, url: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        match line.trim_start() {
            addr if addr.starts_with("addr:") => lines.push("  addr: ':443'\n  redirecthttps: ':80'".to_owned()),
            auto if auto.starts_with("auto:") => lines.push(format!(
                "    letsencrypt: {{cachefile: acme, hosts: [{HOST}], directoryurl: '{url}'}}"
            )),
            hostnames if hostnames.starts_with("hostnames:") => {}
            _ => lines.push(line.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}
