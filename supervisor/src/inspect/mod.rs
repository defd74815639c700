//! Looks at what a configuration names as a start would, and makes nothing: `lockgate check`.
//!
//! ```text
//! Config::files ─▶ path_state is it there, of the right kind, may this user open it
//!                  content    does it hold what it should
//! http.*addr    ─▶ addresses  can it be listened on
//! process       ─▶ users      can the users that the processes will run as get there
//! ```

mod addresses;
mod content;
mod findings;
mod path_state;
mod users;

use std::io;

use lockgate_config::{Config, ConfigFile, Diagnostic, FileAccess, FileRole, Home};

use self::findings::Findings;
use self::path_state::PathState;
use crate::certificates::own::{CertificateError, OwnCertificates};
use crate::setup::home_record::History;
use crate::setup::missing::{self, Locations};

/// Looks at everything that `config` names.
pub(crate) fn inspect(config: &Config, locations: Locations<'_>) -> Findings {
    let mut findings = Findings::default();
    let history = history(locations.home, &mut findings);
    let mut readable = Vec::new();
    for named in config.files() {
        let missed = match named.role {
            FileRole::Accounts => missing::accounts(&history, config, locations),
            FileRole::Storage => missing::images(&history, config, locations),
            _ => Ok(()),
        };
        match missed {
            Err(absent) => findings.mistakes.push(absent.to_string()),
            Ok(()) if is_readable(&named, locations.config.is_none(), &mut findings) => readable.push(named),
            Ok(()) => {}
        }
    }
    content::check(config, &readable, &mut findings);
    authority(config, locations.home, &mut findings);
    addresses::check(config, locations.home, &mut findings);
    users::check(config, locations.home, &mut findings);
    findings
}

/// Whether anything has served from `home`: in a new home a start makes files that are missing mistakes in an old one.
fn history(home: &Home, findings: &mut Findings) -> History {
    match home.record_file().metadata() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let home = home.root().display();
            findings.unseen(format!(
                "{home}: this user may not look whether it has served, so it was taken as new"
            ));
            History::New
        }
        _ => History::of(home),
    }
}

/// Whether the file or directory is there and can be opened. `is_homes_own`: the configuration is the home's, whose
/// first start makes the accounts.
fn is_readable(named: &ConfigFile<'_>, is_homes_own: bool, findings: &mut Findings) -> bool {
    let about = |text: String| {
        Diagnostic {
            key: named.key.clone(),
            value: Some(named.path.display().to_string()),
            expected: text,
            variable: None,
        }
        .to_string()
    };
    match path_state::look(named) {
        PathState::Fine => return true,
        PathState::Wrong(why) => findings.mistakes.push(about(why)),
        PathState::Unseen(why) => findings.unseen(about(why)),
        PathState::Absent => match named.role {
            FileRole::Storage => {
                findings
                    .warnings
                    .push(about("not there; `lockgate start` makes an empty one".to_owned()));
            }
            FileRole::Accounts if is_homes_own => {
                let text = "not there; `lockgate start` makes it, with one account";
                findings.warnings.push(about(text.to_owned()));
            }
            FileRole::Accounts => findings.mistakes.push(about(
                "there is no such file; `lockgate user add NAME` makes it".to_owned(),
            )),
            role if role.access() == FileAccess::Write => {}
            _ => findings.mistakes.push(about(path_state::absent(named))),
        },
    }
    false
}

/// Checks the authority of the home, where it issues the certificate.
fn authority(config: &Config, home: &Home, findings: &mut Findings) {
    let Some(own) = OwnCertificates::of(config, home, &[]) else {
        return;
    };
    match own.has_authority() {
        Ok(_) => {}
        Err(error @ CertificateError::Unseen { .. }) => findings.unseen(error.to_string()),
        Err(error) => findings.mistakes.push(error.to_string()),
    }
}
