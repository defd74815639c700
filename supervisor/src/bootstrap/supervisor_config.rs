//! From what is launched to what the supervisor starts with.

use super::context::StartContext;
use super::launch_config::LaunchConfig;
use crate::configuration::public_url::PublicUrl;
use crate::os::notify::{Notifier, watchdog};
use crate::supervisor::SupervisorConfig;
use crate::supervisor::acme_manager::AcmeManager;
use crate::supervisor::own_certificate_renewal::Renewal;
use crate::supervisor::replace::upgrade::own_path;

pub(super) fn supervisor_config(context: StartContext<'_>, launch: LaunchConfig) -> SupervisorConfig {
    let proxy = launch.child_spec.users.as_ref().map(|users| users.proxy.owner());
    let renewal = Renewal::new(&launch.config, &context.home, &context.arguments.hostnames).read_by(proxy);
    SupervisorConfig {
        url: PublicUrl::of(&launch.config, renewal.hosts(), &launch.listening_on),
        acme: AcmeManager::new(&launch.config, &context.home, proxy),
        renewal,
        copies: launch.copies,
        home: context.home,
        lock: context.lock,
        signals: context.signals,
        logging: context.logging,
        source: launch.source,
        config: launch.config,
        binary: own_path(),
        manager: Notifier::from_environment(context.environment).unwrap_or_default(),
        manager_watchdog: watchdog(context.environment),
    }
}
