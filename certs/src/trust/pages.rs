//! What to do for each client, in sentences and commands to copy.
//!
//! Where the files go is containers-certs.d(5) for Podman, docs/hosts.md for containerd, and each client's own manual.

use super::instructions::{Instructions, for_each_directory};
use super::places::{CONTAINERD, DEBIAN, DOCKER, PODMAN, RHEL, Store, hosts_toml};
use super::shell::{quoted, write_lines};
use super::target::Target;

/// Docker Engine on Linux reads `/etc/docker/certs.d/<host:port>/ca.crt` at each connection.
pub(super) fn docker(target: &Target) -> Instructions {
    let install = |file: &str| {
        for_each_directory(target, &format!("/{DOCKER}"), |directory| {
            format!(
                "sudo install -D -m 0644 {file} {}",
                quoted(&format!("{directory}/ca.crt"))
            )
        })
    };
    Instructions::titled(&format!("Docker on Linux, to trust {}", target.reference()))
        .text("On this machine (or, as root: lockgate cert trust docker --install):")
        .block(&install(&target.quoted_file()))
        .text("On another machine.")
        .fetch(target)
        .text("Then:")
        .block(&install("lockgate-ca.crt"))
        .text(
            "Docker reads the directory at each connection: no restart. Rootless Docker reads \
             ~/.config/docker/certs.d instead.",
        )
        .try_it(target)
}

/// Docker Desktop takes certificates from the system's store when it starts.
pub(super) fn docker_desktop_windows(target: &Target) -> Instructions {
    Instructions::titled(&format!(
        "Docker Desktop on Windows, to trust {} by the certificate store",
        target.reference()
    ))
    .fetch_on_windows(target)
    .text("For you alone:")
    .block("certutil -user -addstore Root \"%USERPROFILE%\\lockgate-ca.crt\"")
    .text("or for everybody on the machine, in a command prompt of the administrator:")
    .block("certutil -addstore Root \"%USERPROFILE%\\lockgate-ca.crt\"")
    .text(
        "By hand it is: right-click the file, Install Certificate, Current User or Local Machine, Place all \
         certificates in the following store, Browse, Trusted Root Certification Authorities, Next, Finish.",
    )
    .text("Restart Docker Desktop.")
    .try_it(target)
}

/// Docker Desktop copies the user's `.docker/certs.d` into its virtual machine when it starts.
pub(super) fn docker_desktop_windows_certs_d(target: &Target) -> Instructions {
    let copy = |name: &String| {
        let directory = format!("%USERPROFILE%\\.docker\\certs.d\\{name}");
        format!("mkdir \"{directory}\"\ncopy /Y \"%USERPROFILE%\\lockgate-ca.crt\" \"{directory}\\ca.crt\"")
    };
    let commands: Vec<String> = windows_directories(target).iter().map(copy).collect();
    Instructions::titled(&format!(
        "Docker Desktop on Windows, to trust {} by .docker\\certs.d",
        target.reference()
    ))
    .fetch_on_windows(target)
    .text(
        "A colon cannot be in a directory's name on Windows. Versions of Docker Desktop differ in what stands for it, a \
         space or nothing, so both are made; the one that is not read does no harm:",
    )
    .block(&commands.join("\n"))
    .text("Restart Docker Desktop: it copies the directories when it starts.")
    .try_it(target)
}

pub(super) fn docker_desktop_mac(target: &Target) -> Instructions {
    Instructions::titled(&format!("Docker Desktop on macOS, to trust {}", target.reference()))
        .fetch(target)
        .text("For everybody on the machine, by the system keychain:")
        .block("sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain lockgate-ca.crt")
        .text("or for you alone, by the login keychain:")
        .block("security add-trusted-cert -d -r trustRoot -k ~/Library/Keychains/login.keychain-db lockgate-ca.crt")
        .text("Restart Docker Desktop: it reads the keychains when it starts.")
        .try_it(target)
}

/// boot2docker in VirtualBox. `/var/lib/boot2docker` outlives a restart of the machine; certificates in its `certs` are
/// added to the trust store at boot, and `bootlocal.sh` runs as root at the end of it.
pub(super) fn docker_toolbox(target: &Target) -> Instructions {
    let page = Instructions::titled(&format!("Docker Toolbox on Windows, to trust {}", target.reference()))
        .fetch_on_windows(target)
        .text("1. Copy it into the virtual machine and enter that:")
        .block(
            "cd /d \"%USERPROFILE%\"\n\
             docker-machine scp lockgate-ca.crt default:/tmp/lockgate-ca.crt\n\
             docker-machine ssh default",
        )
        .text("2. In the virtual machine:")
        .block(&in_toolbox(target))
        .text("3. Back on Windows:")
        .block("docker-machine restart default");
    page.try_it(target)
}

