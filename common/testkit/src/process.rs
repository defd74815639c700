//! What `/proc` says of a process.
//!
//! ```
//! # use lockgate_testkit::process;
//! let before = process::memory_kib("self", "VmRSS");
//! assert!(process::status("self", "Threads").parse::<u32>().unwrap() > 0 && before > 0);
//! ```

use std::fmt::Display;

/// A field of `/proc/PID/status`, with single spaces between its words.
pub fn status(pid: impl Display, field: &str) -> String {
    let file = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let value = status_field(&text, field);
    value.unwrap_or_else(|| panic!("no {field} in {file}"))
}

/// A field that is an amount of memory, in KiB: `VmRSS`, or the most there ever was, `VmHWM`.
pub fn memory_kib(pid: impl Display, field: &str) -> u64 {
    kib(&status(pid, field))
}

/// The same from the text of that file, which may be of another process namespace.
pub fn memory_kib_in(status: &str, field: &str) -> u64 {
    kib(&status_field(status, field).unwrap_or_else(|| panic!("no {field} in {status}")))
}

/// Whether there is a process with this pid; a zombie is none.
pub fn is_alive(pid: impl Display) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn status_field(status: &str, field: &str) -> Option<String> {
    let mut fields = status.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(name, _)| *name == field)?;
    Some(value.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn kib(value: &str) -> u64 {
    value.trim_end_matches(" kB").parse().unwrap()
}
