//! The table of clients.

use std::fmt;
use std::str::FromStr;

use super::instructions::Instructions;
use super::pages;
use super::places::{CONTAINERD, DEBIAN, DOCKER, PODMAN, RHEL, Store};
use super::target::Target;

/// A platform whose clients are to trust the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// Docker Engine on Linux.
    Docker,
    /// Docker Desktop on Windows, through the certificate store.
    DockerDesktopWindows,
    /// Docker Desktop on Windows, through `%USERPROFILE%\.docker\certs.d`.
    DockerDesktopWindowsCertsD,
    /// Docker Desktop on macOS, through the keychains.
    DockerDesktopMac,
    /// Docker Toolbox, a VirtualBox machine on Windows.
    DockerToolbox,
    /// containerd, nerdctl and ctr.
    Containerd,
    /// The nodes of a Kubernetes cluster.
    Kubernetes,
    /// Minikube.
    Minikube,
    /// Podman, Buildah, Skopeo and CRI-O.
    Podman,
    /// The trust store of Debian, Ubuntu and Alpine.
    Debian,
    /// The trust store of RHEL, Fedora, Rocky and Amazon Linux.
    Rhel,
    /// Another Docker host, by ssh.
    Copy,
    /// Any client, without TLS being verified.
    Insecure,
}

/// What is known of a client.
struct Row {
    /// What it is called on the command line.
    name: &'static str,
    /// One line of help.
    help: &'static str,
    /// How it is done on this machine; `None` where the client is elsewhere by its nature.
    install: Option<Install>,
    page: fn(&Target) -> Instructions,
}

/// How a client on this machine is made to trust the registry.
#[derive(Clone, Copy)]
pub(super) enum Install {
    /// `ca.crt` in the registry's directory below this one.
    CertsD(&'static str),
    /// As `CertsD`, and a `hosts.toml` beside it.
    HostsToml(&'static str),
    /// A file in a trust store, and a command.
    Store(&'static Store),
}

impl Client {
    /// Every client, in the order in which help lists them.
    pub const ALL: [Self; 13] = [
        Self::Docker,
        Self::DockerDesktopWindows,
        Self::DockerDesktopWindowsCertsD,
        Self::DockerDesktopMac,
        Self::DockerToolbox,
        Self::Podman,
        Self::Containerd,
        Self::Kubernetes,
        Self::Minikube,
        Self::Debian,
        Self::Rhel,
        Self::Copy,
        Self::Insecure,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// One line of help.
    pub fn help(self) -> &'static str {
        self.row().help
    }

    /// Whether [`install`](super::install()) can do it on this machine.
    pub fn installs(self) -> bool {
        self.row().install.is_some()
    }

    pub(super) fn install(self) -> Option<Install> {
        self.row().install
    }

    /// The table. It is a `match`, so no client can be without a row.
    fn row(self) -> Row {
        match self {
            Self::Docker => Row {
                name: "docker",
                help: "Docker Engine on Linux, by its certs.d directory",
                install: Some(Install::CertsD(DOCKER)),
                page: pages::docker,
            },
            Self::DockerDesktopWindows => Row {
                name: "docker-desktop-windows",
                help: "Docker Desktop on Windows, by the certificate store",
                install: None,
                page: pages::docker_desktop_windows,
            },
            Self::DockerDesktopWindowsCertsD => Row {
                name: "docker-desktop-windows-certs-d",
                help: "Docker Desktop on Windows, by the user's .docker\\certs.d directory",
                install: None,
                page: pages::docker_desktop_windows_certs_d,
            },
            Self::DockerDesktopMac => Row {
                name: "docker-desktop-mac",
                help: "Docker Desktop on macOS, by the system or the login keychain",
                install: None,
                page: pages::docker_desktop_mac,
            },
            Self::DockerToolbox => Row {
                name: "docker-toolbox",
                help: "Docker Toolbox on Windows, in its virtual machine",
                install: None,
                page: pages::docker_toolbox,
            },
            Self::Podman => Row {
                name: "podman",
                help: "Podman, Buildah, Skopeo and CRI-O, by certs.d",
                install: Some(Install::CertsD(PODMAN)),
                page: pages::podman,
            },
            Self::Containerd => Row {
                name: "containerd",
                help: "containerd, nerdctl and ctr, by hosts.toml",
                install: Some(Install::HostsToml(CONTAINERD)),
                page: pages::containerd,
            },
            Self::Kubernetes => Row {
                name: "kubernetes",
                help: "every node of a Kubernetes cluster",
                install: None,
                page: pages::kubernetes,
            },
            Self::Minikube => Row {
                name: "minikube",
                help: "Minikube",
                install: None,
                page: pages::minikube,
            },
            Self::Debian => Row {
                name: "debian",
                help: "the trust store of Debian, Ubuntu and Alpine",
                install: Some(Install::Store(&DEBIAN)),
                page: pages::debian,
            },
            Self::Rhel => Row {
                name: "rhel",
                help: "the trust store of RHEL, Fedora, Rocky and Amazon Linux",
                install: Some(Install::Store(&RHEL)),
                page: pages::rhel,
            },
            Self::Copy => Row {
                name: "copy",
                help: "copy the certificate to another Docker host by ssh",
                install: None,
                page: pages::copy,
            },
            Self::Insecure => Row {
                name: "insecure",
                help: "do without trust: insecure-registries and SELinux hints",
                install: None,
                page: pages::insecure,
            },
        }
    }
}

/// What to do on `client`, for people to read and commands to copy.
pub fn instructions(client: Client, target: &Target) -> String {
    (client.row().page)(target).into_text()
}

impl FromStr for Client {
    type Err = UnknownClient;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|client| client.name() == name);
        found.ok_or_else(|| UnknownClient { name: name.to_owned() })
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no client's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown client {name:?}; expected one of {}", Client::ALL.map(Client::name).join(", "))]
pub struct UnknownClient {
    /// The name that is unknown.
    pub name: String,
}
