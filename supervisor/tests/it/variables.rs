//! Variables alone, in an empty home: what most registries of compose files are started with.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use lockgate_testkit::{address, require_root};

use crate::harness::{PLAIN, Ran, Running, Workdir, status};

const TOKEN: [(&str, &str); 4] = [
    ("REGISTRY_AUTH_TOKEN_REALM", "https://auth.example.com/auth"),
    ("REGISTRY_AUTH_TOKEN_SERVICE", "registry"),
    ("REGISTRY_AUTH_TOKEN_ISSUER", "Auth service"),
    ("REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE", "certs/registry.crt"),
];

fn command(workdir: &Workdir, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = workdir.command(arguments);
    command.envs(variables.iter().copied());
    command
}

/// `start` with nothing but variables.
fn start(workdir: &Workdir, variables: &[(&str, &str)]) -> Running {
    Running::of(command(workdir, &["start"], variables), &workdir.path("stderr"))
}

/// Where the proxy listens.
fn listens_on(workdir: &Workdir) -> String {
    status(workdir)["processes"][0]["address"].as_str().unwrap().to_owned()
}

fn is_empty(workdir: &Workdir) -> bool {
    let names: Vec<_> = std::fs::read_dir(workdir.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != "stderr" && name != "certs")
        .collect();
    names.is_empty()
}

#[test]
fn the_first_start_listens_where_a_variable_says_as_does_the_second() {
    // proves: TOY-03, HOMELAB-08
    let workdir = Workdir::new();
    for _ in 0..2 {
        let address = address::free_address();
        let running = start(&workdir, &[("REGISTRY_HTTP_ADDR", &address)]);
        assert_eq!(listens_on(&workdir), address);
        assert!(
            running
                .banner
                .contains("variables in force over the file: REGISTRY_HTTP_ADDR\n"),
            "{}",
            running.banner
        );
        let written = workdir.read("lockgate/config.yml");
        assert!(!written.contains(&address), "{written}");
        drop(running);
    }
    // What a person types is meant more than what is set.
    let other = Workdir::new();
    let mut command = command(
        &other,
        &["start", "--listen", "127.0.0.1:0"],
        &[("REGISTRY_HTTP_ADDR", "127.0.0.1:1")],
    );
    command.stdin(Stdio::null());
    let running = Running::of(command, &other.path("stderr"));
    assert_eq!(listens_on(&other), running.address);
    assert!(!running.banner.contains("variables in force"), "{}", running.banner);
}

#[test]
fn without_a_word_about_them_there_are_tls_and_accounts() {
    let workdir = Workdir::new();
    let variables = [
        ("REGISTRY_HTTP_ADDR", "127.0.0.1:0"),
        ("REGISTRY_STORAGE_DELETE_ENABLED", "true"),
    ];
    for _ in 0..2 {
        let banner = start(&workdir, &variables).banner.clone();
        for text in [
            "https://localhost:",
            "REGISTRY_HTTP_TLS_CERTIFICATE",
            "REGISTRY_HTTP_TLS_AUTO=false",
            "REGISTRY_AUTH_HTPASSWD_PATH",
            "REGISTRY_AUTH=none",
        ] {
            assert!(banner.contains(text), "{text} is not in:\n{banner}");
        }
    }
    // And the words do what they say.
    let open = [
        ("REGISTRY_HTTP_TLS_AUTO", "false"),
        ("REGISTRY_AUTH", "none"),
        ("REGISTRY_HTTP_ADDR", "127.0.0.1:0"),
    ];
    let workdir = Workdir::new();
    for _ in 0..2 {
        let running = start(&workdir, &open);
        assert_eq!(running.get("/v2/"), "200", "{}", running.banner);
        assert!(running.banner.contains("http://localhost:"), "{}", running.banner);
        assert!(
            !running.banner.contains("REGISTRY_HTTP_TLS_CERTIFICATE") && !running.banner.contains("account"),
            "{}",
            running.banner
        );
        assert!(!workdir.path("lockgate/ca").exists() && !workdir.path("lockgate/auth").exists());
    }
}

