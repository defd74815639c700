//! `lockgate check` opens what a configuration names, and makes nothing.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;

use lockgate_testkit::{process, require_root};

use crate::harness::{PLAIN, Ran, Workdir, ready_pid};

/// A hash of the password `secret`.
const ACCOUNT: &str = "anna:$apr1$b/zyIT2G$p09X61P.J8Qv54keme2pQ/\n";
const TOKEN: &str = "token: {realm: 'https://a.example/', service: s, issuer: i,";

/// A good pair, `one.crt` and `one.key`, and the key of another.
fn pairs(workdir: &Workdir) {
    for name in ["one", "two"] {
        workdir
            .run(&["cert", "new", "--out", name, "--name", "r.example"])
            .expect(0);
        for end in ["crt", "key"] {
            fs::copy(
                workdir.path(&format!("{name}/registry.{end}")),
                workdir.path(&format!("{name}.{end}")),
            )
            .unwrap();
        }
        fs::remove_dir_all(workdir.path(name)).unwrap();
    }
    fs::remove_dir_all(workdir.path("lockgate")).unwrap();
}

#[test]
fn what_a_start_would_refuse_is_told_before_it() {
    let workdir = Workdir::new();
    pairs(&workdir);
    workdir.write("text", "not what is expected\n");
    workdir.write("htpasswd", ACCOUNT);
    workdir.directory("directory");
    let mark = fs::read_to_string(workdir.path("one.crt")).unwrap();
    workdir.write("mark.crt", &format!("\u{feff}{mark}"));
    let tls = |more: &str| format!("  tls: {{{more}}}\n");
    let htpasswd = "auth: {htpasswd: {realm: r, path: htpasswd}";
    for (more, words) in [
        (
            tls("certificate: no.crt, key: one.key"),
            "http.tls.certificate = \"/…/no.crt\": there is no such file",
        ),
        (
            tls("certificate: one.crt, key: no.key"),
            "http.tls.key = \"/…/no.key\": there is no such file",
        ),
        (
            tls("certificate: one.crt, key: two.key"),
            "http.tls.certificate: /…/two.key: does not belong to the certificate in",
        ),
        (
            tls("certificate: directory, key: one.key"),
            "http.tls.certificate = \"/…/directory\": expected a file, and this is a directory; docker",
        ),
        (
            tls("certificate: text, key: one.key"),
            "http.tls.certificate: /…/text: holds no certificate",
        ),
        (
            tls("certificate: one.crt, key: text"),
            "http.tls.certificate: /…/text: holds no private key",
        ),
        (
            tls("certificate: one.crt, key: one.key, clientcas: [one.crt, no.crt]"),
            "http.tls.clientcas[1] = \"/…/no.crt\": there is no such file",
        ),
        (
            tls("certificate: one.crt, key: one.key, clientcas: [text]"),
            "http.tls.clientcas[0]: /…/text: holds no certificate",
        ),
        (
            format!(
                "{}  aliases: [{{name: a.example, certificate: one.crt, key: two.key}}]\n",
                tls("auto: true")
            ),
            "http.aliases[0].certificate: /…/two.key: does not belong",
        ),
        (
            "  docroot: www\n".into(),
            "http.docroot = \"/…/www\": there is no such directory",
        ),
        (
            "  docroot: text\n".into(),
            "http.docroot = \"/…/text\": expected a directory, and this is a file",
        ),
        (
            "auth: {htpasswd: {realm: r, path: no}}\n".into(),
            "auth.htpasswd.path = \"/…/no\": there is no such file; `lockgate user add",
        ),
        (
            "auth: {htpasswd: {realm: r, path: directory}}\n".into(),
            "auth.htpasswd.path = \"/…/directory\": expected a file, and this is a directory",
        ),
        (
            format!("auth: {{{TOKEN} rootcertbundle: no}}}}\n"),
            "auth.token.rootcertbundle = \"/…/no\": there is no such file",
        ),
        (
            format!("auth: {{{TOKEN} rootcertbundle: text}}}}\n"),
            "auth.token.rootcertbundle: /…/text: ",
        ),
        (
            format!("auth: {{{TOKEN} jwks: text}}}}\n"),
            "auth.token.jwks: /…/text: no JSON Web Key Set",
        ),
        (
            format!("{htpasswd}, issuer: {{key: text}}}}\n"),
            "auth.issuer.key: /…/text: expected an EC P-256 private key",
        ),
        (
            format!("{htpasswd}, issuer: {{key: text/key}}}}\n"),
            "auth.issuer.key = \"/…/text/key\": /…/text is a file, and expected as a directory",
        ),
    ] {
        let config = workdir.write("config.yml", &format!("{PLAIN}{more}"));
        let before = workdir.files("");
        let told = workdir.run(&["check", "--config", "config.yml"]).expect(78);
        let place = fs::canonicalize(workdir.path("")).unwrap();
        let words = words.replace("/…", place.to_str().unwrap());
        let line = format!("lockgate: {}: {words}", config.display());
        assert!(told.stderr.starts_with(&line), "{line}\nis not in\n{}", told.stderr);
        assert_eq!(told.stderr.lines().count(), 1, "{}", told.stderr);
        assert_eq!(before, workdir.files(""), "nothing is made");
        assert!(!workdir.path("data").exists() && !workdir.path("lockgate").exists());
        let started = workdir.run(&[
            "start",
            "--config",
            "config.yml",
            "--home",
            "home",
            "--listen",
            "127.0.0.1:0",
        ]);
        assert_eq!(started.code, Some(78), "{more}: {}", started.stderr);
        let _ = fs::remove_dir_all(workdir.path("home"));
        let _ = fs::remove_dir_all(workdir.path("data"));
        let _ = fs::remove_dir_all(workdir.path("auth"));
    }
    workdir.write(
        "config.yml",
        &PLAIN.replace("rootdirectory: data", "rootdirectory: text"),
    );
    let told = workdir.run(&["check", "--config", "config.yml"]).expect(78);
    assert!(
        told.stderr.contains("storage.filesystem.rootdirectory") && told.stderr.contains("this is a file"),
        "{}",
        told.stderr
    );
}

