//! Set-up: what is missing is made, what is there stays as it is. Each file appears whole or not at all.

mod account;
mod directories;
pub(crate) mod listen;
pub(crate) mod ownership;
pub(crate) mod tree;

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use lockgate_certs::Reason;
use lockgate_certs::files::{Existing, WriteError, write_private};
use lockgate_config::{Address, Config, Home, LoadError};
use lockgate_registry::accounts::{AccountsError, InvalidAccountName, PasswordError as HashError};

use crate::certificates::{CertificateError, OwnCertificates};
use crate::confine::users::{self, Decided, UserError};
use crate::environment::Environment;
use crate::password::PasswordError;
use crate::source::{Accepted, Source};
use crate::supervise::sockets::SocketError;

pub(crate) use account::FirstAccount;
pub(crate) use directories::prepare as prepare_directories;
use tree::Given;

/// What a person asked for.
#[derive(Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) home: &'a Home,
    /// A configuration of their own: then nothing is made but what it asks for.
    pub(crate) config: Option<PathBuf>,
    /// `--listen`
    pub(crate) listen: Option<Address>,
    /// `--hostname`
    pub(crate) hostnames: &'a [String],
    /// Whether data that belongs to somebody else is given to the registry's user.
    pub(crate) chown: bool,
    /// Whether it will be listened on: then a port that cannot be had is found out before anything is made.
    pub(crate) serve: bool,
    pub(crate) environment: &'a Environment,
}

/// Everything is there.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) source: Source,
    pub(crate) accepted: Accepted,
    /// The listening socket, when the address had to be tried out to be chosen.
    pub(crate) socket: Option<TcpListener>,
    /// The authority and the leaf, when they are ours.
    pub(crate) certificates: Option<OwnCertificates>,
    /// Why a leaf was issued now.
    pub(crate) issued: Option<Reason>,
    /// The account that was made now.
    pub(crate) account: Option<FirstAccount>,
    /// Files that were made now.
    pub(crate) made: Vec<PathBuf>,
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
                self.accepted.config.storage.root.display(),
                given.files,
                given.directories,
                users.registry
            ));
        }
        self.decided.remarks().iter().for_each(|remark| say(remark));
    }
}

