//! `lockgate service install` and `uninstall`.

use std::path::Path;

use nix::unistd::{User, geteuid};

use super::target::{SOCKETS, Service};
use crate::cli::setup::say_account;
use crate::failure::Failure;
use crate::service_manager::{
    ServiceDefinition, ServiceManager, ServiceScope, SocketUnit, UnitChange, UnitFile, make_accounts, service_unit,
    socket_unit,
};
use crate::setup::rollback::Rollback;
use crate::setup::{SetupRequest, prepare, prepare_directories};

/// A file for each user whose services start at boot: loginctl(1), enable-linger.
const LINGER: &str = "/var/lib/systemd/linger";

pub(super) fn install(service: &Service<'_>) -> Result<(), Failure> {
    let manager = ServiceManager::running(service.scope, &service.environment).map_err(Failure::new)?;
    if service.scope == ServiceScope::System && geteuid().is_root() {
        let made = make_accounts().map_err(Failure::new)?;
        if !made.is_empty() {
            println!("made the system accounts {}", made.join(", "));
        }
    }
    set_up(service)?;

    let definition = service.definition()?;
    let units = units(&definition, &manager);
    // All are looked at before the first is written.
    for (unit, text) in &units {
        unit.check(text, service.consent).map_err(Failure::new)?;
    }
    for suffix in SOCKETS {
        if !definition.sockets.iter().any(|socket| socket.suffix == suffix) {
            remove(service, &manager, &format!("{}{suffix}.socket", definition.name))?;
        }
    }
    let mut changed = false;
    for (unit, text) in &units {
        let written = unit.write(text, service.consent).map_err(Failure::new)?;
        changed |= written == UnitChange::Replaced;
        let what = match written {
            UnitChange::Created => "made",
            UnitChange::Replaced => "replaced",
            UnitChange::Unchanged => "unchanged:",
        };
        println!("{what} {}", unit.path().display());
    }
    manager.call(&["daemon-reload"]).map_err(Failure::new)?;
    for (unit, _) in &units {
        manager
            .call(&["--quiet", "enable", &name_of(unit)])
            .map_err(Failure::new)?;
    }
    tell_what_follows(service, &manager, &definition, changed)
}

/// What `lockgate setup` makes, so that the first password is told here and does not end up in the system's log.
/// The home is there in any case: systemd makes it writable before it starts anything.
fn set_up(service: &Service<'_>) -> Result<(), Failure> {
    prepare_directories(&service.home)?;
    let request = SetupRequest {
        home: &service.home,
        config: service.config.clone(),
        listen: None,
        hostnames: &[],
        chown: false,
        serve: false,
        again: false,
        environment: &service.environment,
    };
    let prepared = prepare(&request, &mut Rollback::default())?;
    prepared.beginnings().iter().for_each(|line| println!("{line}"));
    if let Some(account) = &prepared.account {
        say_account(account, &service.home);
    }
    Ok(())
}

fn tell_what_follows(
    service: &Service<'_>,
    manager: &ServiceManager,
    definition: &ServiceDefinition,
    changed: bool,
) -> Result<(), Failure> {
    let name = definition.service_name();
    let running = manager.state(&name).map_err(Failure::new)?.active == "active";
    match (running, changed) {
        (true, true) => println!("{name} runs with the old unit: lockgate service restart"),
        (true, false) => {}
        (false, _) => println!("{name} starts at boot; now: lockgate service start"),
    }
    if service.scope == ServiceScope::User {
        let user = User::from_uid(geteuid()).ok().flatten().map(|user| user.name);
        let user = user.unwrap_or_else(|| geteuid().to_string());
        if !Path::new(LINGER).join(&user).exists() {
            println!("it runs while you are logged in; always: sudo loginctl enable-linger {user}");
        }
    }
    Ok(())
}

pub(super) fn uninstall(service: &Service<'_>) -> Result<(), Failure> {
    let manager = ServiceManager::running(service.scope, &service.environment).map_err(Failure::new)?;
    let name = &service.arguments.name;
    let sockets = SOCKETS.map(|suffix| format!("{name}{suffix}.socket"));
    let mut removed = false;
    // The sockets first: an open one would start the service again.
    for unit in sockets.iter().chain([&format!("{name}.service")]) {
        removed |= remove(service, &manager, unit)?;
    }
    if removed {
        manager.call(&["daemon-reload"]).map_err(Failure::new)?;
        println!("images, accounts and configuration stay where they are");
    } else {
        println!("{name}.service is not installed");
    }
    Ok(())
}

/// Stops and removes a unit; returns whether there was one.
fn remove(service: &Service<'_>, manager: &ServiceManager, name: &str) -> Result<bool, Failure> {
    let unit = UnitFile::new(manager.units(), name);
    if !unit.is_removable(service.consent).map_err(Failure::new)? {
        return Ok(false);
    }
    manager
        .call(&["--quiet", "disable", "--now", name])
        .map_err(Failure::new)?;
    unit.remove().map_err(Failure::new)?;
    println!("removed {}", unit.path().display());
    Ok(true)
}

/// The service and its sockets, each with its text.
pub(super) fn units(definition: &ServiceDefinition, manager: &ServiceManager) -> Vec<(UnitFile, String)> {
    let socket = |socket: &SocketUnit| (definition.socket_name(socket), socket_unit(definition, socket));
    let texts = std::iter::once((definition.service_name(), service_unit(definition)))
        .chain(definition.sockets.iter().map(socket));
    texts
        .map(|(name, text)| (UnitFile::new(manager.units(), &name), text))
        .collect()
}

fn name_of(unit: &UnitFile) -> String {
    unit.path()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
