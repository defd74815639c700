//! Set-up: what is missing is made, what is there stays as it is. Each file appears whole or not at all.

mod account;
pub(crate) mod data_dir;
mod directories;
mod draft;
mod error;
pub(crate) mod listen;
pub(crate) mod missing;
pub(crate) mod ownership;
mod password;
mod preexisting;
mod request;
pub(crate) mod rollback;
pub(crate) mod served;

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use lockgate_certs::Reason;
use lockgate_config::{Config, Home};

use crate::certificates::own::OwnCertificates;
use crate::configuration::source::{ConfigSource, LoadedConfig};
use crate::sandbox::run_as::{self, Decided};

pub(crate) use account::FirstAccount;
use data_dir::Given;
pub(crate) use directories::prepare as prepare_directories;
use draft::Draft;
pub(crate) use error::SetupError;
use missing::Asked;
pub(crate) use request::Wish;
use rollback::Trail;
use served::{History, Record};

/// Everything is there.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) source: ConfigSource,
    pub(crate) loaded: LoadedConfig,
    /// The listening socket, when the address had to be tried out to be chosen.
    pub(crate) socket: Option<TcpListener>,
    /// The authority and the leaf, when they are ours.
    pub(crate) certificates: Option<OwnCertificates>,
    /// Why a leaf was issued now.
    pub(crate) issued: Option<Reason>,
    /// The account that was made now.
    pub(crate) account: Option<FirstAccount>,
    /// Files that were made now, and the directory of images.
    pub(crate) made: Vec<PathBuf>,
    /// What lay ready before the first start, and what is another one than before.
    pub(crate) found: Vec<String>,
    pub(crate) changes: Vec<String>,
    /// Whom the two halves run as.
    pub(crate) decided: Decided,
    /// What was given away.
    pub(crate) given: Option<Given>,
}

impl Prepared {
    /// What a person should know about users and data, a line each.
    pub(crate) fn tell(&self, mut say: impl FnMut(&str)) {
        if let (Some(given), Some(users)) = (self.given, self.decided.users()) {
            say(&format!(
                "{}: {} files and {} directories belong to user {} now",
                self.loaded.config.storage.root.display(),
                given.files,
                given.directories,
                users.registry
            ));
        }
        let remarks = self.decided.remarks();
        self.changes.iter().chain(&remarks).for_each(|remark| say(remark));
    }

    /// What was made, and what lay ready, a line each.
    pub(crate) fn beginnings(&self) -> Vec<String> {
        let made = self.made.iter().map(|path| format!("made {}", path.display()));
        made.chain(self.found.iter().map(|found| format!("found {found}")))
            .collect()
    }
}

/// Makes what is missing. What a home that has served should have is not made, and nothing is made then.
pub(crate) fn prepare(wish: &Wish<'_>, trail: &mut Trail) -> Result<Prepared, SetupError> {
    let home = wish.home;
    let history = wish.history();
    missing::configuration(&history, wish.asked())?;
    let draft = Draft::of(wish)?;
    let listen = match &draft {
        Some(draft) => draft.listen(wish),
        None => wish.listen.as_ref().map(ToString::to_string),
    };
    let path = wish.config.clone().unwrap_or_else(|| home.config_file());
    let source = ConfigSource::new(path, wish.environment, listen.as_deref());
    let loaded = match &draft {
        Some(draft) => source.parse(draft.text.clone())?,
        None => source.load()?,
    };
    let config = &loaded.config;
    missing::files(&history, config, wish.asked())?;
    let record = Record::new(config, source.path());
    let changes = history
        .served()
        .map(|before| before.changes(&record))
        .unwrap_or_default();
    let found = match history {
        History::New => preexisting::lay_ready(config, home),
        History::Served(_) => Vec::new(),
    };

    trail.look(config);
    prepare_directories(home)?;
    served::begin(home)?;
    let mut made = Vec::new();
    let socket = match draft {
        Some(draft) => {
            draft.write(home)?;
            made.push(home.config_file());
            draft.socket_for(&config.http.addr)
        }
        None => None,
    };
    let tree = data_dir::found(&config.storage.root).filter(|_| !wish.chown);
    let decided = run_as::decide(config, home, tree.as_ref())?;
    let (certificates, issued) = certificates(config, wish, &decided, &mut made)?;
    let mut account = None;
    if wish.config.is_none() {
        account = account::ensure(config, home, wish.environment, &decided, &mut made)?;
    }
    let given = data(config, wish, &decided, &mut made)?;
    entrust(config, home, &decided, &mut made)?;
    Ok(Prepared {
        decided,
        given,
        source,
        loaded,
        socket,
        certificates,
        issued,
        account,
        made,
        found,
        changes,
    })
}

