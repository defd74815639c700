//! A client's connection, as actix-http is given it.
//!
//! What actix-http refuses by itself it answers with an empty body. So each head is vetted before it sees it, and what it
//! would refuse is replaced by a request that it serves: [`refusal`]. Bodies pass as they come.

mod body;
mod broken_body;
mod head;
mod refusal;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use body::Body;
use broken_body::BrokenBody;
pub(crate) use broken_body::ReadableBody;
use head::Progress;
use refusal::Refusal;
pub(crate) use refusal::refused;

/// From the first byte of a head to its last; also from the connection's begin to its first head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long what a refused client still sends is read: a socket that is closed with unread data is reset, and the answer
/// lost (RFC 9112 section 9.6).
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// What actix-http writes before an answer, which is none itself.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A socket, and where in its requests it is.
pub(crate) struct Connection<S> {
    socket: S,
    stage: Stage,
    /// Read, and for nobody yet.
    ahead: BytesMut,
    /// How much of `ahead` was looked at.
    vetted: usize,
    /// Bytes that the next read hands on.
    ready: BytesMut,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether anything was answered since the last head.
    is_answered: bool,
    broken: BrokenBody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No request has come yet.
    New,
    /// Between a body and the next head, or in that.
    Head,
    Body(Body),
    /// Nothing more is read, except to be thrown away.
    Refused,
    /// The same, and the client was told that this is the end.
    Lingering,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self {
            socket,
            stage: Stage::New,
            ahead: BytesMut::new(),
            vetted: 0,
            ready: BytesMut::new(),
            timer: None,
            is_answered: false,
            broken: BrokenBody::default(),
        }
    }

    /// For [`ReadableBody`], as data of the connection.
    pub(crate) fn broken(&self) -> BrokenBody {
        self.broken.clone()
    }

    /// Hands on a head as soon as it is whole. `Ok(false)`: nobody will send one.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            if self.ahead.len() > self.vetted {
                self.vetted = self.ahead.len();
                match head::vet(&self.ahead) {
                    Progress::Partial => {}
                    Progress::Refused(refusal) => return Poll::Ready(Ok(self.refuse(refusal))),
                    Progress::Complete {
                        length,
                        body,
                        adds_length,
                    } => {
                        self.ready = self.ahead.split_to(length);
                        if adds_length {
                            add_length(&mut self.ready);
                        }
                        self.go_on(Stage::Body(body));
                        self.is_answered = false;
                        return Poll::Ready(Ok(true));
                    }
                }
            }
            // Through the stack, so that a connection that waits for its next request holds no memory for it.
            let mut bytes = [0; 4096];
            let mut read = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.socket).poll_read(cx, &mut read)? {
                Poll::Ready(()) if read.filled().is_empty() => return Poll::Ready(Ok(false)),
                Poll::Ready(()) => self.ahead.extend_from_slice(read.filled()),
                Poll::Pending if self.ahead.is_empty() && self.stage == Stage::Head => return Poll::Pending,
                Poll::Pending => {
                    ready!(self.poll_timer(cx, HEAD_TIMEOUT));
                    return Poll::Ready(Ok(match self.ahead.is_empty() {
                        true => false,
                        false => self.refuse(Refusal::TOO_SLOW),
                    }));
                }
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal) -> bool {
        self.ready = refusal.to_request().as_slice().into();
        self.ahead.clear();
        self.go_on(Stage::Refused);
        true
    }

    fn go_on(&mut self, stage: Stage) {
        self.stage = stage;
        self.vetted = 0;
        self.timer = None;
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, time: Duration) -> Poll<()> {
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + time)));
        timer.as_mut().poll(cx)
    }

    /// Reads what belongs to `body`; what comes after it waits.
    fn poll_body(&mut self, cx: &mut Context<'_>, mut body: Body, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            let before = out.filled().len();
            ready!(Pin::new(&mut self.socket).poll_read(cx, out))?;
            let taken = body.take(&out.filled()[before..]);
            self.ahead.extend_from_slice(&out.filled()[before + taken..]);
            out.set_filled(before + taken);
        } else {
            let taken = body.take(&self.ahead[..out.remaining().min(self.ahead.len())]);
            out.put_slice(&self.ahead[..taken]);
            self.ahead.advance(taken);
        }
        self.stage = Stage::Body(body);
        Poll::Ready(Ok(()))
    }

    /// Reads and forgets, for a bounded while.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stage == Stage::Refused {
            ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
            self.go_on(Stage::Lingering);
        }
        let mut bytes = [0; 4096];
        loop {
            let mut read = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.socket).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => break,
            }
        }
        self.poll_timer(cx, LINGER_TIMEOUT).map(Ok)
    }
}

/// Says that the body is empty.
fn add_length(head: &mut BytesMut) {
    let end = if head.ends_with(b"\r\n") { 2 } else { 1 };
    head.truncate(head.len() - end);
    head.extend_from_slice(b"content-length: 0\r\n\r\n");
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.ready.is_empty() {
                let length = out.remaining().min(this.ready.len());
                out.put_slice(&this.ready.split_to(length));
                return Poll::Ready(Ok(()));
            }
            match this.stage {
                Stage::Body(body) if body.is_over() => this.stage = Stage::Head,
                // Once it is answered the connection ends, since nobody knows where the next request would begin.
                Stage::Body(body) if body.is_broken() && this.is_answered => return Poll::Ready(Ok(())),
                Stage::Body(body) if body.is_broken() => {
                    this.broken.set();
                    return Poll::Pending;
                }
                Stage::Body(body) => {
                    let before = out.filled().len();
                    ready!(this.poll_body(cx, body, out))?;
                    // Nothing is the end, unless it is that what came cannot be read.
                    if out.filled().len() > before || this.ahead.is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                }
                Stage::New | Stage::Head => {
                    if !ready!(this.poll_head(cx))? {
                        return Poll::Ready(Ok(()));
                    }
                }
                // Its answer ends the connection.
                Stage::Refused | Stage::Lingering => return Poll::Pending,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.socket).poll_write(cx, data))?;
        self.is_answered |= data != CONTINUE;
        if matches!(self.stage, Stage::Body(body) if body.is_broken()) {
            // To be read to its end.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.stage {
            Stage::Refused | Stage::Lingering => self.poll_linger(cx),
            Stage::New | Stage::Head | Stage::Body(_) => Pin::new(&mut self.socket).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
