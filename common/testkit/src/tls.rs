//! TLS connections of clients that trust one authority, or take any certificate.
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

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, StreamOwned,
};

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
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    Arc::new(config.unwrap().with_root_certificates(roots).with_no_client_auth())
}

/// The settings of a client that takes whatever a server shows, as ACME servers take the certificates that answer their
/// challenges.
pub fn unverified() -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let verifier = Arc::new(AnyCertificate);
    let config = config.unwrap().dangerous().with_custom_certificate_verifier(verifier);
    Arc::new(config.with_no_client_auth())
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

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[derive(Debug)]
struct AnyCertificate;

type Signed = Result<HandshakeSignatureValid, Error>;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(&self, _: &[u8], _: &CertificateDer<'_>, _: &DigitallySignedStruct) -> Signed {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(&self, _: &[u8], _: &CertificateDer<'_>, _: &DigitallySignedStruct) -> Signed {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
