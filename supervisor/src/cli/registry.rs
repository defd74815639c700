//! `lockgate registry`: the registry alone.

use clap::Args;

use crate::bootstrap::places::Places;
use crate::child::{self, ServeArgs};
use crate::configuration::source::ConfigSource;
use crate::failure::Failure;
use crate::os::environment::Environment;

/// Serves the registry alone over plain HTTP on `http.addr` (host:port, :port or unix:PATH), in the foreground.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    places: Places,
    /// Run as a child of the supervisor with this pid: the configuration comes on stdin, the socket in LISTEN_FDS
    #[arg(long, value_name = "PID", hide = true)]
    supervised: Option<i32>,
}

pub(crate) fn run(arguments: Arguments, environment: &Environment) -> Result<(), Failure> {
    let call = call(&arguments.places, arguments.supervised, environment);
    quiet_when_supervised(arguments.supervised, child::registry(call))
}

/// The arguments that the two processes have in common.
pub(super) fn call(places: &Places, supervisor: Option<i32>, environment: &Environment) -> ServeArgs {
    ServeArgs {
        source: ConfigSource::new(places.config_file(environment), environment, None),
        home: places.home(environment),
        environment: environment.clone(),
        supervisor,
    }
}

/// The supervisor has heard the last words and tells them; twice would be once too often.
pub(super) fn quiet_when_supervised(
    supervisor: Option<i32>,
    served: Result<(), child::ServeError>,
) -> Result<(), Failure> {
    served.map_err(Failure::from).map_err(|failure| {
        if supervisor.is_some() {
            failure.unsaid()
        } else {
            failure
        }
    })
}