pub(super) fn podman(target: &Target) -> Instructions {
    let install = |file: &str| {
        for_each_directory(target, &format!("/{PODMAN}"), |directory| {
            format!(
                "sudo install -D -m 0644 {file} {}",
                quoted(&format!("{directory}/ca.crt"))
            )
        })
    };
    let for_one_user = for_each_directory(target, ".config/containers/certs.d", |directory| {
        format!(
            "install -D -m 0644 lockgate-ca.crt ~/{}",
            quoted(&format!("{directory}/ca.crt"))
        )
    });
    Instructions::titled(&format!(
        "Podman, Buildah, Skopeo and CRI-O, to trust {}",
        target.reference()
    ))
    .text("On this machine (or, as root: lockgate cert trust podman --install):")
    .block(&install(&target.quoted_file()))
    .text("On another machine.")
    .fetch(target)
    .text("Then, for every user of that machine:")
    .block(&install("lockgate-ca.crt"))
    .text("or for one user, without root:")
    .block(&for_one_user)
    .text("Then:")
    .block(&format!("podman login {}", target.reference()))
}

pub(super) fn containerd(target: &Target) -> Instructions {
    let reference = target.reference();
    Instructions::titled(&format!("containerd, nerdctl and ctr, to trust {reference}"))
        .text("On this machine (or, as root: lockgate cert trust containerd --install):")
        .block(&containerd_commands(target, &target.quoted_file()))
        .text("On another machine.")
        .fetch(target)
        .text("Then:")
        .block(&containerd_commands(target, "lockgate-ca.crt"))
        .text(
            "containerd reads these files at each pull: no restart. Kubernetes (CRI) reads them only when \
             /etc/containerd/config.toml says so; after adding it, restart containerd once:",
        )
        .block(CONTAINERD_CONFIG)
        .text("Then:")
        .block(&format!(
            "nerdctl login {reference}\n\
             ctr images pull --hosts-dir /{CONTAINERD} --user USER {reference}/IMAGE:TAG"
        ))
}

/// The kubelet of each node pulls through containerd, which needs the certificate.
pub(super) fn kubernetes(target: &Target) -> Instructions {
    Instructions::titled(&format!(
        "Kubernetes, to trust {}: on every node, control plane and workers",
        target.reference()
    ))
    .fetch(target)
    .text("1. The operating system's trust store. Debian and Ubuntu:")
    .block(&store_commands(target, &DEBIAN, "lockgate-ca.crt"))
    .text("RHEL, Fedora, Rocky and Amazon Linux:")
    .block(&store_commands(target, &RHEL, "lockgate-ca.crt"))
    .text("2. containerd:")
    .block(&containerd_commands(target, "lockgate-ca.crt"))
    .text("with this in /etc/containerd/config.toml:")
    .block(CONTAINERD_CONFIG)
    .text("3. Once, for the trust store and config.toml to be read; running pods go on:")
    .block("sudo systemctl restart containerd")
    .text("Then, on one node:")
    .block(&format!(
        "sudo crictl pull --username USER {}/IMAGE:TAG",
        target.reference()
    ))
}

/// Minikube copies certificates and files into its machine when it starts.
pub(super) fn minikube(target: &Target) -> Instructions {
    let page = Instructions::titled(&format!("Minikube, to trust {}", target.reference()))
        .text("On Linux and macOS.")
        .fetch(target)
        .text("Then:")
        .block("mkdir -p ~/.minikube/certs\ncp lockgate-ca.crt ~/.minikube/certs/lockgate-ca.pem")
        .text("On Windows.")
        .fetch_on_windows(target)
        .text("Then:")
        .block(
            "mkdir \"%USERPROFILE%\\.minikube\\certs\"\n\
             copy /Y \"%USERPROFILE%\\lockgate-ca.crt\" \"%USERPROFILE%\\.minikube\\certs\\lockgate-ca.pem\"",
        )
        .text("Certificates are taken up when Minikube starts:")
        .block("minikube stop\nminikube start --embed-certs");
    match target.hosts_line() {
        None => page,
        Some(line) => page
            .text("If DNS does not know the registry's name there (again after each start):")
            .block(&format!("minikube ssh \"echo '{line}' | sudo tee -a /etc/hosts\"")),
    }
}

pub(super) fn debian(target: &Target) -> Instructions {
    let title = format!("Debian, Ubuntu and Alpine, to trust {}", target.reference());
    store(target, &DEBIAN, "debian", &title)
}

pub(super) fn rhel(target: &Target) -> Instructions {
    let title = format!("RHEL, Fedora, Rocky and Amazon Linux, to trust {}", target.reference());
    store(target, &RHEL, "rhel", &title)
}

pub(super) fn copy(target: &Target) -> Instructions {
    let install = for_each_directory(target, &format!("/{DOCKER}"), |directory| {
        let file = quoted(&format!("{directory}/ca.crt"));
        format!("ssh -t USER@OTHERHOST \"sudo install -D -m 0644 /tmp/lockgate-ca.crt {file}\"")
    });
    let page = Instructions::titled(&format!("Another Docker host, to trust {}", target.reference()))
        .text("On this machine, with the other host's name and your account there:")
        .block(&format!(
            "scp {} USER@OTHERHOST:/tmp/lockgate-ca.crt\n{install}",
            target.quoted_file()
        ));
    match target.hosts_line() {
        None => page,
        Some(line) => page
            .text("If DNS does not know the registry's name there:")
            .block(&format!(
                "ssh -t USER@OTHERHOST \"echo '{line}' | sudo tee -a /etc/hosts\""
            )),
    }
    .text("Docker reads the directory at each connection: no restart. On the other host:")
    .block(&format!("docker login {}", target.reference()))
}