#[test]
fn a_token_server_of_variables_replaces_what_was_generated() {
    let workdir = Workdir::new();
    workdir
        .run(&["cert", "new", "--self-signed", "--name", "auth", "--out", "certs"])
        .expect(0);
    let bundle = workdir.path("certs/registry.crt");
    let mut variables = TOKEN.to_vec();
    variables[3].1 = bundle.to_str().unwrap();
    variables.extend([
        ("REGISTRY_AUTH", "token"),
        ("REGISTRY_HTTP_ADDR", "127.0.0.1:0"),
        ("REGISTRY_HTTP_TLS_AUTO", "false"),
    ]);
    for _ in 0..2 {
        let running = start(&workdir, &variables);
        let answer = running.http("GET /v2/ HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        assert!(answer.contains("realm=\"https://auth.example.com/auth\""), "{answer}");
        assert!(
            !workdir.path("lockgate/auth/htpasswd").exists(),
            "nobody asked for accounts here"
        );
    }
    // With only the server named, what gives way is said.
    let running = start(
        &workdir,
        &variables[..variables.len() - 3]
            .iter()
            .copied()
            .chain([("REGISTRY_HTTP_ADDR", "127.0.0.1:0")])
            .collect::<Vec<_>>(),
    );
    assert!(
        running
            .banner
            .contains("auth.issuer of the file is not in force: REGISTRY_AUTH_TOKEN_ISSUER is set"),
        "{}",
        running.banner
    );
}

#[test]
fn an_acme_order_of_variables_replaces_the_generated_certificate() {
    let workdir = Workdir::new();
    let variables = [
        ("REGISTRY_HTTP_ADDR", "127.0.0.1:0"),
        ("REGISTRY_HTTP_TLS_LETSENCRYPT_CACHEFILE", "acme/cache"),
        ("REGISTRY_HTTP_TLS_LETSENCRYPT_EMAIL", "me@example.com"),
        ("REGISTRY_HTTP_TLS_LETSENCRYPT_HOSTS", "[registry.example.com]"),
        (
            "REGISTRY_HTTP_TLS_LETSENCRYPT_DIRECTORYURL",
            "https://127.0.0.1:1/directory",
        ),
    ];
    for _ in 0..2 {
        let running = start(&workdir, &variables);
        assert!(
            running.banner.contains("https://registry.example.com:")
                && running.banner.contains("http.tls.auto of the file is not in force"),
            "{}",
            running.banner
        );
        assert!(!workdir.path("lockgate/ca").exists());
    }
}

