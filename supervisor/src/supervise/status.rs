//! How everything is, for `lockgate status`.

use std::time::Instant;

use super::Supervisor;
use super::child::Child;
use super::control::{ProcessStatus, Status};
use super::generation::Generation;
use super::state::Phase;
use crate::handed::Handed;

impl Supervisor {
    /// How everything is at this moment.
    pub(super) fn status(&self) -> Status {
        let now = Instant::now();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id().cast_signed(),
            uptime_seconds: now.duration_since(self.started).as_secs(),
            url: self.plan.url.clone(),
            config: self.plan.source.path().to_owned(),
            drain_timeout_seconds: self.plan.config.http.drain_timeout.as_secs(),
            reload_error: self.reload_error.clone(),
            certificate_problem: self.certificate_problem(),
            generation: self.current.number,
            reloading: self.applying.is_some() || self.next.is_some() || self.reload_again,
            replacing: self.next.is_some() || self.probe.is_some(),
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

    fn certificate_problem(&self) -> Option<String> {
        let handed = self.plan.handed.as_ref().and_then(Handed::problem);
        self.plan.orders.problem().or(handed)
    }
}

fn processes(generation: &Generation, now: Instant) -> impl Iterator<Item = ProcessStatus> {
    generation.children.iter().map(move |child| process_status(child, now))
}

fn process_status(child: &Child, now: Instant) -> ProcessStatus {
    let state = match child.life.phase() {
        Phase::Held => "held",
        Phase::Waiting { .. } => "restarting",
        Phase::Starting { .. } => "starting",
        Phase::Ready { .. } => "ready",
        Phase::Killed { .. } => "killed",
        Phase::Draining { .. } => "draining",
        Phase::Stopped => "stopped",
    };
    ProcessStatus {
        name: child.role.name().to_owned(),
        state: state.to_owned(),
        pid: child.pid.map(|pid| pid.as_raw()),
        uptime_seconds: child.since.map(|since| now.duration_since(since).as_secs()),
        restarts: child.life.restarts(),
        address: child.address.clone(),
        note: child.status.clone(),
    }
}
