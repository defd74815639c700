//! Why a serving process ended when nobody asked for it.

use std::io;

use lockgate_config::LoadError;
use lockgate_registry::RootLockError;

use crate::configuration::source::explain;
use crate::exit_code;
use crate::failure::Failure;
use crate::os::listen::SocketError;
use crate::setup::data_dir::DataDirError;
use crate::setup::missing::MissingFile;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("{}", explain(.0).join("\n"))]
    Configuration(#[from] LoadError),
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// An address of a kind that this process cannot serve.
    #[error("http.addr = {address}: {reason}")]
    Address { address: String, reason: &'static str },
    #[error("LISTEN_FDS: {0}")]
    Inherited(io::Error),
    #[error(transparent)]
    Registry(#[from] lockgate_registry::RunError),
    #[error(transparent)]
    Proxy(#[from] lockgate_proxy::RunError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// Something that a home which has served should have is missing.
    #[error(transparent)]
    Missing(#[from] MissingFile),
    /// Another instance serves the storage root.
    #[error(transparent)]
    RootLock(#[from] RootLockError),
    #[error("cannot {what}: {source}")]
    System { what: &'static str, source: io::Error },
}

impl ServeError {
    /// 78 when trying again with the same configuration is no use.
    pub(crate) fn exit_code(&self) -> u8 {
        use lockgate_proxy::RunError as Proxy;
        use lockgate_registry::RunError as Registry;
        let hopeless = match self {
            Self::Configuration(_) | Self::Address { .. } | Self::RootLock(_) | Self::Missing(_) => true,
            Self::Registry(error) => matches!(error, Registry::Configuration { .. } | Registry::Storage { .. }),
            Self::Proxy(error) => matches!(error, Proxy::Configuration { .. } | Proxy::Certificate(_)),
            Self::Socket(_) | Self::Inherited(_) | Self::DataDir(_) | Self::System { .. } => false,
        };
        if hopeless {
            exit_code::CONFIGURATION
        } else {
            exit_code::FAILED
        }
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        Self::with_code(error.exit_code(), error)
    }
}

pub(super) fn system(what: &'static str, source: io::Error) -> ServeError {
    ServeError::System { what, source }
}
