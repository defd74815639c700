//! The trust stores of Linux distributions, which everything on the machine uses.

use super::Target;
use super::page::Page;

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

pub(super) fn debian(target: &Target) -> Page {
    let title = format!("Debian, Ubuntu and Alpine, to trust {}", target.reference());
    page(target, &DEBIAN, "debian", &title)
}

pub(super) fn rhel(target: &Target) -> Page {
    let title = format!("RHEL, Fedora, Rocky and Amazon Linux, to trust {}", target.reference());
    page(target, &RHEL, "rhel", &title)
}

/// The two commands, from a certificate that is `file` in the shell's directory.
pub(super) fn commands(target: &Target, store: &Store, file: &str) -> String {
    format!(
        "sudo install -D -m 0644 {file} /{}/{}\n\
         sudo {}",
        store.directory,
        target.store_name(),
        store.command
    )
}

fn page(target: &Target, store: &Store, name: &str, title: &str) -> Page {
    Page::titled(title)
        .text(&format!(
            "On this machine (or, as root: lockgate cert trust {name} --install):"
        ))
        .block(&commands(target, store, &target.quoted_file()))
        .text("On another machine.")
        .fetch(target)
        .text("Then:")
        .block(&commands(target, store, "lockgate-ca.crt"))
        .text("Programs read the store when they start. Restart those that run, Docker for one:")
        .block("sudo systemctl restart docker")
}
