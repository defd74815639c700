//! registry:2's usual set-up: an empty place, and variables alone.

use std::fs;

use lockgate_testkit::certificates::{Certificates, server};

use super::support::engine::{self, Engine, Generation};
use super::support::images;
use super::support::lockgate::Lockgate;
use super::support::machine::{ADDRESS, Run};

const PASSWORD: &str = "correct horse battery";

// proves: TOY-02, TOY-03
#[test]
fn old_engine_with_variables_alone() {
    serves_by_variables_alone(Generation::Old);
}

// proves: TOY-02, TOY-03
#[test]
fn present_engine_with_variables_alone() {
    serves_by_variables_alone(Generation::Present);
}

/// A certificate for the address, trusted through certs.d, and port 443.
fn serves_by_variables_alone(generation: Generation) {
    let Some((machine, engine)) = engine::in_machine(generation) else {
        return;
    };
    fs::create_dir(machine.path("certs")).expect("certs");
    Certificates::new(&machine.path("certs")).self_signed("domain", server(ADDRESS, ADDRESS));
    let [certificate, key] = ["certs/domain.crt", "certs/domain.key"].map(|file| machine.path(file));
    let variables = [
        ("REGISTRY_HTTP_ADDR", "0.0.0.0:443"),
        ("REGISTRY_HTTP_TLS_CERTIFICATE", certificate.to_str().expect("UTF-8")),
        ("REGISTRY_HTTP_TLS_KEY", key.to_str().expect("UTF-8")),
    ];
    let lockgate = Lockgate::start_by_variables(&machine, &variables);
    assert!(
        !lockgate.home().join("ca").exists(),
        "the certificate is the one that was brought"
    );

    let image = format!("{ADDRESS}/ubuntu");
    images::build_layered(&machine, &engine, &image, "layered");
    let untrusting = engine.docker(["push", &image]).fails();
    assert!(untrusting.contains("x509"), "{untrusting}");
    let trust = machine.etc_docker().join("certs.d").join(ADDRESS);
    fs::create_dir_all(&trust).expect("certs.d");
    fs::copy(&certificate, trust.join("ca.crt")).expect("ca.crt");
    let refused = engine.docker(["push", &image]).fails();
    assert!(
        refused.contains("log in"),
        "nothing about accounts is not nobody: {refused}"
    );
    engine.login(&lockgate, ADDRESS);
    push_and_pull(&engine, &image);

    // From a shell that has none of the variables.
    lockgate
        .lockgate(&["user", "add", "bob", "--password-stdin"])
        .ok_with_input(PASSWORD.as_bytes());
    let login = ["login", "--username", "bob", "--password-stdin", ADDRESS];
    engine.docker(login).ok_with_input(PASSWORD.as_bytes());

    lockgate.stop();
    let again = Lockgate::start_by_variables(&machine, &variables);
    push_and_pull(&engine, &image);
    again.stop();
}

fn push_and_pull(engine: &Engine, image: &str) {
    engine.docker(["push", image]).ok();
    engine.docker(["rmi", image]).ok();
    engine.docker(["pull", image]).ok();
    assert_eq!(engine.output_of(image, &[]), "one\ntwo");
}
