//! A system call made by a process that runs: what it may do itself is what counts, and another process of the same user
//! may do other things.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use lockgate_testkit::eventually;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Linux, x86-64: `openat` and `close`, `socket` and `connect`, `kill`, `umask`.
const OPENAT: u64 = 257;
const CLOSE: u64 = 3;
const SOCKET: u64 = 41;
const CONNECT: u64 = 42;
const KILL: u64 = 62;
const UMASK: u64 = 95;
const AT_FDCWD: u64 = (-100_i64).cast_unsigned();
/// `syscall`
const INSTRUCTION: [u8; 2] = [0x0f, 0x05];
/// Below the stack pointer is a red zone of 128 bytes, which belongs to the function that was interrupted.
const BELOW_RED_ZONE: u64 = 4096;

/// A running process, stopped at the system call that it waits in.
pub(crate) struct Inside {
    pid: Pid,
    saved: nix::libc::user_regs_struct,
}

impl Inside {
    /// Stops the main thread of `pid`; it goes on when this is dropped.
    pub(crate) fn of(pid: Pid) -> Self {
        // A thread that runs has no system call to come back from: try again until it waits.
        eventually("a process that waits in a system call", || {
            ptrace::attach(pid).unwrap();
            assert!(matches!(wait(pid), WaitStatus::Stopped(..)));
            let saved = ptrace::getregs(pid).unwrap();
            let mut before = [0; 2];
            memory(pid).read_exact_at(&mut before, saved.rip - 2).unwrap();
            if before == INSTRUCTION && saved.orig_rax.cast_signed() >= 0 {
                return Some(Self { pid, saved });
            }
            ptrace::detach(pid, None).unwrap();
            None
        })
    }

    /// Opens `path` with the flags of open(2); an error is the kernel's answer.
    pub(crate) fn open(&self, path: &Path, flags: i32) -> io::Result<()> {
        let text = [path.as_os_str().as_encoded_bytes(), b"\0"].concat();
        let at = self.place(&text);
        let flags = u64::from((flags | nix::libc::O_CLOEXEC).cast_unsigned());
        let descriptor = self.call(OPENAT, [AT_FDCWD, at, flags, 0o600])?;
        self.call(CLOSE, [descriptor, 0, 0, 0]).map(drop)
    }

    /// Connects to a port of 127.0.0.1.
    pub(crate) fn connect(&self, port: u16) -> io::Result<()> {
        let socket = self.call(SOCKET, [2, 1, 0, 0])?;
        let mut address = [0_u8; 16];
        address[..2].copy_from_slice(&2_u16.to_ne_bytes());
        address[2..4].copy_from_slice(&port.to_be_bytes());
        address[4..8].copy_from_slice(&[127, 0, 0, 1]);
        let at = self.place(&address);
        let connected = self.call(CONNECT, [socket, at, 16, 0]);
        self.call(CLOSE, [socket, 0, 0, 0])?;
        connected.map(drop)
    }

    /// Sends signal 0, which does nothing: only whether it may.
    pub(crate) fn may_signal(&self, other: Pid) -> io::Result<()> {
        self.call(KILL, [u64::from(other.as_raw().cast_unsigned()), 0, 0, 0])
            .map(drop)
    }

    /// The umask, which stays what it is.
    pub(crate) fn umask(&self) -> u64 {
        let umask = self.call(UMASK, [0o077, 0, 0, 0]).unwrap();
        self.call(UMASK, [umask, 0, 0, 0]).unwrap();
        umask
    }

    /// Puts `bytes` where nobody else looks.
    fn place(&self, bytes: &[u8]) -> u64 {
        let at = (self.saved.rsp - BELOW_RED_ZONE - bytes.len() as u64) & !15;
        memory(self.pid).write_all_at(bytes, at).unwrap();
        at
    }

    fn call(&self, number: u64, [rdi, rsi, rdx, r10]: [u64; 4]) -> io::Result<u64> {
        let mut registers = self.saved;
        (registers.rax, registers.rdi, registers.rsi) = (number, rdi, rsi);
        (registers.rdx, registers.r10, registers.rip) = (rdx, r10, self.saved.rip - 2);
        // The call that was interrupted is not to be begun again yet.
        registers.orig_rax = u64::MAX;
        ptrace::setregs(self.pid, registers).unwrap();
        ptrace::step(self.pid, None).unwrap();
        assert!(matches!(wait(self.pid), WaitStatus::Stopped(..)));
        let answer = ptrace::getregs(self.pid).unwrap().rax.cast_signed();
        match answer {
            -4095..0 => Err(io::Error::from_raw_os_error((-answer) as i32)),
            answer => Ok(answer.cast_unsigned()),
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // With the saved registers the interrupted call begins again.
        ptrace::setregs(self.pid, self.saved).unwrap();
        ptrace::detach(self.pid, None).unwrap();
    }
}

fn memory(pid: Pid) -> std::fs::File {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(format!("/proc/{pid}/mem"))
        .unwrap()
}

fn wait(pid: Pid) -> WaitStatus {
    waitpid(pid, Some(WaitPidFlag::__WALL)).unwrap()
}
