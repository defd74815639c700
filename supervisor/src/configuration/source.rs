//! Where the configuration comes from: the file and the variables, read again at every reload.

use std::io;
use std::path::{Path, PathBuf};

use lockgate_config::{Address, Config, LoadError};

use super::copy_paths;
use crate::failure::Failure;
use crate::os::environment::Environment;

/// The variable that overrides `http.addr`; how `--listen` reaches the children.
pub(crate) const LISTEN_VARIABLE: &str = "REGISTRY_HTTP_ADDR";

/// How the names of variables that override the configuration begin.
pub(crate) const VARIABLES: &str = "REGISTRY_";

/// A configuration file and what overrides it.
#[derive(Debug, Clone)]
pub(crate) struct ConfigSource {
    path: PathBuf,
    environment: Environment,
}

/// A configuration that holds no mistake, and the text that it was made from.
#[derive(Debug, Clone)]
pub(crate) struct LoadedConfig {
    pub(crate) config: Config,
    pub(crate) text: String,
}

impl LoadedConfig {
    /// The same with `address` to listen on, as [`ConfigSource::with_listen`] gives it when it is read again.
    #[must_use]
    pub(crate) fn listening_on(mut self, address: &Address) -> Self {
        self.config.http.addr = address.clone();
        self
    }
}

impl ConfigSource {
    /// `path`, with `environment` over it, with `listen` over both.
    pub(crate) fn new(path: PathBuf, environment: &Environment, listen: Option<&str>) -> Self {
        let environment = match listen {
            Some(address) => environment.with(LISTEN_VARIABLE, address),
            None => environment.clone(),
        };
        Self { path, environment }
    }

    /// The same with another address to listen on.
    #[must_use]
    pub(crate) fn with_listen(&self, address: &str) -> Self {
        Self::new(self.path.clone(), &self.environment, Some(address))
    }

    /// The variables that may override the file.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let variables = self.environment.variables().iter();
        let may_override = |(name, _): &&(String, String)| name.starts_with(VARIABLES);
        variables.filter(may_override).cloned().collect()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn load(&self) -> Result<LoadedConfig, LoadError> {
        let unreadable = |source| LoadError::Unreadable {
            path: self.path.clone(),
            source,
        };
        let bytes = std::fs::read(&self.path).map_err(unreadable)?;
        self.parse(Config::text(&self.path, &bytes)?)
    }

    /// Checks a text that was read from the file before.
    pub(crate) fn parse(&self, text: String) -> Result<LoadedConfig, LoadError> {
        let mut config = Config::parse(&self.path, text.as_bytes(), self.environment.variables())?;
        if let Some(directory) = self.environment.value(copy_paths::VARIABLE) {
            copy_paths::use_copies(&mut config, Path::new(directory));
        }
        Ok(LoadedConfig { config, text })
    }
}

/// Every mistake in `error`, one a line, each with its file.
pub(crate) fn explain(error: &LoadError) -> Vec<String> {
    match error {
        LoadError::Mistakes { path, mistakes } => mistakes
            .iter()
            .map(|mistake| format!("{}: {mistake}", path.display()))
            .collect(),
        LoadError::Unreadable { path, source } if source.kind() == io::ErrorKind::NotFound => vec![format!(
            "{}: there is no configuration here; `lockgate setup` makes one in the home, or name one with --home or \
             --config",
            path.display()
        )],
        other => vec![other.to_string()],
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Self::mistakes(explain(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_once_is_what_children_read_with_the_address_over_it() {
        let text = "version: 0.1\nstorage: {filesystem: {rootdirectory: d}}\nhttp: {addr: ':5000'}\n";
        let source = ConfigSource::new("/c/config.yml".into(), &Environment::default(), None);
        let address: Address = "127.0.0.1:5443".parse().unwrap();
        let once = source.parse(text.to_owned()).unwrap().listening_on(&address);
        let again = source.with_listen(&address.to_string()).parse(text.to_owned()).unwrap();
        assert_eq!(once.text, again.text);
        assert_eq!(once.config.http.addr, again.config.http.addr);
        assert_eq!(once.config.http.addr, address);
    }
}
