//! Whose files are, and whom processes run as, when root starts them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::Command;

use lockgate_testkit::{require, require_root};

use crate::docker_auth::SECRET;
use crate::harness::{PLAIN, Ran, Sandbox, eventually, process_status, ready_pid};
use crate::tls;

/// Where the system's database has no accounts of ours; a machine may have them.
fn users(sandbox: &Sandbox) -> (u32, u32, u32) {
    let number = |process: &str, field| {
        process_status(ready_pid(sandbox, process), field)
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    (
        number("proxy", "Uid"),
        number("registry", "Uid"),
        number("registry", "Gid"),
    )
}

fn owner(sandbox: &Sandbox, name: &str) -> (u32, u32, u32) {
    let found = fs::symlink_metadata(sandbox.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    (found.uid(), found.gid(), found.mode() & 0o7777)
}

#[test]
fn each_file_belongs_to_its_reader_also_after_later_commands() {
    if !require_root() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.run(&["setup"]).expect(0);
    let text = sandbox.read("lockgate/config.yml").replace("#file: {", "file: {");
    fs::write(sandbox.path("lockgate/config.yml"), text).unwrap();
    let running = sandbox.start(&[]);
    let (proxy, registry, group) = users(&sandbox);
    let settled = [
        ("", (0, group, 0o750)),
        ("/config.yml", (0, 0, 0o600)),
        ("/password", (0, 0, 0o600)),
        ("/ca", (0, group, 0o700)),
        ("/ca/ca.key", (0, 0, 0o600)),
        ("/tls", (0, group, 0o710)),
        ("/tls/registry.key", (proxy, group, 0o600)),
        ("/auth", (0, group, 0o710)),
        ("/auth/htpasswd", (registry, group, 0o600)),
        ("/auth/token.key", (registry, group, 0o600)),
        ("/data", (registry, group, 0o2750)),
        ("/data/docker/registry/v2/blobs", (registry, group, 0o2750)),
        ("/log", (0, group, 0o1770)),
        ("/run", (0, group, 0o2750)),
        ("/run/registry.sock", (0, group, 0o660)),
        ("/run/notify.sock", (0, group, 0o660)),
        ("/run/lockgate.sock", (0, group, 0o600)),
    ];
    let assert_settled = || {
        for (name, expected) in settled {
            let found = owner(&sandbox, &format!("lockgate{name}"));
            assert_eq!(found, expected, "{name}: {:o}, not {:o}", found.2, expected.2);
        }
    };
    assert_settled();
    for process in ["proxy", "registry"] {
        let log = eventually("a log file", || {
            fs::metadata(sandbox.path(&format!("lockgate/log/{process}.log"))).ok()
        });
        let expected = if process == "proxy" { proxy } else { registry };
        assert_eq!((log.uid(), log.mode() & 0o022), (expected, 0), "{process}.log");
    }

    for arguments in [
        &["user", "add", "bob", "--password-stdin"][..],
        &["cert", "new", "--force"],
    ] {
        let mut command = sandbox.command(arguments);
        sandbox.write("input", "a long password\n");
        command.stdin(fs::File::open(sandbox.path("input")).unwrap());
        Ran::of(command).expect(0);
        assert_settled();
    }
    let users = format!("users: {{carol: {{password: '{SECRET}'}}}}\nacl: []\n");
    let rules = sandbox.write("da.yml", &users);
    sandbox
        .run(&["import", "docker-auth", rules.to_str().unwrap()])
        .expect(0);
    assert_settled();
    drop(running);
    // A second start finds everything settled, and changes nothing.
    let before = sandbox.files("lockgate");
    drop(sandbox.start(&[]));
    assert!(before.keys().all(|path| path.exists()));
    fs::remove_file(sandbox.path("lockgate/auth/token.key")).unwrap();
    drop(sandbox.start(&[]));
    assert_eq!(owner(&sandbox, "lockgate/auth/token.key").0, registry);
}

#[test]
fn what_our_own_commands_make_beside_a_configuration_elsewhere_is_the_registrys() {
    if !require_root() {
        return;
    }
    let sandbox = Sandbox::new();
    let auth = "auth: {htpasswd: {realm: r, path: who/accounts}, issuer: {path: /auth/token}}\n";
    let config = sandbox.write("config.yml", &format!("{PLAIN}{auth}"));
    let config = ["--config", config.to_str().unwrap()];
    sandbox.write("input", "a long password\n");
    let mut add = sandbox.command(&[&["user", "add", "bob", "--password-stdin"][..], &config].concat());
    add.stdin(fs::File::open(sandbox.path("input")).unwrap());
    Ran::of(add).expect(0);
    for _ in 0..2 {
        let running = sandbox.start(&config);
        let (_, registry, group) = users(&sandbox);
        assert_ne!(registry, 0, "{}", running.log());
        assert_eq!(owner(&sandbox, "who/accounts"), (registry, group, 0o600));
        assert_eq!(owner(&sandbox, "who"), (0, group, 0o710));
        assert_eq!(owner(&sandbox, "auth/token.key"), (registry, group, 0o600));
        assert_eq!(owner(&sandbox, "auth"), (0, group, 0o710));
    }
}

#[test]
fn users_can_be_configured_and_unknown_ones_are_an_error() {
    let sandbox = Sandbox::new();
    let with = |process: &str| {
        let config = sandbox.write("config.yml", &format!("{PLAIN}process: {{{process}}}\n"));
        config.to_str().unwrap().to_owned()
    };
    let start = |process: &str| sandbox.run(&["start", "--listen", "127.0.0.1:0", "--config", &with(process)]);
    let unknown = start("registryuser: no-such-user").expect(78);
    if !require_root() {
        let other = start("registryuser: 0").expect(78);
        assert!(other.stderr.contains("start as root"), "{}", other.stderr);
        return;
    }
    assert!(
        unknown.stderr.contains("process.registryuser = no-such-user"),
        "{}",
        unknown.stderr
    );
    assert!(unknown.stderr.contains("useradd"), "{}", unknown.stderr);
    let config = with("proxyuser: 7001, registryuser: 7002, group: 7003");
    let running = sandbox.start(&["--config", &config]);
    assert_eq!(users(&sandbox), (7001, 7002, 7003));
    drop(running);
    // The data is 7002's now: another user is not let at it in silence.
    let others = start("proxyuser: 7001, registryuser: 7004, group: 7003").expect(78);
    assert!(others.stderr.contains("--chown"), "{}", others.stderr);
    let given = sandbox.start(&[
        "--chown",
        "--config",
        &with("proxyuser: 7001, registryuser: 7004, group: 7003"),
    ]);
    assert!(given.log().contains("belong to user 7004 now"), "{}", given.log());
    assert_eq!(owner(&sandbox, "data"), (7004, 7003, 0o2750));
}

#[test]
fn a_tree_of_somebody_else_is_served_as_its_owner_or_given_away() {
    if !require_root() {
        return;
    }
    let sandbox = Sandbox::new();
    // As registry:2 leaves it.
    let blob = sandbox.write("data/docker/registry/v2/blobs/sha256/aa/data", "x");
    fs::set_permissions(&blob, Permissions::from_mode(0o644)).unwrap();
    let config = sandbox.write("config.yml", PLAIN);
    let config = ["--config", config.to_str().unwrap()];
    let running = sandbox.start(&config);
    let (proxy, registry, _) = users(&sandbox);
    assert_eq!(registry, 0);
    assert_ne!(proxy, 0);
    assert_eq!(
        process_status(ready_pid(&sandbox, "registry"), "CapEff"),
        "0000000000000000"
    );
    let log = running.logged("belongs to user 0", 1);
    assert!(log.contains("`lockgate start --chown`"), "{log}");
    drop(running);

    let setup = sandbox.run(&[&["setup", "--chown"][..], &config].concat()).expect(0);
    assert!(setup.stdout.contains("files and"), "{}", setup.stdout);
    let running = sandbox.start(&config);
    let (_, registry, group) = users(&sandbox);
    assert_ne!(registry, 0);
    assert_eq!(
        owner(&sandbox, "data/docker/registry/v2/blobs/sha256/aa/data"),
        (registry, group, 0o640)
    );
    assert!(!running.log().contains("belongs to user"), "{}", running.log());
    drop(running);

    // A blob that the proxy could not read is found out before anybody asks for it.
    fs::set_permissions(&blob, Permissions::from_mode(0o600)).unwrap();
    let refused = sandbox
        .run(&[&["start", "--listen", "127.0.0.1:0"][..], &config].concat())
        .expect(78);
    assert!(
        refused.stderr.contains("cannot read it") && refused.stderr.contains("--chown"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_place_that_only_root_may_enter_is_served_by_root_without_its_capabilities() {
    if !require_root() {
        return;
    }
    let sandbox = Sandbox::new();
    fs::set_permissions(sandbox.path(""), Permissions::from_mode(0o700)).unwrap();
    let running = sandbox.start(&[]);
    let (proxy, registry, _) = users(&sandbox);
    assert_eq!((proxy, registry), (0, 0));
    for process in ["proxy", "registry"] {
        assert_eq!(
            process_status(ready_pid(&sandbox, process), "CapEff"),
            "0000000000000000"
        );
    }
    assert!(running.log().contains("closed to user"), "{}", running.log());
    drop(running);
    let text = sandbox.read("lockgate/config.yml") + "\nprocess: {proxyuser: 7001}\n";
    fs::write(sandbox.path("lockgate/config.yml"), text).unwrap();
    let refused = sandbox.run(&["start", "--listen", "127.0.0.1:0"]).expect(78);
    assert!(refused.stderr.contains("closed to user"), "{}", refused.stderr);
}

#[test]
fn the_home_and_the_data_may_be_links_to_another_disk() {
    if !require_root() {
        return;
    }
    let sandbox = Sandbox::new();
    for (link, disk) in [("lockgate", "disk"), ("disk/data", "disk/images")] {
        sandbox.directory(disk);
        std::os::unix::fs::symlink(sandbox.path(disk), sandbox.path(link)).unwrap();
    }
    for chown in [&[][..], &["--chown"]] {
        let _running = sandbox.start(chown);
        let (proxy, registry, group) = users(&sandbox);
        assert!(proxy != 0 && registry != 0);
        assert_eq!(owner(&sandbox, "disk"), (0, group, 0o750));
        assert_eq!(owner(&sandbox, "disk/images"), (registry, group, 0o2750));
    }
}

#[test]
fn a_key_of_somebody_else_is_served_also_by_root_without_its_capabilities() {
    if !require_root() {
        return;
    }
    let sandbox = Sandbox::new();
    fs::set_permissions(sandbox.path(""), Permissions::from_mode(0o700)).unwrap();
    let made = ["cert", "new", "--self-signed", "--out", "mine", "--name", "a.example"];
    sandbox.run(&made).expect(0);
    chown(sandbox.path("mine/registry.key"), Some(7001), Some(7001)).unwrap();
    let tls = "  tls:\n    certificate: mine/registry.crt\n    key: mine/registry.key\n";
    let config = sandbox.write("config.yml", &format!("{PLAIN}{tls}"));
    let _running = sandbox.start(&["--config", config.to_str().unwrap()]);
    assert_eq!(users(&sandbox).0, 0);
}

#[test]
fn root_without_the_right_to_become_others_says_so_and_serves() {
    if !require_root() || !require(&["setpriv"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let program = env!("CARGO_BIN_EXE_lockgate");
    let without = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command
            .args(["--bounding-set=-setuid,-setgid", "--inh-caps=-all", program])
            .args(arguments)
            .current_dir(sandbox.path(""));
        command
    };
    let command = without(&["start", "--listen", "127.0.0.1:0"]);
    let running = crate::harness::Running::of(command, &sandbox.path("stderr"));
    running.logged("no right to start processes as other users", 1);
    drop(running);
    let text = sandbox.read("lockgate/config.yml") + "\nprocess: {proxyuser: 7001}\n";
    fs::write(sandbox.path("lockgate/config.yml"), text).unwrap();
    let refused = Ran::of(without(&["start", "--listen", "127.0.0.1:0"])).expect(78);
    assert!(refused.stderr.contains("CAP_SETUID"), "{}", refused.stderr);
}

#[test]
fn a_key_that_only_root_reads_is_served_and_followed() {
    if !require_root() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.directory("mine");
    fs::set_permissions(sandbox.path("mine"), Permissions::from_mode(0o700)).unwrap();
    let make = |name: &str| {
        sandbox
            .run(&[
                "cert",
                "new",
                "--self-signed",
                "--force",
                "--out",
                "mine",
                "--name",
                name,
            ])
            .expect(0);
        chown(sandbox.path("mine/registry.key"), Some(0), Some(0)).unwrap();
    };
    make("first.example");
    let pair = "  tls:\n    certificate: mine/registry.crt\n    key: mine/registry.key\n";
    let config = sandbox.write("config.yml", &format!("{PLAIN}{pair}"));
    let running = sandbox.start(&["--config", config.to_str().unwrap()]);
    let shown = |name: &str| tls::chain(&running.address, name, &sandbox.read("mine/registry.crt")).is_ok();
    assert!(shown("first.example"));
    make("second.example");
    eventually("the new certificate", || shown("second.example").then_some(()));
    let (proxy, _, group) = users(&sandbox);
    assert_eq!(
        owner(&sandbox, "lockgate/tls/handed/default.key"),
        (proxy, group, 0o600)
    );
    assert_eq!(owner(&sandbox, "lockgate/tls/handed"), (0, group, 0o710));

    fs::remove_file(sandbox.path("mine/registry.key")).unwrap();
    drop(running);
    let refused = sandbox
        .run(&["start", "--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()])
        .expect(78);
    assert!(refused.stderr.contains("http.tls.certificate = "), "{}", refused.stderr);
}
