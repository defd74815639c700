//! What is issued: an authority of one's own, leaves, and when they must be issued again.

pub mod authority;
pub mod bundle;
mod error;
pub mod leaf;
pub mod machine;
mod private_key;
pub mod renewal;
mod subject;

pub use error::IssueError;
pub use private_key::PrivateKeyPem;
pub use subject::Subject;
