//! What each client platform needs to trust the registry: printed, filled in for the real host and port, or on this
//! machine done. One file a platform.

mod containerd;
mod copy;
mod docker;
mod docker_desktop;
mod docker_toolbox;
mod insecure;
mod install;
mod kubernetes;
mod minikube;
mod page;
mod podman;
mod system;
mod target;

use std::fmt;
use std::str::FromStr;

pub use install::{InstallError, Installed, install};
pub use target::{Host, Target, TargetError, reference};

/// Where the proxy shows the authority's certificate to clients that do not trust it yet.
pub const CERTIFICATE_URL_PATH: &str = "/lockgate/ca.crt";

/// A client platform.
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
    /// No trust at all.
    Insecure,
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
        match self {
            Self::Docker => "docker",
            Self::DockerDesktopWindows => "docker-desktop-windows",
            Self::DockerDesktopWindowsCertsD => "docker-desktop-windows-certs-d",
            Self::DockerDesktopMac => "docker-desktop-mac",
            Self::DockerToolbox => "docker-toolbox",
            Self::Containerd => "containerd",
            Self::Kubernetes => "kubernetes",
            Self::Minikube => "minikube",
            Self::Podman => "podman",
            Self::Debian => "debian",
            Self::Rhel => "rhel",
            Self::Copy => "copy",
            Self::Insecure => "insecure",
        }
    }

    /// One line of help.
    pub fn help(self) -> &'static str {
        match self {
            Self::Docker => "Docker Engine on Linux, by its certs.d directory",
            Self::DockerDesktopWindows => "Docker Desktop on Windows, by the certificate store",
            Self::DockerDesktopWindowsCertsD => "Docker Desktop on Windows, by the user's .docker\\certs.d directory",
            Self::DockerDesktopMac => "Docker Desktop on macOS, by the system or the login keychain",
            Self::DockerToolbox => "Docker Toolbox on Windows, in its virtual machine",
            Self::Containerd => "containerd, nerdctl and ctr, by hosts.toml",
            Self::Kubernetes => "every node of a Kubernetes cluster",
            Self::Minikube => "Minikube",
            Self::Podman => "Podman, Buildah, Skopeo and CRI-O, by certs.d",
            Self::Debian => "the trust store of Debian, Ubuntu and Alpine",
            Self::Rhel => "the trust store of RHEL, Fedora, Rocky and Amazon Linux",
            Self::Copy => "copy the certificate to another Docker host by ssh",
            Self::Insecure => "do without trust: insecure-registries and SELinux hints",
        }
    }

    /// Whether [`install`] can do it on this machine.
    pub fn installs(self) -> bool {
        matches!(
            self,
            Self::Docker | Self::Podman | Self::Containerd | Self::Debian | Self::Rhel
        )
    }
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
    /// What was given.
    pub name: String,
}

/// What to do on `client`, for people to read and commands to copy.
pub fn instructions(client: Client, target: &Target) -> String {
    match client {
        Client::Docker => docker::instructions(target),
        Client::DockerDesktopWindows => docker_desktop::windows_store(target),
        Client::DockerDesktopWindowsCertsD => docker_desktop::windows_certs_d(target),
        Client::DockerDesktopMac => docker_desktop::mac(target),
        Client::DockerToolbox => docker_toolbox::instructions(target),
        Client::Containerd => containerd::instructions(target),
        Client::Kubernetes => kubernetes::instructions(target),
        Client::Minikube => minikube::instructions(target),
        Client::Podman => podman::instructions(target),
        Client::Debian => system::debian(target),
        Client::Rhel => system::rhel(target),
        Client::Copy => copy::instructions(target),
        Client::Insecure => insecure::instructions(target),
    }
    .into_text()
}

#[cfg(test)]
mod tests;
