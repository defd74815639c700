//! Certificates and keys as they are read from PEM files, and the names in them.

mod certificate;
mod host_name;
pub mod load;
mod provider;

pub use certificate::fingerprint_sha256;
pub(crate) use certificate::{Certificate, fingerprint};
pub use host_name::{HostName, HostNameError};
pub use provider::{install_provider, provider};
