use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use lockgate_files::{Existing, write_public};

use super::*;
use crate::{Authority, Subject, fingerprint_sha256};

struct Fixture {
    directory: tempfile::TempDir,
    pem: String,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::create(&Subject::of_authority("test")).unwrap();
        let pem = authority.certificate_pem().to_owned();
        write_public(&directory.path().join("tls/ca.crt"), &pem, Existing::Keep).unwrap();
        Self { directory, pem }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("tls/ca.crt")
    }

    fn target(&self, host: &str, port: u16) -> Target {
        Target::new(host, port, Some("192.168.1.2".parse().unwrap()), &self.file()).unwrap()
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }
}

fn assert_holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing from:\n{text}");
    }
}

#[test]
fn every_client_is_found_by_its_name() {
    for client in Client::ALL {
        assert_eq!(client.name().parse(), Ok(client));
        assert!(!client.help().is_empty());
    }
    let error = "dokcer".parse::<Client>().unwrap_err().to_string();
    assert_holds(&error, &["\"dokcer\"", "docker-toolbox", "rhel"]);
}

#[test]
fn every_text_names_the_real_registry_and_nothing_unfilled() {
    let fixture = Fixture::new();
    for client in Client::ALL {
        let text = instructions(client, &fixture.target("registry.example.com", 5043));
        assert_holds(&text, &["registry.example.com:5043"]);
        let without_port = instructions(client, &fixture.target("registry.example.com", 443));
        assert_holds(&without_port, &["registry.example.com"]);
        assert!(
            !without_port.contains("https://registry.example.com:443"),
            "{without_port}"
        );
        for line in text.lines() {
            assert_eq!(line, line.trim_end(), "{client}: blanks at the end of a line");
        }
    }
}

// proves: TRUST-07, TOY-06, HOMELAB-13
#[test]
fn docker_on_linux_and_on_another_host() {
    let fixture = Fixture::new();
    let target = fixture.target("192.168.0.12", 5000);
    let file = fixture.file();
    let own = format!(
        "sudo install -D -m 0644 {} /etc/docker/certs.d/192.168.0.12:5000/ca.crt",
        file.display()
    );
    let fingerprint = fingerprint_sha256(&fixture.pem).unwrap();
    assert_holds(
        &instructions(Client::Docker, &target),
        &[
            &own,
            "https://192.168.0.12:5000/lockgate/ca.crt",
            &fingerprint,
            "docker login 192.168.0.12:5000",
        ],
    );
    let scp = format!("scp {} USER@OTHERHOST:", file.display());
    assert_holds(
        &instructions(Client::Copy, &target),
        &[&scp, "/etc/docker/certs.d/192.168.0.12:5000/ca.crt"],
    );
}

// proves: TRUST-01, TRUST-02
#[test]
fn docker_desktop_on_windows() {
    let fixture = Fixture::new();
    let target = fixture.target("mosi", 4444);
    let store = instructions(Client::DockerDesktopWindows, &target);
    assert_holds(
        &store,
        &[
            "certutil -user -addstore Root",
            "Restart Docker Desktop",
            "192.168.1.2 mosi",
        ],
    );
    let certs_d = instructions(Client::DockerDesktopWindowsCertsD, &target);
    assert_holds(
        &certs_d,
        &[
            r"\.docker\certs.d\mosi 4444\ca.crt",
            r"\.docker\certs.d\mosi4444\ca.crt",
        ],
    );
    let standard = instructions(Client::DockerDesktopWindowsCertsD, &fixture.target("mosi", 443));
    assert_holds(
        &standard,
        &[
            r"\.docker\certs.d\mosi\ca.crt",
            r"\.docker\certs.d\mosi 443\ca.crt",
            "docker login mosi:443\n",
        ],
    );
}

// proves: MOSI-01
#[test]
fn no_registry_is_taken_for_an_account_of_docker_hub() {
    for (host, port, expected) in [
        ("registry.example.com", 443, "registry.example.com"),
        ("registry.example.com", 5443, "registry.example.com:5443"),
        ("192.168.0.12", 443, "192.168.0.12"),
        ("[fd00::1]", 443, "[fd00::1]"),
        ("localhost", 443, "localhost"),
        ("mosi", 443, "mosi:443"),
        ("mosi", 5443, "mosi:5443"),
    ] {
        assert_eq!(reference(host, port, 443), expected);
    }
    let fixture = Fixture::new();
    let text = instructions(Client::Docker, &fixture.target("mosi", 443));
    assert_holds(&text, &["docker login mosi:443\n", "https://mosi/lockgate/ca.crt"]);
}

