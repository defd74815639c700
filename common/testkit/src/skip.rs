//! The rule for tests that need what is not on every machine: Rust, a C compiler, git and coreutils are, nothing else.
//!
//! Such a test is skipped with one line that says what is missing and the command that installs it. With `CI=true` it
//! fails instead: CI has all of it.

use std::io::Write as _;
use std::path::PathBuf;

/// Debian's packages, and the programs of each that tests start.
const PACKAGES: &[(&str, &[&str])] = &[
    ("apache2-utils", &["htpasswd"]),
    ("bash", &["bash"]),
    ("buildah", &["buildah"]),
    ("busybox-static", &["busybox"]),
    ("curl", &["curl"]),
    ("docker-registry", &["docker-registry"]),
    ("docker.io", &["docker", "dockerd"]),
    ("e2fsprogs", &["mkfs.ext4"]),
    ("iproute2", &["ip"]),
    ("libc-bin", &["getent"]),
    ("mount", &["mount", "umount"]),
    ("nginx", &["nginx"]),
    ("openssl", &["openssl"]),
    ("pebble", &["pebble", "pebble-challtestsrv"]),
    ("podman", &["podman"]),
    ("procps", &["pkill"]),
    ("python3", &["python3"]),
    ("skopeo", &["skopeo"]),
    ("strace", &["strace"]),
    ("systemd", &["systemctl", "systemd-analyze", "systemd-socket-activate"]),
    ("tar", &["tar"]),
    ("util-linux", &["nsenter", "setpriv", "setsid", "unshare"]),
    ("wrk", &["wrk"]),
];

/// Installs what no package has, and all packages besides.
const INSTALL_ALL: &str = "bash .ci/run";

/// Whether all of `programs` are on `PATH`; when not, says so and which command installs them.
pub fn require(programs: &[&str]) -> bool {
    let absent: Vec<&str> = programs
        .iter()
        .copied()
        .filter(|program| on_path(program).is_none())
        .collect();
    absent.is_empty() || missing(&absent.join(", "), &install(&absent))
}

/// Whether this is root, who may become other users, mount and make namespaces; says so when not.
pub fn require_root() -> bool {
    rustix::process::geteuid().is_root() || missing("root", "run the tests as root")
}

/// Says that a test is skipped since `what` is not here, and the `remedy`; false, so that callers can return.
///
/// # Panics
///
/// With `CI=true`.
pub fn missing(what: &str, remedy: &str) -> bool {
    let in_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(!in_ci, "not skipped, since CI=true: needs {what}: {remedy}");
    skip(&format!("needs {what}: {remedy}"))
}

/// Says that a test is skipped, and why: for what no client can mend, such as a kernel without a file system. False, so
/// that callers can return.
pub fn skip(why: &str) -> bool {
    say(&format!("SKIPPED: {why}"));
    false
}

/// Prints a line with the test's name that shows without `--nocapture`: only what `print!` and `eprint!` write is
/// captured.
pub fn say(line: &str) {
    let thread = std::thread::current();
    let line = format!("{}: {line}\n", thread.name().unwrap_or("test"));
    // At once, so that lines of tests that run at the same time do not mix. A closed stderr changes nothing.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Where `program` lies, as the system would find it.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// The command that installs `programs`.
fn install(programs: &[&str]) -> String {
    let package = |program: &&str| {
        let found = PACKAGES.iter().find(|(_, programs)| programs.contains(program));
        found.map(|(package, _)| *package)
    };
    let Some(mut packages) = programs.iter().map(package).collect::<Option<Vec<_>>>() else {
        return INSTALL_ALL.to_owned();
    };
    packages.sort_unstable();
    packages.dedup();
    format!("sudo apt-get install {}", packages.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_each_package_once() {
        assert_eq!(install(&["setpriv"]), "sudo apt-get install util-linux");
        assert_eq!(
            install(&["unshare", "strace", "nsenter"]),
            "sudo apt-get install strace util-linux"
        );
        assert_eq!(install(&["skopeo", "crane"]), INSTALL_ALL);
    }

    #[test]
    fn programs_are_found_on_the_path_alone() {
        assert!(on_path("sh").is_some());
        assert_eq!(on_path("no-such-program"), None);
    }

    /// What a skip says is what CI installs.
    #[test]
    fn ci_installs_every_package() {
        let ci = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.ci/run");
        let script = std::fs::read_to_string(ci).unwrap();
        let words: Vec<&str> = script.split([' ', '\n', '(', ')']).collect();
        for (package, _) in PACKAGES {
            assert!(words.contains(package), "{package}");
        }
    }
}
