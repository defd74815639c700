//! Certificates that the supervisor looks after: those of its own authority, and copies of the user's for the proxy.

pub(crate) mod copies;
pub(crate) mod own;