// proves: TRUST-03, MOSI-21
#[test]
fn docker_toolbox_sets_the_machine_up_at_boot() {
    let fixture = Fixture::new();
    let text = instructions(Client::DockerToolbox, &fixture.target("mosi", 4444));
    assert_holds(
        &text,
        &[
            "sudo mkdir -p /var/lib/boot2docker/certs",
            "sleep 5",
            "'echo 192.168.1.2 mosi >> /etc/hosts'",
            "chmod +x /var/lib/boot2docker/bootlocal.sh",
            "docker-machine restart",
            r"C:\Windows\System32\drivers\etc\hosts",
        ],
    );
    let by_address = instructions(Client::DockerToolbox, &fixture.target("192.168.1.2", 4444));
    assert!(
        !by_address.contains("/etc/hosts"),
        "an address needs no hosts line:\n{by_address}"
    );
}

// proves: TRUST-04, TRUST-05
#[test]
fn kubernetes_and_minikube() {
    let fixture = Fixture::new();
    let target = fixture.target("mosi", 4444);
    assert_holds(
        &instructions(Client::Kubernetes, &target),
        &[
            "echo '192.168.1.2 mosi' | sudo tee -a /etc/hosts",
            "/usr/local/share/ca-certificates/lockgate-mosi-4444.crt",
            "sudo update-ca-certificates",
            "/etc/pki/ca-trust/source/anchors/lockgate-mosi-4444.crt",
            "/etc/containerd/certs.d/mosi:4444/hosts.toml",
            "printf '%s\\n' 'server = \"https://mosi:4444\"'",
            "io.containerd.cri.v1.images",
        ],
    );
    assert_holds(
        &instructions(Client::Minikube, &target),
        &[
            "~/.minikube/certs/",
            r"%USERPROFILE%\.minikube\certs",
            "minikube start --embed-certs",
        ],
    );
}

// proves: TRUST-06, TOY-07
#[test]
fn both_keychains_of_macos() {
    let fixture = Fixture::new();
    let text = instructions(Client::DockerDesktopMac, &fixture.target("mosi", 4444));
    assert_holds(
        &text,
        &[
            "-k /Library/Keychains/System.keychain",
            "-k ~/Library/Keychains/login.keychain-db",
        ],
    );
}

// proves: SECURE-20
#[test]
fn without_trust() {
    let fixture = Fixture::new();
    let text = instructions(Client::Insecure, &fixture.target("127.0.0.1", 443));
    assert_holds(
        &text,
        &[
            "\"insecure-registries\": [\"127.0.0.1\", \"127.0.0.1:443\"]",
            "INSECURE_REGISTRY='--insecure-registry 127.0.0.1:443'",
            "chcon -R -t container_file_t",
        ],
    );
}

// proves: TRUST-07, TRUST-08, TOY-06
#[test]
fn installing_writes_the_certificate_once() {
    let fixture = Fixture::new();
    let target = fixture.target("registry.example.com", 5043);
    let expected = [
        (
            Client::Docker,
            vec!["etc/docker/certs.d/registry.example.com:5043/ca.crt"],
            None,
        ),
        (
            Client::Podman,
            vec!["etc/containers/certs.d/registry.example.com:5043/ca.crt"],
            None,
        ),
        (
            Client::Containerd,
            vec![
                "etc/containerd/certs.d/registry.example.com:5043/ca.crt",
                "etc/containerd/certs.d/registry.example.com:5043/hosts.toml",
            ],
            None,
        ),
        (
            Client::Debian,
            vec!["usr/local/share/ca-certificates/lockgate-registry.example.com-5043.crt"],
            Some("update-ca-certificates"),
        ),
        (
            Client::Rhel,
            vec!["etc/pki/ca-trust/source/anchors/lockgate-registry.example.com-5043.crt"],
            Some("update-ca-trust"),
        ),
    ];
    for (client, files, then) in expected {
        let files: Vec<PathBuf> = files.iter().map(|file| fixture.root().join(file)).collect();
        let installed = install(client, &target, &fixture.root()).unwrap();
        assert_eq!(
            installed,
            Installed {
                files: files.clone(),
                then
            },
            "{client}"
        );
        assert!(client.installs());
        let metadata = std::fs::metadata(&files[0]).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o644);
        assert_eq!(std::fs::read_to_string(&files[0]).unwrap(), fixture.pem);
        install(client, &target, &fixture.root()).unwrap();
        assert_eq!(
            std::fs::metadata(&files[0]).unwrap().ino(),
            metadata.ino(),
            "{client}: written again"
        );
    }
    assert_eq!(Client::ALL.into_iter().filter(|client| client.installs()).count(), 5);
}

