//! A certificate ordered over port 443, as on a machine of one's own, and docker that trusts its authority alone.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use lockgate_testkit::require;

use super::support::engine::{Engine, Generation};
use super::support::images;
use super::support::lockgate::{Lockgate, binary};
use super::support::machine::{HOST, Machine, Run, until};

const DIRECTORY: &str = "127.0.0.1:14000";
const MANAGEMENT: &str = "127.0.0.1:15000";

#[test]
fn docker_trusts_a_certificate_that_was_ordered_over_port_443() {
    if !require(&["pebble", "pebble-challtestsrv", "curl"]) {
        return;
    }
    let Some(machine) = images::can_be_made().then(Machine::start).flatten() else {
        return;
    };
    let Some(engine) = Engine::start(&machine, Generation::Old) else {
        return;
    };
    // The test's own authority makes the server's own certificate.
    let authority = machine.path("authority");
    let setup = ["setup", "--listen", "127.0.0.1:0", "--home"];
    machine.command(binary()).args(setup).arg(&authority).ok();
    let trusted = authority.join("tls/ca.crt");
    let _pebble = start_pebble(&machine);

    let mut root = String::new();
    until("pebble tells its root", Duration::from_secs(20), || {
        let url = format!("https://{MANAGEMENT}/roots/0");
        let output = machine
            .command("curl")
            .args([
                "--silent",
                "--fail",
                "--cacert",
                trusted.to_str().expect("a path"),
                &url,
            ])
            .output()
            .expect("curl");
        root = String::from_utf8(output.stdout).expect("PEM");
        output.status.success()
    });
    let trust = [("SSL_CERT_FILE", trusted.to_str().expect("a path"))];
    let lockgate = Lockgate::start_with_variables(&machine, &trust, ordering);
    let certs = machine.etc_docker().join("certs.d").join(HOST);
    fs::create_dir_all(&certs).expect("certs.d");
    fs::write(certs.join("ca.crt"), &root).expect("ca.crt");
    until("a certificate of that root", Duration::from_secs(60), || {
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

/// Looks at the ports that the world would look at; names are those of the machine's hosts file.
fn start_pebble(machine: &Machine) -> Pebble {
    let config = format!(
        r#"{{"pebble": {{"listenAddress": "{DIRECTORY}", "managementListenAddress": "{MANAGEMENT}",
            "certificate": "authority/tls/registry.crt", "privateKey": "authority/tls/registry.key",
            "httpPort": 80, "tlsPort": 443}}}}"#
    );
    fs::write(machine.path("pebble.json"), config).expect("pebble.json");
    let log = fs::File::create(machine.path("pebble.log")).expect("pebble.log");
    let child = machine
        .daemon("pebble")
        .args(["-config", "pebble.json"])
        .env("PEBBLE_VA_NOSLEEP", "1")
        .stdout(Stdio::from(log.try_clone().expect("pebble.log")))
        .stderr(log)
        .spawn()
        .expect("pebble starts");
    Pebble(child)
}

/// Gone when dropped.
struct Pebble(Child);

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The configuration of set-up, as a person changes it.
fn ordering(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        match line.trim_start() {
            addr if addr.starts_with("addr:") => lines.push("  addr: ':443'\n  redirecthttps: ':80'".to_owned()),
            auto if auto.starts_with("auto:") => lines.push(format!(
                "    letsencrypt: {{cachefile: acme, hosts: [{HOST}], directoryurl: 'https://{DIRECTORY}/dir'}}"
            )),
            hostnames if hostnames.starts_with("hostnames:") => {}
            _ => lines.push(line.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}
