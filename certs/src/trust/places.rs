//! Where clients look for certificates, below the root of the file system.

use super::target::Target;

/// Docker Engine, a directory a registry with `ca.crt` in it.
pub(super) const DOCKER: &str = "etc/docker/certs.d";
/// Podman, Buildah, Skopeo and CRI-O, by containers-certs.d(5).
pub(super) const PODMAN: &str = "etc/containers/certs.d";
/// containerd, by its docs/hosts.md: `ca.crt`, and `hosts.toml` which names it.
pub(super) const CONTAINERD: &str = "etc/containerd/certs.d";

/// The trust store of a Linux distribution, which everything on the machine uses.
pub(super) struct Store {
    pub(super) directory: &'static str,
    pub(super) command: &'static str,
}

pub(super) const DEBIAN: Store = Store {
    directory: "usr/local/share/ca-certificates",
    command: "update-ca-certificates",
};

pub(super) const RHEL: Store = Store {
    directory: "etc/pki/ca-trust/source/anchors",
    command: "update-ca-trust",
};

/// The registry itself, with the certificate beside the file: containerd takes relative paths from there.
pub(super) fn hosts_toml(target: &Target) -> String {
    let server = target.url("");
    format!(
        "server = \"{server}\"\n\
         \n\
         [host.\"{server}\"]\n\
         \x20 capabilities = [\"pull\", \"resolve\", \"push\"]\n\
         \x20 ca = \"ca.crt\"\n"
    )
}
