//! Limits that hold for every user: umask, no new privileges, no core file.

use std::io;

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};

/// New files are their owner's alone, unless their mode is set on purpose.
pub(crate) fn own_files_only() {
    umask(Mode::from_bits_truncate(0o077));
}

/// No core file, and nobody of the same user reads its memory or attaches to it (`PR_SET_DUMPABLE` of prctl(2)); no
/// program that it runs has more rights than itself.
pub(super) fn apply() -> io::Result<()> {
    own_files_only();
    prctl::set_no_new_privs()?;
    prctl::set_dumpable(false)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    Ok(())
}
