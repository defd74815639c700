//! The socket of a connection, with or without TLS, and how it is closed.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::downstream::limits::MAX_LINGER_SIZE;
use crate::downstream::socket::BufferedSocket;
use crate::request::limits::LINGER_TIMEOUT;

/// A socket, with or without TLS.
#[derive(Debug)]
pub(crate) enum Transport {
    /// `http.tls` is not set, or the client speaks plain HTTP all the same.
    Plain(BufferedSocket),
    /// The handshake is done.
    Tls(Box<TlsStream<BufferedSocket>>),
}

impl Transport {
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, data: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, data),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, data),
        }
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, out),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, out),
        }
    }

    pub(crate) fn descriptor(&self) -> RawFd {
        match self {
            Self::Plain(stream) => stream.as_raw_fd(),
            Self::Tls(stream) => stream.get_ref().0.as_raw_fd(),
        }
    }

    /// Sends `unsent` and the end, then reads and throws away what the client still sends, within bounds: closing a
    /// socket with unread data would reset it, and the reset destroys what the client has not read yet.
    pub(crate) async fn linger(self, unsent: BytesMut) {
        let lingering = async {
            match self {
                Self::Plain(stream) => linger(stream, unsent).await,
                Self::Tls(stream) => linger(*stream, unsent).await,
            }
        };
        let _ = tokio::time::timeout(LINGER_TIMEOUT, lingering).await;
    }
}

async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin, unsent: BytesMut) -> io::Result<()> {
    stream.write_all(&unsent).await?;
    stream.shutdown().await?;
    let mut waste = vec![0; 16 * 1024];
    let mut read = 0;
    while read < MAX_LINGER_SIZE {
        match stream.read(&mut waste).await? {
            0 => break,
            length => read += length,
        }
    }
    Ok(())
}