#[test]
fn other_commands_work_with_what_the_running_instance_works_with() {
    let workdir = Workdir::new();
    let accounts = workdir.path("elsewhere/accounts");
    let variables = [
        ("REGISTRY_HTTP_ADDR", "127.0.0.1:0"),
        ("REGISTRY_AUTH_HTPASSWD_PATH", accounts.to_str().unwrap()),
        ("REGISTRY_HTTP_SECRET", "hush-hush"),
    ];
    let running = start(&workdir, &variables);
    let port = running.address.rsplit(':').next().unwrap();
    let input = workdir.write("input", "a long password\n");
    let mut add = workdir.command(&["user", "add", "bob", "--password-stdin"]);
    add.stdin(std::fs::File::open(&input).unwrap());
    Ran::of(add).expect(0);
    assert!(workdir.read("elsewhere/accounts").contains("\nbob:"));
    assert!(!workdir.path("lockgate/auth/htpasswd").exists());
    let list = workdir.run(&["user", "list"]).expect(0).stdout;
    assert!(list.contains("admin\t") && list.contains("bob\t"), "{list}");
    let check = workdir.run(&["check"]).expect(0);
    assert!(
        check.stdout.contains(
            "variables in force over the file: REGISTRY_AUTH_HTPASSWD_PATH, REGISTRY_HTTP_ADDR, REGISTRY_HTTP_SECRET\n"
        ),
        "{}",
        check.stdout
    );
    let trust = workdir.run(&["cert", "trust", "docker"]).expect(0).stdout;
    assert!(trust.contains(&format!("localhost:{port}")), "{trust}");
    let rules = workdir.write(
        "da.yml",
        "users: {carol: {password: '$2y$05$Ewy9nOKhwf7F3HvEJJYmEevuqpfVJcSIEQcw7U2XMMZwzjjpr4Mym'}}\nacl: []\n",
    );
    workdir
        .run(&["import", "docker-auth", rules.to_str().unwrap()])
        .expect(0);
    assert!(workdir.read("elsewhere/accounts").contains("\ncarol:"));
    workdir.run(&["setup"]).expect(0);
    assert!(!workdir.path("lockgate/auth/htpasswd").exists());

    // A shell with variables of its own is told that they are not what counts.
    let mut other = workdir.command(&["user", "list"]);
    other
        .env("REGISTRY_AUTH_HTPASSWD_PATH", "/other")
        .env("REGISTRY_HTTP_SECRET", "hush-hush");
    let other = Ran::of(other).expect(0);
    assert!(
        other.stderr.contains("not used") && other.stderr.contains(": REGISTRY_AUTH_HTPASSWD_PATH ("),
        "{}",
        other.stderr
    );
    let config = workdir.path("lockgate/config.yml");
    // By its name it is the file alone, which a start of this home would not take.
    let named = workdir.run(&["check", "--config", config.to_str().unwrap()]).expect(78);
    assert!(named.stderr.contains("elsewhere/accounts"), "{}", named.stderr);
    assert!(!named.stdout.contains("variables"), "{}", named.stdout);

    // Values are nowhere but in the processes.
    let shown = [running.banner.clone(), running.log(), check.stdout].concat();
    assert!(!shown.contains("hush-hush"), "{shown}");
    let kept = workdir.files("lockgate");
    assert!(
        kept.values()
            .all(|text| !String::from_utf8_lossy(text).contains("hush-hush"))
    );
    assert_eq!(workdir.mode("lockgate/run/lockgate.sock"), 0o600);
}

#[test]
fn a_configuration_that_the_start_named_is_what_commands_work_on() {
    let workdir = Workdir::new();
    let config = workdir.write(
        "mine/config.yml",
        &format!("{PLAIN}auth: {{htpasswd: {{path: accounts}}}}\n"),
    );
    let input = workdir.write("input", "a long password\n");
    let add = |arguments: &[&str]| {
        let mut add = workdir.command(&[&["user", "add", "--password-stdin"], arguments].concat());
        add.stdin(std::fs::File::open(&input).unwrap());
        Ran::of(add).expect(0);
    };
    let named = config.to_str().unwrap();
    add(&["alice", "--config", named]);
    let _running = workdir.start(&["--config", named]);
    add(&["bob"]);
    assert!(workdir.read("mine/accounts").contains("\nbob:"));
    let check = workdir.run(&["check"]).expect(0).stdout;
    assert!(check.contains(&format!("{named}: no mistakes")), "{check}");
}