#[test]
fn port_443_is_trusted_with_and_without_being_named() {
    let fixture = Fixture::new();
    let installed = install(Client::Docker, &fixture.target("registry", 443), &fixture.root()).unwrap();
    let directories = fixture.root().join("etc/docker/certs.d");
    assert_eq!(
        installed.files,
        [
            directories.join("registry/ca.crt"),
            directories.join("registry:443/ca.crt")
        ]
    );
}

#[test]
fn a_new_authority_replaces_the_old_one() {
    let fixture = Fixture::new();
    let path = fixture.root().join("etc/docker/certs.d/registry:5000/ca.crt");
    write_public(&path, "the old one", Existing::Keep).unwrap();
    install(Client::Docker, &fixture.target("registry", 5000), &fixture.root()).unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), fixture.pem);
}

#[test]
fn a_hosts_toml_of_the_users_own_is_left_alone() {
    let fixture = Fixture::new();
    let path = fixture.root().join("etc/containerd/certs.d/registry:5000/hosts.toml");
    write_public(&path, "server = \"https://mirror\"\n", Existing::Keep).unwrap();
    let refused = install(Client::Containerd, &fixture.target("registry", 5000), &fixture.root());
    assert!(matches!(refused, Err(InstallError::OwnSettings { .. })));
    assert_eq!(std::fs::read_to_string(path).unwrap(), "server = \"https://mirror\"\n");
}

#[test]
fn what_is_elsewhere_cannot_be_installed_here() {
    let fixture = Fixture::new();
    let refused = install(
        Client::DockerDesktopMac,
        &fixture.target("registry", 5000),
        &fixture.root(),
    );
    assert!(matches!(refused, Err(InstallError::Elsewhere { .. })));
    assert!(!fixture.root().exists());
}

#[test]
fn ipv6_hosts_are_in_brackets() {
    let fixture = Fixture::new();
    let target = fixture.target("fd00::1", 5000);
    assert_eq!(target.reference(), "[fd00::1]:5000");
    let installed = install(Client::Debian, &target, &fixture.root()).unwrap();
    assert!(
        installed.files[0].ends_with("lockgate-fd00--1-5000.crt"),
        "{installed:?}"
    );
}

#[test]
fn a_path_with_blanks_is_quoted() {
    let fixture = Fixture::new();
    let odd = fixture.directory.path().join("it's here/ca.crt");
    write_public(&odd, &fixture.pem, Existing::Keep).unwrap();
    let target = Target::new("registry", 5000, None, &odd).unwrap();
    assert_holds(
        &instructions(Client::Docker, &target),
        &[r"/it'\''s here/ca.crt' /etc/docker"],
    );
}

#[test]
fn hosts_that_a_shell_could_misread_are_refused() {
    let fixture = Fixture::new();
    let wrong = |host: &str, file: &Path| Target::new(host, 5000, None, file).is_err();
    assert!(wrong("a; rm -rf /", &fixture.file()));
    assert!(wrong("registry", Path::new("/nonexistent/ca.crt")));
}

#[test]
fn the_command_that_writes_lines_writes_them() {
    let lines = "it's \"one\"\n  [two] $HOME\n";
    let command = shell::write_lines("/x", lines).replace("| sudo tee /x >/dev/null", "");
    let output = std::process::Command::new("sh")
        .args(["-c", &command])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), lines);
}
