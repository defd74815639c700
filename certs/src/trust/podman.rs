//! Podman, Buildah, Skopeo and CRI-O: containers-certs.d(5).

use super::Target;
use super::page::{Page, for_each_directory, quoted};

pub(super) const DIRECTORY: &str = "etc/containers/certs.d";

pub(super) fn instructions(target: &Target) -> Page {
    let install = |file: &str| {
        for_each_directory(target, &format!("/{DIRECTORY}"), |directory| {
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
    Page::titled(&format!(
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
