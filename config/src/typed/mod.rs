//! Stage two, the typed sections: what the program uses. Every value here is checked.

mod acl;
mod address;
mod auth;
mod health;
mod http;
mod level;
mod limits;
mod log;
mod network;
mod process;
mod public_url;
mod secret;
mod storage;
mod tls;
mod tokens;
mod validation;

use std::path::PathBuf;

pub use acl::{AclMatch, AclRule};
pub use address::{Address, AddressError};
pub use auth::{Anonymous, Auth, Htpasswd};
pub use health::{Health, StorageHealth};
pub use http::{Alias, Debug, Http};
pub use level::{Level, LevelError};
pub use limits::Limits;
pub use log::{Formatter, Log, LogFile};
pub use network::{Network, NetworkError};
pub use process::{AccountId, Process};
pub use public_url::{PublicUrl, PublicUrlError};
pub use secret::Secret;
pub use storage::{Storage, UploadPurging};
pub use tls::{Acme, CertificateSource, ClientAuth, Tls, TlsVersion};
pub use tokens::{ExternalTokens, Issuer};
pub use validation::{IndexPlatforms, Validation};

/// A whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// Keys that were understood and are without effect here, with the reason; what is allowed and risky; variables
    /// that fit no key.
    pub warnings: Vec<crate::Mistake>,
    /// The names of the variables that set a key.
    pub variables: Vec<String>,
    /// Keys of the generated file that variables replaced.
    pub gave_way: Vec<crate::GaveWay>,
    /// `log`
    pub log: Log,
    /// `storage`
    pub storage: Storage,
    /// `http`
    pub http: Http,
    /// `auth`
    pub auth: Auth,
    /// `health`
    pub health: Health,
    /// `validation`
    pub validation: Validation,
    /// `process`
    pub process: Process,
}
