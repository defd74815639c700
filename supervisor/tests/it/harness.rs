//! A workdir: an empty directory to work in, the program, and servers that end when they are dropped.
//!
//! Servers listen on port 0 of the loopback address and say where; nothing here sleeps in the hope that it suffices.

use std::fs::{File, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use lockgate_testkit::{Client, TIMEOUT, client, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// A configuration without TLS and without accounts.
pub(crate) const PLAIN: &str = "\
version: 0.1
storage:
  filesystem:
    rootdirectory: data
http:
  addr: 127.0.0.1:0
";

/// An empty directory, and the program run in it.
pub(crate) struct Workdir {
    directory: tempfile::TempDir,
}

impl Workdir {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Started as root, the two processes run as other users.
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        Self { directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A file that everybody may read, as most people's are, whatever the umask; one that is there keeps its mode.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        make_directory(path.parent().unwrap());
        let is_new = !path.exists();
        std::fs::write(&path, text).unwrap();
        if is_new {
            std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        }
        path
    }

    /// A directory that everybody may enter.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        make_directory(&path);
        path
    }

    /// The program under another name, as an installation has it.
    pub(crate) fn install(&self, name: &str) -> PathBuf {
        self.put(name, env!("CARGO_BIN_EXE_lockgate"), "")
    }

    /// Something to execute.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        self.put(name, "/dev/stdin", text)
    }

    /// Makes an executable file, but not in this process: what another test starts meanwhile would have it open for
    /// writing too, and a file like that cannot be executed (ETXTBSY).
    fn put(&self, name: &str, from: &str, input: &str) -> PathBuf {
        let path = self.path(name);
        let mut install = Command::new("install");
        install.args(["-D", "-m", "755", from]).arg(&path).stdin(Stdio::piped());
        let mut install = install.spawn().unwrap();
        install.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(install.wait().unwrap().success(), "{name}");
        path
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        std::fs::metadata(self.path(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .permissions()
            .mode()
            & 0o7777
    }

    /// The program, in this directory, with nothing in the environment that would mean something to it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockgate"));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if ["LOCKGATE_", "REGISTRY_", "LISTEN_", "NOTIFY_", "WATCHDOG_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
            {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments))
    }

    /// Starts the registry on a free port and waits until it serves.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let all = [&["start", "--listen", "127.0.0.1:0"], arguments].concat();
        Running::of(self.command(&all), &self.path("stderr"))
    }

    /// Starts it with [`PLAIN`].
    pub(crate) fn start_plain(&self) -> Running {
        let config = self.write("config.yml", PLAIN);
        self.start(&["--config", config.to_str().unwrap()])
    }

    /// Makes an empty place for images that a home which has served may be moved to.
    pub(crate) fn make_root(&self, name: &str) {
        let root = format!("rootdirectory: {name}");
        let config = self.write("root.yml", &PLAIN.replace("rootdirectory: data", &root));
        self.run(&["setup", "--again", "--config", config.to_str().unwrap()])
            .expect(0);
    }

    /// Every file below, with its contents.
    pub(crate) fn files(&self, below: &str) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
        let mut files = std::collections::BTreeMap::new();
        let mut directories = vec![self.path(below)];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(&directory).unwrap().map(Result::unwrap) {
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    directories.push(entry.path());
                } else if kind.is_file() {
                    files.insert(entry.path(), std::fs::read(entry.path()).unwrap());
                }
            }
        }
        files
    }
}

/// With those above it that are missing; everybody may enter, whatever the umask.
fn make_directory(path: &Path) {
    if !path.exists() {
        make_directory(path.parent().unwrap());
        std::fs::create_dir(path).unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
}

/// A command that ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(mut command: Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        Self {
            code: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Asserts the exit code, and shows everything when it is another.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self
    }
}

/// A server that serves; ended when dropped.
pub(crate) struct Running {
    child: Child,
    /// What it printed when it was ready.
    pub(crate) banner: String,
    stderr: PathBuf,
    /// `host:port` to connect to.
    pub(crate) address: String,
}

