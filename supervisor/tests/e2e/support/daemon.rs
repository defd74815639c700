//! Programs that run as long as a test does.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use lockgate_testkit::eventually_within;

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A program that answers. It ends with the machine that it runs in.
pub(crate) struct Daemon(Child);

impl Daemon {
    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.0.wait().expect("wait")
    }
}

/// Starts `command`, whose output goes to the file `log`, and waits until it `answers`; fails with its log when it ends
/// instead.
pub(crate) fn launch(command: &mut Command, log: &Path, mut answers: impl FnMut() -> bool) -> Daemon {
    let output = fs::File::create(log).expect("log");
    let errors = output.try_clone().expect("log");
    let mut child = command.stdout(output).stderr(errors).spawn().expect("it starts");
    eventually_within(START_TIMEOUT, &format!("an answer; {}", log.display()), || {
        let ended = child.try_wait().expect("wait");
        let printed = || fs::read_to_string(log).unwrap_or_default();
        assert!(ended.is_none(), "{} ended: {}", log.display(), printed());
        answers()
    });
    Daemon(child)
}

/// Whether `command` succeeds; what it prints is nobody's business.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
