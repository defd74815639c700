//! A home that has served never becomes a new one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::harness::{PLAIN, Ran, Running, Sandbox, eventually};

/// Of a password in a docker_auth configuration.
const BCRYPT: &str = "$2y$04$LYnVGvdTXngm6uDRqpRHPePecbOCz/V9WcMxsRkmZljkubx9O1L1u";

const CONFIG: &str = "lockgate/config.yml";

/// One that has served, with rules that are worth keeping.
fn served() -> Sandbox {
    let sandbox = Sandbox::new();
    drop(sandbox.start(&[]));
    sandbox
}

fn edit(sandbox: &Sandbox, from: &str, to: &str) {
    let text = sandbox.read(CONFIG);
    let edited = text.replace(from, to);
    assert_ne!(text, edited, "{from}");
    sandbox.write(CONFIG, &edited);
}

/// Everything but what the lock leaves.
fn kept(sandbox: &Sandbox) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = sandbox.files(".");
    files.retain(|path, _| !path.ends_with("stderr") && !path.ends_with("lockgate.pid"));
    files
}

/// Both `start` and `setup` are refused, with the way out, and nothing has changed.
fn refused(sandbox: &Sandbox) -> String {
    let before = kept(sandbox);
    let directories =
        |sandbox: &Sandbox| ["data", "other", "auth"].map(|name| sandbox.path("lockgate").join(name).exists());
    let there = directories(sandbox);
    let told = sandbox.run(&["start", "--listen", "127.0.0.1:0"]).expect(78).stderr;
    assert_eq!(sandbox.run(&["setup"]).expect(78).stderr, told);
    assert_eq!((before, there), (kept(sandbox), directories(sandbox)), "{told}");
    told
}

#[test]
fn a_configuration_that_is_missing_is_not_replaced_by_an_open_one() {
    let sandbox = served();
    let home = sandbox.path("lockgate").display().to_string();
    let text = sandbox.read(CONFIG);
    std::fs::remove_file(sandbox.path(CONFIG)).unwrap();
    let told = refused(&sandbox);
    assert!(told.contains("config.yml: missing, and this home has served"), "{told}");
    assert!(
        told.contains(&format!("lockgate setup --again --home {home}\n")),
        "{told}"
    );
    // Put back, it is as it was.
    sandbox.write(CONFIG, &text);
    drop(sandbox.start(&[]));
    // And the other way out.
    std::fs::remove_file(sandbox.path(CONFIG)).unwrap();
    let again = sandbox.run(&["setup", "--again", "--listen", "127.0.0.1:0"]).expect(0);
    assert!(
        again.stdout.contains("made ") && again.stdout.contains("config.yml"),
        "{}",
        again.stdout
    );
    drop(sandbox.start(&[]));
}

#[test]
fn an_accounts_file_that_is_missing_is_not_made() {
    let sandbox = served();
    edit(&sandbox, "path: auth/htpasswd", "path: auth/htpaswd");
    let told = refused(&sandbox);
    let path = |name: &str| sandbox.path("lockgate").join(name).display().to_string();
    assert!(
        told.contains(&format!(
            "auth.htpasswd.path = {}: missing, and this home has served with the accounts in {}",
            path("auth/htpaswd"),
            path("auth/htpasswd")
        )),
        "{told}"
    );
    let input = sandbox.write("input", "a long password\n");
    let add = |arguments: &[&str]| {
        let mut add = sandbox.command(&[&["user", "add", "bob", "--password-stdin"], arguments].concat());
        add.stdin(std::fs::File::open(&input).unwrap());
        Ran::of(add)
    };
    // Not by the way, either.
    add(&[]).expect(78);
    let rules =
        format!("users: {{carol: {{password: {BCRYPT}}}}}\nacl: [{{match: {{account: carol}}, actions: [pull]}}]\n");
    let rules = sandbox.write("da.yml", &rules);
    sandbox
        .run(&["import", "docker-auth", rules.to_str().unwrap()])
        .expect(78);
    assert!(!sandbox.path("lockgate/auth/htpaswd").exists());
    // As the message says.
    let file = path("auth/htpaswd");
    assert!(
        told.contains(&format!(
            "lockgate user add NAME --home {} --file {file}\n",
            path("").trim_end_matches('/')
        )),
        "{told}"
    );
    add(&["--file", &file]).expect(0);
    let running = sandbox.start(&[]);
    assert!(
        running.log().contains(&format!(
            "accounts file: {file}; this home served with {} before",
            path("auth/htpasswd")
        )),
        "{}",
        running.log()
    );
    drop(running);
    // Said once: that is what it serves with now.
    assert!(!sandbox.start(&[]).log().contains("before"));
}

