//! How many descriptors a serving process may have open: getrlimit(2), RLIMIT_NOFILE.

use lockgate_config::Limits;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit to the hard one: the soft one is for programs that use select(2). Gives a warning when what
/// `http.limits` allows does not fit.
pub(crate) fn raise(limits: &Limits) -> Result<Option<String>, Errno> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    let (connections, requests) = (limits.max_connections, limits.max_requests);
    let needed = limits.descriptors();
    Ok((hard < u64::try_from(needed).unwrap_or(u64::MAX)).then(|| {
        format!(
            "http.limits.maxconnections = {connections}, http.limits.maxrequests = {requests}: this process may have {hard} \
             files and connections open, too few for that, so it serves fewer at once; raise the hard limit \
             (`ulimit -Hn`, systemd: LimitNOFILE=) to {needed} at least, or lower the two"
        )
    }))
}
