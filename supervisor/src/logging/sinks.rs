//! Where lines go: stderr, a file, the system's log.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use tracing::Level;

use super::file::LogFile;
use super::system::SystemLog;

/// What takes lines, and may keep its thread waiting for as long as it likes.
pub(super) trait Sink: Send {
    /// Writes lines; gives whether somebody has taken them. On an error they are lost.
    fn write(&mut self, lines: &[(Level, &str)]) -> io::Result<bool>;

    /// Whether it knows itself when a line came; else each line says so, and ends in a line feed.
    fn has_own_time(&self) -> bool {
        false
    }

    /// Opens its file again, for a tool that has moved it away.
    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// stderr, without the lock of the standard library: a write that blocks must not keep others from saying why they end.
pub(super) struct Console(File);

impl Console {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self(io::stderr().as_fd().try_clone_to_owned()?.into()))
    }
}

impl Sink for Console {
    fn write(&mut self, lines: &[(Level, &str)]) -> io::Result<bool> {
        self.0.write_all(joined(lines).as_bytes())?;
        Ok(true)
    }
}

impl Sink for LogFile {
    fn write(&mut self, lines: &[(Level, &str)]) -> io::Result<bool> {
        self.append(&joined(lines))?;
        Ok(true)
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.open_again()
    }
}

impl Sink for SystemLog {
    fn write(&mut self, lines: &[(Level, &str)]) -> io::Result<bool> {
        let mut is_taken = true;
        for (level, message) in lines {
            is_taken &= self.send(*level, message);
        }
        Ok(is_taken)
    }

    fn has_own_time(&self) -> bool {
        true
    }
}

fn joined(lines: &[(Level, &str)]) -> String {
    lines.iter().map(|(_, text)| *text).collect()
}
