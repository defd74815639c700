//! A TCP socket that is read in large pieces.
//!
//! rustls asks for 4 KiB at a time, which is four system calls for each record of an upload. The buffer that
//! avoids them is borrowed while there is something to read, so that an idle connection holds none.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lockgate_files::{BufferPool, PooledBuffer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::blob::buffers::BUFFER_SIZE;

/// A socket with what was read from it and not yet asked for.
#[derive(Debug)]
pub(crate) struct BufferedSocket {
    tcp: TcpStream,
    buffers: BufferPool,
    ahead: Option<Ahead>,
}

#[derive(Debug)]
struct Ahead {
    buffer: PooledBuffer,
    start: usize,
    end: usize,
}

impl BufferedSocket {
    /// Reads `tcp` through buffers of `buffers`.
    pub(crate) fn new(tcp: TcpStream, buffers: BufferPool) -> Self {
        Self {
            tcp,
            buffers,
            ahead: None,
        }
    }

    /// The first byte of what comes next, which stays to be read; `None` at the end of the stream.
    pub(crate) async fn first_byte(&mut self) -> io::Result<Option<u8>> {
        std::future::poll_fn(|cx| self.poll_fill(cx)).await?;
        Ok(self.ahead.as_ref().map(|ahead| ahead.buffer.as_ref()[ahead.start]))
    }

    /// Reads ahead, unless something waits already. At the end of the stream nothing does.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_some() {
            return Poll::Ready(Ok(()));
        }
        // Asked first, so that a socket without data costs no buffer.
        ready!(self.tcp.poll_read_ready(cx))?;
        let mut buffer = self.buffers.take();
        let mut read = ReadBuf::new(buffer.as_mut());
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut read))?;
        let end = read.filled().len();
        self.ahead = (end > 0).then_some(Ahead { buffer, start: 0, end });
        Poll::Ready(Ok(()))
    }
}

impl AsRawFd for BufferedSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.tcp.as_raw_fd()
    }
}

impl AsyncRead for BufferedSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_none() && out.remaining() >= BUFFER_SIZE {
            return Pin::new(&mut this.tcp).poll_read(cx, out);
        }
        ready!(this.poll_fill(cx))?;
        if let Some(ahead) = &mut this.ahead {
            let length = out.remaining().min(ahead.end - ahead.start);
            out.put_slice(&ahead.buffer.as_ref()[ahead.start..ahead.start + length]);
            ahead.start += length;
            if ahead.start == ahead.end {
                this.ahead = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for BufferedSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(cx, data)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}
