//! What makes a process a child: it carries its own name, and does not outlive its supervisor.

use std::ffi::CStr;
use std::io;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

/// Has the kernel send SIGTERM when the supervisor dies, and names the process `title`.
pub(crate) fn set_parent_death_signal(supervisor: i32, title: &CStr) -> io::Result<()> {
    prctl::set_name(title)?;
    prctl::set_pdeathsig(Signal::SIGTERM)?;
    // It may have died before the line above.
    if getppid().as_raw() != supervisor {
        return Err(io::Error::other("it is gone"));
    }
    Ok(())
}
