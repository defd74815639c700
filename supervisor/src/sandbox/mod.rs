//! The sandbox of each process: a user of its own, access to its own files and sockets alone, and no way to gain rights.
//!
//! ```text
//! run_as         which users the processes run as, when the supervisor is root
//! system_user    users and groups, by name and number
//! rules          what each opens ─▶ landlock    where the kernel has it
//! process_limits umask, core files, no new rights
//! capabilities   what root keeps
//! ```

mod capabilities;
mod landlock;
pub(crate) mod path_access;
mod process_limits;
mod report;
mod rules;
pub(crate) mod run_as;
pub(crate) mod system_user;
mod user_error;

use std::io;

pub(crate) use capabilities::keep_what_supervision_needs;
pub(crate) use process_limits::own_files_only;
pub(crate) use report::Report;
pub(crate) use rules::Rules;

/// How the process was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// By the supervisor, which has opened for it what it may not open itself.
    Supervised,
    /// On its own, by a person or another service manager. Root keeps its capabilities.
    Standalone,
}

/// Confines this process for good. To be called while it has but one thread: others would stay free.
pub(crate) fn enter(rules: &Rules, mode: Mode, notify: Option<&str>) -> io::Result<Report> {
    process_limits::apply()?;
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

/// Confines the child that orders a certificate and talks to a server elsewhere: no core file, no new rights, and no
/// capability but the one to give a key to its reader.
pub(crate) fn enter_order() -> io::Result<()> {
    process_limits::apply()?;
    capabilities::keep_what_an_order_needs()
}

/// Confines the supervisor, once its sockets are open: no core file, no capability that it does not need.
pub(crate) fn enter_supervisor() -> io::Result<()> {
    process_limits::apply()?;
    keep_what_supervision_needs()
}
