//! Where things are: the home and the configuration, as each command takes them.

use std::path::{Path, PathBuf};

use clap::Args;
use lockgate_config::Home;

use crate::failure::Failure;
use crate::os::environment::Environment;
use crate::os::shell::shell_word;

/// `--home`
#[derive(Debug, Clone, Args)]
pub(crate) struct HomeArgument {
    /// The directory that holds everything [default: $LOCKGATE_HOME, else ./lockgate; ./lockgate-home where ./lockgate
    /// is the program itself]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
}

impl HomeArgument {
    /// The home, as an absolute path.
    pub(crate) fn home(&self, environment: &Environment) -> Home {
        let named = self
            .home
            .clone()
            .or_else(|| environment.value("LOCKGATE_HOME").map(PathBuf::from));
        let path = named.unwrap_or_else(usual_home);
        // Only an empty path or a working directory that is gone cannot be made absolute; using it will say so.
        Home::new(std::path::absolute(&path).unwrap_or(path))
    }
}

/// `lockgate`, here. Where the program itself has that name it is `lockgate-home`, and stays so when the program is moved.
fn usual_home() -> PathBuf {
    let [usual, beside_program] = ["lockgate", "lockgate-home"].map(PathBuf::from);
    match usual.is_dir() || !(usual.exists() || beside_program.is_dir()) {
        true => usual,
        false => beside_program,
    }
}

/// `--home` and `--config`
#[derive(Debug, Clone, Args)]
pub(crate) struct Places {
    #[command(flatten)]
    home: HomeArgument,
    /// The configuration [default: that of the running instance, with its variables; else config.yml in the home]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl Places {
    /// The home.
    pub(crate) fn home(&self, environment: &Environment) -> Home {
        self.home.home(environment)
    }

    /// Refuses paths that are not UTF-8: they are parts of sockets' names and of the configuration, which are texts.
    pub(crate) fn check(&self, environment: &Environment) -> Result<(), Failure> {
        let home = self.home(environment);
        for (path, option) in [
            (home.root(), "--home or LOCKGATE_HOME"),
            (&self.config_file(environment), "--config"),
        ] {
            if path.to_str().is_none() {
                let path = path.display();
                return Err(Failure::configuration(format!(
                    "{path}: the name of this place is not UTF-8; choose another with {option}"
                )));
            }
        }
        Ok(())
    }

    /// As a shell takes them, absolute.
    pub(crate) fn written(&self, environment: &Environment) -> String {
        let word = |path: &Path| shell_word(&path.display().to_string());
        let home = format!(" --home {}", word(self.home(environment).root()));
        match &self.config {
            Some(_) => format!("{home} --config {}", word(&self.config_file(environment))),
            None => home,
        }
    }

    /// The configuration file: the one that was named, or the home's.
    pub(crate) fn config_file(&self, environment: &Environment) -> PathBuf {
        match &self.config {
            Some(path) => std::path::absolute(path).unwrap_or_else(|_| path.clone()),
            None => self.home(environment).config_file(),
        }
    }
}
