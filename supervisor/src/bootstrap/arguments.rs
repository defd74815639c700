//! What a person asks for with `lockgate start` and `lockgate setup`.

use clap::Args;
use lockgate_config::{Address, Home};

use super::places::Places;
use crate::os::environment::Environment;
use crate::setup::SetupRequest;

/// What `start` and `setup` take.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    #[command(flatten)]
    pub(crate) places: Places,
    /// Where to listen: host:port or :port [default: the configuration's; for a new one :443, else :5443]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<Address>,
    /// A name that clients use; can be given several times
    #[arg(long = "hostname", value_name = "NAME")]
    pub(crate) hostnames: Vec<String>,
    /// As root: give the data directory to the user that the registry runs as
    #[arg(long)]
    chown: bool,
}

impl StartArgs {
    /// `serve`: whether the address will be listened on.
    pub(crate) fn setup_request<'a>(
        &'a self,
        home: &'a Home,
        serve: bool,
        environment: &'a Environment,
    ) -> SetupRequest<'a> {
        SetupRequest {
            home,
            config: self
                .places
                .config
                .as_ref()
                .map(|_| self.places.config_file(environment)),
            listen: self.listen.clone(),
            hostnames: &self.hostnames,
            // Done once: a binary that takes over in the same process has the same arguments.
            chown: self.chown && !environment.is_taking_over(),
            serve,
            again: false,
            environment,
        }
    }
}
