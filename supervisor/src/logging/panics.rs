//! A panic is a line of the log like any other, and the last words of its process when it ends it.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::Arc;

use crate::notify::Notifier;

/// Logs every panic. One of the main thread ends the process, so the supervisor is told as well.
pub(crate) fn log_and_notify(notifier: Arc<Notifier>) {
    std::panic::set_hook(Box::new(move |panic| {
        let text = describe(panic);
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            tracing::error!(%backtrace, "{text}");
        } else {
            tracing::error!("{text}");
        }
        if std::thread::current().name() == Some("main") {
            notifier.send_status(&text);
        }
    }));
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let payload = panic.payload();
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let message = text.unwrap_or("no message");
    match panic.location() {
        Some(place) => format!("panicked at {}:{}: {message}", place.file(), place.line()),
        None => format!("panicked: {message}"),
    }
}
