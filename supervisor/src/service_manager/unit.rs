//! The systemd service: systemd.service(5), systemd.exec(5).

use std::path::Path;

use super::definition::{ServiceDefinition, ServiceScope};
use super::escape::quoted;
use super::hardening;
use crate::exit_code;

/// Seconds without a sign of life after which the supervisor is killed and started again; a reload may take 10 of them.
const WATCHDOG: u64 = 60;

/// The text of the unit file.
pub(crate) fn text(definition: &ServiceDefinition) -> String {
    let mut unit = vec![
        "[Unit]".to_owned(),
        "Description=Lockgate container registry".to_owned(),
    ];
    if definition.scope == ServiceScope::System {
        // Its certificate names the machine's addresses.
        unit.extend(["Wants=network-online.target", "After=network-online.target"].map(str::to_owned));
    }
    unit.extend(["", "[Service]"].map(str::to_owned));
    unit.extend(run(definition));
    unit.extend(ends(definition));
    unit.push(String::new());
    unit.extend(hardening::directives(definition));
    let target = match definition.scope {
        ServiceScope::System => "multi-user.target",
        ServiceScope::User => "default.target",
    };
    unit.extend([String::new(), "[Install]".to_owned(), format!("WantedBy={target}")]);
    unit.join("\n") + "\n"
}

fn run(definition: &ServiceDefinition) -> Vec<String> {
    let command = |verb: &str, places: &[&Path]| {
        let words = places.iter().map(|place| quoted(place));
        let words: Vec<_> = [quoted(&definition.program), verb.to_owned()]
            .into_iter()
            .chain(words)
            .collect();
        // `:`: a dollar sign is a dollar sign.
        format!(":{}", words.join(" "))
    };
    let mut lines = vec![
        // The supervisor tells; its children tell the supervisor.
        "Type=notify".to_owned(),
        "NotifyAccess=main".to_owned(),
        format!("ExecStart={}", command("start", &definition.places())),
        // Fails, and says why, when the configuration is refused.
        format!("ExecReload={}", command("reload", &definition.places()[..2])),
    ];
    if !definition.sockets.is_empty() {
        let names: Vec<_> = definition
            .sockets
            .iter()
            .map(|socket| definition.socket_name(socket))
            .collect();
        lines.push(format!("Sockets={}", names.join(" ")));
    }
    lines
}

fn ends(definition: &ServiceDefinition) -> Vec<String> {
    let stop = definition.stop_seconds();
    vec![
        // The supervisor drains its children in order; what is left at the end of the time is killed.
        "KillMode=mixed".to_owned(),
        format!("TimeoutStopSec={stop}"),
        format!("WatchdogSec={WATCHDOG}"),
        "Restart=on-failure".to_owned(),
        "RestartSec=2".to_owned(),
        // A configuration that makes no sense makes none the next time.
        format!("RestartPreventExitStatus={}", exit_code::CONFIGURATION),
        // The soft limit is raised to what http.limits.maxconnections needs.
        "LimitNOFILE=1024:524288".to_owned(),
    ]
}
