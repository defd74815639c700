//! Set-up: what is missing is made, what is there stays as it is. Each file appears whole or not at all.

mod account;
mod directories;
pub(crate) mod listen;

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;

use lockgate_certs::Reason;
use lockgate_certs::files::{Existing, WriteError, write_private};
use lockgate_config::{Address, Home, LoadError};
use lockgate_registry::accounts::{AccountsError, InvalidAccountName, PasswordError as HashError};

use crate::certificates::{CertificateError, OwnCertificates};
use crate::environment::Environment;
use crate::password::PasswordError;
use crate::source::{Accepted, Source};
use crate::supervise::sockets::SocketError;

pub(crate) use account::FirstAccount;
pub(crate) use directories::prepare as prepare_directories;

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

    let certificates = OwnCertificates::of(&accepted.config, home, wish.hostnames);
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
        directories::storage(&accepted.config.storage.root)?;
        account = account::ensure(&accepted.config, home, wish.environment, &mut made)?;
    }
    Ok(Prepared {
        source,
        accepted,
        socket,
        certificates,
        issued,
        account,
        made,
    })
}
