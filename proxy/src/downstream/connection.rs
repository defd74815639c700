//! A client's connection, as Pingora is given it.
//!
//! What it adds to the socket and its TLS: small writes leave together (a header and a short body are one record and
//! one system call), a client that takes nothing any more ends, bytes of the next request wait for their turn
//! (pipelining, RFC 9112 section 9.3.2), and an answer that came before the request's end is not destroyed by the
//! reset that closing a socket with unread data causes (RFC 9112 section 9.6).

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::http::ResponseHeader;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::downstream::frames::FrameBudget;
use crate::downstream::transport::Transport;
use crate::downstream::write_timeout::WriteTimeout;
use crate::request::active_count::ActiveGuard;
use crate::request::connection_info::ConnectionInfo;
use crate::request::limits::LINGER_TIMEOUT;

/// Writes up to this size wait for what follows them, or for a flush.
const COALESCED: usize = 8 * 1024;

/// A connection after its handshake, as Pingora reads and writes it.
pub(crate) struct Connection {
    transport: Option<Transport>,
    peer: Arc<ConnectionInfo>,
    digest: Option<Arc<ProxyDigest>>,
    http2: bool,
    frames: Option<FrameBudget>,
    ahead: BytesMut,
    unsent: BytesMut,
    write_timeout: WriteTimeout,
    guard: Option<ActiveGuard>,
}

impl Connection {
    /// `idle`: how long a write may make no progress. `guard` is held until the socket is closed.
    pub(crate) fn new(transport: Transport, peer: Arc<ConnectionInfo>, idle: Duration, guard: ActiveGuard) -> Self {
        let http2 = match &transport {
            Transport::Plain(_) => false,
            Transport::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        };
        Self {
            transport: Some(transport),
            digest: digest(&peer),
            peer,
            http2,
            frames: http2.then(FrameBudget::new),
            ahead: BytesMut::new(),
            unsent: BytesMut::new(),
            write_timeout: WriteTimeout::new(idle),
            guard: Some(guard),
        }
    }

