//! One test again, as a process of its own: for what holds for whole processes, such as a limit or the memory it has.
//!
//! ```no_run
//! # use lockgate_testkit::own_process;
//! #[test]
//! fn few_descriptors_are_survived() {
//!     own_process::run("connections::few_descriptors", &[("RUST_LOG", "error")]);
//! }
//!
//! #[test]
//! #[ignore = "lowers a limit of the whole process; run by few_descriptors_are_survived"]
//! fn few_descriptors() {}
//! ```

use std::ffi::OsString;
use std::process::Command;

/// The command line: this program, and the arguments that make it run the ignored test `name` alone. `name` is the path
/// of the test without the crate.
pub fn command_line(name: &str) -> [OsString; 5] {
    let program = std::env::current_exe().unwrap().into_os_string();
    let [exact, ignored, shown] = ["--exact", "--ignored", "--nocapture"].map(OsString::from);
    [program, exact, name.into(), ignored, shown]
}

/// The same, to be started; for a process that is talked to, or that dies.
pub fn command(name: &str) -> Command {
    let [program, arguments @ ..] = command_line(name);
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Runs the ignored test `name` with these variables besides its own; gives all that it printed. Fails when it fails, and
/// when there is no such test.
#[track_caller]
pub fn run(name: &str, variables: &[(&str, &str)]) -> String {
    let mut command = command(name);
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && printed.contains("1 passed"),
        "{name}: {printed}"
    );
    printed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_passes_in_a_process_of_its_own() {
        let printed = run("own_process::tests::other", &[("OWN_PROCESS", "is set")]);
        assert!(printed.contains("it is set"), "{printed}");
    }

    #[test]
    #[should_panic(expected = "0 passed")]
    fn a_test_that_is_not_there_is_a_failure() {
        run("own_process::tests::no_such_test", &[]);
    }

    #[test]
    #[ignore = "run by a_test_passes_in_a_process_of_its_own"]
    fn other() {
        println!("it {}", std::env::var("OWN_PROCESS").unwrap());
    }
}
