//! A configuration file in a directory of its own.

use std::path::{Path, PathBuf};

use lockgate_config::{Config, Diagnostic, LoadError};
use tempfile::TempDir;

/// A `config.yml`, gone when dropped.
pub(crate) struct File {
    directory: TempDir,
}

impl File {
    pub(crate) fn new(text: impl AsRef<[u8]>) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        std::fs::write(directory.path().join("config.yml"), text).expect("a file in it");
        Self { directory }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("config.yml")
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn load(&self, environment: &[(&str, &str)]) -> Result<Config, LoadError> {
        let environment: Vec<_> = environment
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        Config::load(&self.path(), &environment)
    }
}

/// What `text` says, without mistakes.
pub(crate) fn config(text: &str) -> Config {
    config_with(text, &[])
}

/// What `text` and `environment` say, without mistakes.
pub(crate) fn config_with(text: &str, environment: &[(&str, &str)]) -> Config {
    File::new(text)
        .load(environment)
        .unwrap_or_else(|error| panic!("{}", described(&error)))
}

/// The mistakes in `text`.
pub(crate) fn mistakes(text: &str) -> Vec<Diagnostic> {
    mistakes_with(text, &[])
}

/// The mistakes in `text` and `environment`.
pub(crate) fn mistakes_with(text: &str, environment: &[(&str, &str)]) -> Vec<Diagnostic> {
    match File::new(text).load(environment) {
        Ok(_) => panic!("it loads"),
        Err(LoadError::Mistakes { mistakes, .. }) => mistakes,
        Err(error) => panic!("{error}"),
    }
}

/// Displayed, one a line.
pub(crate) fn lines(mistakes: &[Diagnostic]) -> String {
    mistakes.iter().map(|mistake| format!("{mistake}\n")).collect()
}

fn described(error: &LoadError) -> String {
    match error {
        LoadError::Mistakes { mistakes, .. } => lines(mistakes),
        other => other.to_string(),
    }
}

/// The keys that are warned about.
pub(crate) fn warned(config: &Config) -> Vec<String> {
    config.warnings.iter().map(|warning| warning.key.clone()).collect()
}