#[test]
fn several_mistakes_come_at_once_and_good_files_pass() {
    let workdir = Workdir::new();
    pairs(&workdir);
    let text = |certificate: &str, path: &str| {
        format!(
            "{PLAIN}  docroot: www\n  tls: {{certificate: {certificate}, key: one.key}}\nauth: {{htpasswd: {{realm: r, path: {path}}}}}\n"
        )
    };
    workdir.write("config.yml", &text("no.crt", "no"));
    let told = workdir.run(&["check", "--config", "config.yml"]).expect(78);
    assert_eq!(told.stderr.lines().count(), 3, "{}", told.stderr);

    workdir.directory("www");
    workdir.directory("data");
    workdir.write("htpasswd", ACCOUNT);
    for name in ["htpasswd", "one.crt"] {
        let content = workdir.read(name);
        workdir.write(&format!("mark-{name}"), &format!("\u{feff}{content}"));
    }
    for (certificate, path) in [("one.crt", "htpasswd"), ("mark-one.crt", "mark-htpasswd")] {
        workdir.write("config.yml", &text(certificate, path));
        let told = workdir.run(&["check", "--config", "config.yml"]).expect(0);
        assert!(told.stdout.ends_with("config.yml: no mistakes\n"), "{}", told.stdout);
        let of_files = |line: &&str| line.contains("htpasswd") || line.contains("http.tls");
        assert_eq!(told.stdout.lines().find(of_files), None, "{}", told.stdout);
    }
    // What starts and lets nobody in is told, and what makes an empty registry of a slip.
    workdir.write("htpasswd", "anna:plain\nbert\n");
    workdir.write("config.yml", &text("one.crt", "htpasswd").replace("data", "dta"));
    let told = workdir.run(&["check", "--config", "config.yml"]).expect(0);
    for words in [
        "dta\": not there; `lockgate start` makes an empty one",
        "line 1: account anna: plain-text",
        "line 2: expected `account:hash`",
        "holds no account, so nobody can log in",
    ] {
        assert!(told.stdout.contains(words), "{words}:\n{}", told.stdout);
    }
}

