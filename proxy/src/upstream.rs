//! The way to the registry: one Unix socket, pooled connections, patience while it restarts, and what may be sent twice.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::connectors::L4Connect;
use pingora::http::ResponseHeader;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::limits::{UPSTREAM_IDLE, UPSTREAM_PAUSE, UPSTREAM_PAUSE_MOST, UPSTREAM_SILENCE};
use crate::run_error::RunError;

/// In each of the registry's own answers.
const API_VERSION: &str = "docker-distribution-api-version";

/// The registry's socket.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    path: Arc<PathBuf>,
}

impl Upstream {
    /// The registry listens at `path`.
    pub(crate) fn new(path: PathBuf) -> Result<Self, RunError> {
        // Pingora names its peers in UTF-8, and sun_path holds 108 bytes with the final NUL (unix(7)).
        match path.to_str() {
            Some(text) if text.len() < 108 => Ok(Self { path: Arc::new(path) }),
            _ => Err(RunError::Serve(std::io::Error::other(format!(
                "the registry's socket {} must be UTF-8 and shorter than 108 bytes; choose a shorter --home",
                path.display()
            )))),
        }
    }

    /// Its socket.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How to reach the registry before `deadline`; `anew` on a connection that nothing was asked on before.
    pub(crate) fn peer(&self, deadline: Instant, anew: bool) -> Result<Box<HttpPeer>> {
        let path = self
            .path
            .to_str()
            .ok_or_else(|| Error::explain(ErrorType::InternalError, "socket path"))?;
        let mut peer = HttpPeer::new_uds(path, false, String::new())?;
        peer.options.idle_timeout = Some(UPSTREAM_IDLE);
        if anew {
            // A pool of its own, which is empty; and nobody will look there for the connection.
            peer.group_key = uuid::Uuid::new_v4().as_u64_pair().0;
            peer.options.idle_timeout = Some(Duration::from_millis(1));
        }
        peer.options.read_timeout = Some(UPSTREAM_SILENCE);
        peer.options.write_timeout = Some(UPSTREAM_SILENCE);
        peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
        peer.options.custom_l4 = Some(Arc::new(Patient {
            path: self.path.clone(),
            deadline,
        }));
        Ok(Box::new(peer))
    }
}

/// Connects to a registry that answers, and waits for one that is restarting.
///
/// A connection alone proves nothing: the supervisor holds the listening socket, so that connecting works while no
/// registry lives. Each new connection therefore asks once whether somebody is there, before a request that could not
/// be repeated is sent on it.
#[derive(Debug)]
struct Patient {
    path: Arc<PathBuf>,
    deadline: Instant,
}

#[async_trait]
impl L4Connect for Patient {
    async fn connect(&self, _: &SocketAddr) -> Result<Stream> {
        let mut pause = UPSTREAM_PAUSE;
        loop {
            match timeout_at(self.deadline, connect(&self.path)).await {
                Ok(Ok(stream)) => return Ok(Stream::from(stream)),
                Ok(Err(error)) if Instant::now() >= self.deadline => {
                    return Error::e_because(ErrorType::ConnectError, "the registry is away", error);
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the registry is away, trying again");
                    sleep_until(self.deadline.min(Instant::now() + pause)).await;
                    pause = (pause * 2).min(UPSTREAM_PAUSE_MOST);
                }
                Err(_) => return Error::e_explain(ErrorType::ConnectTimedout, "the registry is away"),
            }
        }
    }
}

