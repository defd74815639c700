//! From what a person asked for to what children are started with, each step once.
//!
//! ```text
//! StartArgs ─▶ ConfigSource ─▶ LoadedConfig ─▶ RunAs (whom to run as) ─▶ Listeners ─▶ LaunchConfig
//!           └───────── setup::prepare, which also makes what is missing ─┘
//! ```

use std::path::PathBuf;

use lockgate_config::{Address, Config, Home};

use super::context::StartContext;
use crate::certificates::copies::{CertificateCopies, localized};
use crate::configuration::listeners::{Listeners, handed_down};
use crate::configuration::source::{ConfigSource, LISTEN_VARIABLE, LoadedConfig};
use crate::configuration::variables::ActiveVariables;
use crate::failure::Failure;
use crate::sandbox::Rules;
use crate::sandbox::run_as::RunAs;
use crate::setup::rollback::Rollback;
use crate::setup::{FirstAccount, SetupOutcome, prepare};
use crate::supervisor::child_process::ChildSpec;
use crate::supervisor::replace::upgrade_state::UpgradeState;

/// A configuration, and what children are started with by it.
pub(super) struct LaunchConfig {
    pub(super) source: ConfigSource,
    pub(super) config: Config,
    pub(super) child_spec: ChildSpec,
    /// The public address: a port 0 became another, and a socket that was handed down may listen elsewhere.
    pub(super) listening_on: Address,
    pub(super) copies: Option<CertificateCopies>,
}

/// Everything that a start has brought about before the first child runs.
pub(super) struct Launch {
    pub(super) config: LaunchConfig,
    pub(super) listeners: Listeners,
    pub(super) report: Report,
}

/// What the log and the banner tell about a start.
pub(super) struct Report {
    /// The account that was made now.
    pub(super) account: Option<FirstAccount>,
    /// The certificate of the authority that was made here, which clients have to trust.
    pub(super) authority: Option<PathBuf>,
    /// What was made and what lay ready, at the first start.
    pub(super) beginnings: Vec<String>,
    pub(super) variables: ActiveVariables,
}

/// Makes what is missing, and opens what is to be listened on; after an upgrade, what `state` holds is open already.
pub(super) fn launch(
    context: &StartContext<'_>,
    state: Option<&UpgradeState>,
    rollback: &mut Rollback,
) -> Result<Launch, Failure> {
    let (home, arguments) = (&context.home, context.arguments);
    let mut prepared = prepare(&arguments.setup_request(home, true, context.environment), rollback)?;
    let (beginnings, variables) = log_preparations(&prepared, context);
    let listeners = open_listeners(&mut prepared, state, context)?;
    let listening_on = listeners.public_address();
    let is_overridden = arguments.listen.is_some() || *listening_on != prepared.loaded.config.http.addr;
    let overriding = is_overridden.then_some(listening_on);
    let (source, loaded) = match overriding {
        Some(address) => (
            prepared.source.with_listen(&address.to_string()),
            prepared.loaded.listening_on(address),
        ),
        None => (prepared.source, prepared.loaded),
    };
    let run_as = &prepared.run_as;
    let copies = CertificateCopies::over_to(run_as.owners().as_ref(), &loaded.config, home)?;
    let config = LaunchConfig {
        child_spec: child_spec(home, &source, &loaded, overriding, run_as, copies.as_ref()),
        listening_on: listening_on.clone(),
        source,
        config: loaded.config,
        copies,
    };
    let report = Report {
        account: prepared.account,
        authority: prepared.certificates.as_ref().map(|_| home.ca_certificate()),
        beginnings,
        variables,
    };
    Ok(Launch {
        config,
        listeners,
        report,
    })
}

/// Gives what was made or lay ready, and the variables in force, for the banner.
fn log_preparations(prepared: &SetupOutcome, context: &StartContext<'_>) -> (Vec<String>, ActiveVariables) {
    let config = &prepared.loaded.config;
    context.logging.reload(&config.log, &context.home.log());
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    prepared.tell(|line| tracing::warn!("{line}"));
    let beginnings = prepared.beginnings();
    let variables = ActiveVariables::new(config, context.arguments.listen.is_some());
    for line in beginnings.iter().cloned().chain(variables.lines()) {
        tracing::info!("{line}");
    }
    if let Some(reason) = &prepared.issued {
        tracing::info!("issued a certificate: {reason}");
    }
    (beginnings, variables)
}

fn open_listeners(
    prepared: &mut SetupOutcome,
    state: Option<&UpgradeState>,
    context: &StartContext<'_>,
) -> Result<Listeners, Failure> {
    let http = &prepared.loaded.config.http;
    let listeners = match state {
        Some(state) => Listeners::open(http, &state.current.sockets())?,
        None => {
            let known = handed_down(http, prepared.socket.take(), context.environment)?;
            Listeners::open_first(http, &known, context.lock.after_crash)?
        }
    };
    Ok(listeners)
}

/// `overriding`: the address to listen on, when it is another than the file's.
pub(super) fn child_spec(
    home: &Home,
    source: &ConfigSource,
    loaded: &LoadedConfig,
    overriding: Option<&Address>,
    run_as: &RunAs,
    copies: Option<&CertificateCopies>,
) -> ChildSpec {
    let listen = overriding.map(|address| (LISTEN_VARIABLE.to_owned(), address.to_string()));
    ChildSpec {
        arguments: [
            "--config".into(),
            source.path().into(),
            "--home".into(),
            home.root().into(),
        ]
        .into(),
        variables: listen
            .into_iter()
            .chain(copies.map(CertificateCopies::variable))
            .collect(),
        configuration: loaded.text.clone(),
        users: run_as.users().cloned(),
        rules: Rules::of_both(&localized(&loaded.config, copies), home),
    }
}
