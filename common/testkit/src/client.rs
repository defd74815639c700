//! The HTTP/1.1 client, which sends what it is told: no library tidies a request up.
//!
//! ```no_run
//! # use lockgate_testkit::Client;
//! let mut client = Client::tcp("127.0.0.1:5000");
//! client.get("/v2/").expect(200);
//! let begun = client.send("POST", "/v2/app/blobs/uploads/", &[], b"");
//! client.send("PUT", &begun.location_with("sha256:…"), &[], b"content").expect(201);
//! ```

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{Answer, TIMEOUT};

/// One connection, which stays open between requests as long as the server wants.
#[derive(Debug)]
pub struct Client<S = TcpStream> {
    stream: S,
    /// What it says in `Host`.
    host: String,
    received: Vec<u8>,
}

impl Client {
    /// Over TCP.
    pub fn tcp(address: impl ToSocketAddrs) -> Self {
        let stream = connect(address).unwrap();
        let host = stream.peer_addr().unwrap().to_string();
        Self {
            host,
            ..Self::over(stream)
        }
    }
}

impl Client<UnixStream> {
    /// Over the Unix socket at `path`.
    pub fn unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        Self::over(stream)
    }
}

impl<S: Read + Write> Client<S> {
    /// Over any stream; [`tls::connect`](crate::tls::connect) gives one.
    pub fn over(stream: S) -> Self {
        Self {
            stream,
            host: "localhost".to_owned(),
            received: Vec::new(),
        }
    }

    /// Sends a request and reads the answer.
    #[track_caller]
    pub fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let sent = self.try_send(method, target, headers, body);
        sent.unwrap_or_else(|error| panic!("{method} {target}: {error}"))
    }

    /// The same, where a connection that ends is no failure of the test.
    pub fn try_send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let request = request(&self.host, method, target, headers, body);
        let written = self.write(&request);
        // A server may answer, and end the connection, before it has taken all of a body.
        match self.answer_to(method) {
            Err(error) => Err(written.err().unwrap_or(error)),
            answer => answer,
        }
    }

    /// `GET target`.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Answer {
        self.send("GET", target, &[], b"")
    }

    /// Sends bytes as they are.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// Reads an answer, to whatever but HEAD.
    pub fn answer(&mut self) -> io::Result<Answer> {
        self.answer_to("GET")
    }

    /// Reads the answer to a request of this method.
    pub fn answer_to(&mut self, method: &str) -> io::Result<Answer> {
        let mut ended = false;
        loop {
            if let Some((answer, length)) = Answer::parse(&self.received, method, ended) {
                self.received.drain(..length);
                return Ok(answer);
            }
            if ended {
                let received = String::from_utf8_lossy(&self.received).into_owned();
                return Err(io::Error::new(
                    ErrorKind::UnexpectedEof,
                    format!("closed after {received:?}"),
                ));
            }
            ended = self.fill()? == 0;
        }
    }

    /// What the connection is made of.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 64 * 1024];
        let read = self.stream.read(&mut bytes)?;
        self.received.extend_from_slice(&bytes[..read]);
        Ok(read)
    }
}

/// A TCP connection on which nothing waits for ever.
pub fn connect(address: impl ToSocketAddrs) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// All that is answered to `request`, sent as it is, until the connection ends.
pub fn exchange(mut stream: impl Read + Write, request: &str) -> String {
    // It may be refused before all of it was taken.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    // A reset after the answer is an end, too.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The value of `Authorization` for `account:password`.
pub fn basic_auth(login: &str) -> String {
    format!("Basic {}", STANDARD.encode(login))
}

/// A request with `Host`, and with a length where there may be a body, unless `headers` say otherwise.
fn request(host: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let says = |name: &str| headers.iter().any(|(found, _)| found.eq_ignore_ascii_case(name));
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    if !says("host") {
        let _ = write!(head, "Host: {host}\r\n");
    }
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let may_have_body = !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH");
    if may_have_body && !says("content-length") && !says("transfer-encoding") {
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_request_has_a_host_and_a_length_unless_it_says_so_itself() {
        let text =
            |headers: &[(&str, &str)]| String::from_utf8(request("localhost", "PUT", "/a", headers, b"b")).unwrap();
        assert_eq!(
            text(&[]),
            "PUT /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nb"
        );
        let own = [("host", "x"), ("content-length", "2")];
        assert_eq!(text(&own), "PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nb");
        assert_eq!(
            request("localhost", "GET", "/", &[], b""),
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        );
    }

    #[test]
    fn answers_on_one_connection_follow_each_other() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = Client::tcp(listener.local_addr().unwrap());
        let (mut server, _) = listener.accept().unwrap();
        server
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        assert_eq!(client.get("/").text(), "a");
        client.get("/").expect(404);
        drop(server);
        assert!(client.try_send("GET", "/", &[], b"").is_err());
    }
}
