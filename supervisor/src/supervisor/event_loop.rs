//! The one thread of the supervisor: it waits for signals, children, callers and the clock, and does what follows.

use std::os::fd::AsFd;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::acme_manager;
use super::control::{Request, RunningConfiguration, UpgradeStarted};
use super::error::{SuperviseError, system};
use super::generation::Generation;
use super::own_certificate_renewal;
use super::phase::Phase;
use super::replace::upgrade_check::UpgradeCheck;
use super::state::Supervisor;
use crate::certificates::copies::CertificateCopies;
use crate::os::exit_status;

impl Supervisor {
    /// Runs until somebody asks for the end, or a child is given up. `announce` is called once, when both are ready.
    pub(crate) fn run(mut self, announce: impl FnOnce()) -> Result<(), SuperviseError> {
        let mut announce = Some(announce);
        loop {
            self.run_due();
            if self.is_over() {
                break;
            }
            self.wait()?;
            self.reap()?;
            self.take_signals()?;
            self.answer()?;
            self.hand_over_tick(Instant::now());
            self.rollout_tick(Instant::now());
            if self.first_served.is_none() && self.current.is_ready() {
                self.first_served = Some(Instant::now());
                if matches!(self.phase, Phase::Starting) {
                    self.phase = Phase::Serving;
                }
                self.manager.send("READY=1\nSTATUS=serving");
                self.record_served();
                if let Some(announce) = announce.take() {
                    announce();
                }
            }
        }
        self.end_order()?;
        // Best effort: the next start replaces it anyway.
        let _ = std::fs::remove_file(self.home.registry_socket());
        self.failure.map_or(Ok(()), Err)
    }

    /// Whether a certificate may be ordered: the proxy answers the challenges, so it has to serve, and to stay.
    fn may_order(&self) -> bool {
        self.first_served.is_some() && matches!(self.phase, Phase::Serving | Phase::Applying { .. })
    }

    /// Ends an order under way first, so that it does not count as a failed one.
    fn end_order(&mut self) -> Result<(), SuperviseError> {
        let began = Instant::now();
        self.acme.stop(began);
        while self.acme.is_running() && began.elapsed() < acme_manager::LAST_GRACE {
            self.wait()?;
            self.reap()?;
            self.take_signals()?;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        !self.is_replacing() && self.current.is_over() && self.leaving.iter().all(Generation::is_over)
    }

    /// Does everything whose time has come: starts, kills, renewals, looks at files.
    fn run_due(&mut self) {
        let now = Instant::now();
        let notify = self.notify.path();
        for generation in &mut self.leaving {
            // Its children are not started any more, so none can be given up.
            generation.run_due(notify, now);
        }
        self.leaving.retain(|generation| !generation.is_over());
        let failure = self.current.run_due(notify, now);
        self.failure = self.failure.take().or(failure);
        if let Phase::Replacing(next) = &mut self.phase
            && let Some(failure) = next.generation.run_due(notify, now)
        {
            self.abandon_hand_over(&failure.to_string());
        }
        self.give_up_if_hopeless();
        if let Some(upgrade_check) = &mut self.upgrade_check {
            upgrade_check.end_if_late(now);
        }
        if let Some(copies) = &mut self.copies {
            copies.refresh(now);
        }
        if now >= self.next_renewal {
            self.next_renewal = now + own_certificate_renewal::INTERVAL;
            self.renewal.renew();
        }
        if self.may_order() {
            self.acme.run_due(&self.current, self.notify.path(), now);
        }
        if self.config_file.changed(now) && !self.is_ending() {
            tracing::info!(config = %self.source.path().display(), "the configuration file changed");
            self.reload();
        }
        self.restore_what_was_removed(now);
        if let (Some(due), Some(interval)) = (self.next_ping, self.manager_watchdog)
            && now >= due
        {
            self.manager.ping();
            self.next_ping = Some(now + interval / 3);
        }
    }

    /// Waits for an event or for the next thing that is due.
    fn wait(&mut self) -> Result<(), SuperviseError> {
        let copies = self.copies.as_ref().and_then(CertificateCopies::next);
        let order = self.acme.next().filter(|_| self.may_order());
        let deadline = match &self.phase {
            Phase::Applying { deadline, .. } => Some(*deadline),
            _ => None,
        };
        let others = [
            self.next_ping,
            self.upgrade_check.as_ref().map(UpgradeCheck::deadline),
            deadline,
            Some(self.config_file.next()),
            Some(self.run_dir.next()),
            copies,
            order,
        ];
        let next = self
            .generations_mut()
            .filter_map(|generation| generation.next())
            .chain(others.into_iter().flatten())
            .min();
        let next = next.map_or(self.next_renewal, |next| next.min(self.next_renewal));
        // Rounded up, so that the thing is due when the wait is over.
        let wait = next
            .saturating_duration_since(Instant::now())
            .as_micros()
            .div_ceil(1000);
        let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
        let mut descriptors = [self.signals.as_fd(), self.notify.as_fd(), self.control.as_fd()]
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut descriptors, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(system("wait for events")(errno.into())),
        }
    }

