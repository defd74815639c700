//! What the unit takes away from the service: systemd.exec(5). `systemd-analyze security` rates it.

use std::path::{Path, PathBuf};

use super::definition::{ServiceDefinition, ServiceScope};
use super::escape::quoted;

/// For any user. Absent on purpose: `RestrictSUIDSGID`, since directories of images carry the set-group-ID bit.
const EVERYWHERE: [&str; 11] = [
    "NoNewPrivileges=yes",
    "LimitCORE=0",
    "KeyringMode=private",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "SystemCallArchitectures=native",
    // Landlock is how the processes confine themselves; older versions of systemd do not count it as usual.
    "SystemCallFilter=@system-service landlock_create_ruleset landlock_add_rule landlock_restrict_self",
    "SystemCallErrorNumber=EPERM",
];

/// What needs namespaces or capabilities, which a user's own service manager does not have everywhere.
const SYSTEM: [&str; 11] = [
    "ProtectSystem=strict",
    "PrivateDevices=yes",
    "PrivateIPC=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "UMask=0077",
    // To listen below 1024, to become the users that the children run as, and to keep files theirs.
    "CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID CAP_SETPCAP CAP_KILL CAP_CHOWN CAP_FOWNER CAP_FSETID CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH",
];

pub(super) fn directives(definition: &ServiceDefinition) -> Vec<String> {
    let mut lines: Vec<_> = EVERYWHERE.map(str::to_owned).into();
    if definition.scope == ServiceScope::User {
        return lines;
    }
    lines.extend(SYSTEM.map(str::to_owned));
    lines.push(format!("ReadWritePaths={}", writable(definition)));
    let below = |roots: &[&str]| definition.touched().any(|path| is_below(path, roots));
    lines.push(match below(&["/home", "/root", "/run/user"]) {
        // `yes` would hide what the service needs there.
        true => "ProtectHome=read-only".to_owned(),
        false => "ProtectHome=yes".to_owned(),
    });
    if !below(&["/tmp", "/var/tmp"]) {
        lines.push("PrivateTmp=yes".to_owned());
    }
    lines
}

fn is_below(path: &Path, roots: &[&str]) -> bool {
    roots.iter().any(|root| path.starts_with(root))
}

/// The home must be there; the others are made at the first start where they are missing, or their lack is said then.
fn writable(definition: &ServiceDefinition) -> String {
    let home = definition.home.root();
    let others: Vec<&PathBuf> = definition
        .writes
        .iter()
        .filter(|path| !path.starts_with(home))
        .collect();
    let others = others.into_iter().map(|path| format!("-{}", quoted(path)));
    std::iter::once(quoted(home))
        .chain(others)
        .collect::<Vec<_>>()
        .join(" ")
}
