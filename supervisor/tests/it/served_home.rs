//! A home that has served never becomes a new one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lockgate_testkit::eventually;

use crate::harness::{PLAIN, Ran, Running, Workdir};

/// Of a password in a docker_auth configuration.
const BCRYPT: &str = "$2y$04$LYnVGvdTXngm6uDRqpRHPePecbOCz/V9WcMxsRkmZljkubx9O1L1u";

const CONFIG: &str = "lockgate/config.yml";

/// One that has served, with rules that are worth keeping.
fn served() -> Workdir {
    let workdir = Workdir::new();
    drop(workdir.start(&[]));
    workdir
}

fn edit(workdir: &Workdir, from: &str, to: &str) {
    let text = workdir.read(CONFIG);
    let edited = text.replace(from, to);
    assert_ne!(text, edited, "{from}");
    workdir.write(CONFIG, &edited);
}

/// Everything but what the lock leaves.
fn kept(workdir: &Workdir) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = workdir.files(".");
    files.retain(|path, _| !path.ends_with("stderr") && !path.ends_with("lockgate.pid"));
    files
}

/// Both `start` and `setup` are refused, with the way out, and nothing has changed.
fn refused(workdir: &Workdir) -> String {
    let before = kept(workdir);
    let directories =
        |workdir: &Workdir| ["data", "other", "auth"].map(|name| workdir.path("lockgate").join(name).exists());
    let there = directories(workdir);
    let told = workdir.run(&["start", "--listen", "127.0.0.1:0"]).expect(78).stderr;
    assert_eq!(workdir.run(&["setup"]).expect(78).stderr, told);
    assert_eq!((before, there), (kept(workdir), directories(workdir)), "{told}");
    told
}

#[test]
fn a_configuration_that_is_missing_is_not_replaced_by_an_open_one() {
    let workdir = served();
    let home = workdir.path("lockgate").display().to_string();
    let text = workdir.read(CONFIG);
    std::fs::remove_file(workdir.path(CONFIG)).unwrap();
    let told = refused(&workdir);
    assert!(told.contains("config.yml: missing, and this home has served"), "{told}");
    assert!(
        told.contains(&format!("lockgate setup --again --home {home}\n")),
        "{told}"
    );
    // Put back, it is as it was.
    workdir.write(CONFIG, &text);
    drop(workdir.start(&[]));
    // And the other way out.
    std::fs::remove_file(workdir.path(CONFIG)).unwrap();
    let again = workdir.run(&["setup", "--again", "--listen", "127.0.0.1:0"]).expect(0);
    assert!(
        again.stdout.contains("made ") && again.stdout.contains("config.yml"),
        "{}",
        again.stdout
    );
    drop(workdir.start(&[]));
}

#[test]
fn an_accounts_file_that_is_missing_is_not_made() {
    let workdir = served();
    edit(&workdir, "path: auth/htpasswd", "path: auth/htpaswd");
    let told = refused(&workdir);
    let path = |name: &str| workdir.path("lockgate").join(name).display().to_string();
    assert!(
        told.contains(&format!(
            "auth.htpasswd.path = {}: missing, and this home has served with the accounts in {}",
            path("auth/htpaswd"),
            path("auth/htpasswd")
        )),
        "{told}"
    );
    let input = workdir.write("input", "a long password\n");
    let add = |arguments: &[&str]| {
        let mut add = workdir.command(&[&["user", "add", "bob", "--password-stdin"], arguments].concat());
        add.stdin(std::fs::File::open(&input).unwrap());
        Ran::of(add)
    };
    // Not by the way, either.
    add(&[]).expect(78);
    let rules =
        format!("users: {{carol: {{password: {BCRYPT}}}}}\nacl: [{{match: {{account: carol}}, actions: [pull]}}]\n");
    let rules = workdir.write("da.yml", &rules);
    workdir
        .run(&["import", "docker-auth", rules.to_str().unwrap()])
        .expect(78);
    assert!(!workdir.path("lockgate/auth/htpaswd").exists());
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
    let running = workdir.start(&[]);
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
    assert!(!workdir.start(&[]).log().contains("before"));
}

