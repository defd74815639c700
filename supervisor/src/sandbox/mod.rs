//! Confinement: each half runs as a user of its own, opens what is its own alone, and can gain nothing.
//!
//! ```text
//! run_as        whom each half runs as, when the supervisor is root
//! system_user   users and groups, by name and number
//! rules         what each opens ─▶ landlock    where the kernel has it
//! limits        umask, core files, no new rights
//! capabilities  what root keeps
//! ```

mod capabilities;
mod landlock;
mod limits;
pub(crate) mod path_access;
mod report;
mod rules;
pub(crate) mod run_as;
pub(crate) mod system_user;
mod user_error;

use std::io;

pub(crate) use capabilities::keep_what_supervision_needs;
pub(crate) use limits::own_files_only;
pub(crate) use report::Report;
pub(crate) use rules::Rules;

/// Who is confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A child of the supervisor: what it needs open was handed down to it.
    Supervised,
    /// One half alone, on behalf of whoever started it; as root it keeps root's capabilities.
    Standalone,
}

/// Confines this process for good. To be called while it has but one thread: others would stay free.
pub(crate) fn enter(rules: &Rules, mode: Mode, notify: Option<&str>) -> io::Result<Report> {
    limits::apply()?;
    let mut rules = rules.clone();
    // systemd's socket may be an abstract one, and elsewhere than ours.
    let abstract_notify = notify.is_some_and(|socket| socket.starts_with('@'));
    if let Some(socket) = notify.filter(|_| !abstract_notify) {
        rules.add_socket(socket.as_ref());
    }
    let enforced = landlock::enforce(&rules, !abstract_notify);
    // After Landlock: root may read what it is given rules for, whosever it is.
    if mode == Mode::Supervised {
        capabilities::give_up_all()?;
    }
    Ok(Report::new(enforced))
}

/// For the order of a certificate, which talks to a server elsewhere: no core file, nothing to gain, and no capability
/// but the one to give a key to its reader.
pub(crate) fn enter_order() -> io::Result<()> {
    limits::apply()?;
    capabilities::keep_what_an_order_needs()
}

/// For the supervisor, whose sockets are open: no core file, no capability that it has no use for.
pub(crate) fn enter_supervisor() -> io::Result<()> {
    limits::apply()?;
    keep_what_supervision_needs()
}
