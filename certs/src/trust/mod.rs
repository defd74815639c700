//! What each client platform needs to trust the registry: printed, filled in for the real host and port, or on this
//! machine done. A client is one row of the table in `client`.

mod client;
mod install;
mod instructions;
mod pages;
mod places;
mod shell;
mod target;

pub use client::{Client, UnknownClient, instructions};
pub use install::{InstallError, Installed, install};
pub use target::{CERTIFICATE_URL_PATH, Host, Target, TargetError, reference};

#[cfg(test)]
mod tests;
