//! `lockgate service`: run by the system's service manager.

mod arguments;
mod install;
mod operate;
mod print;
mod target;

pub(crate) use arguments::Arguments;
use arguments::Verb;
use target::Service;

use crate::failure::Failure;
use crate::os::environment::Environment;

pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> Result<(), Failure> {
    let service = Service::new(arguments, environment);
    for verb in &arguments.verbs {
        let done = match verb {
            Verb::Install => install::install(&service),
            Verb::Uninstall => install::uninstall(&service),
            Verb::Start => operate::start(&service),
            Verb::Stop => operate::stop(&service),
            Verb::Restart => operate::restart(&service),
            Verb::Status => operate::status(&service),
            Verb::Print => print::print(&service, &arguments.format),
        };
        done.map_err(|failure| failure.during(&format!("service {}", verb.name())))?;
    }
    Ok(())
}
