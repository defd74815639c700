//! TLS connections of clients that trust one authority.
//!
//! ```no_run
//! # use lockgate_testkit::{Client, tls};
//! let authority = std::fs::read_to_string("lockgate/tls/ca.crt").unwrap();
//! let stream = tls::connect("127.0.0.1:5000", "localhost", &tls::trusting(&authority)).unwrap();
//! Client::over(stream).get("/v2/").expect(200);
//! ```

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client;

/// A connection after its handshake.
pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// The settings of a client that trusts this authority, in PEM, and nobody else. A session is resumed where the same
/// settings are used again.
pub fn trusting(authority: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(config.unwrap().with_root_certificates(roots).with_no_client_auth())
}

/// Connects to the server at `address`, which has to show a certificate for `host`.
pub fn connect(address: impl ToSocketAddrs, host: &str, config: &Arc<ClientConfig>) -> io::Result<TlsStream> {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut connection = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    let mut stream = client::connect(address)?;
    connection.complete_io(&mut stream)?;
    Ok(StreamOwned::new(connection, stream))
}

/// The certificates that the server showed, the leaf first; none when the session was resumed.
pub fn chain(stream: &TlsStream) -> Vec<CertificateDer<'static>> {
    let chain = stream.conn.peer_certificates().unwrap_or_default();
    chain
        .iter()
        .map(|certificate| certificate.clone().into_owned())
        .collect()
}
