//! A panic is a line of the log like any other, and the last words of its process when it ends it.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::Arc;

use crate::os::notify::Notifier;

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
    use std::io::{BufRead, BufReader, PipeWriter, Read, Write};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use nix::fcntl::{FcntlArg, OFlag, fcntl};

    use super::*;
    use crate::logging::Logging;

    /// Runs [`a_process_that_panics`] in a process of its own, whose log nobody reads at first.
    #[test]
    fn the_last_words_of_a_process_are_written_before_it_ends() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        fill(&writer);
        let mut process = Command::new(std::env::current_exe().unwrap());
        process
            .args(["--exact", "logging::panics::tests::a_process_that_panics"])
            .args(["--ignored", "--nocapture"])
            // To find names for a backtrace takes longer than this waits.
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::piped())
            .stderr(writer);
        let mut running = process.spawn().unwrap();
        drop(process);
        let mut words = BufReader::new(running.stdout.take().unwrap()).lines();
        assert!(words.any(|line| line.unwrap().contains("about to panic")));
        // Time to end, and less than a log is waited for that takes nothing.
        std::thread::sleep(Duration::from_millis(300));
        let mut told = String::new();
        reader.read_to_string(&mut told).unwrap();
        running.wait().unwrap();
        assert!(told.contains("GET /v2/ 200") && told.contains("no way on"), "{told}");
        assert!(!told.contains("not reached"), "{told}");
    }

    /// Fills what the pipe holds.
    fn fill(mut pipe: &PipeWriter) {
        let flags = OFlag::from_bits_retain(fcntl(pipe, FcntlArg::F_GETFL).unwrap());
        fcntl(pipe, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).unwrap();
        while pipe.write_all(&[b'.'; 4096]).is_ok() {}
        fcntl(pipe, FcntlArg::F_SETFL(flags)).unwrap();
    }

    #[test]
    #[ignore = "ends its process; run by the_last_words_of_a_process_are_written_before_it_ends"]
    fn a_process_that_panics() {
        Logging::start("test").run().unwrap();
        log_and_notify(Arc::default());
        tracing::info!(target: "access", "GET /v2/ 200");
        println!("about to panic");
        let main = std::thread::Builder::new().name("main".to_owned());
        let main = main.spawn(|| {
            let _ = std::panic::catch_unwind(|| panic!("no way on"));
            std::process::abort();
        });
        let _ = main.unwrap().join();
        eprintln!("not reached");
    }
}
