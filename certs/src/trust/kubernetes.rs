//! The nodes of a Kubernetes cluster: the kubelet pulls through containerd, which needs the certificate.

use super::page::Page;
use super::{Target, containerd, system};

pub(super) fn instructions(target: &Target) -> Page {
    Page::titled(&format!(
        "Kubernetes, to trust {}: on every node, control plane and workers",
        target.reference()
    ))
    .fetch(target)
    .text("1. The operating system's trust store. Debian and Ubuntu:")
    .block(&system::commands(target, &system::DEBIAN, "lockgate-ca.crt"))
    .text("RHEL, Fedora, Rocky and Amazon Linux:")
    .block(&system::commands(target, &system::RHEL, "lockgate-ca.crt"))
    .text("2. containerd:")
    .block(&containerd::commands(target, "lockgate-ca.crt"))
    .text("with this in /etc/containerd/config.toml:")
    .block(containerd::CONFIG_PATH)
    .text("3. Once, for the trust store and config.toml to be read; running pods go on:")
    .block("sudo systemctl restart containerd")
    .text("Then, on one node:")
    .block(&format!(
        "sudo crictl pull --username USER {}/IMAGE:TAG",
        target.reference()
    ))
}