#[test]
fn images_that_are_missing_are_no_empty_registry() {
    let workdir = served();
    // A disk that is not mounted: the place is there, and empty.
    std::fs::rename(workdir.path("lockgate/data"), workdir.path("disk")).unwrap();
    workdir.directory("lockgate/data");
    let told = refused(&workdir);
    assert!(
        told.contains("storage.filesystem.rootdirectory = ") && told.contains("mount the disk"),
        "{told}"
    );
    assert_eq!(std::fs::read_dir(workdir.path("lockgate/data")).unwrap().count(), 0);
    std::fs::remove_dir(workdir.path("lockgate/data")).unwrap();
    refused(&workdir);
    std::fs::rename(workdir.path("disk"), workdir.path("lockgate/data")).unwrap();
    drop(workdir.start(&[]));

    edit(&workdir, "rootdirectory: data", "rootdirectory: other");
    let told = refused(&workdir);
    let data = workdir.path("lockgate/data");
    assert!(
        told.contains(&format!("has served the images in {}", data.display())),
        "{told}"
    );
    workdir.run(&["setup", "--again"]).expect(0);
    drop(workdir.start(&[]));
    assert!(workdir.path("lockgate/other/docker/registry/v2/blobs").is_dir());
}

#[test]
fn variables_that_are_forgotten_or_mistyped_make_nothing_either() {
    let workdir = Workdir::new();
    let (accounts, images) = (workdir.path("there/accounts"), workdir.path("there/images"));
    let start = |variables: &[(&str, &str)]| {
        let mut command = workdir.command(&["start", "--listen", "127.0.0.1:0"]);
        command.envs(variables.iter().copied());
        command
    };
    let variables = [
        ("REGISTRY_AUTH_HTPASSWD_PATH", accounts.to_str().unwrap()),
        ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", images.to_str().unwrap()),
    ];
    drop(Running::of(start(&variables), &workdir.path("stderr")));
    let told = Ran::of(start(&variables[..1])).expect(78).stderr;
    assert!(told.contains(&format!("the images in {}", images.display())), "{told}");
    let told = Ran::of(start(&variables[1..])).expect(78).stderr;
    assert!(
        told.contains(&format!("the accounts in {}", accounts.display())),
        "{told}"
    );
    assert!(!workdir.path("lockgate/data").exists() && !workdir.path("lockgate/auth/htpasswd").exists());
    let typo = [
        variables[0],
        ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/no/such/disk"),
    ];
    Ran::of(start(&typo)).expect(78);
    drop(Running::of(start(&variables), &workdir.path("stderr")));
}

#[test]
fn a_reload_makes_nothing() {
    let workdir = Workdir::new();
    let running = workdir.start(&[]);
    let text = workdir.read(CONFIG);
    for (from, to) in [
        ("rootdirectory: data", "rootdirectory: other"),
        ("path: auth/htpasswd", "path: auth/htpaswd"),
    ] {
        workdir.write(CONFIG, &text.replace(from, to));
        let refused = workdir.run(&["reload"]).expect(78);
        assert!(refused.stderr.contains("this home has served"), "{}", refused.stderr);
    }
    assert!(!workdir.path("lockgate/other").exists() && !workdir.path("lockgate/auth/htpaswd").exists());
    workdir.write(CONFIG, &text);
    workdir.run(&["reload"]).expect(0);
    // What a reload takes up is what has served.
    std::fs::copy(
        workdir.path("lockgate/auth/htpasswd"),
        workdir.path("lockgate/auth/more"),
    )
    .unwrap();
    workdir.write(CONFIG, &text.replace("path: auth/htpasswd", "path: auth/more"));
    if nix::unistd::geteuid().is_root() {
        let found = std::fs::metadata(workdir.path("lockgate/auth/htpasswd")).unwrap();
        use std::os::unix::fs::{MetadataExt, chown};
        chown(workdir.path("lockgate/auth/more"), Some(found.uid()), Some(found.gid())).unwrap();
    }
    workdir.run(&["reload"]).expect(0);
    eventually("the record", || {
        workdir.read("lockgate/home.json").contains("auth/more")
    });
    drop(running);
}

