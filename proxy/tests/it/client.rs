//! Clients of the proxy: HTTP/1.1 byte by byte, h2, and TLS for either.

use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use lockgate_testkit::{Answer, AsyncClient, TIMEOUT};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::TestProxy;

impl TestProxy {
    /// A client of HTTP/1.1.
    pub(crate) async fn http1(&self) -> AsyncClient {
        AsyncClient::over(tls(self, "localhost", &[b"http/1.1"]).await.unwrap())
    }

    /// The same from another address of this machine.
    pub(crate) async fn http1_from(&self, address: [u8; 4]) -> AsyncClient {
        AsyncClient::over(tls_from(self, address, &[b"http/1.1"]).await.unwrap())
    }

    /// A client of HTTP/2.
    pub(crate) async fn http2(&self) -> Http2 {
        Http2::over(tls(self, "localhost", &[b"h2"]).await.unwrap()).await
    }

    /// The same from another address of this machine.
    pub(crate) async fn http2_from(&self, address: [u8; 4]) -> Http2 {
        Http2::over(tls_from(self, address, &[b"h2"]).await.unwrap()).await
    }
}

/// One h2 connection, or a clone of it for another stream.
#[derive(Clone)]
pub(crate) struct Http2 {
    sender: SendRequest<Bytes>,
}

impl Http2 {
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
        timeout(TIMEOUT, self.try_request(request, body))
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
        timeout(TIMEOUT, exchange).await.expect("an answer in time").unwrap()
    }

    /// Begins a request whose body never comes; its answer, and what holds it open.
    pub(crate) async fn open(&self, request: http::Request<()>) -> (Answer, h2::SendStream<Bytes>) {
        let exchange = async {
            let mut sender = self.sender.clone().ready().await?;
            let (answer, stream) = sender.send_request(request, false)?;
            Ok::<_, h2::Error>((Self::read(answer).await?, stream))
        };
        timeout(TIMEOUT, exchange).await.expect("an answer in time").unwrap()
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
    (*lockgate_testkit::tls::trusting(proxy.authority.certificate_pem())).clone()
}

/// A TLS connection that takes every certificate, as ACME servers do.
pub(crate) async fn untrusting_tls(
    proxy: &TestProxy,
    name: &str,
    alpn: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    connect(proxy, name, alpn, (*lockgate_testkit::tls::unverified()).clone()).await
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
