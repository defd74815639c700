//! The systemd socket: systemd.socket(5). The service manager listens, so that not even a stopped service refuses.

use super::definition::{ServiceDefinition, SocketUnit};

/// The text of the unit file.
pub(crate) fn text(definition: &ServiceDefinition, socket: &SocketUnit) -> String {
    format!(
        "\
[Unit]
Description=Lockgate container registry, {what}

[Socket]
ListenStream={stream}
BindIPv6Only={bind}
FileDescriptorName={name}
Service={service}
Backlog=4096

[Install]
WantedBy=sockets.target
",
        what = match socket.suffix {
            "" => "where clients come in",
            _ => "where they are sent on to https",
        },
        stream = socket.stream,
        // Whatever net.ipv6.bindv6only says: a port alone is every address of both families.
        bind = if socket.stream.contains(':') { "default" } else { "both" },
        name = socket.name,
        service = definition.service_name(),
    )
}
