//! YAML files of others, read as `config.yml` is.

use std::path::Path;

use crate::{LoadError, raw};

/// Reads `bytes`, the one YAML document of `path`, with `<<` merged.
pub fn read_yaml(path: &Path, bytes: &[u8]) -> Result<serde_yaml::Value, LoadError> {
    raw::value(bytes).map_err(|fault| LoadError::Syntax {
        path: path.to_owned(),
        line: fault.line,
        column: fault.column,
        message: fault.message,
    })
}
