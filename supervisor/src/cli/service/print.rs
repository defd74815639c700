//! `lockgate service print`: the definition, for whom it is asked.

use lockgate_config::Address;

use super::arguments::Format;
use super::target::Service;
use crate::failure::Failure;
use crate::service_manager::{launchd, service_unit, socket_unit, windows};

/// The port for launchd, unless the configuration names another.
const USUAL_PORT: u16 = 443;

pub(super) fn print(service: &Service<'_>, format: &Format) -> Result<(), Failure> {
    let definition = service.definition()?;
    if format.launchd {
        let port = match service.configuration()?.map(|config| config.http.addr) {
            Some(Address::Tcp { port, .. }) if port != 0 => port,
            _ => USUAL_PORT,
        };
        print!("{}", launchd(&definition, port));
    } else if format.windows {
        print!("{}", windows(&definition));
    } else {
        println!("# {}", definition.service_name());
        print!("{}", service_unit(&definition));
        for socket in &definition.sockets {
            println!("\n# {}", definition.socket_name(socket));
            print!("{}", socket_unit(&definition, socket));
        }
    }
    Ok(())
}
