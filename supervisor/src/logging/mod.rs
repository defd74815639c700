//! Logging: one line an event on stderr, readable or JSON, with the process's name and `log.fields` on each.
//!
//! Children inherit stderr, so the three processes write to one place; a line is one `write`.

mod line;
pub(crate) mod panics;
mod record;

use std::io::Write;
use std::sync::{Arc, PoisonError, RwLock};

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

/// The target of the lines that tell of one request each; `log.accesslog.disabled` silences them.
const ACCESS: &str = "access";
/// Our own crates, and the binary: all their targets begin so.
const OWN: &str = "lockgate";

/// Changes the log of a running process.
#[derive(Debug, Clone)]
pub(crate) struct Logging {
    process: &'static str,
    style: Arc<RwLock<Style>>,
    filter: reload::Handle<Targets, Registry>,
}

impl Logging {
    /// Logs from now on: readable lines from `info` up, until a configuration says otherwise.
    pub(crate) fn start(process: &'static str) -> Self {
        let style = Arc::new(RwLock::new(Style::new(process, Formatter::Text, &[])));
        let (filter, handle) = reload::Layer::new(targets(Level::Info, true));
        let lines = Lines { style: style.clone() };
        if tracing_subscriber::registry()
            .with(lines.with_filter(filter))
            .try_init()
            .is_err()
        {
            eprintln!("lockgate: logging was set up twice");
        }
        Self {
            process,
            style,
            filter: handle,
        }
    }

    /// Logs as `log` says.
    pub(crate) fn reload(&self, log: &Log) {
        let fields: Vec<_> = log
            .fields
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        *self.style.write().unwrap_or_else(PoisonError::into_inner) = Style::new(self.process, log.formatter, &fields);
        if let Err(error) = self.filter.modify(|filter| *filter = targets(log.console, log.access)) {
            tracing::error!("the log level could not be changed: {error}");
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
    Targets::new()
        .with_default(libraries)
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
    style: Arc<RwLock<Style>>,
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
        let target = fields
            .take_log_target()
            .unwrap_or_else(|| event.metadata().target().to_owned());
        let style = self.style.read().unwrap_or_else(PoisonError::into_inner);
        let line = style.line(*event.metadata().level(), &target, &fields);
        // Nobody can be told when stderr is gone.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
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
        assert!(shown(Level::Trace, true, "pingora_core::server", tracing::Level::INFO));
        assert!(!shown(
            Level::Trace,
            true,
            "pingora_core::server",
            tracing::Level::DEBUG
        ));
        assert!(!shown(Level::Info, true, "pingora_core::server", tracing::Level::INFO));
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
