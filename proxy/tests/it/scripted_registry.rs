//! A registry that does as it is told: HTTP/1.1 on a Unix socket, one closure for what it answers.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// A request as the registry got it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    /// The first MiB of it.
    pub(crate) body: Vec<u8>,
    pub(crate) body_length: usize,
    /// Which connection it came on, from 0.
    pub(crate) connection: usize,
}

impl Seen {
    /// All values of `name`, joined.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .headers
            .iter()
            .filter(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

/// What to do.
pub(crate) enum Reply {
    /// Sends this.
    Raw(String),
    /// Closes the connection without a byte.
    Cut,
    /// Sends this, then closes the connection.
    Last(String),
    /// Sends this, and closes the connection when the next request has arrived, which it does not read.
    Deaf(String),
    /// Never answers.
    Silence,
}

/// 200 with `body` and `headers` (each line ends with CRLF).
pub(crate) fn ok(headers: &str, body: &str) -> Reply {
    Reply::Raw(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    ))
}

fn unknown() -> Reply {
    Reply::Raw("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned())
}

fn wanted() -> Reply {
    Reply::Raw("HTTP/1.1 204 No Content\r\n\r\n".to_owned())
}

type OnHead = dyn Fn(&Seen) -> Option<Reply> + Send + Sync;
type OnRequest = dyn Fn(&Seen) -> Reply + Send + Sync;

/// A running registry; gone when dropped.
pub(crate) struct Registry {
    seen: Arc<Mutex<Vec<Seen>>>,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

struct Script {
    on_check: Box<OnRequest>,
    on_own: Box<OnRequest>,
    on_head: Box<OnHead>,
    on_request: Box<OnRequest>,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: AtomicUsize,
}

impl Registry {
    /// Listens at `path` and answers with `on_request`.
    pub(crate) fn start(path: &Path, on_request: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_early(path, |_| None, on_request)
    }

    /// The same; `on_head` may answer before the body is read.
    pub(crate) fn start_early(
        path: &Path,
        on_head: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
        on_request: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let _ = std::fs::remove_file(path);
        Self::on(UnixListener::bind(path).unwrap(), on_head, on_request)
    }

    /// The same; `on_own` says where uploads stand.
    pub(crate) fn start_with_uploads(
        path: &Path,
        on_own: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
        on_request: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let _ = std::fs::remove_file(path);
        Self::of(
            UnixListener::bind(path).unwrap(),
            |_| wanted(),
            on_own,
            |_| None,
            on_request,
        )
    }

    /// On a socket that listens already.
    pub(crate) fn on(
        listener: UnixListener,
        on_head: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
        on_request: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::of(listener, |_| wanted(), |_| unknown(), on_head, on_request)
    }

    /// The same; `on_check` says whether a body is wanted.
    pub(crate) fn start_with_checks(
        path: &Path,
        on_check: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
        on_request: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap();
        Self::of(listener, on_check, |_| unknown(), |_| None, on_request)
    }

    fn of(
        listener: UnixListener,
        on_check: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
        on_own: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
        on_head: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
        on_request: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(Script {
            on_check: Box::new(on_check),
            on_own: Box::new(on_own),
            on_head: Box::new(on_head),
            on_request: Box::new(on_request),
            seen: seen.clone(),
            connections: AtomicUsize::new(0),
        });
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = accepted.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
                let script = script.clone();
                // Dropped with the task: a killed registry closes its connections.
                connections.spawn(async move {
                    let _ = serve(stream, &script).await;
                });
            }
        });
        Self { seen, accepted, task }
    }

    /// How many connections the proxy has made.
    pub(crate) fn connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Ends it, and waits until its connections are closed.
    pub(crate) async fn end(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// Every request so far; what the proxy asks by itself is left out.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where an upload stands, asked before its body is sent.
fn is_proxys_own(request: &Seen) -> bool {
    let closes = request
        .header("connection")
        .is_some_and(|connection| connection == "close");
    request.method == "GET" && request.target.contains("/blobs/uploads/") && closes
}

async fn serve(stream: UnixStream, script: &Script) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut number = None;
    while let Some(mut request) = read_head(&mut stream).await? {
        if request.target == "/healthz" && request.method == "HEAD" {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
                .await?;
            continue;
        }
        if request.header("x-lockgate-check").is_some() {
            carry_out((script.on_check)(&request), &mut stream).await?;
            continue;
        }
        if is_proxys_own(&request) {
            carry_out((script.on_own)(&request), &mut stream).await?;
            continue;
        }
        request.connection = *number.get_or_insert_with(|| script.connections.fetch_add(1, Ordering::SeqCst));
        let reply = match (script.on_head)(&request) {
            Some(reply) => reply,
            None => {
                if request.header("expect").is_some() {
                    stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
                }
                read_body(&mut stream, &mut request).await?;
                (script.on_request)(&request)
            }
        };
        script.seen.lock().unwrap().push(request);
        carry_out(reply, &mut stream).await?;
    }
    Ok(())
}

/// An error ends the connection.
async fn carry_out(reply: Reply, stream: &mut BufReader<UnixStream>) -> std::io::Result<()> {
    let end = || Err(std::io::ErrorKind::ConnectionAborted.into());
    match reply {
        Reply::Raw(answer) => stream.write_all(answer.as_bytes()).await,
        Reply::Last(answer) => stream.write_all(answer.as_bytes()).await.and_then(|()| end()),
        Reply::Deaf(answer) => {
            stream.write_all(answer.as_bytes()).await?;
            stream.get_ref().readable().await?;
            end()
        }
        Reply::Cut => end(),
        Reply::Silence => std::future::pending().await,
    }
}

async fn read_head(stream: &mut BufReader<UnixStream>) -> std::io::Result<Option<Seen>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.strip_suffix("\r\n").expect("the proxy ends lines with CRLF");
        if line.is_empty() {
            break;
        }
        lines.push(line.to_owned());
    }
    let mut parts = lines[0].split(' ');
    let headers = lines[1..]
        .iter()
        .map(|line| line.split_once(": ").expect("a header field"));
    Ok(Some(Seen {
        method: parts.next().unwrap().to_owned(),
        target: parts.next().unwrap().to_owned(),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body: Vec::new(),
        body_length: 0,
        connection: 0,
    }))
}

async fn read_body(stream: &mut BufReader<UnixStream>, request: &mut Seen) -> std::io::Result<()> {
    if let Some(length) = request.header("content-length") {
        return take(stream, request, length.parse().unwrap()).await;
    }
    if request.header("transfer-encoding").is_none() {
        return Ok(());
    }
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let length = usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
        take(stream, request, length).await?;
        stream.read_line(&mut line).await?;
        if length == 0 {
            return Ok(());
        }
    }
}

async fn take(stream: &mut BufReader<UnixStream>, request: &mut Seen, mut length: usize) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    while length > 0 {
        let wanted = length.min(buffer.len());
        let read = stream.read(&mut buffer[..wanted]).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        length -= read;
        request.body_length += read;
        if request.body.len() < 1024 * 1024 {
            request.body.extend_from_slice(&buffer[..read]);
        }
    }
    Ok(())
}
