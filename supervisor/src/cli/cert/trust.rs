//! `lockgate cert trust`: makes clients trust the authority.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use lockgate_certs::trust::{Client, Target, install, instructions};
use lockgate_config::{Config, Home};

use crate::bootstrap::places::Places;
use crate::certificates::own::OwnCertificates;
use crate::cli::config_in_use::ConfigInUse;
use crate::configuration::public_url::PublicUrl;
use crate::failure::Failure;
use crate::os::environment::Environment;

/// Says what a client needs to trust the registry, filled in for its host and port; or does it on this machine.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    places: Places,
    /// The client
    #[arg(value_parser = clients())]
    client: Client,
    /// Do it on this machine instead of saying it
    #[arg(long)]
    install: bool,
    /// The host by which clients reach the registry [default: as at the start]
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// The port by which clients reach it [default: the configuration's]
    #[arg(long)]
    port: Option<u16>,
    /// The address of the host, for clients that cannot look the name up
    #[arg(long, value_name = "ADDRESS")]
    address: Option<IpAddr>,
    /// What shall be trusted [default: the home's authority]
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
}

fn clients() -> impl TypedValueParser<Value = Client> {
    let names = Client::ALL.map(|client| clap::builder::PossibleValue::new(client.name()).help(client.help()));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Client>())
}

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let home = arguments.places.home(environment);
    let config = ConfigInUse::by(&arguments.places, environment)?.source().load()?.config;
    let target = arguments.target(&config, &home)?;
    if !arguments.install {
        print!("{}", instructions(arguments.client, &target));
        return Ok(());
    }
    let installed = install(arguments.client, &target, Path::new("/")).map_err(Failure::new)?;
    for file in installed.files {
        println!("in place: {}", file.display());
    }
    if let Some(command) = installed.then {
        println!("now run as root: {command}");
    }
    Ok(())
}

impl Arguments {
    fn target(&self, config: &Config, home: &Home) -> Result<Target, Failure> {
        let own = OwnCertificates::of(config, home, &[]);
        let url = PublicUrl::of(config, own.as_ref().map_or(&[], |own| own.hosts()), &config.http.addr);
        let host = self.host.as_deref().unwrap_or(url.host());
        let port = self.port.unwrap_or(url.port());
        let certificate = match (&self.certificate, own) {
            (Some(file), _) => file.clone(),
            (None, Some(_)) => home.ca_certificate(),
            (None, None) => {
                return Err(Failure::new(
                    "the certificate does not come from Lockgate's own authority; name the file that clients are to trust with --certificate",
                ));
            }
        };
        Target::new(host, port, self.address, &certificate).map_err(Failure::new)
    }
}
