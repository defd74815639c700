//! Clients: HTTP/1.1 byte by byte, so that what no library would send can be sent, and h2.

use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{SOON, TestProxy};

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The code of an OCI error body, with everything about it checked.
    pub(crate) fn error_code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert_eq!(
            self.header("docker-distribution-api-version"),
            Some("registry/2.0"),
            "{self:?}"
        );
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert!(!body["errors"][0]["message"].as_str().unwrap().is_empty());
        body["errors"][0]["code"].as_str().unwrap().to_owned()
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One HTTP/1.1 connection.
pub(crate) struct Http1 {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl Http1 {
    pub(crate) async fn connect(proxy: &TestProxy) -> Self {
        Self::over(tls(proxy, "localhost", &[b"http/1.1"]).await.unwrap())
    }

    /// From another address of this machine.
    pub(crate) async fn connect_from(proxy: &TestProxy, from: [u8; 4]) -> Self {
        Self::over(tls_from(proxy, from, &[b"http/1.1"]).await.unwrap())
    }

    pub(crate) async fn connect_plain(address: std::net::SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            buffer: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.unwrap();
    }

    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.stream.flush().await
    }

    /// Sends a request without a body and reads the answer.
    pub(crate) async fn request(&mut self, method: &str, target: &str, headers: &str) -> Answer {
        self.send(format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
        ))
        .await;
        self.answer(method == "HEAD").await
    }

    pub(crate) async fn get(&mut self, target: &str) -> Answer {
        self.request("GET", target, "").await
    }

    /// Reads an answer.
    pub(crate) async fn answer(&mut self, is_head: bool) -> Answer {
        let mut answer = self.head().await;
        if is_head || answer.status < 200 || matches!(answer.status, 204 | 304) {
            return answer;
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = self.chunks().await;
            return answer;
        }
        let length = answer.header("content-length").expect("a length").parse().unwrap();
        answer.body = self.body(length).await;
        answer
    }

    /// Reads a status line and header fields.
    pub(crate) async fn head(&mut self) -> Answer {
        let text = String::from_utf8(self.until(b"\r\n\r\n").await).unwrap();
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(':').unwrap());
        let headers = headers
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Answer {
            status,
            headers,
            body: Vec::new(),
        }
    }

    /// Waits until something has arrived.
    pub(crate) async fn peek(&mut self) {
        if self.buffer.is_empty() {
            self.fill().await;
        }
    }

    /// Reads `length` bytes of a body.
    pub(crate) async fn body(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(
                self.fill().await > 0,
                "the body ended after {} of {length} bytes",
                self.buffer.len()
            );
        }
        self.buffer.drain(..length).collect()
    }

    /// Whether the server has ended the connection.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && self.try_fill().await.unwrap_or(0) == 0
    }

    /// Reads what comes until the server ends the connection.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.try_fill().await.unwrap_or(0) > 0 {}
        std::mem::take(&mut self.buffer)
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = self.until(b"\r\n").await;
            let length = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
            while self.buffer.len() < length + 2 {
                assert!(self.fill().await > 0);
            }
            body.extend(self.buffer.drain(..length));
            self.buffer.drain(..2);
            if length == 0 {
                return body;
            }
        }
    }

    async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return self.buffer.drain(..at + end.len()).collect();
            }
            let read = self.fill().await;
            assert!(
                read > 0,
                "the connection ended after {:?}",
                String::from_utf8_lossy(&self.buffer)
            );
        }
    }

    async fn fill(&mut self) -> usize {
        self.try_fill().await.unwrap()
    }

    async fn try_fill(&mut self) -> std::io::Result<usize> {
        let mut bytes = [0; 64 * 1024];
        let read = timeout(SOON, self.stream.read(&mut bytes))
            .await
            .expect("something arrives or ends in time")?;
        self.buffer.extend_from_slice(&bytes[..read]);
        Ok(read)
    }
}

/// One h2 connection, or a clone of it for another stream.
#[derive(Clone)]
pub(crate) struct Http2 {
    sender: SendRequest<Bytes>,
}

impl Http2 {
    pub(crate) async fn connect(proxy: &TestProxy) -> Self {
        Self::over(tls(proxy, "localhost", &[b"h2"]).await.unwrap()).await
    }

    /// From another address of this machine.
    pub(crate) async fn connect_from(proxy: &TestProxy, from: [u8; 4]) -> Self {
        Self::over(tls_from(proxy, from, &[b"h2"]).await.unwrap()).await
    }

    async fn over(stream: TlsStream<TcpStream>) -> Self {
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let mut builder = h2::client::Builder::new();
        builder
            .initial_window_size(1 << 20)
            .initial_connection_window_size(1 << 22);
        let (sender, connection) = builder.handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self { sender }
    }