#[test]
fn a_port_in_use_is_told_unless_it_is_our_own() {
    let workdir = Workdir::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    workdir.write("config.yml", &PLAIN.replace("127.0.0.1:0", &address));
    let told = workdir.run(&["check", "--config", "config.yml"]).expect(0);
    assert!(
        told.stdout
            .contains(&format!("warning: http.addr {address}: already in use")),
        "{}",
        told.stdout
    );
    drop(taken);
    let told = workdir.run(&["check", "--config", "config.yml"]).expect(0);
    assert!(!told.stdout.contains("in use"), "{}", told.stdout);

    workdir.write("config.yml", PLAIN);
    let running = workdir.start(&["--config", "config.yml"]);
    workdir.write("config.yml", &PLAIN.replace("127.0.0.1:0", &running.address));
    let told = workdir.run(&["check", "--config", "config.yml"]).expect(0);
    assert!(!told.stdout.contains("in use"), "{}", told.stdout);

    for (debug, words) in [
        ("unix:no/debug.sock", "no: there is no such directory for the socket"),
        ("unix:config.yml", "config.yml: exists and is not a socket"),
    ] {
        workdir.write("config.yml", &format!("{PLAIN}  debug: {{addr: '{debug}'}}\n"));
        let told = workdir
            .run(&["check", "--config", "config.yml", "--home", "other"])
            .expect(78);
        assert!(
            told.stderr.contains("http.debug.addr: ") && told.stderr.contains(words),
            "{}",
            told.stderr
        );
    }
}

/// What a start makes in a new home is missed in one that has served.
#[test]
fn what_a_home_that_has_served_should_have_is_a_mistake() {
    let workdir = Workdir::new();
    workdir.run(&["setup", "--listen", "127.0.0.1:0"]).expect(0);
    fs::remove_file(workdir.path("lockgate/auth/htpasswd")).unwrap();
    fs::remove_dir_all(workdir.path("lockgate/data")).unwrap();
    let told = workdir.run(&["check"]).expect(0);
    for words in ["makes it, with one account", "makes an empty one"] {
        assert!(told.stdout.contains(words), "{words}:\n{}", told.stdout);
    }
    drop(workdir.start(&[]));
    fs::remove_file(workdir.path("lockgate/auth/htpasswd")).unwrap();
    fs::remove_dir_all(workdir.path("lockgate/data")).unwrap();
    let told = workdir.run(&["check"]).expect(78);
    for words in [
        "auth.htpasswd.path = ",
        "storage.filesystem.rootdirectory = ",
        "this home has served",
    ] {
        assert!(told.stderr.contains(words), "{words}:\n{}", told.stderr);
    }
    assert!(!workdir.path("lockgate/data").exists() && !workdir.path("lockgate/auth/htpasswd").exists());
}

/// Somebody else may start it, so this is no mistake.
#[test]
fn what_this_user_may_not_look_at_is_said() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    pairs(&workdir);
    workdir.write("htpasswd", ACCOUNT);
    workdir.directory("data");
    workdir.directory("closed");
    for name in ["one.key", "htpasswd", "data", "closed"] {
        fs::set_permissions(workdir.path(name), Permissions::from_mode(0o700)).unwrap();
    }
    let text = format!(
        "{PLAIN}  tls: {{certificate: one.crt, key: one.key}}\nauth: {{htpasswd: {{realm: r, path: htpasswd}}}}\n"
    );
    let config = workdir.write("config.yml", &text);
    for (name, mode) in [("config.yml", 0o644), ("one.crt", 0o644)] {
        fs::set_permissions(workdir.path(name), Permissions::from_mode(mode)).unwrap();
    }
    let as_nobody = || {
        let installed = workdir.install("lockgate-binary");
        let home = workdir.path("closed/home");
        let own = workdir.command(&[
            "check",
            "--config",
            config.to_str().unwrap(),
            "--home",
            home.to_str().unwrap(),
        ]);
        let mut command = std::process::Command::new(installed);
        command.args(own.get_args()).env_clear().uid(65_534).gid(65_534);
        Ran::of(command)
    };
    let told = as_nobody().expect(0);
    for words in [
        "http.tls.key = ",
        "auth.htpasswd.path = ",
        "this user may not read it",
        "storage.filesystem.rootdirectory = ",
        "this user may not read and write there",
        "home: this user may not look whether it has served",
        "config.yml: no mistakes in what this user may look at\n",
    ] {
        assert!(told.stdout.contains(words), "{words}:\n{}", told.stdout);
    }
    // What it can see is told nevertheless.
    fs::remove_file(workdir.path("one.crt")).unwrap();
    let told = as_nobody().expect(78);
    assert!(told.stderr.contains("http.tls.certificate = "), "{}", told.stderr);
}

