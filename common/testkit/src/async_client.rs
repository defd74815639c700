//! The HTTP/1.1 client for tests that run in a tokio runtime, with every part of an exchange apart: what no library
//! would send can be sent, and an answer can be looked at while it comes in.
//!
//! ```no_run
//! # use lockgate_testkit::AsyncClient;
//! # async fn test() {
//! let mut client = AsyncClient::tcp("127.0.0.1:5000".parse().unwrap()).await;
//! client.send("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n").await;
//! client.answer().await.expect(200);
//! # }
//! ```

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{Answer, TIMEOUT};

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One connection, which stays open between requests as long as the server wants.
pub struct AsyncClient {
    stream: Box<dyn Stream>,
    received: Vec<u8>,
}

impl AsyncClient {
    /// Over TCP.
    pub async fn tcp(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    /// Over any stream.
    pub fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let received = Vec::new();
        Self {
            stream: Box::new(stream),
            received,
        }
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.unwrap();
    }

    /// The same, where a connection that ends is no failure of the test.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.stream.flush().await
    }

    /// Sends a request without a body and reads the answer; each line of `headers` ends with CRLF.
    pub async fn request(&mut self, method: &str, target: &str, headers: &str) -> Answer {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        self.send(request).await;
        self.answer_to(method).await
    }

    /// `GET target`.
    pub async fn get(&mut self, target: &str) -> Answer {
        self.request("GET", target, "").await
    }

    /// Reads an answer, to whatever but HEAD.
    pub async fn answer(&mut self) -> Answer {
        self.answer_to("GET").await
    }

    /// Reads the answer to a request of this method.
    pub async fn answer_to(&mut self, method: &str) -> Answer {
        self.read_whole(|received| Answer::parse(received, method, false)).await
    }

    /// Reads status line and header fields alone; [`body`](Self::body) and [`rest`](Self::rest) read what follows.
    pub async fn head(&mut self) -> Answer {
        self.read_whole(Answer::parse_head).await
    }

    /// Reads `length` bytes of a body.
    pub async fn body(&mut self, length: usize) -> Vec<u8> {
        let bytes = |received: &[u8]| received.get(..length).map(|body| (body.to_vec(), length));
        self.read_whole(bytes).await
    }

    /// Waits until something has arrived.
    pub async fn peek(&mut self) {
        if self.received.is_empty() {
            self.fill().await.unwrap();
        }
    }

    /// Whether the server has ended the connection.
    pub async fn is_closed(&mut self) -> bool {
        self.received.is_empty() && self.fill().await.unwrap_or(0) == 0
    }

    /// Reads what comes until the server ends the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await.unwrap_or(0) > 0 {}
        std::mem::take(&mut self.received)
    }

    /// Takes what `parse` finds, and as many bytes as it says.
    async fn read_whole<T>(&mut self, parse: impl Fn(&[u8]) -> Option<(T, usize)>) -> T {
        loop {
            if let Some((found, length)) = parse(&self.received) {
                self.received.drain(..length);
                return found;
            }
            let read = self.fill().await.unwrap();
            assert!(
                read > 0,
                "the connection ended after {:?}",
                String::from_utf8_lossy(&self.received)
            );
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        let read = timeout(TIMEOUT, self.stream.read_buf(&mut self.received));
        read.await.expect("something arrives, or the connection ends, in time")
    }
}