/// For a closed network, or an hour of trying.
pub(super) fn insecure(target: &Target) -> Instructions {
    // Docker compares the whole host:port, 443 included, with what its reference resolves to.
    let registry = format!("{}:{}", target.host(), target.port());
    let reference = target.reference();
    let home = target.file().parent().and_then(|tls| tls.parent());
    let home = home.map_or_else(|| "./lockgate".into(), |home| home.to_string_lossy().into_owned());
    let mut names = vec![reference.clone()];
    if registry != reference {
        names.push(registry.clone());
    }
    let list: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    Instructions::titled(&format!("Without trust: {reference} as an insecure registry"))
        .text(
            "Anybody on the way can then read passwords and change images. Trusting the certificate takes one command: \
             lockgate cert trust docker",
        )
        .text("Docker: add to /etc/docker/daemon.json, then restart the daemon:")
        .block(&format!("{{\n  \"insecure-registries\": [{}]\n}}", list.join(", ")))
        .block("sudo systemctl restart docker")
        .text(
            "Docker Desktop: the same line under Settings, Docker Engine. Old distributions, in /etc/sysconfig/docker:",
        )
        .block(&format!("INSECURE_REGISTRY='--insecure-registry {registry}'"))
        .text("Podman, in /etc/containers/registries.conf.d/lockgate.conf:")
        .block(&format!("[[registry]]\nlocation = \"{reference}\"\ninsecure = true"))
        .text(
            "SELinux: when Lockgate runs in a container and its home is mounted from the host, the container may read \
             and write it after:",
        )
        .block(&format!("sudo chcon -R -t container_file_t {}", quoted(&home)))
        .text("and certificates below /etc/docker/certs.d get their proper label by:")
        .block("sudo restorecon -R /etc/docker/certs.d")
}

const CONTAINERD_CONFIG: &str = "\
# containerd 2
[plugins.\"io.containerd.cri.v1.images\".registry]
  config_path = \"/etc/containerd/certs.d\"

# containerd 1
[plugins.\"io.containerd.grpc.v1.cri\".registry]
  config_path = \"/etc/containerd/certs.d\"";

/// `registry 5000` as users of Docker Desktop report it, `registry5000` as Docker's documentation has it.
fn windows_directories(target: &Target) -> Vec<String> {
    let variants = |name: String| match name.rsplit_once(':') {
        // The colons of an IPv6 address go the same way as the port's; without a port there is nothing to do.
        Some(_) if !name.ends_with(']') => vec![name.replace(':', " "), name.replace(':', "")],
        _ => vec![name],
    };
    target.directories().into_iter().flat_map(variants).collect()
}

fn in_toolbox(target: &Target) -> String {
    let mut commands = String::from(
        "sudo mkdir -p /var/lib/boot2docker/certs\n\
         sudo cp /tmp/lockgate-ca.crt /var/lib/boot2docker/certs/\n",
    );
    if let Some(line) = target.hosts_line() {
        // The machine writes its own /etc/hosts while it boots, hence the wait.
        let script = format!("#!/bin/sh\nsleep 5\necho {line} >> /etc/hosts");
        commands.push_str(&write_lines("/var/lib/boot2docker/bootlocal.sh", &script));
        commands.push_str("\nsudo chmod +x /var/lib/boot2docker/bootlocal.sh\n");
    }
    commands + "exit"
}

/// Both files in place, from a certificate that is `file` in the shell's directory.
fn containerd_commands(target: &Target, file: &str) -> String {
    for_each_directory(target, &format!("/{CONTAINERD}"), |directory| {
        format!(
            "sudo install -D -m 0644 {file} {}\n{}",
            quoted(&format!("{directory}/ca.crt")),
            write_lines(&format!("{directory}/hosts.toml"), &hosts_toml(target))
        )
    })
}

/// The two commands, from a certificate that is `file` in the shell's directory.
fn store_commands(target: &Target, store: &Store, file: &str) -> String {
    format!(
        "sudo install -D -m 0644 {file} /{}/{}\n\
         sudo {}",
        store.directory,
        target.store_name(),
        store.command
    )
}

fn store(target: &Target, store: &Store, name: &str, title: &str) -> Instructions {
    Instructions::titled(title)
        .text(&format!(
            "On this machine (or, as root: lockgate cert trust {name} --install):"
        ))
        .block(&store_commands(target, store, &target.quoted_file()))
        .text("On another machine.")
        .fetch(target)
        .text("Then:")
        .block(&store_commands(target, store, "lockgate-ca.crt"))
        .text("Programs read the store when they start. Restart those that run, Docker for one:")
        .block("sudo systemctl restart docker")
}
