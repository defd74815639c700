//! Capabilities of root (capabilities(7)): the supervisor keeps those that it needs, its children none.

use std::io;

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// What the supervisor needs after its sockets are open.
const OF_SUPERVISOR: CapabilitySet = CapabilitySet::SETUID // a child becomes its user,
    .union(CapabilitySet::SETGID) // and takes its group;
    .union(CapabilitySet::KILL) // that user's process is told to end;
    .union(CapabilitySet::NET_BIND_SERVICE) // a reload may open another port below 1024;
    .union(CapabilitySet::CHOWN) // a renewed key is given to its reader;
    .union(CapabilitySet::DAC_READ_SEARCH); // config.yml or a key may be another administrator's, with mode 0600.

/// Whether processes can be started as another user.
pub(super) fn can_become_others() -> bool {
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::CHOWN;
    capabilities(None).is_ok_and(|held| held.effective.contains(needed))
}

/// Keeps what the supervisor needs, in what it may pass on too.
pub(crate) fn keep_what_supervision_needs() -> io::Result<()> {
    keep(OF_SUPERVISOR)
}

/// Keeps what gives a challenge's key to the proxy.
pub(super) fn keep_what_an_order_needs() -> io::Result<()> {
    keep(CapabilitySet::CHOWN)
}

/// Gives up everything: also root's process is an ordinary one from here on.
pub(super) fn give_up_all() -> io::Result<()> {
    keep(CapabilitySet::empty())
}

fn keep(wanted: CapabilitySet) -> io::Result<()> {
    let held = capabilities(None)?;
    let kept = held.permitted & wanted;
    // Before the effective set shrinks: this takes CAP_SETPCAP. Without it, a program that root runs gains nothing that
    // the container did not have; the children have no_new_privs besides.
    if held.effective.contains(CapabilitySet::SETPCAP) {
        let all = (0..u64::BITS).map(|bit| CapabilitySet::from_bits_retain(1 << bit));
        for capability in all.filter(|one| !wanted.contains(*one)) {
            match capability_is_in_bounding_set(capability) {
                Ok(true) => remove_capability_from_bounding_set(capability)?,
                Ok(false) => {}
                // The kernel knows none from here on.
                Err(_) => break,
            }
        }
    }
    // EINVAL before Linux 4.3, which has no such set.
    let _ = clear_ambient_capability_set();
    set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    Ok(())
}
