//! How many descriptors a serving process may have open: getrlimit(2), RLIMIT_NOFILE.

use lockgate_config::Config;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Sockets to the registry, files that are being sent, logs, what the runtime needs.
const BESIDE: u64 = 256;

/// Raises the soft limit to the hard one: the soft one is for programs that use select(2). Gives a warning when not even
/// the connections of `http.limits.maxconnections` fit; each takes one more while it is served, and a third for a file.
pub(super) fn raise(config: &Config) -> Result<Option<String>, Errno> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    let connections = config.http.limits.max_connections;
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(BESIDE);
    Ok((hard < needed).then(|| {
        format!(
            "http.limits.maxconnections = {connections}: this process may have {hard} files and connections open, too \
             few for that; raise the hard limit (`ulimit -Hn`, systemd: LimitNOFILE=) to {needed} at least, or lower \
             maxconnections"
        )
    }))
}
