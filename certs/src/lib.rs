//! Certificates: an authority of one's own, leaves, loading, reload, and how clients come to trust them.
//!
//! | module     | holds                                                                                     |
//! |------------|-------------------------------------------------------------------------------------------|
//! | `x509`     | certificates and keys as they are read from PEM files, mistakes in words; host names      |
//! | `issue`    | an authority ([`Authority`]), leaves with and without one, bundles, why to issue again    |
//! | `serve`    | the rustls configuration of a server, [`Resolver`], answers to an ACME server's challenges |
//! | `describe` | a certificate in plain words, and what will fail with it                                  |
//! | `trust`    | what each client platform needs to trust it                                               |
//!
//! Absent on purpose: configuration, HTTP, sockets.

pub mod describe;
mod issue;
mod serve;
pub mod trust;
mod unverified_client;
mod x509;

pub use issue::{IssueError, PrivateKeyPem, Subject, authority, bundle, leaf, machine, renewal};
pub use serve::{challenge, resolver, server};
pub use unverified_client::unverified_client;
pub use x509::{HostName, HostNameError, fingerprint_sha256, install_provider, load, provider};

pub use authority::Authority;
pub use leaf::{Issued, KeyKind, LeafRequest};
pub use load::{CertificateFiles, LoadError};
pub use renewal::{RenewalReason, Validity, is_self_signed, renewal, validity};
pub use resolver::{ReloadEvent, Resolver};
pub use server::{ClientVerification, ServerOptions, TLS12_AND_13, TLS13_ONLY, server_config};
