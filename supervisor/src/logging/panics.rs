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
            super::flush();
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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::logging::Logging;

    /// Runs [`a_process_that_panics`] in a process of its own.
    #[test]
    fn the_last_words_of_a_process_are_written_before_it_ends() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "logging::panics::tests::a_process_that_panics"])
            .args(["--ignored", "--nocapture"])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("GET /v2/ 200") && told.contains("no way on"), "{told}");
        assert!(!told.contains("not reached"), "{told}");
    }

    #[test]
    #[ignore = "ends its process; run by the_last_words_of_a_process_are_written_before_it_ends"]
    fn a_process_that_panics() {
        Logging::start("test").run().unwrap();
        log_and_notify(Arc::default());
        tracing::info!(target: "access", "GET /v2/ 200");
        let main = std::thread::Builder::new().name("main".to_owned());
        let main = main.spawn(|| {
            let _ = std::panic::catch_unwind(|| panic!("no way on"));
            std::process::abort();
        });
        let _ = main.unwrap().join();
        eprintln!("not reached");
    }
}
