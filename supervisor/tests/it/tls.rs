//! Clients that speak TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::harness::PATIENCE;

/// A client's settings, with this authority alone.
pub(crate) fn trusting(authority: &str) -> Arc<ClientConfig> {
    lockgate_certs::install_provider();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap())
        .unwrap();
    Arc::new(
        ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}

/// The whole answer to `GET path` from the server at `address`, which shows a certificate of `authority` for `host`.
pub(crate) fn get(address: &str, host: &str, path: &str, authority: &str) -> Result<String, String> {
    let mut stream = connect(address, host, authority).map_err(|error| error.to_string())?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    stream
        .write_all(request.as_bytes())
        .and_then(|()| stream.read_to_string(&mut answer))
        .map_err(|error| error.to_string())?;
    Ok(answer)
}

/// The certificates that the server at `address` shows for `host`, the leaf first; they are of `authority`.
pub(crate) fn chain(address: &str, host: &str, authority: &str) -> std::io::Result<Vec<CertificateDer<'static>>> {
    let stream = connect(address, host, authority)?;
    let chain = stream.conn.peer_certificates().unwrap_or_default();
    Ok(chain.iter().map(|one| one.clone().into_owned()).collect())
}

fn connect(address: &str, host: &str, authority: &str) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = host.to_owned().try_into().unwrap();
    let mut connection = ClientConnection::new(trusting(authority), name).map_err(std::io::Error::other)?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    connection.complete_io(&mut stream)?;
    Ok(StreamOwned::new(connection, stream))
}
