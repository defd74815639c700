//! The `openssl` program, which the users of the seeds know.

use std::path::Path;
use std::process::{Command, Output};

/// Runs it in `directory`; what it printed, when it succeeded.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> String {
    let output = output(directory, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn output(directory: &Path, arguments: &[&str]) -> Output {
    Command::new("openssl")
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("openssl runs")
}
