//! Questions to a person at the terminal.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};

use lockgate_config::{Secret, text};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

/// A password, typed twice without echo.
pub(crate) fn new_password(account: &str) -> io::Result<Secret> {
    let first = hidden(&format!("Password for {account}: "))?;
    let second = hidden("Again: ")?;
    if first != second {
        return Err(io::Error::other("the two passwords differ"));
    }
    Ok(first)
}

/// The first line of stdin, which need not be a terminal.
pub(crate) fn password_from_stdin() -> io::Result<Secret> {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    let text = text::decode(&bytes).map_err(|error| io::Error::other(format!("the password on stdin: {error}")))?;
    Ok(Secret::new(text.lines().next().unwrap_or_default()))
}

/// Asks a question; false without a terminal.
pub(crate) fn agrees(question: &str) -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Reads a line from the terminal without showing it.
fn hidden(prompt: &str) -> io::Result<Secret> {
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(|_| io::Error::other("there is no terminal to ask at; use --password-stdin"))?;
    (&terminal).write_all(prompt.as_bytes())?;
    let hiding = Hiding::begin(&terminal)?;
    let mut line = String::new();
    BufReader::new(&terminal).read_line(&mut line)?;
    drop(hiding);
    (&terminal).write_all(b"\n")?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}

/// Echo is off while this lives.
struct Hiding<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Hiding<'a> {
    fn begin(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(terminal, SetArg::TCSAFLUSH, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hiding<'_> {
    fn drop(&mut self) {
        // Best effort: the terminal may be gone.
        let _ = tcsetattr(self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}
