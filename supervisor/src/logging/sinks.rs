//! Where lines go: stderr, a file, the system's log; each with a level of its own.

use std::io::Write;
use std::path::Path;

use lockgate_config::{Level, Log};
use tracing_subscriber::filter::Targets;

use super::file::LogFile;
use super::system::{DEV_LOG, SystemLog};
use super::targets;

/// The sinks of one process.
#[derive(Debug)]
pub(super) struct Sinks {
    console: Targets,
    file: Option<(Targets, LogFile)>,
    system: Option<(Targets, SystemLog)>,
}

impl Sinks {
    /// stderr alone.
    pub(super) fn console(level: Level) -> Self {
        Self {
            console: targets(level, true),
            file: None,
            system: None,
        }
    }

    /// Those that `log` asks for; the second half says why one of them is missing.
    pub(super) fn of(log: &Log, process: &'static str, directory: &Path) -> (Self, Option<String>) {
        let mut problem = None;
        let file = log.file.as_ref().and_then(|file| {
            let directory = file.directory.as_deref().unwrap_or(directory);
            match LogFile::open(directory, process, file.max_size, file.max_age) {
                Ok(open) => Some((targets(file.level, log.access), open)),
                Err(error) => {
                    problem = Some(format!(
                        "log.file: nothing is logged to {}: {error}",
                        directory.display()
                    ));
                    None
                }
            }
        });
        let system = log
            .system
            .map(|level| (targets(level, log.access), SystemLog::new(DEV_LOG, process)));
        (
            Self {
                console: targets(log.console, log.access),
                file,
                system,
            },
            problem,
        )
    }

    /// Writes an event wherever its level counts. `line` ends in a line feed; `message` has neither time nor level.
    pub(super) fn write(&mut self, level: tracing::Level, target: &str, line: &str, message: impl FnOnce() -> String) {
        if self.console.would_enable(target, &level) {
            // Nobody can be told when stderr is gone.
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        }
        if let Some((wanted, file)) = &mut self.file
            && wanted.would_enable(target, &level)
            && let Err(error) = file.write(line)
        {
            // Once for each line that is lost; stderr is what is left to say it on.
            let _ = writeln!(std::io::stderr().lock(), "lockgate: log.file: {error}");
        }
        if let Some((wanted, system)) = &mut self.system
            && wanted.would_enable(target, &level)
        {
            system.write(level, &message());
        }
    }

    /// Opens the file again, for a tool that has moved it away.
    pub(super) fn reopen(&mut self) -> std::io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |(_, file)| file.reopen())
    }
}
