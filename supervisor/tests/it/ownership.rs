//! Whose files are, and whom processes run as, when root starts them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::Command;

use lockgate_testkit::{eventually, process, require, require_root, tls};

use crate::docker_auth::SECRET;
use crate::harness::{PLAIN, Ran, Workdir, ready_pid};

/// Where the system's database has no accounts of ours; a machine may have them.
fn users(workdir: &Workdir) -> (u32, u32, u32) {
    let number = |process: &str, field| {
        process::status(ready_pid(workdir, process), field)
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

fn owner(workdir: &Workdir, name: &str) -> (u32, u32, u32) {
    let found = fs::symlink_metadata(workdir.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    (found.uid(), found.gid(), found.mode() & 0o7777)
}

#[test]
fn each_file_belongs_to_its_reader_also_after_later_commands() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    workdir.run(&["setup"]).expect(0);
    let text = workdir.read("lockgate/config.yml").replace("#file: {", "file: {");
    fs::write(workdir.path("lockgate/config.yml"), text).unwrap();
    let running = workdir.start(&[]);
    let (proxy, registry, group) = users(&workdir);
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
            let found = owner(&workdir, &format!("lockgate{name}"));
            assert_eq!(found, expected, "{name}: {:o}, not {:o}", found.2, expected.2);
        }
    };
    assert_settled();
    for process in ["proxy", "registry"] {
        let log = eventually("a log file", || {
            fs::metadata(workdir.path(&format!("lockgate/log/{process}.log"))).ok()
        });
        let expected = if process == "proxy" { proxy } else { registry };
        assert_eq!((log.uid(), log.mode() & 0o022), (expected, 0), "{process}.log");
    }

    for arguments in [
        &["user", "add", "bob", "--password-stdin"][..],
        &["cert", "new", "--force"],
    ] {
        let mut command = workdir.command(arguments);
        workdir.write("input", "a long password\n");
        command.stdin(fs::File::open(workdir.path("input")).unwrap());
        Ran::of(command).expect(0);
        assert_settled();
    }
    let users = format!("users: {{carol: {{password: '{SECRET}'}}}}\nacl: []\n");
    let rules = workdir.write("da.yml", &users);
    workdir
        .run(&["import", "docker-auth", rules.to_str().unwrap()])
        .expect(0);
    assert_settled();
    drop(running);
    // A second start finds everything settled, and changes nothing.
    let before = workdir.files("lockgate");
    drop(workdir.start(&[]));
    assert!(before.keys().all(|path| path.exists()));
    fs::remove_file(workdir.path("lockgate/auth/token.key")).unwrap();
    drop(workdir.start(&[]));
    assert_eq!(owner(&workdir, "lockgate/auth/token.key").0, registry);
}

#[test]
fn what_our_own_commands_make_beside_a_configuration_elsewhere_is_the_registrys() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    let auth = "auth: {htpasswd: {realm: r, path: who/accounts}, issuer: {path: /auth/token}}\n";
    let config = workdir.write("config.yml", &format!("{PLAIN}{auth}"));
    let config = ["--config", config.to_str().unwrap()];
    workdir.write("input", "a long password\n");
    let mut add = workdir.command(&[&["user", "add", "bob", "--password-stdin"][..], &config].concat());
    add.stdin(fs::File::open(workdir.path("input")).unwrap());
    Ran::of(add).expect(0);
    for _ in 0..2 {
        let running = workdir.start(&config);
        let (_, registry, group) = users(&workdir);
        assert_ne!(registry, 0, "{}", running.log());
        assert_eq!(owner(&workdir, "who/accounts"), (registry, group, 0o600));
        assert_eq!(owner(&workdir, "who"), (0, group, 0o710));
        assert_eq!(owner(&workdir, "auth/token.key"), (registry, group, 0o600));
        assert_eq!(owner(&workdir, "auth"), (0, group, 0o710));
    }
}

