//! The ground floor: what the processes ask of the operating system, each protocol with the manual page that describes it.

pub(crate) mod environment;
pub(crate) mod exit_status;
pub(crate) mod fd_passing;
pub(crate) mod listen;
pub(crate) mod listen_fds;
pub(crate) mod lock;
pub(crate) mod notify;
pub(crate) mod notify_socket;
pub(crate) mod ownership;
pub(crate) mod process;
pub(crate) mod rlimit;
pub(crate) mod shell;
pub(crate) mod signals;
pub(crate) mod socket_path;
pub(crate) mod terminal;
