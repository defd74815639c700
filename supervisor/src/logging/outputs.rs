//! From an event to a line for each sink that wants it.

use std::sync::{Arc, PoisonError, RwLock};

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::levels::{ACCESS, AUDIT};
use super::queue::Worth;
use super::receipt::Receipt;
use super::record::Fields;
use super::writer::{Line, SharedStyle, Writer};

/// How lines look and where they go.
pub(super) struct Outputs {
    pub(super) style: SharedStyle,
    pub(super) wanted: RwLock<Arc<Wanted>>,
    pub(super) console: Writer,
    pub(super) file: Writer,
    pub(super) system: Writer,
}

/// What each sink wants; one that there is not wants nothing.
pub(super) struct Wanted {
    pub(super) console: Targets,
    pub(super) file: Option<Targets>,
    pub(super) system: Option<Targets>,
}

impl Outputs {
    pub(super) fn writers(&self) -> [&Writer; 3] {
        [&self.console, &self.file, &self.system]
    }

    pub(super) fn wanted(&self) -> Arc<Wanted> {
        self.wanted.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives an event to each sink where its level counts.
    fn write(&self, level: tracing::Level, target: &str, fields: &Fields) {
        let wanted = self.wanted();
        let style = self.style.read().unwrap_or_else(PoisonError::into_inner).clone();
        let wants = |targets: &Option<Targets>| {
            let targets = targets.as_ref();
            targets.is_some_and(|targets| targets.would_enable(target, &level))
        };
        let worth = match target {
            ACCESS => Worth::Access,
            AUDIT => Worth::Vital,
            _ if level == tracing::Level::ERROR => Worth::Vital,
            _ => Worth::Common,
        };
        let receipt = || (target == AUDIT).then(Receipt::of_this_thread).flatten();
        let line = |text| Line {
            level,
            text,
            receipt: receipt(),
        };
        let (console, file) = (wanted.console.would_enable(target, &level), wants(&wanted.file));
        if console || file {
            let text = style.line(level, target, fields);
            if console && file {
                self.file.push(worth, line(text.clone()));
                self.console.push(worth, line(text));
            } else {
                let only = if console { &self.console } else { &self.file };
                only.push(worth, line(text));
            }
        }
        if wants(&wanted.system) {
            self.system.push(worth, line(style.message(fields)));
        }
    }
}

/// Makes a line of each event, with the fields of the spans that it happened in.
pub(super) struct Lines(pub(super) Arc<Outputs>);

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
        self.0.write(*event.metadata().level(), target, &fields);
    }
}