#[test]
fn images_that_are_missing_are_no_empty_registry() {
    let sandbox = served();
    // A disk that is not mounted: the place is there, and empty.
    std::fs::rename(sandbox.path("lockgate/data"), sandbox.path("disk")).unwrap();
    sandbox.directory("lockgate/data");
    let told = refused(&sandbox);
    assert!(
        told.contains("storage.filesystem.rootdirectory = ") && told.contains("mount the disk"),
        "{told}"
    );
    assert_eq!(std::fs::read_dir(sandbox.path("lockgate/data")).unwrap().count(), 0);
    std::fs::remove_dir(sandbox.path("lockgate/data")).unwrap();
    refused(&sandbox);
    std::fs::rename(sandbox.path("disk"), sandbox.path("lockgate/data")).unwrap();
    drop(sandbox.start(&[]));

    edit(&sandbox, "rootdirectory: data", "rootdirectory: other");
    let told = refused(&sandbox);
    let data = sandbox.path("lockgate/data");
    assert!(
        told.contains(&format!("has served the images in {}", data.display())),
        "{told}"
    );
    sandbox.run(&["setup", "--again"]).expect(0);
    drop(sandbox.start(&[]));
    assert!(sandbox.path("lockgate/other/docker/registry/v2/blobs").is_dir());
}

#[test]
fn variables_that_are_forgotten_or_mistyped_make_nothing_either() {
    let sandbox = Sandbox::new();
    let (accounts, images) = (sandbox.path("there/accounts"), sandbox.path("there/images"));
    let start = |variables: &[(&str, &str)]| {
        let mut command = sandbox.command(&["start", "--listen", "127.0.0.1:0"]);
        command.envs(variables.iter().copied());
        command
    };
    let variables = [
        ("REGISTRY_AUTH_HTPASSWD_PATH", accounts.to_str().unwrap()),
        ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", images.to_str().unwrap()),
    ];
    drop(Running::of(start(&variables), &sandbox.path("stderr")));
    let told = Ran::of(start(&variables[..1])).expect(78).stderr;
    assert!(told.contains(&format!("the images in {}", images.display())), "{told}");
    let told = Ran::of(start(&variables[1..])).expect(78).stderr;
    assert!(
        told.contains(&format!("the accounts in {}", accounts.display())),
        "{told}"
    );
    assert!(!sandbox.path("lockgate/data").exists() && !sandbox.path("lockgate/auth/htpasswd").exists());
    let typo = [
        variables[0],
        ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/no/such/disk"),
    ];
    Ran::of(start(&typo)).expect(78);
    drop(Running::of(start(&variables), &sandbox.path("stderr")));
}

#[test]
fn a_reload_makes_nothing() {
    let sandbox = Sandbox::new();
    let running = sandbox.start(&[]);
    let text = sandbox.read(CONFIG);
    for (from, to) in [
        ("rootdirectory: data", "rootdirectory: other"),
        ("path: auth/htpasswd", "path: auth/htpaswd"),
    ] {
        sandbox.write(CONFIG, &text.replace(from, to));
        let refused = sandbox.run(&["reload"]).expect(78);
        assert!(refused.stderr.contains("this home has served"), "{}", refused.stderr);
    }
    assert!(!sandbox.path("lockgate/other").exists() && !sandbox.path("lockgate/auth/htpaswd").exists());
    sandbox.write(CONFIG, &text);
    sandbox.run(&["reload"]).expect(0);
    // What a reload takes up is what has served.
    std::fs::copy(
        sandbox.path("lockgate/auth/htpasswd"),
        sandbox.path("lockgate/auth/more"),
    )
    .unwrap();
    sandbox.write(CONFIG, &text.replace("path: auth/htpasswd", "path: auth/more"));
    if nix::unistd::geteuid().is_root() {
        let found = std::fs::metadata(sandbox.path("lockgate/auth/htpasswd")).unwrap();
        use std::os::unix::fs::{MetadataExt, chown};
        chown(sandbox.path("lockgate/auth/more"), Some(found.uid()), Some(found.gid())).unwrap();
    }
    sandbox.run(&["reload"]).expect(0);
    eventually("the record", || {
        sandbox.read("lockgate/home.json").contains("auth/more").then_some(())
    });
    drop(running);
}