#[test]
fn users_can_be_configured_and_unknown_ones_are_an_error() {
    let workdir = Workdir::new();
    let with = |process: &str| {
        let config = workdir.write("config.yml", &format!("{PLAIN}process: {{{process}}}\n"));
        config.to_str().unwrap().to_owned()
    };
    let start = |process: &str| workdir.run(&["start", "--listen", "127.0.0.1:0", "--config", &with(process)]);
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
    let running = workdir.start(&["--config", &config]);
    assert_eq!(users(&workdir), (7001, 7002, 7003));
    drop(running);
    // The data is 7002's now: another user is not let at it in silence.
    let others = start("proxyuser: 7001, registryuser: 7004, group: 7003").expect(78);
    assert!(others.stderr.contains("--chown"), "{}", others.stderr);
    let given = workdir.start(&[
        "--chown",
        "--config",
        &with("proxyuser: 7001, registryuser: 7004, group: 7003"),
    ]);
    assert!(given.log().contains("belong to user 7004 now"), "{}", given.log());
    assert_eq!(owner(&workdir, "data"), (7004, 7003, 0o2750));
}

#[test]
fn a_tree_of_somebody_else_is_served_as_its_owner_or_given_away() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    // As registry:2 leaves it.
    let blob = workdir.write("data/docker/registry/v2/blobs/sha256/aa/data", "x");
    fs::set_permissions(&blob, Permissions::from_mode(0o644)).unwrap();
    let config = workdir.write("config.yml", PLAIN);
    let config = ["--config", config.to_str().unwrap()];
    let running = workdir.start(&config);
    let (proxy, registry, _) = users(&workdir);
    assert_eq!(registry, 0);
    assert_ne!(proxy, 0);
    assert_eq!(
        process::status(ready_pid(&workdir, "registry"), "CapEff"),
        "0000000000000000"
    );
    let log = running.logged("belongs to user 0", 1);
    assert!(log.contains("`lockgate start --chown`"), "{log}");
    drop(running);

    let setup = workdir.run(&[&["setup", "--chown"][..], &config].concat()).expect(0);
    assert!(setup.stdout.contains("files and"), "{}", setup.stdout);
    let running = workdir.start(&config);
    let (_, registry, group) = users(&workdir);
    assert_ne!(registry, 0);
    assert_eq!(
        owner(&workdir, "data/docker/registry/v2/blobs/sha256/aa/data"),
        (registry, group, 0o640)
    );
    assert!(!running.log().contains("belongs to user"), "{}", running.log());
    drop(running);

    // A blob that the proxy could not read is found out before anybody asks for it.
    fs::set_permissions(&blob, Permissions::from_mode(0o600)).unwrap();
    let refused = workdir
        .run(&[&["start", "--listen", "127.0.0.1:0"][..], &config].concat())
        .expect(78);
    assert!(
        refused.stderr.contains("cannot read it") && refused.stderr.contains("--chown"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_log_directory_that_a_reload_names_is_open_to_all_processes() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    let running = workdir.start(&[]);
    let (proxy, registry, group) = users(&workdir);
    let directory = workdir.path("logs").display().to_string();
    let text = workdir.read("lockgate/config.yml");
    let named = text.replace("#file: {", &format!("file: {{directory: {directory}, "));
    assert_ne!(text, named);
    fs::write(workdir.path("lockgate/config.yml"), &named).unwrap();
    workdir.run(&["reload"]).expect(0);
    eventually("the logs of both", || {
        let names = ["logs/proxy.log", "logs/registry.log"];
        names.iter().all(|name| workdir.path(name).exists()).then_some(())
    });
    assert_eq!(owner(&workdir, "logs"), (0, group, 0o1770));
    assert_eq!(owner(&workdir, "logs/proxy.log").0, proxy);
    assert_eq!(owner(&workdir, "logs/registry.log").0, registry);
    assert!(!running.log().contains("nothing is logged"), "{}", running.log());

    // The next one finds logs there, whose modes a supervisor that serves may not change.
    let other = named.replacen("\n  addr: ", "\n  draintimeout: 31s\n  addr: ", 1);
    assert_ne!(named, other);
    fs::write(workdir.path("lockgate/config.yml"), other).unwrap();
    workdir.run(&["reload"]).expect(0);
    assert!(!running.log().contains("cannot set owner"), "{}", running.log());
}

#[test]
fn a_place_that_only_root_may_enter_is_served_by_root_without_its_capabilities() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    fs::set_permissions(workdir.path(""), Permissions::from_mode(0o700)).unwrap();
    let running = workdir.start(&[]);
    let (proxy, registry, _) = users(&workdir);
    assert_eq!((proxy, registry), (0, 0));
    for process in ["proxy", "registry"] {
        assert_eq!(
            process::status(ready_pid(&workdir, process), "CapEff"),
            "0000000000000000"
        );
    }
    assert!(running.log().contains("closed to user"), "{}", running.log());
    drop(running);
    let text = workdir.read("lockgate/config.yml") + "\nprocess: {proxyuser: 7001}\n";
    fs::write(workdir.path("lockgate/config.yml"), text).unwrap();
    let refused = workdir.run(&["start", "--listen", "127.0.0.1:0"]).expect(78);
    assert!(refused.stderr.contains("closed to user"), "{}", refused.stderr);
}

