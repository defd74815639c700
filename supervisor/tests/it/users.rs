//! `lockgate user`

use std::io::Write;
use std::process::Stdio;

use lockgate_testkit::require;

use crate::harness::{Ran, Workdir};

/// Runs it with `password` on stdin.
fn with_password(workdir: &Workdir, arguments: &[&str], password: &str) -> Ran {
    let mut child = workdir
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn accounts_are_added_changed_listed_and_removed() {
    // proves: SECURE-08
    let workdir = Workdir::new();
    workdir.run(&["setup", "--listen", ":5000"]).expect(0);
    with_password(&workdir, &["user", "add", "alice", "--password-stdin"], "secret one\n").expect(0);
    with_password(
        &workdir,
        &["user", "add", "bob", "--password-stdin", "--bcrypt"],
        "secret two",
    )
    .expect(0);
    let again = with_password(&workdir, &["user", "add", "bob", "--password-stdin"], "secret").expect(1);
    assert!(again.stderr.contains("bob"), "{}", again.stderr);

    let listed = workdir.run(&["user", "list"]).expect(0);
    assert_eq!(listed.stdout, "admin\targon2id\nalice\targon2id\nbob\tbcrypt\n");
    let before = workdir.read("lockgate/auth/htpasswd");
    with_password(
        &workdir,
        &["user", "passwd", "alice", "--password-stdin"],
        "secret three",
    )
    .expect(0);
    let after = workdir.read("lockgate/auth/htpasswd");
    assert_ne!(before, after);
    assert!(!after.contains("secret"));
    assert_eq!(workdir.mode("lockgate/auth/htpasswd"), 0o600);

    workdir.run(&["user", "rm", "bob"]).expect(0);
    workdir.run(&["user", "rm", "bob"]).expect(1);
    assert_eq!(
        workdir.run(&["user", "list"]).expect(0).stdout,
        "admin\targon2id\nalice\targon2id\n"
    );
}

#[test]
fn a_file_can_be_named_and_an_empty_password_cannot() {
    let workdir = Workdir::new();
    let add = ["user", "add", "alice", "--file", "my.htpasswd", "--password-stdin"];
    with_password(&workdir, &add, "\n").expect(1);
    assert!(!workdir.path("my.htpasswd").exists());
    with_password(&workdir, &add, "secret\n").expect(0);
    assert!(workdir.read("my.htpasswd").starts_with("alice:$argon2id$"));
}

#[test]
fn without_a_terminal_the_prompt_says_what_to_do() {
    if !require(&["setsid"]) {
        return;
    }
    let workdir = Workdir::new();
    let mut command = std::process::Command::new("setsid");
    command
        .arg("--wait")
        .arg(env!("CARGO_BIN_EXE_lockgate"))
        .args(["user", "add", "alice", "--file", "f"]);
    command.current_dir(workdir.path(".")).stdin(Stdio::null());
    let ran = Ran::of(command).expect(1);
    assert!(ran.stderr.contains("--password-stdin"), "{}", ran.stderr);
}

#[test]
fn a_docker_auth_configuration_moves_over_in_one_command() {
    // proves: MAKINA-09
    let workdir = Workdir::new();
    workdir.run(&["setup", "--listen", ":5000"]).expect(0);
    let pillar = "makina-projects.registry:\n  data:\n    users:\n      admin: {password: test1}\n      readonly: {password: test2}\n    acl:\n      - {match: {account: admin}, actions: ['*']}\n      - {match: {account: readonly}, actions: [pull]}\n";
    workdir.write("pillar.sls", pillar);
    let accounts = workdir.read("lockgate/auth/htpasswd");
    let ran = workdir.run(&["import", "docker-auth", "pillar.sls"]).expect(0);
    assert!(ran.stdout.contains("added account readonly"), "{}", ran.stdout);
    assert!(ran.stdout.contains("account admin was there already"), "{}", ran.stdout);
    assert!(workdir.read("lockgate/auth/htpasswd").starts_with(&accounts));
    assert!(
        !workdir.read("lockgate/auth/htpasswd").contains("test2"),
        "no password in plain text"
    );
    for (account, actions, code) in [
        ("readonly", "pull", 0),
        ("readonly", "push", 1),
        ("admin", "push", 0),
        ("somebody", "pull", 1),
    ] {
        let check = ["check", "--as", account, actions, "repository:team/app"];
        workdir.run(&check).expect(code);
    }

    let before = workdir.files("lockgate");
    workdir.run(&["import", "docker-auth", "pillar.sls"]).expect(78);
    assert_eq!(workdir.files("lockgate"), before, "refused, and nothing changed");
}
