//! Public and private repositories beside each other, as clients meet them logged in and logged out.

use super::containerd::Containerd;
use super::podman::Client;
use super::support::engine::{self, Generation};
use super::support::images;
use super::support::lockgate::Lockgate;
use super::support::machine::Run;
use super::support::oci_layout::OciLayout;

// proves: MOSI-11
#[test]
fn old_engine_pulls_what_is_public_without_an_account() {
    docker_without_an_account(Generation::Old);
}

// proves: MOSI-11
#[test]
fn present_engine_pulls_what_is_public_without_an_account() {
    docker_without_an_account(Generation::Present);
}

fn docker_without_an_account(generation: Generation) {
    let Some((machine, engine)) = engine::in_machine(generation) else {
        return;
    };
    let lockgate = Lockgate::start_with(&machine, open_public);
    engine.trust(&lockgate);
    let address = lockgate.address();
    let (public, private) = named(&address, "app");
    images::build_layered(&machine, &engine, &public, "layered");
    engine.docker(["tag", &public, &private]).ok();
    refused(&engine.docker(["push", &public]).fails());

    engine.login(&lockgate, &address);
    for image in [&public, &private] {
        engine.docker(["push", image]).ok();
        engine.docker(["rmi", image]).ok();
    }
    engine.docker(["logout", &address]).ok();

    refused(&engine.docker(["pull", &private]).fails());
    engine.docker(["pull", &public]).ok();
    assert_eq!(engine.output_of(&public, &[]), "one\ntwo");
    // What is there already would not be sent again.
    let (other, _) = named(&address, "other");
    engine.docker(["tag", &public, &other]).ok();
    refused(&engine.docker(["push", &other]).fails());

    engine.login(&lockgate, &address);
    engine.docker(["pull", &private]).ok();
    assert_eq!(engine.output_of(&private, &[]), "one\ntwo");
}

// proves: MOSI-11
#[test]
fn podman_pulls_what_is_public_without_an_account() {
    let Some((machine, podman)) = Client::start("podman") else {
        return;
    };
    let lockgate = Lockgate::start_with(&machine, open_public);
    lockgate.lockgate(&["cert", "trust", "podman", "--install"]).ok();
    let address = lockgate.address();
    let (public, private) = named(&address, "app");
    let layer = images::root_layer(&machine, "root", "some text");
    podman.run(&["import", &layer.to_string_lossy(), &public]).ok();
    podman.run(&["tag", &public, &private]).ok();
    refused(&podman.run(&["push", &public]).fails());

    let login = ["login", "--username", lockgate.account(), "--password-stdin", &address];
    podman.run(&login).ok_with_input(lockgate.password().as_bytes());
    for image in [&public, &private] {
        podman.run(&["push", image]).ok();
    }
    podman.run(&["rmi", "--all", "--force"]).ok();
    podman.run(&["logout", &address]).ok();

    refused(&podman.run(&["pull", &private]).fails());
    podman.run(&["pull", &public]).ok();
    refused(&podman.run(&["push", &public]).fails());

    podman.run(&login).ok_with_input(lockgate.password().as_bytes());
    podman.run(&["pull", &private]).ok();
}

// proves: MOSI-11
#[test]
fn ctr_pulls_what_is_public_without_an_account() {
    let Some(machine) = images::machine() else { return };
    let Some(containerd) = Containerd::start(&machine) else {
        return;
    };
    let lockgate = Lockgate::start_with(&machine, open_public);
    lockgate.lockgate(&["cert", "trust", "containerd", "--install"]).ok();
    let layout = OciLayout::create(machine.path("layout"));
    let root = images::root_layer(&machine, "root", "some text");
    let index = layout.index(&[layout.image("amd64", &[&root], &["/bin/busybox", "cat", "/text"])]);
    layout.tag(index, "1");
    let mut pack = machine.command("tar");
    pack.args(["-C", "layout", "-cf", "layout.tar", "."]).ok();

    let credentials = lockgate.credentials();
    let hosts = ["--hosts-dir", "/etc/containerd/certs.d"];
    let with_account = [&hosts[..], &["--user", &credentials]].concat();
    let image =
        |verb: &str, access: &[&str], rest: &[&str]| containerd.ctr(&[&["images", verb], access, rest].concat());
    let import = || {
        image(
            "import",
            &[],
            &["--no-unpack", "--local", "--index-name", "local", "layout.tar"],
        )
        .ok()
    };
    // The daemon's own transfer service, and ctr as it was before there was one.
    for (name, way) in [("transfer", &[][..]), ("local", &["--local"])] {
        // Not the same repositories twice: a push of what is there already sends nothing that could be refused.
        let (public, private) = named(&lockgate.address(), name);
        let pull = |access: &[&str], name: &str| image("pull", access, &[way, &[name]].concat());
        let push = |access: &[&str], name: &str| image("push", access, &[way, &[name, "local"]].concat());
        import();
        refused(&push(&hosts, &public).fails());
        for name in [&public, &private] {
            push(&with_account, name).ok();
        }
        containerd.forget_everything();

        refused(&pull(&hosts, &private).fails());
        pull(&hosts, &public).ok();
        pull(&with_account, &private).ok();
        containerd.forget_everything();
    }
}

/// As the comment in the file proposes it: what is below `public/` may be pulled without an account.
fn open_public(config: &str) -> String {
    config.replace("  #anonymous:", "  anonymous:")
}

fn named(address: &str, name: &str) -> (String, String) {
    (format!("{address}/public/{name}:1"), format!("{address}/team/{name}:1"))
}

/// Whether a client was told that it may not.
#[track_caller]
fn refused(output: &str) {
    let output = output.to_lowercase();
    let told = [
        "unauthorized",
        "denied",
        "authentication required",
        "authorization failed",
        "insufficient_scope",
    ];
    assert!(told.iter().any(|words| output.contains(words)), "{output}");
}
