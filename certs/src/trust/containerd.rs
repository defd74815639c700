//! containerd, nerdctl and ctr: `/etc/containerd/certs.d/<host:port>/hosts.toml`, see containerd's docs/hosts.md.

use super::Target;
use super::page::{Page, for_each_directory, quoted, write_lines};

pub(super) const DIRECTORY: &str = "etc/containerd/certs.d";

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

/// Both files in place, from a certificate that is `file` in the shell's directory.
pub(super) fn commands(target: &Target, file: &str) -> String {
    for_each_directory(target, &format!("/{DIRECTORY}"), |directory| {
        format!(
            "sudo install -D -m 0644 {file} {}\n{}",
            quoted(&format!("{directory}/ca.crt")),
            write_lines(&format!("{directory}/hosts.toml"), &hosts_toml(target))
        )
    })
}

pub(super) const CONFIG_PATH: &str = "\
# containerd 2
[plugins.\"io.containerd.cri.v1.images\".registry]
  config_path = \"/etc/containerd/certs.d\"

# containerd 1
[plugins.\"io.containerd.grpc.v1.cri\".registry]
  config_path = \"/etc/containerd/certs.d\"";

pub(super) fn instructions(target: &Target) -> Page {
    let reference = target.reference();
    Page::titled(&format!("containerd, nerdctl and ctr, to trust {reference}"))
        .text("On this machine (or, as root: lockgate cert trust containerd --install):")
        .block(&commands(target, &target.quoted_file()))
        .text("On another machine.")
        .fetch(target)
        .text("Then:")
        .block(&commands(target, "lockgate-ca.crt"))
        .text(
            "containerd reads these files at each pull: no restart. Kubernetes (CRI) reads them only when \
             /etc/containerd/config.toml says so; after adding it, restart containerd once:",
        )
        .block(CONFIG_PATH)
        .text("Then:")
        .block(&format!(
            "nerdctl login {reference}\n\
             ctr images pull --hosts-dir /{DIRECTORY} --user USER {reference}/IMAGE:TAG"
        ))
}
