//! Whether addresses can be listened on. An address in use may be free at the start, so that is only a warning.

use std::path::Path;

use lockgate_config::{Address, Config, Home};

use super::findings::Findings;
use crate::configuration::listeners;
use crate::os::listen;
use crate::os::lock::Lock;

pub(super) fn check(config: &Config, home: &Home, findings: &mut Findings) {
    // Its own addresses are in use.
    let is_running = matches!(Lock::holder(&home.pid_file()), Ok(Some(_)));
    for (key, address) in listeners::addresses(&config.http) {
        match address {
            Address::Unix(path) => {
                findings
                    .mistakes
                    .extend(in_the_way(path).map(|why| format!("{key}: {why}")));
                findings.warnings.push(format!(
                    "{key} = {address}: `lockgate registry` serves a Unix socket; `lockgate start` refuses it and listens \
                     on host:port"
                ));
            }
            Address::Tcp { .. } if is_running => {}
            Address::Tcp { host, port } => {
                if let Err(error) = listen::try_tcp(host, *port) {
                    findings.warnings.push(error.at(key).to_string());
                }
            }
        }
    }
}

/// Why a Unix socket cannot be made, if so.
fn in_the_way(socket: &Path) -> Option<String> {
    use std::os::unix::fs::FileTypeExt;
    if let Ok(found) = socket.symlink_metadata() {
        let path = socket.display();
        return (!found.file_type().is_socket()).then(|| format!("{path}: exists and is not a socket"));
    }
    let directory = socket.parent()?;
    match directory.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(format!(
            "{}: there is no such directory for the socket",
            directory.display()
        )),
        Ok(found) if !found.is_dir() => Some(format!("{}: not a directory", directory.display())),
        _ => None,
    }
}
