//! Set-up: what is missing is made, what is there stays as it is. Each file appears whole or not at all.

mod account;
pub(crate) mod choose_address;
pub(crate) mod data_dir;
mod directories;
mod draft;
mod error;
pub(crate) mod home_record;
pub(crate) mod missing;
pub(crate) mod ownership;
mod password;
mod preexisting;
mod request;
pub(crate) mod rollback;

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use lockgate_certs::RenewalReason;
use lockgate_config::{Config, Home};

use crate::certificates::own::OwnCertificates;
use crate::configuration::source::{ConfigSource, LoadedConfig};
use crate::sandbox::run_as::RunAs;

pub(crate) use account::FirstAccount;
use data_dir::ChownedFiles;
pub(crate) use directories::prepare as prepare_directories;
use draft::Draft;
pub(crate) use error::SetupError;
use home_record::{History, ServedRecord};
use missing::Locations;
pub(crate) use request::SetupRequest;
use rollback::Rollback;

/// What set-up has found and made.
#[derive(Debug)]
pub(crate) struct SetupOutcome {
    pub(crate) source: ConfigSource,
    pub(crate) loaded: LoadedConfig,
    /// The listening socket, open when the port had to be tried in order to choose it.
    pub(crate) socket: Option<TcpListener>,
    /// The authority and the leaf, when Lockgate issues them itself.
    pub(crate) certificates: Option<OwnCertificates>,
    /// Why a leaf was issued, if one was.
    pub(crate) issued: Option<RenewalReason>,
    /// The first account, if it was made.
    pub(crate) account: Option<FirstAccount>,
    /// Files that were made, and the directory of images.
    pub(crate) made: Vec<PathBuf>,
    /// Files that existed before a first start.
    pub(crate) found: Vec<String>,
    /// Paths that differ from those which the home served with before.
    pub(crate) changes: Vec<String>,
    /// Which users the two processes run as.
    pub(crate) run_as: RunAs,
    /// How much `--chown` has given to the registry's user.
    pub(crate) chowned: Option<ChownedFiles>,
}

impl SetupOutcome {
    /// Passes remarks about users and data to `say`, a line each.
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

    /// Which files were made and which existed before, a line each.
    pub(crate) fn beginnings(&self) -> Vec<String> {
        let made = self.made.iter().map(|path| format!("made {}", path.display()));
        made.chain(self.found.iter().map(|found| format!("found {found}")))
            .collect()
    }
}

/// Makes what is missing. When a home that has served lacks a file, nothing is made.
pub(crate) fn prepare(request: &SetupRequest<'_>, rollback: &mut Rollback) -> Result<SetupOutcome, SetupError> {
    let home = request.home;
    let Plan {
        draft,
        source,
        loaded,
        found,
        changes,
    } = plan(request)?;
    let config = &loaded.config;
    rollback.watch(config);
    prepare_directories(home)?;
    home_record::begin(home)?;
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

/// What set-up goes by. Nothing is made until all of it is known and nothing that is named is missing.
struct Plan {
    /// The configuration that is to be written; none where one is there.
    draft: Option<Draft>,
    source: ConfigSource,
    loaded: LoadedConfig,
    found: Vec<String>,
    changes: Vec<String>,
}

fn plan(request: &SetupRequest<'_>) -> Result<Plan, SetupError> {
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
    Ok(Plan {
        draft,
        source,
        loaded,
        found,
        changes,
    })
}

/// Makes the authority and the leaf, when Lockgate issues them itself; also returns why a leaf was issued.
fn certificates(
    config: &Config,
    request: &SetupRequest<'_>,
    run_as: &RunAs,
    made: &mut Vec<PathBuf>,
) -> Result<(Option<OwnCertificates>, Option<RenewalReason>), SetupError> {
    let home = request.home;
    let Some(own) = OwnCertificates::of(config, home, request.hostnames) else {
        return Ok((None, None));
    };
    let own = own.read_by(run_as.users().map(|users| users.proxy.owner()));
    if own.ensure_authority()? {
        made.extend([home.ca_key(), home.ca_certificate()]);
    }
    let issued = own.ensure_leaf()?;
    if issued == Some(RenewalReason::Missing) {
        made.extend([home.leaf_key(), home.leaf_certificate()]);
    }
    Ok((Some(own), issued))
}

/// Makes the directories down to the blobs, and changes the owner of data if `--chown` is given.
fn data(
    config: &Config,
    request: &SetupRequest<'_>,
    run_as: &RunAs,
    made: &mut Vec<PathBuf>,
) -> Result<Option<ChownedFiles>, SetupError> {
    let root = &config.storage.root;
    let is_missing = !home_record::holds_images(root);
    let chowned = make_data(root, request, run_as)?;
    if is_missing && home_record::holds_images(root) {
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

/// Makes the token key, whose directory the registry cannot write, and gives each file to its reader.
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

/// Runs `write`, which writes the accounts file; if root runs it, the file is given to its reader. In a home that has
/// served, a missing file is made only if the caller has named it (`is_named`).
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
