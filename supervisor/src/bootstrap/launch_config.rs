//! A configuration, and everything that children are started with by it.

use lockgate_config::{Address, Config, Home};

use super::StartContext;
use super::banner::Banner;
use crate::certificates::copies::{CertificateCopies, localized};
use crate::certificates::own::OwnCertificates;
use crate::configuration::listeners::{self, ListenerError};
use crate::configuration::public_url::PublicUrl;
use crate::configuration::source::{ConfigSource, LISTEN_VARIABLE, LoadedConfig};
use crate::configuration::variables::ActiveVariables;
use crate::failure::Failure;
use crate::os::listen::ListeningSocket;
use crate::os::notify::{Notifier, watchdog};
use crate::sandbox::Rules;
use crate::sandbox::users::Decided;
use crate::setup::trail::Trail;
use crate::setup::{Prepared, prepare};
use crate::supervisor::SupervisorConfig;
use crate::supervisor::acme_manager::AcmeManager;
use crate::supervisor::child_process::ChildSpec;
use crate::supervisor::renewal::Renewal;
use crate::supervisor::replace::upgrade::own_path;
use crate::supervisor::replace::upgrade_state::UpgradeState;

/// A configuration, and what children are started with by it.
pub(super) struct LaunchConfig {
    pub(super) source: ConfigSource,
    pub(super) config: Config,
    pub(super) spec: ChildSpec,
    pub(super) copies: Option<CertificateCopies>,
}

/// Makes what is missing, and opens what is to be listened on.
pub(super) fn resolve(
    context: &StartContext<'_>,
    state: Option<&UpgradeState>,
    trail: &mut Trail,
) -> Result<(LaunchConfig, Vec<ListeningSocket>, Banner), Failure> {
    let (home, arguments) = (&context.home, context.arguments);
    let mut prepared = prepare(&arguments.wish(home, true, context.environment), trail)?;
    context.logging.reload(&prepared.loaded.config.log, &home.log());
    for warning in &prepared.loaded.config.warnings {
        tracing::warn!("{warning}");
    }
    prepared.tell(|line| tracing::warn!("{line}"));
    let beginnings = prepared.beginnings();
    let variables = ActiveVariables::new(&prepared.loaded.config, arguments.listen.is_some());
    for line in beginnings.iter().cloned().chain(variables.lines()) {
        tracing::info!("{line}");
    }
    if let Some(reason) = &prepared.issued {
        tracing::info!("issued a certificate: {reason}");
    }
    let listeners = listeners(&mut prepared, state, context)?;
    let address = listeners[0].address.clone();
    let overridden = arguments.listen.is_some() || address != prepared.loaded.config.http.addr;
    if overridden {
        prepared.source = prepared.source.with_listen(&address.to_string());
        prepared.loaded = prepared.source.parse(prepared.loaded.text)?;
    }
    let banner = Banner {
        certificate_problem: None,
        url: url(&prepared.loaded.config, context, Some(&address)),
        account: prepared.account,
        password_file: home.password_file(),
        authority: prepared.certificates.as_ref().map(|_| home.ca_certificate()),
        beginnings,
        variables,
    };
    let decided = &prepared.decided;
    let copies = CertificateCopies::over_to(decided.owners().as_ref(), &prepared.loaded.config, home)?;
    let listen = overridden.then_some(&address);
    let launch_config = launch_config(home, prepared.source, prepared.loaded, listen, decided, copies);
    Ok((launch_config, listeners, banner))
}

fn listeners(
    prepared: &mut Prepared,
    state: Option<&UpgradeState>,
    context: &StartContext<'_>,
) -> Result<Vec<ListeningSocket>, ListenerError> {
    match state {
        Some(state) => listeners::open(&prepared.loaded.config.http, &state.current.listeners()),
        None => {
            let tried_out = prepared.socket.take();
            let handed_down = listeners::handed_down(&prepared.loaded.config.http, tried_out, context.environment)?;
            listeners::open_first(
                &prepared.loaded.config.http,
                &handed_down.iter().collect::<Vec<_>>(),
                context.lock.after_crash,
            )
        }
    }
}

/// `listen`: the address that overrides the file's.
pub(super) fn launch_config(
    home: &Home,
    source: ConfigSource,
    loaded: LoadedConfig,
    listen: Option<&Address>,
    decided: &Decided,
    copies: Option<CertificateCopies>,
) -> LaunchConfig {
    let path = source.path();
    let listen = listen.map(|address| (LISTEN_VARIABLE.to_owned(), address.to_string()));
    let spec = ChildSpec {
        arguments: ["--config".into(), path.into(), "--home".into(), home.root().into()].into(),
        variables: listen
            .into_iter()
            .chain(copies.as_ref().map(CertificateCopies::variable))
            .collect(),
        configuration: loaded.text,
        users: decided.users().cloned(),
        rules: Rules::of_both(&localized(&loaded.config, copies.as_ref()), home),
    };
    LaunchConfig {
        source,
        config: loaded.config,
        spec,
        copies,
    }
}

pub(super) fn supervisor_config(
    context: StartContext<'_>,
    launch_config: LaunchConfig,
    url: &PublicUrl,
) -> SupervisorConfig {
    let proxy = launch_config.spec.users.as_ref().map(|users| users.proxy.owner());
    SupervisorConfig {
        acme: AcmeManager::new(&launch_config.config, &context.home, proxy),
        renewal: Renewal::new(&launch_config.config, &context.home, &context.arguments.hostnames).read_by(proxy),
        copies: launch_config.copies,
        home: context.home,
        lock: context.lock,
        signals: context.signals,
        logging: context.logging,
        source: launch_config.source,
        config: launch_config.config,
        binary: own_path(),
        manager: Notifier::from_environment(context.environment).unwrap_or_default(),
        manager_watchdog: watchdog(context.environment),
        url: url.to_string(),
    }
}

pub(super) fn url(config: &Config, context: &StartContext<'_>, listened: Option<&Address>) -> PublicUrl {
    let own = OwnCertificates::of(config, &context.home, &context.arguments.hostnames);
    let hosts = own
        .as_ref()
        .map_or(context.arguments.hostnames.as_slice(), |own| own.hosts());
    PublicUrl::of(config, hosts, listened.unwrap_or(&config.http.addr))
}
