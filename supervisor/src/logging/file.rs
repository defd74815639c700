//! The file sink: `<directory>/<process>.log`, rotated when it is full, removed when it is old.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lockgate_files::{Modes, make_directories};
use nix::fcntl::OFlag;

/// The group reads logs.
const DIRECTORY_MODE: u32 = 0o750;

/// An open log file.
#[derive(Debug)]
pub(super) struct LogFile {
    directory: PathBuf,
    process: &'static str,
    file: File,
    size: u64,
    max_size: u64,
    max_age: Duration,
}

impl LogFile {
    /// Opens the file of `process` for appending, and removes what is too old.
    pub(super) fn open(directory: &Path, process: &'static str, max_size: u64, max_age: Duration) -> io::Result<Self> {
        make_directories(directory, DIRECTORY_MODE, DIRECTORY_MODE, Modes::AsMounted)?;
        let (file, size) = append_to(&current(directory, process))?;
        let log = Self {
            directory: directory.to_owned(),
            process,
            file,
            size,
            max_size,
            max_age,
        };
        log.remove_old();
        Ok(log)
    }

    /// Writes lines; rotates a full file before.
    pub(super) fn append(&mut self, lines: &str) -> io::Result<()> {
        let length = lines.len() as u64;
        if self.size > 0 && self.size + length > self.max_size {
            self.rotate()?;
        }
        self.file.write_all(lines.as_bytes())?;
        self.size += length;
        Ok(())
    }

    /// Opens the file again, for a tool that has moved it away.
    pub(super) fn open_again(&mut self) -> io::Result<()> {
        (self.file, self.size) = append_to(&current(&self.directory, self.process))?;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let since_1970 = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let aside = format!(
            "{}{}.{:09}.log",
            self.prefix(),
            since_1970.as_secs(),
            since_1970.subsec_nanos()
        );
        std::fs::rename(current(&self.directory, self.process), self.directory.join(aside))?;
        self.open_again()?;
        self.remove_old();
        Ok(())
    }

    /// The start of the names of rotated files.
    fn prefix(&self) -> String {
        format!("{}-", self.process)
    }

    /// What cannot be removed is tried again the next time.
    fn remove_old(&self) {
        let now = SystemTime::now();
        for entry in std::fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let aside = name
                .to_str()
                .is_some_and(|name| name.starts_with(&self.prefix()) && name.ends_with(".log"));
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let age = modified.ok().and_then(|modified| now.duration_since(modified).ok());
            if aside && age.is_some_and(|age| age > self.max_age) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

fn current(directory: &Path, process: &str) -> PathBuf {
    directory.join(format!("{process}.log"))
}

fn append_to(path: &Path) -> io::Result<(File, u64)> {
    // Three processes write to this directory: none makes another follow a link.
    let flags = OFlag::O_NOFOLLOW.bits();
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .custom_flags(flags)
        .open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_full_file_is_put_aside_and_nothing_is_lost() {
        // proves: MOSI-09
        let directory = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(directory.path(), "proxy", 10, DAY).unwrap();
        for line in ["1234\n", "5678\n", "9\n"] {
            log.append(line).unwrap();
        }
        let names = names(directory.path());
        assert_eq!(names.len(), 2, "{names:?}");
        let all: String = names
            .iter()
            .map(|name| std::fs::read_to_string(directory.path().join(name)).unwrap())
            .collect();
        assert_eq!(all, "1234\n5678\n9\n");
        drop(log);
        // A second run goes on in the same file.
        LogFile::open(directory.path(), "proxy", 10, DAY)
            .unwrap()
            .append("10\n")
            .unwrap();
        assert_eq!(
            std::fs::read_to_string(directory.path().join("proxy.log")).unwrap(),
            "9\n10\n"
        );
    }

    #[test]
    fn old_files_are_removed_and_those_of_others_are_not() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["proxy-1.000000000.log", "registry-1.000000000.log", "proxy-notes.txt"] {
            let file = File::create(directory.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - 2 * DAY).unwrap();
        }
        LogFile::open(directory.path(), "proxy", 10, DAY).unwrap();
        assert_eq!(
            names(directory.path()),
            ["proxy-notes.txt", "proxy.log", "registry-1.000000000.log"]
        );
    }

    #[test]
    fn a_file_that_was_moved_away_is_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(directory.path(), "proxy", 100, DAY).unwrap();
        log.append("before\n").unwrap();
        std::fs::rename(directory.path().join("proxy.log"), directory.path().join("moved")).unwrap();
        log.open_again().unwrap();
        log.append("after\n").unwrap();
        assert_eq!(
            std::fs::read_to_string(directory.path().join("proxy.log")).unwrap(),
            "after\n"
        );
    }
}
