//! What the logs hold, and what they never do.

use std::fs;

use serde_json::Value;

use super::support::engine::{self, Generation};
use super::support::images;
use super::support::lockgate::Lockgate;
use super::support::machine::{Machine, Run};

// proves: MAKINA-08
#[test]
fn no_password_and_no_authorization_in_any_log() {
    let Some((machine, engine)) = engine::in_machine(Generation::Old) else {
        return;
    };
    let lockgate = Lockgate::start(&machine);
    engine.trust(&lockgate);
    let address = lockgate.address();
    engine
        .docker([
            "login",
            "--username",
            lockgate.account(),
            "--password",
            "a-wrong-password",
            &address,
        ])
        .fails();
    engine.login(&lockgate, &address);
    let image = format!("{address}/team/app:1");
    images::build_layered(&machine, &engine, &image, "layered");
    engine.docker(["push", &image]).ok();
    engine.docker(["pull", &image]).ok();
    let basic = credentials_of(&machine, &address);
    let banner = lockgate.password().to_owned();
    let account = lockgate.account().to_owned();
    let printed = lockgate.logs();

    // The first start prints the password once, for the person who started it; no log line does.
    let (count, text) = (printed.matches(&banner).count(), printed.replacen(&banner, "", 1));
    assert_eq!(count, 1, "the banner alone shows the password");
    for secret in [
        basic.as_str(),
        "a-wrong-password",
        "uthorization: ",
        "Basic ",
        "Bearer ey",
    ] {
        assert!(!text.contains(secret), "{secret:?} is in the logs: {text}");
    }
    // So that this test reads the log it means to: the access lines are there, with their user.
    let line = text
        .lines()
        .find(|line| line.contains("PUT") && line.contains("/v2/team/app/manifests/1"));
    let line = line.unwrap_or_else(|| panic!("no access line of the push: {text}"));
    assert!(line.contains(&account) && line.contains("201"), "{line}");
}

/// Account and password as docker sends them, from where it keeps them.
fn credentials_of(machine: &Machine, address: &str) -> String {
    let file = fs::read_to_string(machine.path("old-client/config.json")).expect("docker's configuration");
    let file: Value = serde_json::from_str(&file).expect("JSON");
    file["auths"][address]["auth"].as_str().expect("credentials").to_owned()
}
