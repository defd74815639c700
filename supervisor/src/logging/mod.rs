//! Logging: one line an event, readable or JSON, with the process's name and `log.fields` on each.
//!
//! Children inherit stderr, so the three processes write to one place; a line is one `write`.

mod file;
mod line;
pub(crate) mod panics;
mod record;
mod sinks;
mod system;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use lockgate_config::{Formatter, Level, Log};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use line::Style;
use record::Fields;
use sinks::Sinks;
pub(crate) use system::DEV_LOG;

/// The target of the lines that tell of one request each; `log.accesslog.disabled` silences them.
const ACCESS: &str = "access";
/// Our own crates, and the binary: all their targets begin so.
const OWN: &str = "lockgate";

/// Changes the log of a running process.
#[derive(Debug, Clone)]
pub(crate) struct Logging {
    process: &'static str,
    output: Arc<Mutex<Output>>,
    filter: reload::Handle<Targets, Registry>,
}

/// How lines look and where they go.
#[derive(Debug)]
struct Output {
    style: Style,
    sinks: Sinks,
}

impl Logging {
    /// Logs from now on: readable lines from `info` up on stderr, until a configuration says otherwise.
    pub(crate) fn start(process: &'static str) -> Self {
        let style = Style::new(process, Formatter::Text, &BTreeMap::new());
        let sinks = Sinks::console(Level::Info);
        let output = Arc::new(Mutex::new(Output { style, sinks }));
        let (filter, handle) = reload::Layer::new(targets(Level::Info, true));
        let lines = Lines { output: output.clone() };
        if tracing_subscriber::registry()
            .with(lines.with_filter(filter))
            .try_init()
            .is_err()
        {
            eprintln!("lockgate: logging was set up twice");
        }
        Self {
            process,
            output,
            filter: handle,
        }
    }

    /// Logs as `log` says. `directory`: where files go unless `log.file.directory` is set.
    pub(crate) fn reload(&self, log: &Log, directory: &Path) {
        let (sinks, problem) = Sinks::of(log, self.process, directory);
        let style = Style::new(self.process, log.formatter, &log.fields);
        *self.output.lock().unwrap_or_else(PoisonError::into_inner) = Output { style, sinks };
        let file = log.file.as_ref().map(|file| file.level);
        let most = [file, log.system].into_iter().flatten().fold(log.console, Level::max);
        if let Err(error) = self.filter.modify(|filter| *filter = targets(most, log.access)) {
            tracing::error!("the log level could not be changed: {error}");
        }
        if let Some(problem) = problem {
            tracing::error!("{problem}");
        }
    }

    /// Opens log files again, for a tool that has moved them away.
    pub(crate) fn reopen(&self) {
        let reopened = self
            .output
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .sinks
            .reopen();
        if let Err(error) = reopened {
            tracing::error!("log.file: {error}");
        }
    }
}

/// Our own lines at `level`. Libraries never below `info`: their debug output shows headers, passwords among them.
fn targets(level: Level, access: bool) -> Targets {
    let own = filter_of(level);
    let libraries = match level {
        Level::Silent => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn | Level::Info => LevelFilter::WARN,
        Level::Debug | Level::Trace => LevelFilter::INFO,
    };
    let access = if access { own } else { LevelFilter::OFF };
    // The front door logs what these would say, once, and with the request's id.
    let quiet = lockgate_proxy::QUIET_TARGETS
        .iter()
        .map(|target| (*target, LevelFilter::OFF));
    Targets::new()
        .with_default(libraries)
        .with_targets(quiet)
        .with_target(OWN, own)
        .with_target(ACCESS, access)
}

fn filter_of(level: Level) -> LevelFilter {
    match level {
        Level::Silent => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

/// Writes each event as a line, with the fields of the spans that it happened in.
struct Lines {
    output: Arc<Mutex<Output>>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.add_missing(outer);
            }
        }
        let target = fields.take_log_target();
        let target = target.as_deref().unwrap_or(event.metadata().target());
        let level = *event.metadata().level();
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let Output { style, sinks } = &mut *output;
        let line = style.line(level, target, &fields);
        sinks.write(level, target, &line, || style.message(&fields));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(level: Level, access: bool, target: &str, event: tracing::Level) -> bool {
        targets(level, access).would_enable(target, &event)
    }

    #[test]
    fn libraries_never_show_their_debug_output() {
        assert!(shown(
            Level::Trace,
            true,
            "lockgate_proxy::handoff",
            tracing::Level::TRACE
        ));
        assert!(shown(Level::Trace, true, "actix_http::h1", tracing::Level::INFO));
        assert!(!shown(Level::Trace, true, "actix_http::h1", tracing::Level::DEBUG));
        assert!(!shown(Level::Info, true, "actix_http::h1", tracing::Level::INFO));
        // The front door says what these would, with the request's id.
        assert!(!shown(
            Level::Trace,
            true,
            "pingora_core::server",
            tracing::Level::ERROR
        ));
    }

    #[test]
    fn the_access_log_is_a_switch_of_its_own() {
        assert!(shown(Level::Info, true, ACCESS, tracing::Level::INFO));
        assert!(!shown(Level::Info, false, ACCESS, tracing::Level::INFO));
        assert!(shown(Level::Info, false, "lockgate_proxy", tracing::Level::INFO));
    }

    #[test]
    fn silent_shows_nothing() {
        for target in ["lockgate", "access", "actix_http"] {
            assert!(!shown(Level::Silent, true, target, tracing::Level::ERROR));
        }
    }
}
