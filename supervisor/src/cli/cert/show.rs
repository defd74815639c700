//! `lockgate cert show`: explains a certificate.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use lockgate_certs::{CertificateFiles, describe};
use lockgate_config::{CertificateSource, Home};

use crate::bootstrap::places::HomeArgument;
use crate::cli::config_in_use::ConfigInUse;
use crate::failure::Failure;
use crate::os::environment::Environment;

/// Says in words what a certificate is, for whom, how long, and what will fail with it; exit 1 when something will.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    home: HomeArgument,
    /// The certificate [default: the one that is served, else the home's]
    file: Option<PathBuf>,
    /// Whether this key belongs to it
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Whether clients accept it for this name or address
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let home = arguments.home.home(environment);
    let (file, key) = match &arguments.file {
        Some(file) => (file.clone(), arguments.key.clone()),
        None => {
            let served = served(&home, environment)?;
            (served.certificate, arguments.key.clone().or(Some(served.key)))
        }
    };
    let description = describe::file(&file, key.as_deref(), arguments.host.as_deref(), SystemTime::now());
    let description = description.map_err(Failure::new)?;
    print!("{description}");
    if description.problems.is_empty() {
        Ok(())
    } else {
        Err(Failure::silent())
    }
}

/// What the running instance shows, else the home's own.
fn served(home: &Home, environment: &Environment) -> Result<CertificateFiles, Failure> {
    let source = ConfigInUse::running(home, environment)?;
    let config = source
        .map(|source| source.load())
        .transpose()?
        .map(|loaded| loaded.config);
    match config.and_then(|config| config.http.tls).map(|tls| tls.certificate) {
        Some(CertificateSource::Files { certificate, key }) => Ok(CertificateFiles { certificate, key }),
        _ => Ok(CertificateFiles {
            certificate: home.leaf_certificate(),
            key: home.leaf_key(),
        }),
    }
}
