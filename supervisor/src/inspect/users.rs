//! Whether the users that root would start the processes as can reach their files. Only root can tell.

use lockgate_config::{Config, Home};
use nix::unistd::geteuid;

use super::findings::Findings;
use crate::sandbox::run_as::{RunAs, UserError, denied_after_setup};
use crate::setup::{SetupError, data_dir};

pub(super) fn check(config: &Config, home: &Home, findings: &mut Findings) {
    let root = &config.storage.root;
    let run_as = match RunAs::resolve(config, home, data_dir::existing(root).as_ref()) {
        Ok(run_as) => run_as,
        // Whoever starts it may be root.
        Err(UserError::NotRoot { .. }) if !geteuid().is_root() => return,
        Err(error) => return findings.mistakes.push(error.to_string()),
    };
    findings.warnings.extend(run_as.remarks());
    if let Some(owners) = run_as.owners() {
        // By modes alone: where a filesystem has other rules, the start tells.
        findings.warnings.extend(denied_after_setup(config, home, &owners));
    }
    if let Some(users) = run_as.users()
        && let Some(path) = data_dir::unreadable_blob(root, &users.proxy)
    {
        let user = users.proxy.to_string();
        findings
            .mistakes
            .push(SetupError::Unreadable { path, user }.to_string());
    }
}
