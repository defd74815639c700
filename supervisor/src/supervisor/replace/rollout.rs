//! A configuration that running processes were given: in force once each of them has taken it up. When one refuses it,
//! all of them go on with the one before, so that one that comes back finds what the others run with.

use std::time::{Duration, Instant};

use nix::unistd::Pid;

use crate::configuration::source::Accepted;
use crate::os::notify_socket::Word;
use crate::supervisor::Supervisor;

/// Files are read, nothing is waited for.
const LIMIT: Duration = Duration::from_secs(5);

/// What was in force before, until each has answered.
#[derive(Debug)]
pub(crate) struct Applying {
    former: Accepted,
    deadline: Instant,
}

impl Applying {
    /// When each has to have answered.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Supervisor {
    /// Running processes go on with it. An error changes nothing.
    pub(crate) fn apply(&mut self, accepted: Accepted) -> Result<(), String> {
        self.hand_over_keys(&accepted.config)?;
        let former = Accepted {
            config: self.plan.config.clone(),
            text: self.current.setting.configuration.clone(),
        };
        self.put_in_force(accepted);
        self.applying = Some(Applying {
            former,
            deadline: Instant::now() + LIMIT,
        });
        Ok(())
    }

    fn put_in_force(&mut self, accepted: Accepted) {
        self.plan.logging.reload(&accepted.config.log, &self.plan.home.log());
        self.plan.config = accepted.config;
        self.plan.renewal.reload(&self.plan.config);
        self.plan.orders.reload(&self.plan.config);
        self.plan.url = self.reach().to_string();
        self.current.setting.configuration = accepted.text;
        // Those who leave serve on for a while: rights that were taken away are taken away there too.
        let text = self.current.setting.configuration.clone();
        for generation in self.leaving.iter_mut().chain([&mut self.current]) {
            generation.children.iter_mut().for_each(|child| child.configure(&text));
        }
    }

    /// The process `pid` says whether it has taken up what it was given.
    pub(crate) fn hear_reloaded(&mut self, pid: Pid, words: &[Word]) {
        let Some(child) = self.current.children.iter_mut().find(|child| child.pid == Some(pid)) else {
            return;
        };
        for word in words {
            let Word::Reloaded(result) = word else { continue };
            child.unanswered = child.unanswered.saturating_sub(1);
            if child.unanswered > 0 {
                // To what it was given before.
                continue;
            }
            if let Err(reason) = result {
                let reason = format!("{}: {reason}", child.role.name());
                return self.end_applying(Err(reason));
            }
        }
    }

    /// Goes on with what was begun, once each has answered or has been waited for long enough.
    pub(crate) fn apply_on(&mut self, now: Instant) {
        let Some(applying) = &self.applying else { return };
        let silent = self.current.children.iter().find(|child| child.unanswered > 0);
        match silent {
            None => self.end_applying(Ok(())),
            Some(child) if now >= applying.deadline => {
                let (name, seconds) = (child.role.name(), LIMIT.as_secs());
                self.end_applying(Err(format!("{name}: it did not answer within {seconds} s")));
            }
            Some(_) => {}
        }
    }

    fn end_applying(&mut self, result: Result<(), String>) {
        let Some(applying) = self.applying.take() else { return };
        match result {
            Ok(()) => {
                tracing::info!(config = %self.plan.source.path().display(), "reloaded");
                self.record_served();
            }
            Err(reason) => {
                tracing::error!("the old configuration goes on: {reason}");
                self.reload_error = Some(reason);
                if let Some(handed) = &mut self.plan.handed {
                    handed.go_back_to(&applying.former.config);
                }
                self.put_in_force(applying.former);
            }
        }
        self.plan.manager.send("READY=1");
        self.reload_if_asked_meanwhile();
    }
}
