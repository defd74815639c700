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
use crate::sandbox::run_as::RunAs;

pub(crate) use account::FirstAccount;
use data_dir::ChownedFiles;
pub(crate) use directories::prepare as prepare_directories;
use draft::Draft;
pub(crate) use error::SetupError;
use missing::Locations;
pub(crate) use request::SetupRequest;
use rollback::Rollback;
use served::{History, ServedRecord};

/// Everything is there.
#[derive(Debug)]
pub(crate) struct SetupOutcome {
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
    pub(crate) run_as: RunAs,
    /// What was given away.
    pub(crate) chowned: Option<ChownedFiles>,
}

impl SetupOutcome {
    /// What a person should know about users and data, a line each.
    pub(crate) fn tell(&self, mut say: impl FnMut(&str)) {
        if let (Some(chowned), Some(users)) = (self.chowned, self.run_as.users()) {
            say(&format!(
                "{}: {} files and {} directories belong to user {} now",
                self.loaded.config.storage.root.display(),
                chowned.files,
                chowned.directories,
                users.registry
            ));
        }
        let remarks = self.run_as.remarks();
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
pub(crate) fn prepare(request: &SetupRequest<'_>, rollback: &mut Rollback) -> Result<SetupOutcome, SetupError> {
    let home = request.home;
    let history = request.history();
    missing::configuration(&history, request.locations())?;
    let draft = Draft::of(request)?;
    let listen = match &draft {
        Some(draft) => draft.listen(request),
        None => request.listen.as_ref().map(ToString::to_string),
    };
    let path = request.config.clone().unwrap_or_else(|| home.config_file());
    let source = ConfigSource::new(path, request.environment, listen.as_deref());
    let loaded = match &draft {
        Some(draft) => source.parse(draft.text.clone())?,
        None => source.load()?,
    };
    let config = &loaded.config;
    missing::files(&history, config, request.locations())?;
    let record = ServedRecord::new(config, source.path());
    let changes = history
        .served()
        .map(|before| before.changes(&record))
        .unwrap_or_default();
    let found = match history {
        History::New => preexisting::lay_ready(config, home),
        History::Served(_) => Vec::new(),
    };

    rollback.watch(config);
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
    let data_dir = data_dir::existing(&config.storage.root).filter(|_| !request.chown);
    let run_as = RunAs::resolve(config, home, data_dir.as_ref())?;
    let (certificates, issued) = certificates(config, request, &run_as, &mut made)?;
    let mut account = None;
    if request.config.is_none() {
        account = account::ensure(config, home, request.environment, &run_as, &mut made)?;
    }
    let chowned = data(config, request, &run_as, &mut made)?;
    assign_files(config, home, &run_as, &mut made)?;
    Ok(SetupOutcome {
        run_as,
        chowned,
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
    request: &SetupRequest<'_>,
    run_as: &RunAs,
    made: &mut Vec<PathBuf>,
) -> Result<(Option<OwnCertificates>, Option<Reason>), SetupError> {
    let home = request.home;
    let Some(own) = OwnCertificates::of(config, home, request.hostnames) else {
        return Ok((None, None));
    };
    let own = own.read_by(run_as.users().map(|users| users.proxy.owner()));
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
    request: &SetupRequest<'_>,
    run_as: &RunAs,
    made: &mut Vec<PathBuf>,
) -> Result<Option<ChownedFiles>, SetupError> {
    let root = &config.storage.root;
    let is_missing = !served::holds_images(root);
    let chowned = make_data(root, request, run_as)?;
    if is_missing && served::holds_images(root) {
        made.push(root.clone());
    }
    Ok(chowned)
}

fn make_data(root: &Path, request: &SetupRequest<'_>, run_as: &RunAs) -> Result<Option<ChownedFiles>, SetupError> {
    let Some(users) = run_as.users() else {
        if request.chown {
            return Err(SetupError::Chown);
        }
        // A service may not make it later: systemd lets it write to what is there.
        if request.serve || request.again || request.config.is_none() || run_as.owners().is_some() {
            data_dir::create(root, None)?;
        }
        return Ok(None);
    };
    let chowned = match request.chown && root.exists() {
        true => Some(data_dir::chown(root, &users.registry)?),
        false => None,
    };
    data_dir::create(root, Some(&users.registry))?;
    match data_dir::unreadable_blob(root, &users.proxy) {
        Some(path) => Err(SetupError::Unreadable {
            path,
            user: users.proxy.to_string(),
        }),
        None => Ok(chowned),
    }
}

/// Makes what the registry could not, and leaves each file to its reader.
fn assign_files(config: &Config, home: &Home, run_as: &RunAs, made: &mut Vec<PathBuf>) -> Result<(), SetupError> {
    let owners = run_as.owners();
    if let Some(issuer) = &config.auth.issuer {
        let (missing, directory) = (
            !issuer.key.exists(),
            issuer.key.parent().filter(|parent| !parent.exists()),
        );
        lockgate_registry::ensure_token_key(&issuer.key)?;
        if missing {
            made.push(issuer.key.clone());
        }
        if let Some(users) = owners.as_ref().filter(|_| missing) {
            ownership::assign_new(&issuer.key, directory, &users.registry)?;
        }
    }
    if let Some(users) = owners {
        ownership::apply(config, home, &users)?;
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
        let locations = Locations {
            home,
            config: (!own).then_some(config.path.as_path()),
        };
        missing::accounts(&History::of(home), config, locations).map_err(SetupError::from)?;
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
    let data_dir = data_dir::existing(&config.storage.root);
    let run_as = RunAs::resolve(config, home, data_dir.as_ref()).map_err(SetupError::from)?;
    write()?;
    if let (Some(accounts), Some(users)) = (missing, run_as.owners()) {
        ownership::assign_new(accounts, directory, &users.registry).map_err(SetupError::from)?;
    }
    if home.run().is_dir() {
        assign_files(config, home, &run_as, &mut Vec::new())?;
    }
    Ok(())
}
