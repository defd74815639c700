//! Connections to the registry: one Unix socket, a pool, and waiting while the registry restarts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lockgate_wire::{HEALTH_PATH, PROXY_KEEP_ALIVE};
use pingora::connectors::L4Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora::{Error, ErrorType, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::run_error::RunError;
use crate::upstream::limits::{CONNECT_BACKOFF, MAX_CONNECT_BACKOFF, UPSTREAM_READ_TIMEOUT};

/// Connections to the registry, pooled by Pingora.
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
        peer.options.idle_timeout = Some(PROXY_KEEP_ALIVE);
        if anew {
            // A pool of its own, which is empty; and nobody will look there for the connection.
            peer.group_key = uuid::Uuid::new_v4().as_u64_pair().0;
            peer.options.idle_timeout = Some(Duration::from_millis(1));
        }
        peer.options.read_timeout = Some(UPSTREAM_READ_TIMEOUT);
        peer.options.write_timeout = Some(UPSTREAM_READ_TIMEOUT);
        peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
        peer.options.custom_l4 = Some(Arc::new(WaitingConnector {
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
struct WaitingConnector {
    path: Arc<PathBuf>,
    deadline: Instant,
}

#[async_trait]
impl L4Connect for WaitingConnector {
    async fn connect(&self, _: &SocketAddr) -> Result<Stream> {
        let mut pause = CONNECT_BACKOFF;
        loop {
            match timeout_at(self.deadline, connect(&self.path)).await {
                Ok(Ok(stream)) => return Ok(Stream::from(stream)),
                Ok(Err(error)) if Instant::now() >= self.deadline => {
                    return Error::e_because(ErrorType::ConnectError, "the registry is away", error);
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the registry is away, trying again");
                    sleep_until(self.deadline.min(Instant::now() + pause)).await;
                    pause = (pause * 2).min(MAX_CONNECT_BACKOFF);
                }
                Err(_) => return Error::e_explain(ErrorType::ConnectTimedout, "the registry is away"),
            }
        }
    }
}

async fn connect(path: &Path) -> std::io::Result<UnixStream> {
    let mut stream = UnixStream::connect(path).await?;
    stream
        .write_all(format!("HEAD {HEALTH_PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
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
