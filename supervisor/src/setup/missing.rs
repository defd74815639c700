//! Files that a configuration names and that are missing from a home that has served. They are never made anew; the error
//! says how to go on.

use std::path::{Path, PathBuf};

use lockgate_config::{Config, Home};
use lockgate_registry::Layout;

use super::home_record::{History, holds_images};
use crate::os::shell::shell_word;

/// A file is missing that was there when the home served; the text says how to go on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct MissingFile(String);

/// Where the home and the configuration are, as the commands that an error proposes name them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Locations<'a> {
    pub(crate) home: &'a Home,
    /// A configuration that is not the home's.
    pub(crate) config: Option<&'a Path>,
}

impl Locations<'_> {
    fn places(&self) -> String {
        let config = self.config.map(|config| format!(" --config {}", word(config)));
        format!("--home {}{}", word(self.home.root()), config.unwrap_or_default())
    }
}

/// Checks the home's own configuration file, unless another one is named.
pub(crate) fn configuration(history: &History, locations: Locations<'_>) -> Result<(), MissingFile> {
    let path = locations.home.config_file();
    let is_missing = locations.config.is_none() && !path.exists();
    let Some(record) = history.served().filter(|_| is_missing) else {
        return Ok(());
    };
    let mut lines = vec![format!(
        "{}: missing, and this home has served; a new one would not have the rules that it had",
        path.display()
    )];
    match record.config().filter(|other| **other != path && other.exists()) {
        Some(other) => lines.push(format!(
            "it served with another one: lockgate start {} --config {}",
            locations.places(),
            word(other)
        )),
        None => lines.push("put it back, from a backup say".to_owned()),
    }
    lines.push(format!(
        "or make a new one, where every account may do everything: lockgate setup --again {}",
        locations.places()
    ));
    Err(MissingFile(lines.join("\n")))
}

/// Checks the accounts file and the images of `config`.
pub(crate) fn files(history: &History, config: &Config, locations: Locations<'_>) -> Result<(), MissingFile> {
    accounts(history, config, locations)?;
    images(history, config, locations)
}

/// Checks the accounts file of `config`.
pub(crate) fn accounts(history: &History, config: &Config, locations: Locations<'_>) -> Result<(), MissingFile> {
    let (Some(record), Some(htpasswd)) = (history.served(), &config.auth.htpasswd) else {
        return Ok(());
    };
    let path = &htpasswd.path;
    if path.try_exists().unwrap_or(true) {
        return Ok(());
    }
    Err(MissingFile(format!(
        "auth.htpasswd.path = {}: missing, and this home has served{}\n\
         correct the path, or put the file back\n\
         or make a new one, with one account: lockgate user add NAME {} --file {}",
        path.display(),
        before(record.accounts(), path, " with the accounts in "),
        locations.places(),
        word(path)
    )))
}

/// Checks the images of `config`.
pub(crate) fn images(history: &History, config: &Config, locations: Locations<'_>) -> Result<(), MissingFile> {
    let root = &config.storage.root;
    let Some(record) = history.served().filter(|_| !holds_images(root)) else {
        return Ok(());
    };
    Err(MissingFile(format!(
        "storage.filesystem.rootdirectory = {}: no {} is there, and this home has served{}\n\
         correct the path, or mount the disk\n\
         or begin with no images: lockgate setup --again {}",
        root.display(),
        Layout::TREE,
        before(record.root(), root, " the images in "),
        locations.places()
    )))
}

/// Names the path of before, if it is known and another one.
fn before(known: Option<&Path>, now: &PathBuf, what: &str) -> String {
    let other = known.filter(|known| known != now);
    other.map_or_else(String::new, |known| format!("{what}{}", known.display()))
}

fn word(path: &Path) -> String {
    shell_word(&path.display().to_string())
}