#[test]
fn other_users_are_not_told_and_do_not_guess() {
    if !require_root() {
        return;
    }
    let workdir = Workdir::new();
    let program = workdir.install("program");
    let _running = workdir.start(&[]);
    let mut check = Command::new(program);
    check
        .args(["user", "list"])
        .uid(65534)
        .gid(65534)
        .current_dir(workdir.path("."))
        .stdin(Stdio::null());
    let refused = Ran::of(check).expect(1);
    assert!(refused.stderr.contains("lockgate.sock"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--config"), "{}", refused.stderr);
}

#[test]
fn a_start_that_cannot_make_its_directories_leaves_none_behind() {
    let workdir = Workdir::new();
    let log = workdir.write("lockgate/log", "mine");
    let refused = workdir.run(&["start"]).expect(1);
    assert!(refused.stderr.contains("lockgate/log"), "{}", refused.stderr);
    assert_eq!(workdir.files("lockgate").into_keys().collect::<Vec<_>>(), [log]);
    assert!(!workdir.path("lockgate/run").exists());
}

#[test]
fn a_first_start_that_is_refused_leaves_nothing_behind() {
    let workdir = Workdir::new();
    let refuse = |code, variables: &[(&str, &str)]| {
        let refused = Ran::of(command(&workdir, &["start"], variables)).expect(code);
        assert!(is_empty(&workdir), "{variables:?}: {}", refused.stderr);
        refused.stderr
    };
    let told = refuse(78, &[("REGISTRY_HTTP_ADDR", "foo")]);
    assert!(told.contains("(from REGISTRY_HTTP_ADDR)"), "{told}");
    refuse(78, &[("REGISTRY_AUTH_TOKEN_REALM", "https://a/")]);
    refuse(78, &[("REGISTRY_AUTH", "silly")]);
    refuse(
        78,
        &[
            ("REGISTRY_STORAGE_S3_BUCKET", "b"),
            ("REGISTRY_HTTP_ADDR", "127.0.0.1:0"),
        ],
    );
    let missing = [
        ("REGISTRY_HTTP_ADDR", "127.0.0.1:0"),
        ("REGISTRY_HTTP_TLS_CERTIFICATE", "/no/such/domain.crt"),
        ("REGISTRY_HTTP_TLS_KEY", "/no/such/domain.key"),
    ];
    let told = refuse(78, &missing);
    assert!(told.contains("/no/such/domain.crt"), "{told}");
    assert!(told.contains("what it had made was removed again"), "{told}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    refuse(1, &[("REGISTRY_HTTP_ADDR", &taken.local_addr().unwrap().to_string())]);
    // Data that another instance serves is found out by the registry's process.
    let other = Workdir::new();
    let _running = other.start(&[]);
    let data = other.path("lockgate/data");
    let told = refuse(
        78,
        &[
            ("REGISTRY_HTTP_ADDR", "127.0.0.1:0"),
            ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", data.to_str().unwrap()),
        ],
    );
    assert!(told.contains("another running instance"), "{told}");
    assert!(data.join("docker/registry/v2/blobs").is_dir());
    // And then nothing is in the way.
    let running = start(&workdir, &[("REGISTRY_HTTP_ADDR", "127.0.0.1:0")]);
    assert!(running.banner.contains("password"), "{}", running.banner);
}

#[test]
fn a_first_start_takes_what_lies_ready_and_says_so() {
    // proves: SECURE-07, SECURE-10
    let workdir = Workdir::new();
    workdir
        .run(&["cert", "new", "--self-signed", "--name", "localhost", "--out", "certs"])
        .expect(0);
    workdir.write("lockgate/password", "open sesame\n");
    workdir.write("images/docker/registry/v2/repositories/a/_layers/x", "");
    let (certificate, key, images) = (
        workdir.path("certs/registry.crt"),
        workdir.path("certs/registry.key"),
        workdir.path("images"),
    );
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let variables = [
        ("REGISTRY_HTTP_ADDR", "127.0.0.1:0"),
        ("REGISTRY_HTTP_TLS_CERTIFICATE", certificate.to_str().unwrap()),
        ("REGISTRY_HTTP_TLS_KEY", key.to_str().unwrap()),
        ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", images.to_str().unwrap()),
    ];
    let running = start(&workdir, &variables);
    let path = |name: &str| workdir.path(name).display().to_string();
    for line in [
        format!("made {}", path("lockgate/config.yml")),
        format!("made {}", path("lockgate/auth/htpasswd")),
        format!("made {}", path("lockgate/auth/token.key")),
        format!("found the certificate in {}", certificate.display()),
        format!("found the first account's password in {}", path("lockgate/password")),
        format!("found the images in {}", images.display()),
    ] {
        assert!(
            running.banner.contains(&format!("  {line}\n")),
            "{line}: {}",
            running.banner
        );
        assert!(running.log().contains(&line), "{line}: {}", running.log());
    }
    assert!(!workdir.path("lockgate/ca").exists() && !workdir.path("lockgate/data").exists());
    let shown = workdir.run(&["cert", "show", "--host", "localhost"]).expect(0).stdout;
    assert!(shown.contains("localhost"), "{shown}");
    drop(running);
    let again = start(&workdir, &variables);
    assert!(
        !again.banner.contains("made ") && !again.banner.contains("found "),
        "{}",
        again.banner
    );
}