    pub(crate) async fn get(&mut self, target: &str) -> Answer {
        self.request(request(target).body(()).unwrap(), Bytes::new()).await
    }

    pub(crate) async fn request(&mut self, request: http::Request<()>, body: Bytes) -> Answer {
        timeout(SOON, self.try_request(request, body))
            .await
            .expect("an answer in time")
            .unwrap()
    }

    /// Reads an answer and keeps its length alone.
    pub(crate) async fn length(&mut self, target: &str) -> usize {
        let mut sender = self.sender.clone().ready().await.unwrap();
        let (answer, _) = sender.send_request(request(target).body(()).unwrap(), true).unwrap();
        let mut content = answer.await.unwrap().into_body();
        let mut length = 0;
        while let Some(data) = content.data().await {
            let data = data.unwrap();
            content.flow_control().release_capacity(data.len()).unwrap();
            length += data.len();
        }
        length
    }

    pub(crate) async fn try_request(&mut self, request: http::Request<()>, body: Bytes) -> Result<Answer, h2::Error> {
        let mut sender = self.sender.clone().ready().await?;
        let (answer, mut stream) = sender.send_request(request, body.is_empty())?;
        if !body.is_empty() {
            stream.send_data(body, true)?;
        }
        Self::read(answer).await
    }

    /// Sends the body in `pieces`, and its end in a frame of its own.
    pub(crate) async fn stream(&mut self, request: http::Request<()>, pieces: &[Bytes]) -> Answer {
        let exchange = async {
            let mut sender = self.sender.clone().ready().await?;
            let (answer, mut stream) = sender.send_request(request, false)?;
            for piece in pieces {
                stream.send_data(piece.clone(), false)?;
            }
            stream.send_data(Bytes::new(), true)?;
            Self::read(answer).await
        };
        timeout(SOON, exchange).await.expect("an answer in time").unwrap()
    }

    /// Begins a request whose body never comes; its answer, and what holds it open.
    pub(crate) async fn open(&self, request: http::Request<()>) -> (Answer, h2::SendStream<Bytes>) {
        let exchange = async {
            let mut sender = self.sender.clone().ready().await?;
            let (answer, stream) = sender.send_request(request, false)?;
            Ok::<_, h2::Error>((Self::read(answer).await?, stream))
        };
        timeout(SOON, exchange).await.expect("an answer in time").unwrap()
    }

    async fn read(answer: h2::client::ResponseFuture) -> Result<Answer, h2::Error> {
        let (parts, mut content) = answer.await?.into_parts();
        let mut body = Vec::new();
        while let Some(data) = content.data().await {
            let data = data?;
            content.flow_control().release_capacity(data.len())?;
            body.extend_from_slice(&data);
        }
        let headers = parts.headers.iter();
        let headers = headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        Ok(Answer {
            status: parts.status.as_u16(),
            headers,
            body,
        })
    }
}

/// A GET of `target`, to be changed.
pub(crate) fn request(target: &str) -> http::request::Builder {
    http::Request::builder().uri(format!("https://localhost{target}"))
}

/// A TLS connection that trusts the proxy's authority.
pub(crate) async fn tls(proxy: &TestProxy, name: &str, alpn: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
    connect(proxy, name, alpn, trusting(proxy)).await
}

async fn tls_from(proxy: &TestProxy, from: [u8; 4], alpn: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    over_tls(socket.connect(proxy.address).await?, "localhost", alpn, trusting(proxy)).await
}

fn trusting(proxy: &TestProxy) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(proxy.authority.certificate_pem().as_bytes()).unwrap())
        .unwrap();
    ClientConfig::builder_with_provider(lockgate_certs::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// A TLS connection that takes every certificate, as ACME servers do.
pub(crate) async fn untrusting_tls(
    proxy: &TestProxy,
    name: &str,
    alpn: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let config = ClientConfig::builder_with_provider(lockgate_certs::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything))
        .with_no_client_auth();
    connect(proxy, name, alpn, config).await
}

async fn connect(
    proxy: &TestProxy,
    name: &str,
    alpn: &[&[u8]],
    config: ClientConfig,
) -> std::io::Result<TlsStream<TcpStream>> {
    over_tls(TcpStream::connect(proxy.address).await?, name, alpn, config).await
}

async fn over_tls(
    tcp: TcpStream,
    name: &str,
    alpn: &[&[u8]],
    mut config: ClientConfig,
) -> std::io::Result<TlsStream<TcpStream>> {
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}

#[derive(Debug)]
struct Anything;

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        lockgate_certs::provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
