//! From an event to a line for each sink that wants it.

use std::sync::{Arc, PoisonError, RwLock};

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::fields::Fields;
use super::levels::{ACCESS, AUDIT};
use super::queue::Importance;
use super::receipt::Receipt;
use super::writer::{Line, SharedFormat, Writer};

/// The format of lines and their sinks.
pub(super) struct Outputs {
    pub(super) line_format: SharedFormat,
    pub(super) filters: RwLock<Arc<SinkFilters>>,
    pub(super) console: Writer,
    pub(super) file: Writer,
    pub(super) system: Writer,
}

/// Which lines each sink takes; `None` for a sink that is off.
pub(super) struct SinkFilters {
    pub(super) console: Targets,
    pub(super) file: Option<Targets>,
    pub(super) system: Option<Targets>,
}

impl Outputs {
    pub(super) fn writers(&self) -> [&Writer; 3] {
        [&self.console, &self.file, &self.system]
    }

    pub(super) fn filters(&self) -> Arc<SinkFilters> {
        self.filters.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives an event to each sink where its level counts.
    fn write(&self, level: tracing::Level, target: &str, fields: &Fields) {
        let filters = self.filters();
        let line_format = self.line_format.read().unwrap_or_else(PoisonError::into_inner).clone();
        let wants = |targets: &Option<Targets>| {
            let targets = targets.as_ref();
            targets.is_some_and(|targets| targets.would_enable(target, &level))
        };
        let importance = match target {
            ACCESS => Importance::Access,
            AUDIT => Importance::Vital,
            _ if level == tracing::Level::ERROR => Importance::Vital,
            _ => Importance::Common,
        };
        let receipt = || (target == AUDIT).then(Receipt::of_this_thread).flatten();
        let line = |text| Line {
            level,
            text,
            receipt: receipt(),
        };
        let (console, file) = (filters.console.would_enable(target, &level), wants(&filters.file));
        if console || file {
            let text = line_format.line(level, target, fields);
            if console && file {
                self.file.push(importance, line(text.clone()));
                self.console.push(importance, line(text));
            } else {
                let only = if console { &self.console } else { &self.file };
                only.push(importance, line(text));
            }
        }
        if wants(&filters.system) {
            self.system.push(importance, line(line_format.message(fields)));
        }
    }
}

/// Makes a line of each event, with the fields of the spans that it happened in.
pub(super) struct OutputLayer(pub(super) Arc<Outputs>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for OutputLayer {
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
        self.0.write(*event.metadata().level(), target, &fields);
    }
}