impl Running {
    /// Starts `command`, and waits for its banner.
    pub(crate) fn of(command: Command, stderr: &Path) -> Self {
        let log = File::create(stderr).unwrap();
        Self::with_stderr(command, log, stderr)
    }

    /// The same, with a log that goes to `log`.
    pub(crate) fn with_stderr(mut command: Command, log: impl Into<Stdio>, stderr: &Path) -> Self {
        // A process group of its own, as a shell makes one for each job.
        let mut child = command
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let (send, receive) = mpsc::channel();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            while let Some(Ok(line)) = lines.next() {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let mut running = Self {
            child,
            banner: String::new(),
            stderr: stderr.to_owned(),
            address: String::new(),
        };
        while !running.banner.contains("Ctrl-C") {
            match receive.recv_timeout(TIMEOUT) {
                Ok(line) => running.banner += &(line + "\n"),
                Err(_) => panic!("never ready; printed {:?}, logged:\n{}", running.banner, running.log()),
            }
        }
        let url = running
            .banner
            .split_whitespace()
            .find(|word| word.contains("://"))
            .unwrap();
        let port = url.rsplit(':').next().unwrap();
        running.address = format!("127.0.0.1:{port}");
        running
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Signals until it has ended: what comes right after the first signal is the same wish.
    pub(crate) fn insist(&mut self, signal: Signal) -> ExitStatus {
        eventually("the end at once", || {
            self.signal(signal);
            self.child.try_wait().unwrap()
        })
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Waits until it has logged `text` as often; gives all that it logged. The log is written beside what is logged.
    pub(crate) fn logged(&self, text: &str, times: usize) -> String {
        eventually(&format!("{text:?} in the log"), || {
            Some(self.log()).filter(|log| log.matches(text).count() >= times)
        })
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let end = eventually("the end of the server", || self.child.try_wait().unwrap());
        assert!(!end.success() || !self.log().contains("ERROR"), "{}", self.log());
        end
    }

    /// A connection to the proxy.
    pub(crate) fn connect(&self) -> TcpStream {
        client::connect(&self.address).unwrap()
    }

    /// A client of it, over plain HTTP.
    pub(crate) fn client(&self) -> Client {
        Client::over(self.connect())
    }

    /// Sends a request over plain HTTP; gives status line, head and body.
    pub(crate) fn http(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// `GET path`, status only; nothing where the connection ends without an answer.
    pub(crate) fn get(&self, path: &str) -> String {
        let answer = self.http(&format!("GET {path} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n"));
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// The path of a new upload.
    pub(crate) fn begin_upload(&self) -> String {
        let begun = self.client().send("POST", "/v2/a/blobs/uploads/", &[], b"");
        begun.expect(202).location().to_owned()
    }

    /// How many bytes of the upload at `path` are kept, as the registry says.
    pub(crate) fn received(&self, path: &str) -> usize {
        let answer = self.client().get(path);
        // `0-0` stands for nothing as well as for one byte.
        match answer.header("range").strip_prefix("0-").map(str::parse) {
            Some(Ok(last @ 1_usize..)) => last + 1,
            _ => 0,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Asked twice it ends at once; the last resort leaves its children to their death signal.
        for signal in [Signal::SIGTERM, Signal::SIGTERM, Signal::SIGKILL] {
            let deadline = Instant::now() + Duration::from_secs(3);
            let _ = kill(self.pid(), signal);
            while Instant::now() < deadline {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        let _ = self.child.wait();
    }
}

/// What `lockgate status --json` says of the home.
pub(crate) fn status(workdir: &Workdir) -> Value {
    serde_json::from_str(&workdir.run(&["status", "--json"]).stdout).unwrap_or_default()
}

/// The pid of `proxy` or `registry`, once it is ready.
pub(crate) fn ready_pid(workdir: &Workdir, process: &str) -> Pid {
    eventually(&format!("a ready {process}"), || {
        let status = status(workdir);
        let found = status["processes"]
            .as_array()?
            .iter()
            .find(|found| found["name"] == process)?;
        (found["state"] == "ready").then(|| Pid::from_raw(found["pid"].as_i64().unwrap() as i32))
    })
}
