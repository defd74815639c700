//! A configuration that running processes were given: in force once each of them has taken it up. When one refuses it,
//! all of them go on with the one before, so that one that comes back finds what the others run with.

use std::time::{Duration, Instant};

use nix::unistd::Pid;

use crate::configuration::source::LoadedConfig;
use crate::os::notify_socket::NotifyMessage;
use crate::supervisor::Supervisor;

/// Files are read, nothing is waited for.
const LIMIT: Duration = Duration::from_secs(5);

/// What was in force before, until each has answered.
#[derive(Debug)]
pub(crate) struct ConfigRollout {
    previous: LoadedConfig,
    deadline: Instant,
}

impl ConfigRollout {
    /// When each has to have answered.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Supervisor {
    /// Running processes go on with it. An error changes nothing.
    pub(crate) fn apply(&mut self, loaded: LoadedConfig) -> Result<(), String> {
        self.update_copies(&loaded.config)?;
        let previous = LoadedConfig {
            config: self.plan.config.clone(),
            text: self.current.spec.configuration.clone(),
        };
        self.put_in_force(loaded);
        self.rollout = Some(ConfigRollout {
            previous,
            deadline: Instant::now() + LIMIT,
        });
        Ok(())
    }

    fn put_in_force(&mut self, loaded: LoadedConfig) {
        self.plan.logging.reload(&loaded.config.log, &self.plan.home.log());
        self.plan.config = loaded.config;
        self.plan.renewal.reload(&self.plan.config);
        self.plan.acme.reload(&self.plan.config);
        self.plan.url = self.public_url().to_string();
        self.current.spec.configuration = loaded.text;
        // Those who leave serve on for a while: rights that were taken away are taken away there too.
        let text = self.current.spec.configuration.clone();
        for generation in self.leaving.iter_mut().chain([&mut self.current]) {
            generation.children.iter_mut().for_each(|child| child.configure(&text));
        }
    }

    /// The process `pid` says whether it has taken up what it was given.
    pub(crate) fn on_reload_results(&mut self, pid: Pid, messages: &[NotifyMessage]) {
        let Some(child) = self.current.children.iter_mut().find(|child| child.pid == Some(pid)) else {
            return;
        };
        for message in messages {
            let NotifyMessage::Reloaded(result) = message else {
                continue;
            };
            child.unanswered = child.unanswered.saturating_sub(1);
            if child.unanswered > 0 {
                // To what it was given before.
                continue;
            }
            if let Err(reason) = result {
                let reason = format!("{}: {reason}", child.role.name());
                return self.finish_rollout(Err(reason));
            }
        }
    }

    /// Goes on with what was begun, once each has answered or has been waited for long enough.
    pub(crate) fn rollout_tick(&mut self, now: Instant) {
        let Some(rollout) = &self.rollout else { return };
        let silent = self.current.children.iter().find(|child| child.unanswered > 0);
        match silent {
            None => self.finish_rollout(Ok(())),
            Some(child) if now >= rollout.deadline => {
                let (name, seconds) = (child.role.name(), LIMIT.as_secs());
                self.finish_rollout(Err(format!("{name}: it did not answer within {seconds} s")));
            }
            Some(_) => {}
        }
    }

    fn finish_rollout(&mut self, result: Result<(), String>) {
        let Some(rollout) = self.rollout.take() else { return };
        match result {
            Ok(()) => {
                tracing::info!(config = %self.plan.source.path().display(), "reloaded");
                self.record_served();
            }
            Err(reason) => {
                tracing::error!("the old configuration goes on: {reason}");
                self.reload_error = Some(reason);
                if let Some(copies) = &mut self.plan.copies {
                    copies.go_back_to(&rollout.previous.config);
                }
                self.put_in_force(rollout.previous);
            }
        }
        self.plan.manager.send("READY=1");
        self.reload_if_asked_meanwhile();
    }
}
