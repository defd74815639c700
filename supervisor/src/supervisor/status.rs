//! The answer to `lockgate status`.

use std::time::Instant;

use lockgate_config::{ClientAuth, Tls};

use super::child_process::Child;
use super::control::{ProcessStatus, Status};
use super::generation::Generation;
use super::health_request::Endpoint;
use super::restart_policy::ChildState;
use super::state::Supervisor;
use crate::certificates::copies::CertificateCopies;
use crate::certificates::own;

impl Supervisor {
    pub(super) fn status(&self) -> Status {
        let now = Instant::now();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id().cast_signed(),
            uptime_seconds: now.duration_since(self.started).as_secs(),
            url: self.url.to_string(),
            config: self.source.path().to_owned(),
            endpoint: Some(self.endpoint()),
            drain_timeout_seconds: self.config.http.drain_timeout.as_secs(),
            log_lines_lost: self.logging.missing(),
            socket_error: self.run_dir.error.clone(),
            reload_error: self.reload_error.clone(),
            certificate_problem: self.certificate_problem(),
            generation: self.current.number,
            reloading: self.is_changing() || self.reload_again,
            replacing: self.is_replacing() || self.upgrade_check.is_some(),
            upgrade_error: self.upgrade_error.clone(),
            processes: processes(&self.current, now).collect(),
            leaving: self
                .leaving
                .iter()
                .flat_map(|generation| processes(generation, now))
                .filter(|process| process.pid.is_some())
                .collect(),
        }
    }

    /// Where a client without a certificate of its own is served.
    fn endpoint(&self) -> Endpoint {
        let tls = self.config.http.tls.as_ref();
        let asks = |tls: &Tls| !matches!(tls.client_auth, ClientAuth::None | ClientAuth::VerifyIfGiven);
        match tls.is_some_and(asks) {
            true => Endpoint::Unix(self.home.registry_socket()),
            false => Endpoint::Tcp {
                address: self.public_address().to_string(),
                tls: tls.is_some(),
            },
        }
    }

    fn certificate_problem(&self) -> Option<String> {
        let copies = self.copies.as_ref().and_then(CertificateCopies::problem);
        let renewal = &self.renewal;
        let names = || own::problem(&self.config, &self.home, renewal.hosts());
        self.acme
            .problem()
            .or(copies)
            .or_else(|| renewal.problem())
            .or_else(names)
    }
}

fn processes(generation: &Generation, now: Instant) -> impl Iterator<Item = ProcessStatus> {
    generation.children.iter().map(move |child| process_status(child, now))
}

fn process_status(child: &Child, now: Instant) -> ProcessStatus {
    let state = match child.tracker.state() {
        ChildState::Held => "held",
        ChildState::Waiting { .. } => "restarting",
        ChildState::Starting { .. } => "starting",
        ChildState::Ready { .. } => "ready",
        ChildState::Killed { .. } => "killed",
        ChildState::Draining { .. } => "draining",
        ChildState::Stopped => "stopped",
    };
    ProcessStatus {
        name: child.role.name().to_owned(),
        state: state.to_owned(),
        pid: child.pid.map(|pid| pid.as_raw()),
        uptime_seconds: child.since.map(|since| now.duration_since(since).as_secs()),
        restarts: child.tracker.restarts(),
        address: child.address.clone(),
        note: child.status.clone(),
        log_lines_lost: child.log_lines_lost,
    }
}
