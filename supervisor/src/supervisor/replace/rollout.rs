//! A configuration for running processes: in force once each of them has taken it up. When one refuses it,
//! all of them go on with the one before, so that one that comes back finds what the others run with.

use std::time::{Duration, Instant};

use nix::unistd::Pid;

use crate::configuration::source::LoadedConfig;
use crate::os::notify_socket::NotifyMessage;
use crate::supervisor::phase::Phase;
use crate::supervisor::state::Supervisor;

/// For reading files; a process waits for nothing else before it answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

impl Supervisor {
    /// Gives running processes another configuration. An error changes nothing.
    pub(in crate::supervisor) fn apply(&mut self, loaded: LoadedConfig) -> Result<(), String> {
        self.update_copies(&loaded.config)?;
        let previous = LoadedConfig {
            config: self.config.clone(),
            text: self.current.spec.configuration.clone(),
        };
        self.put_in_force(loaded);
        self.phase = Phase::Applying {
            previous: Box::new(previous),
            deadline: Instant::now() + ANSWER_TIMEOUT,
        };
        Ok(())
    }

    fn put_in_force(&mut self, loaded: LoadedConfig) {
        self.logging.reload(&loaded.config.log, &self.home.log());
        self.config = loaded.config;
        self.renewal.reload(&self.config);
        self.acme.reload(&self.config);
        self.url = self.public_url();
        self.current.spec.configuration = loaded.text;
        // Replaced processes serve on for a while: rights that were taken away are taken away there too.
        let text = self.current.spec.configuration.clone();
        for generation in self.leaving.iter_mut().chain([&mut self.current]) {
            generation.children.iter_mut().for_each(|child| child.configure(&text));
        }
    }

    /// The process `pid` says whether it has taken up the configuration that it was given.
    pub(in crate::supervisor) fn on_reload_results(&mut self, pid: Pid, messages: &[NotifyMessage]) {
        let Some(child) = self.current.child_mut(pid) else {
            return;
        };
        for message in messages {
            let NotifyMessage::Reloaded(result) = message else {
                continue;
            };
            child.unanswered = child.unanswered.saturating_sub(1);
            if child.unanswered > 0 {
                // This answers what it was given before.
                continue;
            }
            if let Err(reason) = result {
                let reason = format!("{}: {reason}", child.role.name());
                return self.finish_rollout(Err(reason));
            }
        }
    }

    /// Ends the rollout once each process has answered, or has been waited for long enough.
    pub(in crate::supervisor) fn rollout_tick(&mut self, now: Instant) {
        let Phase::Applying { deadline, .. } = &self.phase else {
            return;
        };
        let silent = self.current.children.iter().find(|child| child.unanswered > 0);
        match silent {
            None => self.finish_rollout(Ok(())),
            Some(child) if now >= *deadline => {
                let (name, seconds) = (child.role.name(), ANSWER_TIMEOUT.as_secs());
                self.finish_rollout(Err(format!("{name}: it did not answer within {seconds} s")));
            }
            Some(_) => {}
        }
    }

    fn finish_rollout(&mut self, result: Result<(), String>) {
        let Some(previous) = self.take_rollout() else { return };
        match result {
            Ok(()) => {
                tracing::info!(config = %self.source.path().display(), "reloaded");
                self.record_served();
            }
            Err(reason) => {
                tracing::error!("the old configuration goes on: {reason}");
                self.reload_error = Some(reason);
                if let Some(copies) = &mut self.copies {
                    copies.go_back_to(&previous.config);
                }
                self.put_in_force(previous);
            }
        }
        self.manager.send("READY=1");
        self.reload_if_asked_meanwhile();
    }
}