/// Why set-up failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    /// A directory.
    #[error("{}: cannot be made: {source}", .path.display())]
    Directory { path: PathBuf, source: io::Error },
    /// The configuration that is there.
    #[error(transparent)]
    Configuration(#[from] LoadError),
    /// A file.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The address to listen on.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The certificates.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The first account's name.
    #[error("LOCKGATE_USERNAME: {0}")]
    AccountName(#[from] InvalidAccountName),
    /// The first account's password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The same, from the environment or a supplied file.
    #[error("the first account's password: {0}")]
    Hash(#[from] HashError),
    /// The file of accounts.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// Whom the halves run as.
    #[error(transparent)]
    User(#[from] UserError),
    /// `--chown` by somebody who cannot.
    #[error("--chown: only root gives files away, and only when processes can run as other users")]
    Chown,
    /// The data.
    #[error(transparent)]
    Tree(#[from] tree::TreeError),
    /// Data that the proxy cannot read.
    #[error(
        "{}: the proxy runs as user {user} and cannot read it; `lockgate start --chown` gives the data to its users",
        .path.display()
    )]
    Unreadable { path: PathBuf, user: String },
    /// The files of the home.
    #[error(transparent)]
    Ownership(#[from] ownership::OwnershipError),
    /// The key of tokens.
    #[error(transparent)]
    TokenKey(#[from] lockgate_registry::auth::KeyError),
}

/// Makes what is missing.
pub(crate) fn prepare(wish: &Wish<'_>) -> Result<Prepared, SetupError> {
    let home = wish.home;
    prepare_directories(home)?;
    let mut made = Vec::new();
    let mut socket = None;
    let own_config = home.config_file();
    if wish.config.is_none() && !own_config.exists() {
        let (address, opened) = listen::choose(wish.listen.as_ref(), wish.serve)?;
        socket = opened;
        let text = lockgate_config::template(&address.to_string(), wish.hostnames);
        write_private(&own_config, text, Existing::Keep)?;
        made.push(own_config.clone());
    }

    // An address that was tried out is in the file already, with its real port.
    let listen = wish
        .listen
        .as_ref()
        .filter(|_| socket.is_none())
        .map(ToString::to_string);
    let path = wish.config.clone().unwrap_or(own_config);
    let source = Source::new(path, wish.environment, listen.as_deref());
    let accepted = source.load()?;

    let root = &accepted.config.storage.root;
    let tree = tree::found(root).filter(|_| !wish.chown);
    let decided = users::decide(&accepted.config, home, tree.as_ref())?;
    let certificates = OwnCertificates::of(&accepted.config, home, wish.hostnames)
        .map(|own| own.read_by(decided.users().map(|users| users.proxy.owner())));
    let mut issued = None;
    if let Some(certificates) = &certificates {
        if certificates.ensure_authority()? {
            made.extend([home.ca_key(), home.ca_certificate()]);
        }
        issued = certificates.ensure_leaf()?;
        if issued == Some(Reason::Missing) {
            made.extend([home.leaf_key(), home.leaf_certificate()]);
        }
    }

    let mut account = None;
    if wish.config.is_none() {
        account = account::ensure(&accepted.config, home, wish.environment, &mut made)?;
    }
    let given = data(&accepted.config, wish, &decided)?;
    entrust(&accepted.config, home, &decided)?;
    Ok(Prepared {
        decided,
        given,
        source,
        accepted,
        socket,
        certificates,
        issued,
        account,
        made,
    })
}

/// Makes the way to the blobs, and gives data away when that was asked for.
fn data(config: &Config, wish: &Wish<'_>, decided: &Decided) -> Result<Option<Given>, SetupError> {
    let root = &config.storage.root;
    let Some(users) = decided.users() else {
        if wish.chown {
            return Err(SetupError::Chown);
        }
        // A service may not make it later: systemd lets it write to what is there.
        if wish.serve || wish.config.is_none() || decided.owners().is_some() {
            tree::make(root, None)?;
        }
        return Ok(None);
    };
    let given = match wish.chown && root.exists() {
        true => Some(tree::give(root, &users.registry)?),
        false => None,
    };
    tree::make(root, Some(&users.registry))?;
    match tree::unreadable_blob(root, &users.proxy) {
        Some(path) => Err(SetupError::Unreadable {
            path,
            user: users.proxy.to_string(),
        }),
        None => Ok(given),
    }
}

/// Makes what the registry could not, and leaves each file to its reader.
fn entrust(config: &Config, home: &Home, decided: &Decided) -> Result<(), SetupError> {
    let owners = decided.owners();
    if let Some(issuer) = &config.auth.issuer {
        let (missing, directory) = (
            !issuer.key.exists(),
            issuer.key.parent().filter(|parent| !parent.exists()),
        );
        lockgate_registry::auth::ensure_token_key(&issuer.key)?;
        if let Some(users) = owners.as_ref().filter(|_| missing) {
            ownership::give_new(&issuer.key, directory, &users.registry)?;
        }
    }
    if let Some(users) = owners {
        ownership::settle(config, home, &users)?;
    }
    Ok(())
}

/// Runs a command that writes the file of accounts. What root writes is its reader's afterwards.
pub(crate) fn for_readers<E: From<SetupError>>(
    config: &Config,
    home: &Home,
    write: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
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
    let tree = tree::found(&config.storage.root);
    let decided = users::decide(config, home, tree.as_ref()).map_err(SetupError::from)?;
    write()?;
    if let (Some(accounts), Some(users)) = (missing, decided.owners()) {
        ownership::give_new(accounts, directory, &users.registry).map_err(SetupError::from)?;
    }
    if home.run().is_dir() {
        entrust(config, home, &decided)?;
    }
    Ok(())
}