#[test]
fn set_up_is_no_service() {
    let sandbox = Sandbox::new();
    sandbox.run(&["setup", "--listen", "127.0.0.1:0"]).expect(0);
    assert!(sandbox.path("lockgate/auth/token.key").exists());
    edit(&sandbox, "path: auth/htpasswd", "path: who/accounts");
    edit(&sandbox, "rootdirectory: data", "rootdirectory: images");
    let running = sandbox.start(&[]);
    assert!(sandbox.path("lockgate/who/accounts").exists());
    assert!(running.banner.contains("made "), "{}", running.banner);
}

#[test]
fn certificates_that_lie_ready_are_no_service() {
    // proves: SECURE-07
    let sandbox = Sandbox::new();
    sandbox.write(
        CONFIG,
        &format!(
            "{}auth: {{htpasswd: {{path: accounts}}}}\n",
            PLAIN.replace("addr: 127.0.0.1:0", "addr: 127.0.0.1:0\n  tls: {auto: {}}")
        ),
    );
    sandbox.run(&["cert", "new", "--name", "registry.example"]).expect(0);
    let running = sandbox.start(&[]);
    let found = format!(
        "found the authority in {}",
        sandbox.path("lockgate/tls/ca.crt").display()
    );
    assert!(running.banner.contains(&found), "{}", running.banner);
    assert!(sandbox.path("lockgate/accounts").exists());
}

#[test]
fn homes_of_versions_without_a_record_have_served() {
    for (file, keeps) in [("auth/token.key", true), ("tls/registry.crt", false)] {
        let sandbox = served();
        std::fs::remove_file(sandbox.path("lockgate/home.json")).unwrap();
        if !keeps {
            std::fs::remove_file(sandbox.path("lockgate/auth/token.key")).unwrap();
        }
        assert!(sandbox.path("lockgate").join(file).exists());
        std::fs::remove_file(sandbox.path("lockgate/auth/htpasswd")).unwrap();
        let told = sandbox.run(&["start", "--listen", "127.0.0.1:0"]).expect(78).stderr;
        assert!(told.contains("this home has served\n"), "{told}");
        assert!(
            !sandbox.path("lockgate/home.json").exists(),
            "a refused start leaves nothing behind"
        );
    }
}

#[test]
fn a_new_home_beside_data_that_stayed_has_accounts_of_its_own() {
    let first = served();
    let data = first.path("lockgate/data");
    let second = Sandbox::new();
    let mut command = second.command(&["start", "--listen", "127.0.0.1:0"]);
    command
        .env("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", &data)
        .env("REGISTRY_HTTP_TLS_AUTO", "false");
    let running = Running::of(command, &second.path("stderr"));
    assert!(running.banner.contains("account   admin"), "{}", running.banner);
    assert_eq!(running.get("/v2/"), "401");
    assert_ne!(first.read("lockgate/password"), second.read("lockgate/password"));
}

#[test]
fn a_home_that_is_unpacked_elsewhere_is_a_home_again() {
    let sandbox = served();
    std::fs::rename(sandbox.path("lockgate"), sandbox.path("restored")).unwrap();
    let running = sandbox.start(&["--home", "restored"]);
    assert!(
        !running.log().contains("before") && !running.banner.contains("made "),
        "{}",
        running.log()
    );
    drop(running);
    // Without its images it is none.
    std::fs::remove_dir_all(sandbox.path("restored/data")).unwrap();
    sandbox
        .run(&["start", "--listen", "127.0.0.1:0", "--home", "restored"])
        .expect(78);
}

#[test]
fn a_home_that_served_with_another_configuration_says_which() {
    let sandbox = Sandbox::new();
    let config = sandbox.write("mine.yml", PLAIN);
    drop(sandbox.start(&["--config", config.to_str().unwrap()]));
    let told = sandbox.run(&["start", "--listen", "127.0.0.1:0"]).expect(78).stderr;
    let home = sandbox.path("lockgate");
    let way = format!(
        "lockgate start --home {} --config {}\n",
        home.display(),
        config.display()
    );
    assert!(told.contains(&way), "{told}");
    let typo = sandbox.write("typo.yml", &PLAIN.replace("rootdirectory: data", "rootdirectory: date"));
    sandbox
        .run(&["start", "--listen", "127.0.0.1:0", "--config", typo.to_str().unwrap()])
        .expect(78);
    let alone = sandbox
        .run(&["registry", "--config", typo.to_str().unwrap()])
        .expect(78);
    assert!(alone.stderr.contains("this home has served"), "{}", alone.stderr);
    assert!(!sandbox.path("date").exists());
}