/// The authority and the leaf, when they are ours, and why a leaf was issued now.
fn certificates(
    config: &Config,
    wish: &Wish<'_>,
    decided: &Decided,
    made: &mut Vec<PathBuf>,
) -> Result<(Option<OwnCertificates>, Option<Reason>), SetupError> {
    let home = wish.home;
    let Some(own) = OwnCertificates::of(config, home, wish.hostnames) else {
        return Ok((None, None));
    };
    let own = own.read_by(decided.users().map(|users| users.proxy.owner()));
    if own.ensure_authority()? {
        made.extend([home.ca_key(), home.ca_certificate()]);
    }
    let issued = own.ensure_leaf()?;
    if issued == Some(Reason::Missing) {
        made.extend([home.leaf_key(), home.leaf_certificate()]);
    }
    Ok((Some(own), issued))
}

/// Makes the way to the blobs, and gives data away when that was asked for.
fn data(
    config: &Config,
    wish: &Wish<'_>,
    decided: &Decided,
    made: &mut Vec<PathBuf>,
) -> Result<Option<Given>, SetupError> {
    let root = &config.storage.root;
    let is_missing = !served::holds_images(root);
    let given = make_data(root, wish, decided)?;
    if is_missing && served::holds_images(root) {
        made.push(root.clone());
    }
    Ok(given)
}

fn make_data(root: &Path, wish: &Wish<'_>, decided: &Decided) -> Result<Option<Given>, SetupError> {
    let Some(users) = decided.users() else {
        if wish.chown {
            return Err(SetupError::Chown);
        }
        // A service may not make it later: systemd lets it write to what is there.
        if wish.serve || wish.again || wish.config.is_none() || decided.owners().is_some() {
            data_dir::make(root, None)?;
        }
        return Ok(None);
    };
    let given = match wish.chown && root.exists() {
        true => Some(data_dir::give(root, &users.registry)?),
        false => None,
    };
    data_dir::make(root, Some(&users.registry))?;
    match data_dir::unreadable_blob(root, &users.proxy) {
        Some(path) => Err(SetupError::Unreadable {
            path,
            user: users.proxy.to_string(),
        }),
        None => Ok(given),
    }
}

/// Makes what the registry could not, and leaves each file to its reader.
fn entrust(config: &Config, home: &Home, decided: &Decided, made: &mut Vec<PathBuf>) -> Result<(), SetupError> {
    let owners = decided.owners();
    if let Some(issuer) = &config.auth.issuer {
        let (missing, directory) = (
            !issuer.key.exists(),
            issuer.key.parent().filter(|parent| !parent.exists()),
        );
        lockgate_registry::auth::ensure_token_key(&issuer.key)?;
        if missing {
            made.push(issuer.key.clone());
        }
        if let Some(users) = owners.as_ref().filter(|_| missing) {
            ownership::give_new(&issuer.key, directory, &users.registry)?;
        }
    }
    if let Some(users) = owners {
        ownership::settle(config, home, &users)?;
    }
    Ok(())
}

/// Runs a command that writes the file of accounts. What root writes is its reader's afterwards. One that is missing in a
/// home that has served is made only when it `is_named` by whoever calls.
pub(crate) fn for_readers<E: From<SetupError>>(
    config: &Config,
    home: &Home,
    is_named: bool,
    write: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    if !is_named {
        let own = home.config_file() == config.path;
        let asked = Asked {
            home,
            config: (!own).then_some(config.path.as_path()),
        };
        missing::accounts(&History::of(home), config, asked).map_err(SetupError::from)?;
    }
    let path = config.auth.htpasswd.as_ref().map(|htpasswd| htpasswd.path.as_path());
    let missing = path.filter(|path| !path.exists());
    let directory = missing.and_then(Path::parent).filter(|parent| !parent.exists());
    let write = || {
        directory.map_or(Ok(()), directories::accounts)?;
        write()
    };
    if !nix::unistd::geteuid().is_root() {
        return write();
    }
    // Before it is there: a file of root's would be in the way.
    let tree = data_dir::found(&config.storage.root);
    let decided = run_as::decide(config, home, tree.as_ref()).map_err(SetupError::from)?;
    write()?;
    if let (Some(accounts), Some(users)) = (missing, decided.owners()) {
        ownership::give_new(accounts, directory, &users.registry).map_err(SetupError::from)?;
    }
    if home.run().is_dir() {
        entrust(config, home, &decided, &mut Vec::new())?;
    }
    Ok(())
}
