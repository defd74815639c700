//! A new configuration for running processes; a bad one leaves the old one in force.

use nix::sys::signal::Signal;

use super::Supervisor;
use super::control::Reloaded;
use crate::source::explain;

impl Supervisor {
    /// Reads the file again. Children are told only when it holds no mistake.
    pub(super) fn reload(&mut self) -> Reloaded {
        self.plan.manager.send_reloading();
        let reloaded = self.try_reload();
        self.plan.manager.send("READY=1");
        reloaded
    }

    fn try_reload(&mut self) -> Reloaded {
        let accepted = match self.plan.source.load() {
            Ok(accepted) => accepted,
            Err(error) => {
                let messages = explain(&error);
                for message in &messages {
                    tracing::error!("the old configuration goes on: {message}");
                }
                self.reload_error = Some(messages.join("\n"));
                return Reloaded { done: false, messages };
            }
        };
        let mut messages: Vec<_> = accepted.config.warnings.iter().map(ToString::to_string).collect();
        if accepted.config.http.addr != self.plan.config.http.addr {
            messages.push("http.addr: the new address is listened on after a restart".to_owned());
        }
        if accepted.config.storage.root != self.plan.config.storage.root {
            messages.push("storage.filesystem.rootdirectory: the new directory is used after a restart".to_owned());
        }
        for message in &messages {
            tracing::warn!("{message}");
        }
        self.reload_error = None;
        self.plan.logging.reload(&accepted.config.log, &self.plan.home.log());
        self.plan.setting.configuration = accepted.text;
        self.plan.config = accepted.config;
        self.plan.renewal.reload(&self.plan.config);
        for child in &self.plan.children {
            child.signal(Signal::SIGHUP);
        }
        tracing::info!(config = %self.plan.source.path().display(), "reloaded");
        Reloaded { done: true, messages }
    }
}