async fn connect(path: &Path) -> std::io::Result<UnixStream> {
    let mut stream = UnixStream::connect(path).await?;
    stream
        .write_all(b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await?;
    // An answer to HEAD is a head alone; any status will do.
    let mut answer = Vec::with_capacity(512);
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() > 8192 || stream.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(stream)
}

/// Whether a request that got no byte of an answer may be sent again.
///
/// The registry may have acted on it before it went away. Reading twice, starting a second upload, getting a second token,
/// or storing the same manifest twice harms nobody; appending a chunk twice would destroy an upload, and a second DELETE would report
/// 404 for a success. `body` says what the request carries.
pub(crate) fn may_repeat(method: &http::Method, path: &str, body: Body) -> bool {
    let is_upload = path.contains("/blobs/uploads/");
    match (method.as_str(), body) {
        (_, Body::Lost) => false,
        ("GET" | "HEAD" | "OPTIONS", _) => true,
        ("POST", Body::None) => is_upload,
        ("PUT", Body::None) => is_upload,
        ("POST", Body::Kept) => !is_upload,
        ("PUT", Body::Kept) => path.contains("/manifests/"),
        _ => false,
    }
}

/// Whether the registry refused the request before it saw one, and closes the connection although it does not say so:
/// what its HTTP layer (actix-http) answers by itself lacks the header that the registry's own answers have.
pub(crate) fn hangs_up(answer: &ResponseHeader) -> bool {
    matches!(answer.status.as_u16(), 400 | 408 | 431 | 500) && !answer.headers.contains_key(API_VERSION)
}

/// Whether the registry closed its socket before it had read what was sent: a Unix socket tells so (unix(7)), by EPIPE when
/// it was closed before, and by ECONNRESET when it was closed with data unread.
pub(crate) fn was_never_read(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| matches!(cause.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset))
}

/// What a request carries, as far as sending it again goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// Nothing.
    None,
    /// All that was sent of it is still there: Pingora keeps 64 KiB.
    Kept,
    /// It was larger than what is kept.
    Lost,
}

impl Body {
    /// Looks at `session`.
    pub(crate) fn of(session: &mut Session) -> Self {
        if session.is_body_empty() {
            Self::None
        } else if session.retry_buffer_truncated() {
            Self::Lost
        } else {
            Self::Kept
        }
    }

    /// Whether a request with this may be sent again when something of it was never read. Of one that has a body the head
    /// may have been: a POST begins another upload then, or gets another token.
    pub(crate) fn is_harmless_with(self, method: &http::Method) -> bool {
        match self {
            Self::None => true,
            Self::Kept => method == http::Method::POST,
            Self::Lost => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_was_never_read_when_the_socket_says_so() {
        for (kind, expected) in [
            (ErrorKind::BrokenPipe, true),
            (ErrorKind::ConnectionReset, true),
            (ErrorKind::TimedOut, false),
        ] {
            let error = Error::because(ErrorType::ReadError, "reading", std::io::Error::from(kind));
            assert_eq!(was_never_read(&error.into_up()), expected, "{kind}");
        }
        assert!(!was_never_read(&Error::new_up(ErrorType::ConnectionClosed)));
        let harmless = |body: Body, method: http::Method| body.is_harmless_with(&method);
        assert!(harmless(Body::None, http::Method::DELETE) && harmless(Body::Kept, http::Method::POST));
        assert!(!harmless(Body::Kept, http::Method::DELETE) && !harmless(Body::Lost, http::Method::POST));
    }

    #[test]
    fn only_what_is_harmless_twice_is_sent_twice() {
        let uploads = "/v2/team/app/blobs/uploads/";
        let upload = "/v2/team/app/blobs/uploads/1-2-3";
        let manifest = "/v2/team/app/manifests/latest";
        for (method, path, body, expected) in [
            ("GET", "/v2/", Body::None, true),
            ("HEAD", manifest, Body::None, true),
            ("POST", uploads, Body::None, true),
            ("POST", uploads, Body::Kept, false),
            ("POST", "/auth/token", Body::Kept, true),
            ("POST", "/auth/token", Body::Lost, false),
            ("PATCH", upload, Body::None, false),
            ("PATCH", upload, Body::Kept, false),
            ("PUT", upload, Body::None, true),
            ("PUT", upload, Body::Kept, false),
            ("PUT", manifest, Body::Kept, true),
            ("PUT", manifest, Body::Lost, false),
            ("DELETE", manifest, Body::None, false),
            ("DELETE", upload, Body::None, false),
        ] {
            let method = http::Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(may_repeat(&method, path, body), expected, "{method} {path} {body:?}");
        }
    }
}
