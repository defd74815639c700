//! The whole.

use std::path::PathBuf;

use super::auth::Auth;
use super::health::Health;
use super::http::Http;
use super::log::Log;
use super::process::Process;
use super::storage::Storage;
use super::validation::Validation;
use crate::diagnostics::Diagnostic;
use crate::raw::OverriddenKey;

/// A whole configuration, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// Keys that were understood and are without effect here, with the reason; what is allowed and risky; variables
    /// that fit no key.
    pub warnings: Vec<Diagnostic>,
    /// The names of the variables that set a key.
    pub variables: Vec<String>,
    /// Keys of the generated file that variables replaced.
    pub overridden: Vec<OverriddenKey>,
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
