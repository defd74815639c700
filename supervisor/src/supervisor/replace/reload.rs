//! A new configuration for what is running; a bad one leaves the old one in force.

use lockgate_config::Config;

use super::hand_over::{Replacement, ReplacementReason, ReplacementSpec};
use super::upgrade::ENDING;
use crate::certificates::copies::localized;
use crate::configuration::listeners;
use crate::configuration::source::{LoadedConfig, explain};
use crate::sandbox::Rules;
use crate::setup::absent::{self, Asked};
use crate::setup::served::History;
use crate::setup::tree;
use crate::supervisor::Supervisor;
use crate::supervisor::child_process::ChildSpec;
use crate::supervisor::control::Reloaded;

impl Supervisor {
    /// Reads the file again. Children are told only when it holds no mistake.
    pub(crate) fn reload(&mut self) -> Reloaded {
        if self.is_ending {
            return Reloaded {
                is_ending: true,
                ..refused(vec![ENDING.to_owned()])
            };
        }
        self.file.taken_up();
        // The upgrade state holds no processes that are being started, and a binary that is asked may take over any moment.
        if self.next.is_some() || self.upgrade_check.is_some() || self.rollout.is_some() {
            self.reload_again = true;
            let message = if self.rollout.is_some() {
                "the file is being taken up: it is read again as soon as that is over"
            } else {
                "processes are being replaced: the file is read again as soon as that is over"
            };
            tracing::info!("{message}");
            return Reloaded {
                done: true,
                messages: vec![message.to_owned()],
                ..Reloaded::default()
            };
        }
        self.plan.manager.send_reloading();
        let reloaded = self.try_reload();
        if reloaded.done {
            self.plan.acme.try_again();
        } else {
            for message in &reloaded.messages {
                tracing::error!("the old configuration goes on: {message}");
            }
        }
        self.reload_error = (!reloaded.done).then(|| reloaded.messages.join("\n"));
        if self.next.is_none() && self.rollout.is_none() {
            self.plan.manager.send("READY=1");
        }
        reloaded
    }

    /// Somebody asked for it while it could not be done.
    pub(crate) fn reload_if_asked_meanwhile(&mut self) {
        if std::mem::take(&mut self.reload_again) {
            self.reload();
        }
    }

    fn try_reload(&mut self) -> Reloaded {
        let loaded = match self.plan.source.load() {
            Ok(loaded) => loaded,
            Err(error) => return refused(explain(&error)),
        };
        // What runs here has served with something: what is not there is a mistake, and not made.
        let home = &self.plan.home;
        let asked = Asked {
            home,
            config: Some(self.plan.source.path()).filter(|path| **path != home.config_file()),
        };
        if let Err(absent) = absent::files(&History::of(home).of_running(), &loaded.config, asked) {
            return refused(vec![absent.to_string()]);
        }
        let mut messages: Vec<_> = loaded.config.warnings.iter().map(ToString::to_string).collect();
        if loaded.config.process != self.plan.config.process {
            messages.push("process: a change of users takes effect after a stop and a start".to_owned());
        }
        let rules = self.rules(&loaded.config);
        let mut needed_by = needs_new_processes(&self.plan.config, &loaded.config);
        if needed_by.is_empty() && rules != self.current.spec.rules {
            needed_by.push("the directories of files that config.yml names");
        }
        let taken_up = if needed_by.is_empty() {
            self.apply(loaded)
        } else {
            self.replace(loaded, rules)
        };
        if let Err(reason) = taken_up {
            return refused(vec![reason]);
        }
        messages.iter().for_each(|message| tracing::warn!("{message}"));
        if !needed_by.is_empty() {
            let message = format!("new processes take over, since this changed: {}", needed_by.join(", "));
            tracing::info!("{message}");
            messages.push(message);
        }
        Reloaded {
            done: true,
            messages,
            ..Reloaded::default()
        }
    }

    /// All of them, or none.
    pub(crate) fn update_copies(&mut self, config: &Config) -> Result<(), String> {
        match &mut self.plan.copies {
            Some(copies) => copies.follow(config).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    /// New processes go on with it.
    fn replace(&mut self, loaded: LoadedConfig, rules: [Rules; 2]) -> Result<(), String> {
        let users = self.current.spec.users.as_ref();
        tree::make(&loaded.config.storage.root, users.map(|users| &users.registry))
            .map_err(|error| error.to_string())?;
        let known: Vec<_> = self.current.children.iter().flat_map(|child| &child.sockets).collect();
        let sockets = listeners::open(&loaded.config.http, &known).map_err(|error| error.to_string())?;
        let spec = ChildSpec {
            configuration: loaded.text,
            rules,
            ..self.current.spec.clone()
        };
        let config = loaded.config.clone();
        let spec = ReplacementSpec {
            source: self.plan.source.clone(),
            config: loaded.config,
            spec,
        };
        let number = self.current.number;
        let replacement = Replacement::new(&self.plan.home, number, spec, sockets, ReplacementReason::Reload);
        self.next = Some(replacement.map_err(|error| error.to_string())?);
        if let Err(error) = self.update_copies(&config) {
            self.cancel_hand_over();
            return Err(error);
        }
        self.plan.renewal.reload(&config);
        self.plan.acme.reload(&config);
        Ok(())
    }
}

impl Supervisor {
    /// What children with `config` are confined to.
    pub(crate) fn rules(&self, config: &Config) -> [Rules; 2] {
        Rules::of_both(&localized(config, self.plan.copies.as_ref()), &self.plan.home)
    }
}

fn refused(messages: Vec<String>) -> Reloaded {
    Reloaded {
        messages,
        ..Reloaded::default()
    }
}

/// The keys that differ and that a running process cannot take up: sockets it has open, directories it is confined to,
/// tasks it began with.
fn needs_new_processes(old: &Config, new: &Config) -> Vec<&'static str> {
    let (http, storage) = ((&old.http, &new.http), (&old.storage, &new.storage));
    let differs = [
        ("http.addr", http.0.addr != http.1.addr),
        ("http.redirecthttps", http.0.redirect_https != http.1.redirect_https),
        ("http.debug", shown(&http.0.debug) != shown(&http.1.debug)),
        ("http.tls", http.0.tls.is_some() != http.1.tls.is_some()),
        ("http.docroot", http.0.docroot != http.1.docroot),
        ("http.draintimeout", http.0.drain_timeout != http.1.drain_timeout),
        (
            "http.handovertimeout",
            http.0.hand_over_timeout != http.1.hand_over_timeout,
        ),
        // Pingora fixes it for h2 when it starts.
        (
            "http.limits.idletimeout",
            http.0.limits.idle_timeout != http.1.limits.idle_timeout,
        ),
        ("storage.filesystem.rootdirectory", storage.0.root != storage.1.root),
        (
            "storage.filesystem.maxthreads",
            storage.0.max_threads != storage.1.max_threads,
        ),
        (
            "storage.maintenance.uploadpurging",
            shown(&storage.0.upload_purging) != shown(&storage.1.upload_purging),
        ),
        ("health", shown(&old.health) != shown(&new.health)),
    ];
    differs
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
}

/// Small plain values, compared by what they show.
fn shown(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}
