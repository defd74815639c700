//! `lockgate service start`, `stop`, `restart` and `status`.

use super::target::{SOCKETS, Service};
use crate::failure::Failure;
use crate::service_manager::{ServiceManager, UnitFile};

pub(super) fn start(service: &Service<'_>) -> Result<(), Failure> {
    let (manager, units) = installed(service)?;
    // The sockets first: they are what the service takes over.
    for unit in units.iter().rev() {
        manager.call_about("start", unit).map_err(Failure::new)?;
    }
    println!("started {}", units[0]);
    Ok(())
}

pub(super) fn stop(service: &Service<'_>) -> Result<(), Failure> {
    let (manager, units) = installed(service)?;
    for unit in units.iter().rev() {
        manager.call_about("stop", unit).map_err(Failure::new)?;
    }
    println!("stopped {}", units[0]);
    Ok(())
}

pub(super) fn restart(service: &Service<'_>) -> Result<(), Failure> {
    let (manager, units) = installed(service)?;
    for socket in &units[1..] {
        manager.call_about("start", socket).map_err(Failure::new)?;
    }
    manager.call_about("restart", &units[0]).map_err(Failure::new)?;
    println!("restarted {}", units[0]);
    Ok(())
}

pub(super) fn status(service: &Service<'_>) -> Result<(), Failure> {
    let (manager, units) = installed(service)?;
    let mut running = false;
    for (index, unit) in units.iter().enumerate() {
        let state = manager.state(unit).map_err(Failure::new)?;
        let is_active = ["active", "reloading"].contains(&state.active.as_str());
        if index == 0 {
            running = is_active;
        }
        let since = match state.since.as_str() {
            "" => String::new(),
            since => format!(" since {since}"),
        };
        let pid = match state.pid.as_str() {
            "" | "0" => String::new(),
            pid => format!(", pid {pid}"),
        };
        let boot = match state.enabled.as_str() {
            "enabled" => "starts at boot",
            _ => "does not start at boot",
        };
        println!("{unit}  {} ({}){since}{pid}; {boot}", state.active, state.sub);
        if !state.text.is_empty() {
            println!("  {}", state.text);
        }
    }
    match running {
        true => Ok(()),
        false => Err(Failure::new(format!("{} does not run", units[0]))),
    }
}

/// The units that are there, the service first.
fn installed(service: &Service<'_>) -> Result<(ServiceManager, Vec<String>), Failure> {
    let manager = ServiceManager::running(service.scope, &service.environment).map_err(Failure::new)?;
    let name = &service.arguments.name;
    let own = format!("{name}.service");
    if !UnitFile::new(manager.units(), &own).exists() {
        return Err(Failure::new(format!(
            "{own} is not installed: lockgate service install (no {} in {})",
            own,
            manager.units().display()
        )));
    }
    let sockets = SOCKETS.map(|suffix| format!("{name}{suffix}.socket"));
    let sockets = sockets
        .into_iter()
        .filter(|socket| UnitFile::new(manager.units(), socket).exists());
    let units = std::iter::once(own.clone()).chain(sockets).collect();
    Ok((manager, units))
}