    /// Whether the client chose HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        self.http2
    }

    /// Whether the socket itself is read and written.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.transport, Some(Transport::Plain(_)))
    }

    /// What requests may know about this connection.
    pub(crate) fn peer(&self) -> &Arc<ConnectionInfo> {
        &self.peer
    }

    /// Bytes that were read and belong to the next request.
    pub(crate) fn ahead(&mut self) -> &mut BytesMut {
        &mut self.ahead
    }

    /// Reads more bytes of the next request. `Ok(0)` is the end of the stream.
    pub(crate) async fn read_ahead(&mut self) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_read_ahead(cx)).await
    }

    /// Through the stack, so that a connection that waits for its next request holds no memory for it.
    fn poll_read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(transport) = &mut self.transport else {
            return Poll::Ready(Ok(0));
        };
        let mut bytes = [0; 4096];
        let mut read = ReadBuf::new(&mut bytes);
        ready!(transport.poll_read(cx, &mut read))?;
        self.ahead.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }

    /// Tells the client that nothing more will be sent.
    pub(crate) async fn close(mut self) {
        let _ = tokio::time::timeout(LINGER_TIMEOUT, AsyncWriteExt::shutdown(&mut self)).await;
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let Some(transport) = &mut self.transport else {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            };
            let written = ready!(transport.poll_write(cx, &[IoSlice::new(&self.unsent)]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let total: usize = data.iter().map(|slice| slice.len()).sum();
        if self.unsent.len() + total <= COALESCED {
            data.iter().for_each(|slice| self.unsent.extend_from_slice(slice));
            return Poll::Ready(Ok(total));
        }
        loop {
            let Some(transport) = &mut self.transport else {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            };
            if self.unsent.is_empty() {
                return transport.poll_write(cx, data);
            }
            let mut slices = Vec::with_capacity(data.len() + 1);
            slices.push(IoSlice::new(&self.unsent));
            slices.extend(data.iter().map(|slice| IoSlice::new(slice)));
            let written = ready!(transport.poll_write(cx, &slices))?;
            let waiting = self.unsent.len();
            self.unsent.advance(written.min(waiting));
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            if written > waiting {
                return Poll::Ready(Ok(written - waiting));
            }
        }
    }
}

fn digest(peer: &Arc<ConnectionInfo>) -> Option<Arc<ProxyDigest>> {
    let response = Box::new(ResponseHeader::build(200, Some(0)).ok()?);
    Some(Arc::new(ProxyDigest::new(response, Some(Box::new(peer.clone())))))
}

impl Drop for Connection {
    /// Pingora drops a connection that it does not use again. After an early answer the client may still be sending:
    /// what it sends is read and thrown away for a bounded while, so that the answer survives.
    fn drop(&mut self) {
        if !self.peer.answered_early.load(Ordering::Relaxed) {
            return;
        }
        if let (Some(transport), Ok(runtime)) = (self.transport.take(), tokio::runtime::Handle::try_current()) {
            let unsent = std::mem::take(&mut self.unsent);
            let guard = self.guard.take();
            runtime.spawn(async move {
                transport.linger(unsent).await;
                drop(guard);
            });
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let is_probe = !this.http2 && asks_whether_anybody_is_there(out);
        if !this.ahead.is_empty() {
            if is_probe {
                return Poll::Pending;
            }
            let length = out.remaining().min(this.ahead.len());
            out.put_slice(&this.ahead.split_to(length));
            return Poll::Ready(Ok(()));
        }
        if is_probe {
            return match ready!(this.poll_read_ahead(cx))? {
                0 => Poll::Ready(Ok(())),
                _ => Poll::Pending,
            };
        }
        if let Some(frames) = &mut this.frames
            && frames.should_yield()
        {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(transport) = &mut this.transport else {
            return Poll::Ready(Ok(()));
        };
        let before = out.filled().len();
        ready!(transport.poll_read(cx, out))?;
        if let Some(frames) = &mut this.frames {
            frames.read(&out.filled()[before..]);
            if let Some(goaway) = frames.goaway() {
                tracing::debug!(remote = %this.peer.remote, "an h2 client floods with useless frames, it is sent away");
                this.frames = None;
                this.unsent.extend_from_slice(&goaway);
                // What was not read would reset the connection, and the farewell be lost.
                this.peer.answered_early.store(true, Ordering::Relaxed);
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Pingora reads one byte, into an array, when all it wants to know is whether the client is still there. An answer of
/// "yes, and it sent its next request" would end the present one. The last byte of a body is asked for alone as well,
/// but into memory that nothing has been written to.
fn asks_whether_anybody_is_there(out: &ReadBuf<'_>) -> bool {
    out.remaining() == 1 && out.capacity() == 1 && out.initialized().len() == 1
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = this.poll_send(cx, data);
        if let (Some(frames), Poll::Ready(Ok(bytes))) = (&mut this.frames, &written) {
            frames.sent(*bytes);
        }
        this.write_timeout.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = match this.poll_drain(cx) {
            Poll::Ready(Ok(())) => match &mut this.transport {
                Some(transport) => transport.poll_flush(cx),
                None => Poll::Ready(Ok(())),
            },
            unfinished => unfinished,
        };
        this.write_timeout.watch(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = match this.poll_drain(cx) {
            Poll::Ready(Ok(())) => match &mut this.transport {
                Some(transport) => transport.poll_shutdown(cx),
                None => Poll::Ready(Ok(())),
            },
            unfinished => unfinished,
        };
        this.write_timeout.watch(cx, shut)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Shutdown for Connection {
    async fn shutdown(&mut self) {
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for Connection {
    fn id(&self) -> UniqueIDType {
        self.transport.as_ref().map_or(-1, Transport::descriptor)
    }
}

impl Ssl for Connection {
    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.http2.then_some(ALPN::H2)
    }
}

impl GetTimingDigest for Connection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Connection {
    /// The one place in Pingora's digest that carries data of our own, for HTTP/1.1 and h2 alike: the [`ConnectionInfo`].
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.digest.clone()
    }
}

impl GetSocketDigest for Connection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

impl Peek for Connection {}