#[test]
fn set_up_is_no_service() {
    let workdir = Workdir::new();
    workdir.run(&["setup", "--listen", "127.0.0.1:0"]).expect(0);
    assert!(workdir.path("lockgate/auth/token.key").exists());
    edit(&workdir, "path: auth/htpasswd", "path: who/accounts");
    edit(&workdir, "rootdirectory: data", "rootdirectory: images");
    let running = workdir.start(&[]);
    assert!(workdir.path("lockgate/who/accounts").exists());
    assert!(running.banner.contains("made "), "{}", running.banner);
}

#[test]
fn certificates_that_lie_ready_are_no_service() {
    // proves: SECURE-07
    let workdir = Workdir::new();
    workdir.write(
        CONFIG,
        &format!(
            "{}auth: {{htpasswd: {{path: accounts}}}}\n",
            PLAIN.replace("addr: 127.0.0.1:0", "addr: 127.0.0.1:0\n  tls: {auto: {}}")
        ),
    );
    workdir.run(&["cert", "new", "--name", "registry.example"]).expect(0);
    let running = workdir.start(&[]);
    let found = format!(
        "found the authority in {}",
        workdir.path("lockgate/tls/ca.crt").display()
    );
    assert!(running.banner.contains(&found), "{}", running.banner);
    assert!(workdir.path("lockgate/accounts").exists());
}

#[test]
fn homes_of_versions_without_a_record_have_served() {
    for (file, keeps) in [("auth/token.key", true), ("tls/registry.crt", false)] {
        let workdir = served();
        std::fs::remove_file(workdir.path("lockgate/home.json")).unwrap();
        if !keeps {
            std::fs::remove_file(workdir.path("lockgate/auth/token.key")).unwrap();
        }
        assert!(workdir.path("lockgate").join(file).exists());
        std::fs::remove_file(workdir.path("lockgate/auth/htpasswd")).unwrap();
        let told = workdir.run(&["start", "--listen", "127.0.0.1:0"]).expect(78).stderr;
        assert!(told.contains("this home has served\n"), "{told}");
        assert!(
            !workdir.path("lockgate/home.json").exists(),
            "a refused start leaves nothing behind"
        );
    }
}

#[test]
fn a_new_home_beside_data_that_stayed_has_accounts_of_its_own() {
    let first = served();
    let data = first.path("lockgate/data");
    let second = Workdir::new();
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
    let workdir = served();
    std::fs::rename(workdir.path("lockgate"), workdir.path("restored")).unwrap();
    let running = workdir.start(&["--home", "restored"]);
    assert!(
        !running.log().contains("before") && !running.banner.contains("made "),
        "{}",
        running.log()
    );
    drop(running);
    // Without its images it is none.
    std::fs::remove_dir_all(workdir.path("restored/data")).unwrap();
    workdir
        .run(&["start", "--listen", "127.0.0.1:0", "--home", "restored"])
        .expect(78);
}

#[test]
fn a_home_that_served_with_another_configuration_says_which() {
    let workdir = Workdir::new();
    let config = workdir.write("mine.yml", PLAIN);
    drop(workdir.start(&["--config", config.to_str().unwrap()]));
    let told = workdir.run(&["start", "--listen", "127.0.0.1:0"]).expect(78).stderr;
    let home = workdir.path("lockgate");
    let way = format!(
        "lockgate start --home {} --config {}\n",
        home.display(),
        config.display()
    );
    assert!(told.contains(&way), "{told}");
    let typo = workdir.write("typo.yml", &PLAIN.replace("rootdirectory: data", "rootdirectory: date"));
    workdir
        .run(&["start", "--listen", "127.0.0.1:0", "--config", typo.to_str().unwrap()])
        .expect(78);
    let alone = workdir
        .run(&["registry", "--config", typo.to_str().unwrap()])
        .expect(78);
    assert!(alone.stderr.contains("this home has served"), "{}", alone.stderr);
    assert!(!workdir.path("date").exists());
}
