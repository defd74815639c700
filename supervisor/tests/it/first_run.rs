//! The first start in an empty directory, the second, and set-up alone.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::harness::{PLAIN, Ran, Running, Workdir, ready_pid, status};

/// What the first run leaves, with the modes that matter.
const FILES: [(&str, u32); 7] = [
    ("lockgate/config.yml", 0o600),
    ("lockgate/password", 0o600),
    ("lockgate/auth/htpasswd", 0o600),
    ("lockgate/ca", 0o700),
    ("lockgate/ca/ca.key", 0o600),
    ("lockgate/tls/registry.key", 0o600),
    ("lockgate/data", 0o2750),
];

#[test]
fn the_first_run_makes_everything_and_tells_the_next_step() {
    // proves: MOSI-01, SECURE-02, SECURE-09
    let workdir = Workdir::new();
    let running = workdir.start(&[]);
    for (file, mode) in FILES {
        assert_eq!(workdir.mode(file), mode, "{file}");
    }
    for file in [
        "lockgate/tls/ca.crt",
        "lockgate/tls/registry.crt",
        "lockgate/data/docker/registry/v2",
    ] {
        assert!(workdir.path(file).exists(), "{file}");
    }
    let port = running.address.rsplit(':').next().unwrap();
    let password = workdir.read("lockgate/password");
    for text in [
        &format!("https://localhost:{port}"),
        "account   admin",
        password.trim(),
        &format!("/etc/docker/certs.d/localhost:{port}/ca.crt"),
        &format!("docker login localhost:{port} -u admin"),
        &format!("docker push localhost:{port}/alpine"),
        &format!("docker pull localhost:{port}/alpine"),
    ] {
        assert!(running.banner.contains(text), "{text} is not in:\n{}", running.banner);
    }
    assert!(
        workdir
            .read("lockgate/config.yml")
            .contains(&format!("127.0.0.1:{port}")),
        "the real port is kept"
    );
    assert!(workdir.read("lockgate/auth/htpasswd").starts_with("admin:$argon2id$"));
    assert!(!running.log().contains(password.trim()), "no password in the log");
}

#[test]
fn no_arguments_start() {
    // proves: SECURE-02
    let workdir = Workdir::new();
    workdir.run(&["setup", "--listen", "127.0.0.1:0"]).expect(0);
    let mut command = workdir.command(&[]);
    command.env("REGISTRY_HTTP_ADDR", "127.0.0.1:0");
    let running = Running::of(command, &workdir.path("stderr"));
    assert!(running.banner.contains("https://localhost:"), "{}", running.banner);
}

#[test]
fn a_second_start_changes_no_file_and_shows_no_password() {
    // proves: SECURE-04, SECURE-09
    let workdir = Workdir::new();
    drop(workdir.start(&[]));
    workdir.write(
        "lockgate/config.yml",
        &(workdir.read("lockgate/config.yml") + "# mine\n"),
    );
    let before = kept(&workdir);
    let running = workdir.start(&[]);
    assert!(
        !running.banner.contains(workdir.read("lockgate/password").trim()),
        "{}",
        running.banner
    );
    drop(running);
    let after = kept(&workdir);
    assert!(before.len() >= 7, "{:?}", before.keys());
    assert_eq!(before, after);
}

/// Every file but those of the running instance.
fn kept(workdir: &Workdir) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    let run = workdir.path("lockgate/run");
    workdir
        .files("lockgate")
        .into_iter()
        .filter(|(path, _)| !path.starts_with(&run))
        .collect()
}

#[test]
fn set_up_alone_writes_every_file_and_twice_is_once() {
    // proves: SECURE-03, SECURE-04
    let workdir = Workdir::new();
    let ran = workdir
        .run(&["setup", "--listen", ":5000", "--hostname", "registry.example"])
        .expect(0);
    for (file, mode) in FILES {
        assert_eq!(workdir.mode(file), mode, "{file}");
    }
    assert!(
        ran.stdout.contains(workdir.read("lockgate/password").trim()),
        "{}",
        ran.stdout
    );
    let before = workdir.files("lockgate");
    let again = workdir
        .run(&["setup", "--listen", ":5000", "--hostname", "registry.example"])
        .expect(0);
    assert!(again.stdout.contains("everything is there"), "{}", again.stdout);
    assert_eq!(before, workdir.files("lockgate"));
}

#[test]
fn only_what_is_missing_is_made() {
    // proves: SECURE-04
    let workdir = Workdir::new();
    workdir.run(&["setup", "--listen", ":5000"]).expect(0);
    let before = workdir.files("lockgate");
    std::fs::remove_file(workdir.path("lockgate/tls/registry.crt")).unwrap();
    std::fs::remove_file(workdir.path("lockgate/auth/htpasswd")).unwrap();
    let ran = workdir.run(&["setup"]).expect(0);
    let after = workdir.files("lockgate");
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    let changed: Vec<_> = before
        .iter()
        .filter(|(path, text)| after[*path] != **text)
        .map(|(path, _)| path)
        .collect();
    let expected =
        ["auth/htpasswd", "tls/registry.crt", "tls/registry.key"].map(|name| workdir.path("lockgate").join(name));
    assert_eq!(changed, expected.iter().collect::<Vec<_>>());
    assert!(
        !ran.stdout.contains(workdir.read("lockgate/password").trim()),
        "a kept password is not shown again"
    );
}

#[test]
fn half_an_authority_is_not_made_whole_by_guessing() {
    let workdir = Workdir::new();
    workdir.run(&["setup", "--listen", ":5000"]).expect(0);
    std::fs::remove_file(workdir.path("lockgate/ca/ca.key")).unwrap();
    let ran = workdir.run(&["setup"]).expect(1);
    assert!(ran.stderr.contains("ca.key: missing"), "{}", ran.stderr);
    assert!(!workdir.path("lockgate/ca/ca.key").exists());
}

