//! Asks a running registry for its health the way clients reach it: over TCP and TLS, through the proxy.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde::{Deserialize, Serialize};

use crate::os::socket_path::SocketPath;

/// For the connection, and again for each read and write: the proxy itself waits for a registry that restarts.
const TIMEOUT: Duration = Duration::from_secs(5);
/// An answer to these requests has a few hundred bytes.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// Answered with 200 by a registry whose storage works, without a login.
const PATH: &str = "/readyz";

/// Where a client reaches a process of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Endpoint {
    /// The proxy's listener.
    Tcp { address: String, tls: bool },
    /// The registry itself, where the proxy asks its clients for certificates.
    Unix(PathBuf),
}

impl Endpoint {
    /// Asks whether clients are served, and returns the registry's remarks. An error is what clients meet.
    pub(crate) fn ask(&self) -> Result<Vec<String>, String> {
        let answer = self.exchange_again_when_cut(PATH).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("{self} does not answer within {} s", TIMEOUT.as_secs())
            }
            _ => format!("{self}: {error}"),
        })?;
        judge(&answer).map_err(|problem| format!("{self}{PATH} answers {problem}"))
    }

    /// Why another client, who asks for something else than health, has to wait or is sent away. For those who are
    /// served already nothing changes.
    pub(crate) fn is_full(&self) -> Option<String> {
        let limits = "raise http.limits, or see who holds so many";
        match self.exchange_again_when_cut("/") {
            Ok(answer) => match judge(&answer) {
                Err(problem) if problem.starts_with("503") => {
                    Some(format!("new clients are sent away with {problem}; {limits}"))
                }
                _ => None,
            },
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Some(format!(
                "new requests wait longer than {} s; {limits}",
                TIMEOUT.as_secs()
            )),
            Err(error) => Some(format!("new clients are sent away: {error}; {limits}")),
        }
    }

    /// A proxy that dies takes its connections along, and its clients try again.
    fn exchange_again_when_cut(&self, path: &str) -> io::Result<String> {
        match self.exchange(path) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::BrokenPipe
                        | io::ErrorKind::UnexpectedEof
                ) =>
            {
                self.exchange(path)
            }
            exchanged => exchanged,
        }
    }

    fn exchange(&self, path: &str) -> io::Result<String> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        match self {
            Self::Tcp { address, tls: false } => talk(connect(address)?, &request),
            Self::Tcp { address, tls: true } => talk(encrypted(connect(address)?)?, &request),
            Self::Unix(socket) => {
                let stream = UnixStream::connect(SocketPath::to(socket)?.as_path())?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                talk(stream, &request)
            }
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { address, tls } => write!(f, "http{}://{address}", if *tls { "s" } else { "" }),
            Self::Unix(socket) => write!(f, "{}", socket.display()),
        }
    }
}

/// An address that stands for all of the machine's is reached by loopback.
fn connect(address: &str) -> io::Result<TcpStream> {
    let asked = address.strip_prefix(':').map(|port| format!("0.0.0.0:{port}"));
    let mut error = io::Error::from(io::ErrorKind::NotFound);
    for candidate in asked.as_deref().unwrap_or(address).to_socket_addrs()? {
        let ip = match candidate.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        match TcpStream::connect_timeout(&SocketAddr::new(ip, candidate.port()), TIMEOUT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                return Ok(stream);
            }
            Err(refused) => error = refused,
        }
    }
    Err(error)
}

fn talk(mut stream: impl Read + Write, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    match stream.take(LONGEST_ANSWER).read_to_end(&mut answer) {
        // The end of TLS without its last message; the status line says enough.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof || answer.is_empty() => Err(error),
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

/// A problem is the status and what the body says about it.
fn judge(answer: &str) -> Result<Vec<String>, String> {
    let status = answer.split(' ').nth(1).unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    if status == "200" {
        let remarks = body["remarks"].as_array().into_iter().flatten();
        return Ok(remarks
            .filter_map(|remark| remark.as_str().map(str::to_owned))
            .collect());
    }
    Err(match (status, body["errors"][0]["message"].as_str()) {
        ("", _) => "something that is no HTTP".to_owned(),
        (status, Some(message)) => format!("{status}: {message}"),
        (status, None) => status.to_owned(),
    })
}

fn encrypted(stream: TcpStream) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    // Nothing secret is sent, and whether clients will accept the certificate is told apart, by its names.
    let config = lockgate_certs::unverified_client().map_err(io::Error::other)?;
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_other_than_200_is_told_with_its_message() {
        assert_eq!(judge("HTTP/1.1 200 OK\r\n\r\n"), Ok(Vec::new()));
        let remark = "HTTP/1.1 200 OK\r\n\r\n{\"remarks\":[\"no space\"]}";
        assert_eq!(judge(remark), Ok(vec!["no space".to_owned()]));
        let refused = "HTTP/1.1 503 Service Unavailable\r\nX: y\r\n\r\n{\"errors\":[{\"message\":\"the disk\"}]}";
        assert_eq!(judge(refused), Err("503: the disk".to_owned()));
        assert_eq!(judge("HTTP/1.1 404 Not Found\r\n\r\n<html>"), Err("404".to_owned()));
        assert_eq!(judge(""), Err("something that is no HTTP".to_owned()));
    }

    #[test]
    fn a_connection_that_is_cut_is_made_once_more() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Endpoint::Tcp {
            address: listener.local_addr().unwrap().to_string(),
            tls: false,
        };
        let asking = std::thread::spawn(move || endpoint.ask());
        // What was not read yet makes the end a reset.
        let (cut, _) = listener.accept().unwrap();
        cut.peek(&mut [0]).unwrap();
        drop(cut);
        let (mut answered, _) = listener.accept().unwrap();
        assert!(answered.read(&mut [0; 1024]).unwrap() > 0);
        answered.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        drop(answered);
        assert_eq!(asking.join().unwrap(), Ok(Vec::new()));
    }

    #[test]
    fn nobody_there_is_said_with_the_address() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let endpoint = Endpoint::Tcp {
            address: address.clone(),
            tls: false,
        };
        let error = endpoint.ask().unwrap_err();
        assert!(error.contains(&address) && error.contains("refused"), "{error}");
    }
}
