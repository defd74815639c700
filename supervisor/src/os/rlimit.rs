//! How many descriptors a serving process may have open: getrlimit(2), RLIMIT_NOFILE.

use lockgate_config::Config;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Logs, certificates, what the runtime needs, and connections that are told that there are too many.
const SPARE: usize = 512;

/// Raises the soft limit to the hard one: the soft one is for programs that use select(2). Gives a warning when what
/// `http.limits` allows does not fit: each request in flight takes one for the other process and one for a file.
pub(crate) fn raise(config: &Config) -> Result<Option<String>, Errno> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    let limits = &config.http.limits;
    let (connections, requests) = (limits.max_connections, limits.max_requests);
    let needed = requests
        .saturating_mul(2)
        .saturating_add(connections)
        .saturating_add(SPARE);
    Ok((hard < u64::try_from(needed).unwrap_or(u64::MAX)).then(|| {
        format!(
            "http.limits.maxconnections = {connections}, http.limits.maxrequests = {requests}: this process may have {hard} \
             files and connections open, too few for that, so it serves fewer at once; raise the hard limit \
             (`ulimit -Hn`, systemd: LimitNOFILE=) to {needed} at least, or lower the two"
        )
    }))
}
