//! Clients that speak plain HTTP to Lockgate, and what they show.

use std::process::Command;

use base64::Engine as _;
use lockgate_testkit::require;
use serde_json::json;

use super::support::images;
use super::support::lockgate::Lockgate;
use super::support::machine::{Machine, Run};
use super::support::oci_layout::OciLayout;

// To docker every registry in 127.0.0.0/8 is insecure, and `docker manifest push` uses plain HTTP with those.
#[test]
fn docker_manifest_push_shows_the_https_url_and_works_by_the_machines_name() {
    if !require(&["docker", "skopeo"]) || !images::can_be_made() {
        return;
    }
    let Some(machine) = Machine::start() else { return };
    let lockgate = Lockgate::start(&machine);
    let layout = OciLayout::create(machine.path("layout"));
    let root = images::root_layer(&machine, "root", "text");
    layout.tag(layout.image("amd64", &[&root], &["/bin/busybox"]), "1");
    let destination = format!("docker://{}/team/app:amd64", lockgate.address());
    machine
        .command("skopeo")
        .args(["--insecure-policy", "copy", "--dest-tls-verify=false", "--dest-creds"])
        .args([&lockgate.credentials(), &layout.source("1"), &destination])
        .ok();
    log_in(&machine, &lockgate);
    lockgate.lockgate(&["cert", "trust", "docker", "--install"]).ok();

    let push = |address: &str| {
        let list = format!("{address}/team/app:1");
        docker(&machine, &["create", &list, &format!("{address}/team/app:amd64")]).ok();
        docker(&machine, &["push", &list])
    };
    let localhost = lockgate.local_address();
    let told = push(&localhost).fails();
    let sentence = format!("the client sent an HTTP request to an HTTPS port, use https://{localhost}/v2/team/app/");
    assert!(told.contains(&sentence), "{told}");
    push(&lockgate.address()).ok();
    let list = format!("{}/team/app:1", lockgate.address());
    assert!(docker(&machine, &["inspect", &list]).ok().contains("amd64"));
}

fn docker(machine: &Machine, arguments: &[&str]) -> Command {
    let mut command = machine.command("docker");
    command
        .env("DOCKER_CONFIG", machine.path("docker-client"))
        .arg("manifest")
        .args(arguments);
    command
}

/// `docker login` asks an engine to try the password; this is what it writes then.
fn log_in(machine: &Machine, lockgate: &Lockgate) {
    let auth = base64::engine::general_purpose::STANDARD.encode(lockgate.credentials());
    let auths = json!({
        "auths": { lockgate.address(): { "auth": auth }, lockgate.local_address(): { "auth": auth } },
    });
    std::fs::create_dir(machine.path("docker-client")).expect("directory");
    std::fs::write(machine.path("docker-client/config.json"), auths.to_string()).expect("config.json");
}