/// Compose files with variables alone, before the first start.
#[test]
fn variables_are_checked_with_the_configuration_that_a_first_start_makes() {
    let workdir = Workdir::new();
    let check = |variables: &[(&str, &str)]| {
        let mut command = workdir.command(&["check"]);
        command.envs(variables.iter().copied());
        Ran::of(command)
    };
    let told = check(&[("REGISTRY_HTTP_ADDR", "127.0.0.1:0")]).expect(0);
    assert!(
        told.stdout.contains("not there yet") && told.stdout.contains("no mistakes"),
        "{}",
        told.stdout
    );
    let told = check(&[("REGISTRY_STORAGE", "inmemory")]).expect(78);
    assert!(
        told.stderr.contains("storage.inmemory: not supported"),
        "{}",
        told.stderr
    );
    let told = check(&[
        ("REGISTRY_HTTP_TLS_CERTIFICATE", "/no/one.crt"),
        ("REGISTRY_HTTP_TLS_KEY", "/no/one.key"),
    ])
    .expect(78);
    assert!(told.stderr.contains("there is no such file"), "{}", told.stderr);
    assert!(!workdir.path("lockgate").exists());
    workdir.run(&["check"]).expect(78);

    workdir.write("lockgate/home.json", "{\"served\": true}");
    let told = check(&[("REGISTRY_HTTP_ADDR", "127.0.0.1:0")]).expect(78);
    assert!(
        told.stderr.contains("this home has served") && told.stderr.contains("setup --again"),
        "{}",
        told.stderr
    );
}

#[test]
fn a_socket_that_only_the_registry_alone_serves_is_told() {
    let workdir = Workdir::new();
    let text = "version: 0.1\nstorage: {filesystem: {rootdirectory: data}}\nhttp: {addr: r.sock, net: unix}\n";
    workdir.write("config.yml", text);
    let told = workdir.run(&["check", "--config", "config.yml"]).expect(0);
    assert!(
        told.stdout
            .contains("`lockgate start` refuses it and listens on host:port"),
        "{}",
        told.stdout
    );
    workdir.run(&["start", "--config", "config.yml"]).expect(78);
}

/// Root has started an ordinary user's home.
#[test]
fn an_authority_that_may_not_be_looked_at_is_not_taken_as_missing() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    let tls = "  tls: {auto: {hostnames: []}}\n";
    workdir.write("lockgate/config.yml", &format!("{PLAIN}{tls}"));
    workdir.write("lockgate/tls/ca.crt", "");
    workdir.write("lockgate/ca/ca.key", "");
    fs::set_permissions(workdir.path("lockgate/ca"), Permissions::from_mode(0o700)).unwrap();
    for name in ["lockgate", "lockgate/tls", "lockgate/config.yml"] {
        chown(workdir.path(name), Some(65_534), Some(65_534)).unwrap();
    }
    let installed = workdir.install("lockgate-binary");
    let home = workdir.path("lockgate");
    let as_nobody = |word: &str| {
        let mut command = std::process::Command::new(&installed);
        command.args([word, "--home", home.to_str().unwrap()]).env_clear();
        command.uid(65_534).gid(65_534);
        Ran::of(command)
    };
    for (word, code) in [("check", 0), ("setup", 1)] {
        let told = as_nobody(word).expect(code);
        let told = format!("{}{}", told.stdout, told.stderr);
        assert!(
            told.contains("ca.key: Permission denied") && told.contains("perhaps root"),
            "{told}"
        );
        assert!(!told.contains("missing"), "{told}");
    }
    fs::remove_file(workdir.path("lockgate/ca/ca.key")).unwrap();
    let told = workdir.run(&["check"]).expect(78);
    assert!(told.stderr.contains("ca.key: missing"), "{}", told.stderr);
}

