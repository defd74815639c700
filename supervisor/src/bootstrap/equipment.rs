//! A configuration, and everything that children are started with by it.

use lockgate_config::{Address, Config, Home};

use super::Ground;
use super::banner::Banner;
use crate::certificates::copies::{Handed, localized};
use crate::certificates::own::OwnCertificates;
use crate::configuration::listeners::{self, EntranceError};
use crate::configuration::public_url::Reach;
use crate::configuration::source::{Accepted, LISTEN_VARIABLE, Source};
use crate::configuration::variables::InForce;
use crate::failure::Failure;
use crate::os::listen::Socket;
use crate::os::notify::{Notifier, watchdog};
use crate::sandbox::Rules;
use crate::sandbox::users::Decided;
use crate::setup::trail::Trail;
use crate::setup::{Prepared, prepare};
use crate::supervisor::Plan;
use crate::supervisor::acme_manager::Orders;
use crate::supervisor::child_process::Setting;
use crate::supervisor::renewal::Renewal;
use crate::supervisor::replace::upgrade::own_path;
use crate::supervisor::replace::upgrade_state::Will;

/// A configuration, and what children are started with by it.
pub(super) struct Equipment {
    pub(super) source: Source,
    pub(super) config: Config,
    pub(super) setting: Setting,
    pub(super) handed: Option<Handed>,
}

/// Makes what is missing, and opens what is to be listened on.
pub(super) fn equip(
    ground: &Ground<'_>,
    will: Option<&Will>,
    trail: &mut Trail,
) -> Result<(Equipment, Vec<Socket>, Banner), Failure> {
    let (home, wishes) = (&ground.home, ground.wishes);
    let mut prepared = prepare(&wishes.wish(home, true, ground.environment), trail)?;
    ground.logging.reload(&prepared.accepted.config.log, &home.log());
    for warning in &prepared.accepted.config.warnings {
        tracing::warn!("{warning}");
    }
    prepared.tell(|line| tracing::warn!("{line}"));
    let beginnings = prepared.beginnings();
    let variables = InForce::new(&prepared.accepted.config, wishes.listen.is_some());
    for line in beginnings.iter().cloned().chain(variables.lines()) {
        tracing::info!("{line}");
    }
    if let Some(reason) = &prepared.issued {
        tracing::info!("issued a certificate: {reason}");
    }
    let entrances = entrances(&mut prepared, will, ground)?;
    let address = entrances[0].address.clone();
    let overridden = wishes.listen.is_some() || address != prepared.accepted.config.http.addr;
    if overridden {
        prepared.source = prepared.source.with_listen(&address.to_string());
        prepared.accepted = prepared.source.accept(prepared.accepted.text)?;
    }
    let banner = Banner {
        certificate_problem: None,
        reach: reach(&prepared.accepted.config, ground, Some(&address)),
        account: prepared.account,
        password_file: home.password_file(),
        authority: prepared.certificates.as_ref().map(|_| home.ca_certificate()),
        beginnings,
        variables,
    };
    let decided = &prepared.decided;
    let handed = Handed::over_to(decided.owners().as_ref(), &prepared.accepted.config, home)?;
    let listen = overridden.then_some(&address);
    let equipment = equipment(home, prepared.source, prepared.accepted, listen, decided, handed);
    Ok((equipment, entrances, banner))
}

fn entrances(prepared: &mut Prepared, will: Option<&Will>, ground: &Ground<'_>) -> Result<Vec<Socket>, EntranceError> {
    match will {
        Some(will) => listeners::open(&prepared.accepted.config.http, &will.current.entrances()),
        None => {
            let tried_out = prepared.socket.take();
            let handed_down = listeners::handed_down(&prepared.accepted.config.http, tried_out, ground.environment)?;
            listeners::open_first(
                &prepared.accepted.config.http,
                &handed_down.iter().collect::<Vec<_>>(),
                ground.lock.after_crash,
            )
        }
    }
}

/// `listen`: the address that overrides the file's.
pub(super) fn equipment(
    home: &Home,
    source: Source,
    accepted: Accepted,
    listen: Option<&Address>,
    decided: &Decided,
    handed: Option<Handed>,
) -> Equipment {
    let path = source.path();
    let listen = listen.map(|address| (LISTEN_VARIABLE.to_owned(), address.to_string()));
    let setting = Setting {
        arguments: ["--config".into(), path.into(), "--home".into(), home.root().into()].into(),
        variables: listen
            .into_iter()
            .chain(handed.as_ref().map(Handed::variable))
            .collect(),
        configuration: accepted.text,
        users: decided.users().cloned(),
        rules: Rules::of_both(&localized(&accepted.config, handed.as_ref()), home),
    };
    Equipment {
        source,
        config: accepted.config,
        setting,
        handed,
    }
}

pub(super) fn plan(ground: Ground<'_>, equipment: Equipment, reach: &Reach) -> Plan {
    let proxy = equipment.setting.users.as_ref().map(|users| users.proxy.owner());
    Plan {
        orders: Orders::new(&equipment.config, &ground.home, proxy),
        renewal: Renewal::new(&equipment.config, &ground.home, &ground.wishes.hostnames).read_by(proxy),
        handed: equipment.handed,
        home: ground.home,
        lock: ground.lock,
        signals: ground.signals,
        logging: ground.logging,
        source: equipment.source,
        config: equipment.config,
        binary: own_path(),
        manager: Notifier::from_environment(ground.environment).unwrap_or_default(),
        manager_watchdog: watchdog(ground.environment),
        url: reach.to_string(),
    }
}

pub(super) fn reach(config: &Config, ground: &Ground<'_>, listened: Option<&Address>) -> Reach {
    let own = OwnCertificates::of(config, &ground.home, &ground.wishes.hostnames);
    let hosts = own
        .as_ref()
        .map_or(ground.wishes.hostnames.as_slice(), |own| own.hosts());
    Reach::of(config, hosts, listened.unwrap_or(&config.http.addr))
}
