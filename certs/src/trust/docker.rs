//! Docker Engine on Linux: `/etc/docker/certs.d/<host:port>/ca.crt`, read at each connection.

use super::Target;
use super::page::{Page, for_each_directory, quoted};

pub(super) const DIRECTORY: &str = "etc/docker/certs.d";

pub(super) fn instructions(target: &Target) -> Page {
    let install = |file: &str| {
        for_each_directory(target, &format!("/{DIRECTORY}"), |directory| {
            format!(
                "sudo install -D -m 0644 {file} {}",
                quoted(&format!("{directory}/ca.crt"))
            )
        })
    };
    Page::titled(&format!("Docker on Linux, to trust {}", target.reference()))
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