#[test]
fn the_home_and_the_data_may_be_links_to_another_disk() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    for (link, disk) in [("lockgate", "disk"), ("disk/data", "disk/images")] {
        workdir.directory(disk);
        std::os::unix::fs::symlink(workdir.path(disk), workdir.path(link)).unwrap();
    }
    for chown in [&[][..], &["--chown"]] {
        let _running = workdir.start(chown);
        let (proxy, registry, group) = users(&workdir);
        assert!(proxy != 0 && registry != 0);
        assert_eq!(owner(&workdir, "disk"), (0, group, 0o750));
        assert_eq!(owner(&workdir, "disk/images"), (registry, group, 0o2750));
    }
}

#[test]
fn a_key_of_somebody_else_is_served_also_by_root_without_its_capabilities() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    fs::set_permissions(workdir.path(""), Permissions::from_mode(0o700)).unwrap();
    let made = ["cert", "new", "--self-signed", "--out", "mine", "--name", "a.example"];
    workdir.run(&made).expect(0);
    chown(workdir.path("mine/registry.key"), Some(7001), Some(7001)).unwrap();
    let tls = "  tls:\n    certificate: mine/registry.crt\n    key: mine/registry.key\n";
    let config = workdir.write("config.yml", &format!("{PLAIN}{tls}"));
    let _running = workdir.start(&["--config", config.to_str().unwrap()]);
    assert_eq!(users(&workdir).0, 0);
}

#[test]
fn root_without_the_right_to_become_others_says_so_and_serves() {
    if !require_root() || !require(&["setpriv"]) {
        return;
    }
    let workdir = Workdir::new();
    let program = env!("CARGO_BIN_EXE_lockgate");
    let without = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command
            .args(["--bounding-set=-setuid,-setgid", "--inh-caps=-all", program])
            .args(arguments)
            .current_dir(workdir.path(""));
        command
    };
    let command = without(&["start", "--listen", "127.0.0.1:0"]);
    let running = crate::harness::Running::of(command, &workdir.path("stderr"));
    running.logged("no right to start processes as other users", 1);
    drop(running);
    let text = workdir.read("lockgate/config.yml") + "\nprocess: {proxyuser: 7001}\n";
    fs::write(workdir.path("lockgate/config.yml"), text).unwrap();
    let refused = Ran::of(without(&["start", "--listen", "127.0.0.1:0"])).expect(78);
    assert!(refused.stderr.contains("CAP_SETUID"), "{}", refused.stderr);
}

#[test]
fn a_key_that_only_root_reads_is_served_and_followed() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    workdir.directory("mine");
    fs::set_permissions(workdir.path("mine"), Permissions::from_mode(0o700)).unwrap();
    let make = |name: &str| {
        workdir
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
        chown(workdir.path("mine/registry.key"), Some(0), Some(0)).unwrap();
    };
    make("first.example");
    let pair = "  tls:\n    certificate: mine/registry.crt\n    key: mine/registry.key\n";
    let config = workdir.write("config.yml", &format!("{PLAIN}{pair}"));
    let running = workdir.start(&["--config", config.to_str().unwrap()]);
    let shown = |name: &str| {
        tls::connect(
            &running.address,
            name,
            &tls::trusting(&workdir.read("mine/registry.crt")),
        )
        .is_ok()
    };
    assert!(shown("first.example"));
    make("second.example");
    eventually("the new certificate", || shown("second.example"));
    let (proxy, _, group) = users(&workdir);
    assert_eq!(
        owner(&workdir, "lockgate/tls/handed/default.key"),
        (proxy, group, 0o600)
    );
    assert_eq!(owner(&workdir, "lockgate/tls/handed"), (0, group, 0o710));

    fs::remove_file(workdir.path("mine/registry.key")).unwrap();
    drop(running);
    let refused = workdir
        .run(&["start", "--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()])
        .expect(78);
    assert!(refused.stderr.contains("http.tls.certificate = "), "{}", refused.stderr);
}