#[test]
fn names_given_are_in_the_certificate_and_in_the_configuration() {
    let workdir = Workdir::new();
    let names = ["--hostname", "registry.example", "--hostname", "images.example"];
    let running = workdir.start(&names);
    assert!(
        running.banner.contains("https://registry.example:"),
        "{}",
        running.banner
    );
    drop(running);
    for host in ["registry.example", "images.example", "localhost", "127.0.0.1"] {
        workdir.run(&["cert", "show", "--host", host]).expect(0);
    }
    workdir.run(&["cert", "show", "--host", "stranger.example"]).expect(1);
    let config = workdir.read("lockgate/config.yml");
    assert!(
        config.contains("registry.example") && config.contains("images.example"),
        "{config}"
    );

    let _running = workdir.start(&["--hostname", "later.example"]);
    for host in ["later.example", "registry.example"] {
        workdir.run(&["cert", "show", "--host", host]).expect(0);
    }
}

#[test]
fn the_first_account_comes_from_the_environment() {
    // proves: SECURE-10
    let workdir = Workdir::new();
    let mut command = workdir.command(&["setup", "--listen", ":5000"]);
    command
        .env("LOCKGATE_USERNAME", "alice")
        .env("LOCKGATE_PASSWORD", "open sesame");
    let ran = Ran::of(command).expect(0);
    assert!(workdir.read("lockgate/auth/htpasswd").starts_with("alice:$argon2id$"));
    assert!(
        !workdir.path("lockgate/password").exists(),
        "nothing to keep: it is known"
    );
    let everything: String = workdir
        .files("lockgate")
        .values()
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect();
    assert!(
        !everything.contains("open sesame") && !ran.stdout.contains("open sesame"),
        "no password in the clear"
    );
}

#[test]
fn a_supplied_password_file_is_used_and_kept() {
    // proves: SECURE-10
    let workdir = Workdir::new();
    workdir.write("lockgate/password", "open sesame\n");
    let ran = workdir.run(&["setup", "--listen", ":5000"]).expect(0);
    assert!(!ran.stdout.contains("open sesame"), "{}", ran.stdout);
    assert_eq!(workdir.read("lockgate/password"), "open sesame\n");
    assert!(workdir.read("lockgate/auth/htpasswd").starts_with("admin:$argon2id$"));
}

#[test]
fn a_normal_user_can_do_all_of_it() {
    let workdir = Workdir::new();
    if !nix::unistd::geteuid().is_root() {
        // Then every other test here was run by a normal user.
        return;
    }
    const NOBODY: u32 = 65534;
    // The program where that user can reach it, and a place of their own.
    let program = workdir.install("lockgate-program");
    std::fs::create_dir(workdir.path("place")).unwrap();
    for path in [workdir.path("."), workdir.path("place")] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let as_nobody = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(arguments).uid(NOBODY).gid(NOBODY);
        command.current_dir(workdir.path("place")).stdin(Stdio::null());
        command
    };
    let running = Running::of(
        as_nobody(&["start", "--listen", "127.0.0.1:0"]),
        &workdir.path("stderr"),
    );
    assert!(running.banner.contains("password"), "{}", running.banner);
    assert_eq!(
        std::fs::metadata(workdir.path("place/lockgate/data")).unwrap().uid(),
        NOBODY
    );
    Ran::of(as_nobody(&["status"])).expect(0);
    Ran::of(as_nobody(&["stop"])).expect(0);
}

#[test]
fn an_address_may_be_a_whole_home_elsewhere() {
    let workdir = Workdir::new();
    let mut command = workdir.command(&["start", "--listen", "127.0.0.1:0"]);
    command.env("LOCKGATE_HOME", "some where/else");
    let _running = Running::of(command, &workdir.path("stderr"));
    assert!(workdir.path("some where/else/config.yml").exists());
    assert!(!workdir.path("lockgate").exists());
    workdir.run(&["status", "--home", "some where/else"]).expect(0);
    assert_eq!(
        status(&workdir),
        serde_json::Value::Null,
        "the default home is another one"
    );
}

#[test]
fn the_program_may_lie_where_the_home_would() {
    // proves: MOSI-01
    let workdir = Workdir::new();
    let program = workdir.install("lockgate");
    workdir.run(&["setup", "--listen", "127.0.0.1:0"]).expect(0);
    assert!(workdir.path("lockgate-home/config.yml").exists());
    std::fs::remove_file(program).unwrap();
    workdir.run(&["user", "list"]).expect(0);
    assert!(!workdir.path("lockgate").exists(), "the home is found again without it");
}

#[test]
fn the_command_to_go_on_with_can_be_copied() {
    let workdir = Workdir::new();
    let config = workdir.write("my config.yml", PLAIN);
    let made = workdir
        .run(&["setup", "--home", "a home", "--config", "my config.yml"])
        .expect(0);
    let home = workdir.path("a home");
    let next = format!(
        "next: lockgate start --home '{}' --config '{}'\n",
        home.display(),
        config.display()
    );
    assert!(made.stdout.ends_with(&next), "{}", made.stdout);
}

#[test]
fn both_processes_carry_their_names() {
    let workdir = Workdir::new();
    let _running = workdir.start_plain();
    for (process, name) in [("proxy", "lockgate-proxy\n"), ("registry", "lockgate-regist\n")] {
        let pid = ready_pid(&workdir, process);
        assert_eq!(std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap(), name);
    }
}
