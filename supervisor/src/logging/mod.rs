//! Logging: one line an event, readable or JSON, with the process's name and `log.fields` on each.
//!
//! ```text
//! event ─▶ line ─┬▶ writer ─▶ stderr         each with a bounded queue and a thread: nobody who logs waits
//!                ├▶ writer ─▶ log.file       for a terminal that stands still, a reader that hangs or a disk
//!                └▶ writer ─▶ log.system     that is frozen
//! ```
//!
//! Children inherit stderr, so the three processes write to one place; lines of one process go in pieces that a pipe
//! takes whole.

mod fields;
mod file;
mod levels;
mod line;
mod outputs;
pub(crate) mod panics;
mod queue;
mod receipt;
mod sinks;
mod system;
mod writer;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use lockgate_config::{Formatter, Level, Log, LogFile as FileSettings};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use file::LogFile;
use levels::targets;
use line::LineFormat;
use outputs::{OutputLayer, Outputs, SinkFilters};
use queue::Importance;
use sinks::{Console, Sink};
pub(crate) use system::DEV_LOG;
use system::SystemLog;
use writer::{Line, Writer};

/// The log of this process, once there is one.
static LOGGING: OnceLock<Logging> = OnceLock::new();

/// Changes the log of a running process.
#[derive(Clone)]
pub(crate) struct Logging {
    process: &'static str,
    outputs: Arc<Outputs>,
    filter: reload::Handle<Targets, Registry>,
}

impl Logging {
    /// Logs from now on: readable lines from `info` up on stderr, until a configuration says otherwise. Lines wait until
    /// [`Logging::run`].
    pub(crate) fn start(process: &'static str) -> Self {
        let outputs = Outputs {
            line_format: Arc::new(RwLock::new(Arc::new(LineFormat::new(
                process,
                Formatter::Text,
                &BTreeMap::new(),
            )))),
            filters: RwLock::new(Arc::new(SinkFilters {
                console: targets(Level::Info, true),
                file: None,
                system: None,
            })),
            console: Writer::new("stderr"),
            file: Writer::new("log.file"),
            system: Writer::new("log.system"),
        };
        let outputs = Arc::new(outputs);
        let console = Console::open();
        outputs
            .console
            .change(Box::new(|_| Some(Box::new(console.ok()?) as Box<dyn Sink>)));
        let (filter, handle) = reload::Layer::new(targets(Level::Info, true));
        let lines = OutputLayer(outputs.clone());
        let logging = Self {
            process,
            outputs,
            filter: handle,
        };
        let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
        if subscriber.try_init().is_err() || LOGGING.set(logging.clone()).is_err() {
            eprintln!("lockgate: logging was set up twice");
        }
        logging
    }

    /// Writes from now on what waits and what comes, on threads of their own: to be called once the process is confined.
    pub(crate) fn run(&self) -> io::Result<()> {
        let Outputs {
            line_format,
            console,
            file,
            system,
            ..
        } = &*self.outputs;
        let filters = self.outputs.filters();
        console.start(line_format)?;
        if filters.file.is_some() {
            file.start(line_format)?;
        }
        if filters.system.is_some() {
            system.start(line_format)?;
        }
        Ok(())
    }

    /// Logs as `log` says. `directory`: where files go unless `log.file.directory` is set.
    pub(crate) fn reload(&self, log: &Log, directory: &Path) {
        let outputs = &self.outputs;
        let line_format = LineFormat::new(self.process, log.formatter, &log.fields);
        *outputs.line_format.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(line_format);
        let file = log.file.as_ref();
        let filters = SinkFilters {
            console: targets(log.console, log.access),
            file: file.map(|file| targets(file.level, log.access)),
            system: log.system.map(|level| targets(level, log.access)),
        };
        *outputs.filters.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(filters);
        let most = [file.map(|file| file.level), log.system].into_iter().flatten();
        let most = most.fold(log.console, Level::max);
        if let Err(error) = self.filter.modify(|filter| *filter = targets(most, log.access)) {
            tracing::error!("the log level could not be changed: {error}");
        }
        if let Some(file) = file {
            self.open_file(file, directory);
        }
        if log.system.is_some() {
            let system = SystemLog::new(DEV_LOG, self.process);
            outputs.system.change(Box::new(|_| Some(Box::new(system))));
        }
        if outputs.console.is_running()
            && let Err(error) = self.run()
        {
            tracing::error!("cannot start a thread for the log: {error}");
        }
    }

    /// At once as long as this process is not confined; later by the thread, which may wait for a disk.
    fn open_file(&self, file: &FileSettings, directory: &Path) {
        let directory = file.directory.clone().unwrap_or_else(|| directory.to_owned());
        let (process, size, age) = (self.process, file.max_size, file.max_age);
        let open = move || open(&directory, || LogFile::open(&directory, process, size, age));
        let writer = &self.outputs.file;
        if self.outputs.console.is_running() {
            writer.change(Box::new(move |_| open()));
        } else {
            let opened = open();
            writer.change(Box::new(|_| opened));
        }
    }

    /// Opens log files again, for a tool that has moved them away.
    pub(crate) fn reopen(&self) {
        if self.outputs.file.is_running() {
            self.outputs.file.change(Box::new(|mut sink| {
                if let Some(Err(error)) = sink.as_mut().map(|sink| sink.reopen()) {
                    tracing::error!("log.file: {error}");
                }
                sink
            }));
        }
    }

    /// Calls `log`, which logs one line, at best of the target `audit`; resolves to whether the log has taken it: one of
    /// its sinks at least, or none that wants it.
    pub(crate) fn confirmed(log: &dyn Fn()) -> impl Future<Output = bool> + Send + 'static {
        receipt::confirmed(log)
    }

    /// How many lines are lost by now, while a log takes nothing; none once it flows again.
    pub(crate) fn missing(&self) -> u64 {
        self.outputs.writers().map(Writer::missing).iter().sum()
    }
}

fn open(directory: &Path, open: impl FnOnce() -> io::Result<LogFile>) -> Option<Box<dyn Sink>> {
    match open() {
        Ok(file) => Some(Box::new(file)),
        Err(error) => {
            tracing::error!("log.file: nothing is logged to {}: {error}", directory.display());
            None
        }
    }
}

/// Writes what waits, before this process ends or becomes another; does not wait long for a log that takes nothing.
pub(crate) fn flush() {
    let Some(logging) = LOGGING.get() else { return };
    // A process that ends early has not begun to write.
    let _ = logging.run();
    let began = Instant::now();
    let requested = logging.outputs.writers().map(|writer| (writer, writer.request_flush()));
    for (writer, number) in requested {
        writer.flush(number, began);
    }
}

/// Writes to stderr why this process ends, after the lines that wait; `false` when this process has no log.
pub(crate) fn write_exit_reason(line: &str) -> bool {
    let Some(logging) = LOGGING.get() else { return false };
    let line = Line {
        level: tracing::Level::ERROR,
        text: format!("{line}\n"),
        receipt: None,
    };
    logging.outputs.console.push(Importance::Vital, line);
    true
}
