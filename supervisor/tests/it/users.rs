//! `lockgate user`

use std::io::Write;
use std::process::Stdio;

use lockgate_testkit::require;

use crate::harness::{Ran, Sandbox};

/// Runs it with `password` on stdin.
fn with_password(sandbox: &Sandbox, arguments: &[&str], password: &str) -> Ran {
    let mut child = sandbox
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
    let sandbox = Sandbox::new();
    sandbox.run(&["setup", "--listen", ":5000"]).expect(0);
    with_password(&sandbox, &["user", "add", "alice", "--password-stdin"], "secret one\n").expect(0);
    with_password(
        &sandbox,
        &["user", "add", "bob", "--password-stdin", "--bcrypt"],
        "secret two",
    )
    .expect(0);
    let again = with_password(&sandbox, &["user", "add", "bob", "--password-stdin"], "secret").expect(1);
    assert!(again.stderr.contains("bob"), "{}", again.stderr);

    let listed = sandbox.run(&["user", "list"]).expect(0);
    assert_eq!(listed.stdout, "admin\targon2id\nalice\targon2id\nbob\tbcrypt\n");
    let before = sandbox.read("lockgate/auth/htpasswd");
    with_password(
        &sandbox,
        &["user", "passwd", "alice", "--password-stdin"],
        "secret three",
    )
    .expect(0);
    let after = sandbox.read("lockgate/auth/htpasswd");
    assert_ne!(before, after);
    assert!(!after.contains("secret"));
    assert_eq!(sandbox.mode("lockgate/auth/htpasswd"), 0o600);

    sandbox.run(&["user", "rm", "bob"]).expect(0);
    sandbox.run(&["user", "rm", "bob"]).expect(1);
    assert_eq!(
        sandbox.run(&["user", "list"]).expect(0).stdout,
        "admin\targon2id\nalice\targon2id\n"
    );
}

#[test]
fn a_file_can_be_named_and_an_empty_password_cannot() {
    let sandbox = Sandbox::new();
    let add = ["user", "add", "alice", "--file", "my.htpasswd", "--password-stdin"];
    with_password(&sandbox, &add, "\n").expect(1);
    assert!(!sandbox.path("my.htpasswd").exists());
    with_password(&sandbox, &add, "secret\n").expect(0);
    assert!(sandbox.read("my.htpasswd").starts_with("alice:$argon2id$"));
}

#[test]
fn without_a_terminal_the_prompt_says_what_to_do() {
    if !require(&["setsid"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let mut command = std::process::Command::new("setsid");
    command
        .arg("--wait")
        .arg(env!("CARGO_BIN_EXE_lockgate"))
        .args(["user", "add", "alice", "--file", "f"]);
    command.current_dir(sandbox.path(".")).stdin(Stdio::null());
    let ran = Ran::of(command).expect(1);
    assert!(ran.stderr.contains("--password-stdin"), "{}", ran.stderr);
}

#[test]
fn a_docker_auth_configuration_moves_over_in_one_command() {
    // proves: MAKINA-09
    let sandbox = Sandbox::new();
    sandbox.run(&["setup", "--listen", ":5000"]).expect(0);
    let pillar = "makina-projects.registry:\n  data:\n    users:\n      admin: {password: test1}\n      readonly: {password: test2}\n    acl:\n      - {match: {account: admin}, actions: ['*']}\n      - {match: {account: readonly}, actions: [pull]}\n";
    sandbox.write("pillar.sls", pillar);
    let accounts = sandbox.read("lockgate/auth/htpasswd");
    let ran = sandbox.run(&["import", "docker-auth", "pillar.sls"]).expect(0);
    assert!(ran.stdout.contains("added account readonly"), "{}", ran.stdout);
    assert!(ran.stdout.contains("account admin was there already"), "{}", ran.stdout);
    assert!(sandbox.read("lockgate/auth/htpasswd").starts_with(&accounts));
    assert!(
        !sandbox.read("lockgate/auth/htpasswd").contains("test2"),
        "no password in plain text"
    );
    for (account, actions, code) in [
        ("readonly", "pull", 0),
        ("readonly", "push", 1),
        ("admin", "push", 0),
        ("somebody", "pull", 1),
    ] {
        let check = ["check", "--as", account, actions, "repository:team/app"];
        sandbox.run(&check).expect(code);
    }

    let before = sandbox.files("lockgate");
    sandbox.run(&["import", "docker-auth", "pillar.sls"]).expect(78);
    assert_eq!(sandbox.files("lockgate"), before, "refused, and nothing changed");
}
