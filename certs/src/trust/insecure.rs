//! Without trust: for a closed network, or an hour of trying.

use super::Target;
use super::page::{Page, quoted};

pub(super) fn instructions(target: &Target) -> Page {
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
    Page::titled(&format!("Without trust: {reference} as an insecure registry"))
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
