//! Certificates: an authority of one's own, leaves, loading, reload, and how clients come to trust them.
//!
//! | module      | holds                                                                     |
//! |-------------|---------------------------------------------------------------------------|
//! | `acme`      | what is shown to an ACME server as proof of a host name                    |
//! | `authority` | [`Authority`]: makes or loads a CA, issues leaves                         |
//! | `leaf`      | [`LeafRequest`], [`Issued`], leaves without an authority                   |
//! | `renewal`   | why a leaf must be issued again                                           |
//! | `machine`   | the names and addresses of this machine                                   |
//! | `bundle`    | one file of a server's certificate and its issuers                        |
//! | `load`      | PEM files to a key that rustls can use, mistakes in words                 |
//! | `reload`    | [`Resolver`]: certificates by SNI that follow their files                 |
//! | `server`    | the rustls configuration of the front door                                |
//! | `describe`  | a certificate in plain words, and what will fail with it                  |
//! | `trust`     | what each client platform needs to trust it                               |
//! | `files`     | writing keys and certificates: atomic, durable, with the right mode       |
//!
//! Absent on purpose: configuration, HTTP, sockets.

pub mod acme;
pub mod authority;
pub mod bundle;
pub mod describe;
pub mod files;
pub mod leaf;
pub mod load;
pub mod machine;
pub mod reload;
pub mod renewal;
pub mod server;
pub mod trust;

mod certificate;
mod host_name;
mod private_key;
mod stamp;
mod subject;

pub use authority::Authority;
pub use certificate::fingerprint_sha256;
pub use host_name::{HostName, HostNameError};
pub use leaf::{Issued, KeyKind, LeafRequest};
pub use load::{LoadError, Pair};
pub use private_key::PrivateKeyPem;
pub use reload::{Event, Resolver};
pub use renewal::{Reason, Validity, is_self_signed, renewal, validity};
pub use server::{ClientAuth, MinimumVersion, ServerOptions, install_provider, provider, server_config};
pub use stamp::Stamp;
pub use subject::Subject;