/// As `htpasswd -c` and registry:2 as root leave it.
#[test]
fn an_accounts_file_of_roots_own_in_the_home_is_its_readers() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    let text = format!("{PLAIN}auth: {{htpasswd: {{realm: r, path: htpasswd}}}}\n");
    workdir.write("lockgate/config.yml", &text);
    workdir.write("lockgate/htpasswd", ACCOUNT);
    fs::set_permissions(workdir.path("lockgate/htpasswd"), Permissions::from_mode(0o600)).unwrap();
    let told = workdir.run(&["check"]).expect(0);
    assert!(!told.stdout.contains("closed to"), "{}", told.stdout);
    let running = workdir.start(&[]);
    assert_eq!(running.get("/v2/"), "401");
    let registry = process::status(ready_pid(&workdir, "registry"), "Uid");
    let owner = fs::metadata(workdir.path("lockgate/htpasswd")).unwrap();
    assert_ne!(owner.uid(), 0);
    assert!(registry.starts_with(&owner.uid().to_string()), "{registry}");
    assert_eq!(owner.mode() & 0o777, 0o600);
}

#[test]
fn an_accounts_file_elsewhere_that_its_reader_may_not_read_is_told_with_the_command() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    workdir.write("htpasswd", ACCOUNT);
    fs::set_permissions(workdir.path("htpasswd"), Permissions::from_mode(0o600)).unwrap();
    workdir.directory("data");
    chown(workdir.path("data"), Some(7002), Some(7003)).unwrap();
    let text = format!(
        "{PLAIN}auth: {{htpasswd: {{realm: r, path: htpasswd}}}}\nprocess: {{proxyuser: 7001, registryuser: 7002, group: 7003}}\n"
    );
    workdir.write("config.yml", &text);
    let command = format!(
        "`chown 7002 {}` opens it",
        fs::canonicalize(workdir.path("htpasswd")).unwrap().display()
    );
    for arguments in [
        &["check", "--config", "config.yml"][..],
        &["start", "--config", "config.yml"],
    ] {
        let told = workdir.run(arguments).expect(78);
        assert!(told.stderr.contains("closed to user 7002"), "{}", told.stderr);
        assert!(told.stderr.contains(&command), "{}", told.stderr);
    }
    chown(workdir.path("htpasswd"), Some(7002), None).unwrap();
    workdir.run(&["check", "--config", "config.yml"]).expect(0);
    let running = workdir.start(&["--config", "config.yml"]);
    assert_eq!(running.get("/v2/"), "401");

    // In a directory of the home that only root may enter, nothing is opened that root closed.
    let closed = workdir.write("home/secret/htpasswd", ACCOUNT);
    fs::set_permissions(closed.parent().unwrap(), Permissions::from_mode(0o700)).unwrap();
    workdir.write(
        "home/config.yml",
        &text
            .replace("path: htpasswd", "path: secret/htpasswd")
            .replace("data", "../data"),
    );
    let told = workdir.run(&["check", "--home", "home"]).expect(0);
    assert!(
        told.stdout.contains("secret: closed to user 7002") && told.stdout.contains("`chmod o+x "),
        "{}",
        told.stdout
    );
    drop(running);
    let told = workdir
        .run(&["start", "--home", "home", "--listen", "127.0.0.1:0"])
        .expect(78);
    assert!(
        told.stderr.contains("the registry runs as user 7002: `chown 7002 "),
        "{}",
        told.stderr
    );
}
