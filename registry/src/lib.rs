//! The OCI registry: plain HTTP in, files out.
//!
//! ```text
//! control ─▶ run ─▶ http ─▶ service ─▶ storage ─▶ files
//!                    └▶ auth              oci: the pure values that all of them speak
//! ```
//!
//! Absent on purpose: TLS, passwords in any log, a database.

mod auth;
mod control;
mod http;
mod maintenance;
mod oci;
mod read_error;
mod run;
mod service;
mod storage;

pub use auth::{KeyError, Scope, accounts, check_external_tokens, check_token_key, ensure_token_key, explain};
pub use control::{ConfirmedLog, Control, Frontend, Listener, ReloadCallback};
pub use run::{RunError, run};
pub use storage::Layout;
pub use storage::filesystem::{InstanceId, RootLock, RootLockError};

/// The layers one by one, for integration tests: nothing that ships uses them.
#[doc(hidden)]
pub mod internals {
    pub use crate::maintenance::purge_loop;

    /// Access control.
    pub mod auth {
        pub use crate::auth::*;
    }

    /// Values of the OCI specifications.
    pub mod oci {
        pub use crate::oci::*;
    }

    /// Storage and its backend.
    pub mod storage {
        pub use crate::storage::filesystem::FilesystemStorage;
        pub use crate::storage::*;
    }
}
