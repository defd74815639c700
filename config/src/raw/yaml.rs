//! YAML files of others, read as `config.yml` is.

use std::path::Path;

use super::parse;
use crate::diagnostics::LoadError;

/// Reads `bytes`, the one YAML document of `path`, with `<<` merged.
pub fn read_yaml(path: &Path, bytes: &[u8]) -> Result<serde_yaml::Value, LoadError> {
    parse::value(bytes).map_err(|error| LoadError::Syntax {
        path: path.to_owned(),
        line: error.line,
        column: error.column,
        message: error.message,
    })
}