    /// Takes the messages of children, then the ends: in this order, so that a child's last message counts.
    fn reap(&mut self) -> Result<(), SuperviseError> {
        let ended = exit_status::reap().map_err(system("wait for child processes"))?;
        self.receive_notifications()?;
        let now = Instant::now();
        // Others are orphans that PID 1 inherits: reaping is all that they need.
        for (pid, status) in ended {
            for generation in &mut self.leaving {
                generation.on_exit(pid, status, now);
            }
            let failure = self.current.on_exit(pid, status, now);
            self.failure = self.failure.take().or(failure);
            if let Phase::Replacing(next) = &mut self.phase
                && let Some(failure) = next.generation.on_exit(pid, status, now)
            {
                self.abandon_hand_over(&failure.to_string());
            }
            self.on_check_exit(pid, status);
            self.acme.on_exit(pid, status);
        }
        Ok(())
    }

    fn receive_notifications(&mut self) -> Result<(), SuperviseError> {
        while let Some((pid, messages)) = self.notify.receive().map_err(system("read run/notify.sock"))? {
            let now = Instant::now();
            let is_heard = self
                .generations_mut()
                .any(|generation| generation.on_messages(pid, &messages, now));
            if is_heard {
                self.on_reload_results(pid, &messages);
            } else {
                self.acme.on_messages(pid, &messages);
            }
        }
        Ok(())
    }

    fn take_signals(&mut self) -> Result<(), SuperviseError> {
        while let Some(signal) = self.signals.take().map_err(system("read signals"))? {
            match signal {
                Signal::SIGTERM | Signal::SIGINT => self.stop(),
                Signal::SIGHUP => {
                    self.reload();
                }
                Signal::SIGUSR1 => {
                    self.logging.reopen();
                    self.generations_mut()
                        .flat_map(|generation| generation.children.iter())
                        .for_each(|child| child.signal(signal));
                }
                Signal::SIGUSR2 => self.upgrade_in_place(),
                // SIGCHLD only ends the wait.
                _ => {}
            }
        }
        Ok(())
    }

    fn answer(&mut self) -> Result<(), SuperviseError> {
        while let Some(call) = self.control.next().map_err(system("listen on run/lockgate.sock"))? {
            match &call.request {
                Request::Status => call.reply(&self.status()),
                Request::Reload => {
                    let reloaded = self.reload();
                    call.reply(&reloaded);
                }
                Request::Configuration => call.reply(&RunningConfiguration {
                    config: self.source.path().to_owned(),
                    variables: self.source.variables(),
                }),
                Request::Upgrade(path) => {
                    let error = self.begin_upgrade(path).err();
                    call.reply(&UpgradeStarted { error });
                }
            }
        }
        Ok(())
    }
}
