//! From file and environment to a checked configuration.

use std::path::Path;

use crate::{Config, LoadError};

impl Config {
    /// Reads `path`, lets the `REGISTRY_*` variables among `environment` override it, and checks everything.
    ///
    /// The environment is injected, so tests set none.
    pub fn load(path: &Path, environment: &[(String, String)]) -> Result<Self, LoadError> {
        let _ = (path, environment);
        todo!()
    }
}
